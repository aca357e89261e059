//! Which files an `include` names. Opening and parsing them is for the caller, one after the other, so that errors keep nginx's order.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::files::Files;
use crate::glob;

/// How many files may be open inside each other, the main one not counted. nginx goes on until it runs out of descriptors.
pub const MAX_DEPTH: usize = 64;

/// The files to parse for `include pattern;`.
///
/// A relative pattern is taken against `directory`, that of the main file. If the whole then has `*`, `?` or `[` it is a mask, and
/// may match nothing; otherwise it is one path, whether it exists or not.
pub fn resolve(pattern: &[u8], directory: &Path, files: &dyn Files) -> Result<Vec<PathBuf>, Diagnostic> {
    let full = prefixed(pattern, directory);
    if !glob::is_mask(full.as_os_str().as_bytes()) {
        return Ok(vec![full]);
    }
    files.glob(&full).map_err(|error| {
        let cause = crate::diagnostic::os_error(&error);
        Diagnostic::emerg(format!("glob() \"{}\" failed ({cause})", full.display()))
    })
}

/// `name` as a path, taken against `directory` unless it is absolute. Joined by bytes: errors show it as it was written.
pub fn prefixed(name: &[u8], directory: &Path) -> PathBuf {
    let prefix = directory.as_os_str().as_bytes();
    let full = match (name, prefix) {
        ([b'/', ..], _) | (_, []) => name.to_vec(),
        (_, [.., b'/']) => [prefix, name].concat(),
        _ => [prefix, b"/", name].concat(),
    };
    PathBuf::from(OsStr::from_bytes(&full))
}

/// The error for a file included at depth [`MAX_DEPTH`].
pub fn too_deep(path: &Path) -> Diagnostic {
    Diagnostic::emerg(format!("include of \"{}\" is nested more than {MAX_DEPTH} levels deep", path.display()))
        .help("a file that includes itself, directly or not, never ends")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::files::Memory;

    #[test]
    fn paths_and_masks() {
        let files = Memory::from([("/e/c/b.conf", ""), ("/e/c/a.conf", ""), ("/x", "")]);
        let resolve = |pattern: &str| -> Vec<String> {
            let paths = resolve(pattern.as_bytes(), Path::new("/e"), &files).unwrap();
            paths.iter().map(|p| p.display().to_string()).collect()
        };
        assert_eq!(resolve("c/*.conf"), ["/e/c/a.conf", "/e/c/b.conf"]);
        assert_eq!(resolve("/[x]"), ["/x"]);
        assert_eq!(resolve("none/*"), [""; 0]);
        assert_eq!(resolve("none/./x"), ["/e/none/./x"]);
        assert_eq!(resolve("/none"), ["/none"]);
    }

    #[test]
    fn the_mask_may_come_from_the_directory() {
        let files = Memory::from([("/[e]/a", ""), ("/e/a", "")]);
        let found = resolve(b"a", Path::new("/[e]/"), &files).unwrap();
        assert_eq!(found, [Path::new("/e/a")]);
    }

    #[test]
    fn a_mask_that_cannot_be_read_is_an_error() {
        struct Broken;
        impl Files for Broken {
            fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
                Err(io::Error::from_raw_os_error(5))
            }
            fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
                Err(io::Error::from_raw_os_error(12))
            }
        }
        let error = resolve(b"/a*", Path::new("/"), &Broken).unwrap_err();
        assert_eq!(error.to_string(), "glob() \"/a*\" failed (12: Cannot allocate memory)");
    }

    #[test]
    fn too_deep_names_the_limit() {
        assert_eq!(too_deep(Path::new("/a")).to_string(), "include of \"/a\" is nested more than 64 levels deep");
    }
}

//! The only way to the disk: whoever parses passes in what may be read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::glob;

/// What a configuration may read.
pub trait Files {
    /// Every byte of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The paths a mask matches, in byte order, by the rules of glob(3); none is no error.
    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        let found = glob::expand(mask.as_os_str().as_bytes(), &list, &|path| path_of(path).symlink_metadata().is_ok());
        Ok(found.iter().map(|path| path_of(path).to_owned()).collect())
    }
}

/// The names in a directory, `.` and `..` too; one that cannot be listed has none, as for glob(3).
fn list(directory: &[u8]) -> Vec<Vec<u8>> {
    let directory = if directory.is_empty() { b"." } else { directory };
    let Ok(entries) = std::fs::read_dir(path_of(directory)) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name().as_bytes().to_vec());
    names.chain([b".".to_vec(), b"..".to_vec()]).collect()
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Files that exist in memory only: for tests, and to check a text that was never saved.
#[derive(Debug, Clone, Default)]
pub struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), text.into());
    }
}

impl<P: Into<PathBuf>, T: Into<Vec<u8>>, const N: usize> From<[(P, T); N]> for Memory {
    fn from(files: [(P, T); N]) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.into())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        /// `ENOENT`, the same on every system this runs on.
        const MISSING: i32 = 2;
        self.0.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(MISSING))
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        let mask = mask.as_os_str().as_bytes();
        let mut found: Vec<PathBuf> =
            self.0.keys().filter(|path| glob::matches(mask, path.as_os_str().as_bytes())).cloned().collect();
        found.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_and_memory_find_the_same_names_in_the_same_order() {
        let root = std::env::temp_dir().join(format!("syntax-files-{}", std::process::id()));
        let names = ["a/x.conf", "a.b/x.conf", "b/x.conf", "b/.h.conf", "b/[1]"];
        let mut memory = Memory::default();
        for name in names {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, name).unwrap();
            memory.insert(path, name);
        }
        for (mask, expected) in [
            ("*/x.conf", &["a.b/x.conf", "a/x.conf", "b/x.conf"][..]),
            ("b/*", &["b/[1]", "b/x.conf"]),
            ("b/.*.conf", &["b/.h.conf"]),
            ("b/..*", &["b/.."]),
            ("b//?.conf", &["b//x.conf"]),
            ("[!b]/../[b]/x*", &["a/../b/x.conf"]),
            ("b/[[]1]", &["b/[1]"]),
            ("nothing/*", &[]),
            ("a/*/*", &[]),
        ] {
            let mask = path_of(&[root.as_os_str().as_bytes(), b"/", mask.as_bytes()].concat()).to_owned();
            let expected: Vec<Vec<u8>> =
                expected.iter().map(|name| [root.as_os_str().as_bytes(), b"/", name.as_bytes()].concat()).collect();
            let bytes = |paths: Vec<PathBuf>| -> Vec<Vec<u8>> {
                let paths = paths.iter();
                paths.map(|p| p.as_os_str().as_bytes().to_vec()).collect()
            };
            assert_eq!(bytes(Disk.glob(&mask).unwrap()), expected, "{mask:?}");
            if !mask.to_string_lossy().contains("//") && !mask.to_string_lossy().contains("/..") {
                assert_eq!(bytes(memory.glob(&mask).unwrap()), expected, "{mask:?}");
            }
        }
        assert_eq!(Disk.read(&root.join("b/[1]")).unwrap(), b"b/[1]");
        std::fs::remove_dir_all(&root).unwrap();
    }
}

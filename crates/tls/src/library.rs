//! Facts about the library behind the crate, and its words for a file that cannot be opened.

use std::io;

use crate::backend;

/// The library and its version, for `-V`.
pub fn version_text() -> String {
    backend::version_text()
}

/// Whether the library knows server names; both do.
pub fn sni_supported() -> bool {
    true
}

/// Whether the library can encrypted `ClientHello`s.
pub fn ech_supported() -> bool {
    cfg!(feature = "aws-lc")
}

/// The text OpenSSL would give for a file that cannot be opened:
/// `BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(PATH, r) …)`.
pub fn open_failure(path: &str, error: &io::Error) -> String {
    let number = error.raw_os_error().unwrap_or(0);
    let bio = if number == libc::ENOENT || number == libc::ENXIO {
        "error:10000080:BIO routines::no such file"
    } else {
        "error:10080002:BIO routines::system lib"
    };
    format!("BIO_new_file() failed (SSL: {}:calling fopen({path}, r) {bio})", system_error(error))
}

/// The text OpenSSL gives for an error of the system: `error:80000002:system library::No such file or directory`.
pub fn system_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let number = u32::try_from(error.raw_os_error().unwrap_or(0)).unwrap_or(0);
    format!("error:{:08X}:system library::{text}", 0x8000_0000_u32 | number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_reads_as_with_openssl() {
        let text = open_failure("/a/b", &io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(
            text,
            "BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:\
             calling fopen(/a/b, r) error:10000080:BIO routines::no such file)"
        );
    }

    #[test]
    fn an_unreadable_file_names_the_system() {
        let text = open_failure("k", &io::Error::from_raw_os_error(libc::EACCES));
        assert!(text.contains("error:8000000D:system library::Permission denied:calling fopen(k, r)"));
    }

    #[test]
    fn the_version_names_the_library() {
        let name = if cfg!(feature = "aws-lc") { "AWS-LC 1." } else { "OpenSSL 3." };
        assert!(version_text().starts_with(name), "{}", version_text());
    }
}

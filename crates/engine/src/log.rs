//! Where lines go: error logs, access logs, and the files and syslog servers under them.

use std::io;

use syntax::Level;

pub mod access;
pub mod clock;
pub mod disk;
pub mod error;
pub mod file;
pub mod syslog;

pub use self::access::AccessLog;
pub use self::error::ErrorLogs;
pub use self::file::{Files, LogFile};

/// The level at which the failure of a connection is told: `usual` for what the network does every day.
pub fn level_of(error: &io::Error, usual: Level) -> Level {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionReset
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::TimedOut
        | Kind::ConnectionRefused
        | Kind::NetworkDown
        | Kind::NetworkUnreachable
        | Kind::HostUnreachable => usual,
        _ if error.raw_os_error().is_some() => Level::Alert,
        _ => usual,
    }
}

/// Bytes as a part of an error-log line: what is no UTF-8 among them becomes `\xHH`.
pub fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    text
}

/// ` (111: Connection refused)`: the system's number and words.
pub fn errno(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!(" ({number}: {})", os::errno::text(number)),
        None => format!(" ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf_8_is_shown() {
        assert_eq!(text_of("caf\u{e9} \"text\"".as_bytes()), "caf\u{e9} \"text\"");
        assert_eq!(text_of(b"caf\xe9 \xff\xc3"), "caf\\xE9 \\xFF\\xC3");
    }
}

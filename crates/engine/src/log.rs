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

/// ` (111: Connection refused)`: the system's number and words.
pub fn errno(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!(" ({number}: {})", os::errno::text(number)),
        None => format!(" ({error})"),
    }
}

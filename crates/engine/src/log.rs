//! Where lines go: error logs, access logs, and the files and syslog servers under them.

use std::io;

pub mod access;
pub mod clock;
pub mod disk;
pub mod error;
pub mod file;
pub mod syslog;

pub use self::access::AccessLog;
pub use self::error::ErrorLogs;
pub use self::file::{Files, LogFile};

/// ` (111: Connection refused)`: the system's number and words.
pub fn errno(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!(" ({number}: {})", os::errno::text(number)),
        None => format!(" ({error})"),
    }
}

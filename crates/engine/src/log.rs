//! Where lines go: error logs, access logs, and the files and syslog servers under them.

pub mod access;
pub mod clock;
pub mod error;
pub mod file;
pub mod syslog;

pub use self::access::AccessLog;
pub use self::error::ErrorLogs;
pub use self::file::{Files, LogFile};

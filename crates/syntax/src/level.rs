//! How bad something is, by the names that every log uses.

use std::fmt;

/// A log level, worst first: `a <= b` where a log that admits `b` admits `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing works: the configuration cannot be used.
    Emerg,
    /// Somebody must act.
    Alert,
    /// The machine failed.
    Crit,
    /// A session failed.
    Error,
    /// Works, though perhaps not as meant.
    Warn,
    /// Worth knowing.
    Notice,
    /// The course of things.
    Info,
    /// The inside of things.
    Debug,
}

impl Level {
    /// Every level, worst first.
    pub const ALL: [Self; 8] =
        [Self::Emerg, Self::Alert, Self::Crit, Self::Error, Self::Warn, Self::Notice, Self::Info, Self::Debug];

    /// As directives and log lines write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The severity of syslog (RFC 5424, section 6.2.1): 0 to 7.
    pub const fn severity(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

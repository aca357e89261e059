//! `access_log`, `log_format`, `open_log_file_cache`, and `error_log` of `stream` and `server`.

mod access_log;
mod directives;
mod error_log;
mod format;
mod syslog;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use policy::template::{Escape, Template};

use super::main_context::{ErrorLog, LogTarget};

pub(crate) use directives::DIRECTIVES;
pub(crate) use format::Formats;

/// `access_log`s of a server.
#[derive(Debug, Clone, Default)]
pub struct AccessLogs {
    /// In written order; none when `off`.
    pub logs: Arc<[Arc<AccessLog>]>,
    /// `open_log_file_cache`.
    pub file_cache: Option<FileCache>,
}

/// One `access_log`.
#[derive(Debug)]
pub struct AccessLog {
    /// Where lines go.
    pub target: AccessTarget,
    /// What a line says.
    pub format: Arc<Format>,
    /// `buffer=` and what goes with it.
    pub buffer: Option<Buffer>,
    /// `if=`.
    pub condition: Option<Template>,
}

/// Where access log lines go.
#[derive(Debug)]
pub enum AccessTarget {
    /// A file opened at load, or a syslog server.
    Fixed(LogTarget),
    /// A path with variables, absolute once evaluated, opened for each line.
    Evaluated(Template),
}

/// `log_format`.
#[derive(Debug)]
pub struct Format {
    /// Its name.
    pub name: String,
    /// How values are escaped.
    pub escape: Escape,
    /// The line, without its newline.
    pub template: Template,
}

/// `buffer=SIZE [gzip[=LEVEL]] [flush=TIME]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Bytes.
    pub size: usize,
    /// Compression level, 1 to 9.
    pub gzip: Option<u8>,
    /// Milliseconds after the first buffered line at which the buffer is written.
    pub flush: Option<u64>,
}

/// `open_log_file_cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCache {
    /// Most files kept open.
    pub max: usize,
    /// Seconds without use after which a file is closed.
    pub inactive: u64,
    /// Uses within `inactive` below which a file is not kept.
    pub min_uses: usize,
    /// Seconds after which it is checked that the name still is that file.
    pub valid: u64,
}

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    error_logs: Vec<Arc<ErrorLog>>,
    access_logs: Vec<Arc<AccessLog>>,
    /// `access_log off`: none, whatever else the block says.
    access_log_off: bool,
    /// One of no files is `off`.
    file_cache: Option<FileCache>,
}

/// The `access_log`s of a server that says `own` within `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> AccessLogs {
    let silent = own.access_logs.is_empty() && !own.access_log_off;
    let block = if silent { outer } else { own };
    let logs = if block.access_log_off { &[][..] } else { &block.access_logs };
    AccessLogs { logs: logs.into(), file_cache: own.file_cache.or(outer.file_cache).filter(|cache| cache.max > 0) }
}

/// The `error_log`s of a server that says `own` within `outer`; none where those of the main context
/// hold.
pub(crate) fn error_logs(own: &Settings, outer: &Settings) -> Arc<[Arc<ErrorLog>]> {
    let block = if own.error_logs.is_empty() { outer } else { own };
    block.error_logs.as_slice().into()
}

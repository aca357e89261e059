//! Where things are, from the command line and what the program was built with.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::args::Args;

/// The prefix where `-p` is not given.
pub(crate) const PREFIX: &str = "/usr/local/lockgate/";
/// The configuration file where `-c` is not given, relative to the prefix.
pub(crate) const CONF: &str = "conf/nginx.conf";
/// The error log where `-e` is not given, relative to the prefix.
pub(crate) const ERROR_LOG: &str = "logs/error.log";
/// The pid file where the `pid` directive is not given, relative to the prefix.
pub(crate) const PID: &str = "logs/nginx.pid";

/// What the configuration loader is told of the command line. Relative paths stay as they are: nothing that serves
/// a configuration leaves the directory that it was started in.
pub(crate) fn options(args: &Args) -> config::Options {
    let prefix = args.prefix.as_ref().map_or_else(|| PathBuf::from(PREFIX), PathBuf::from);
    let conf = prefix.join(args.conf.as_deref().unwrap_or(OsStr::new(CONF)));
    let error_log = match args.error_log.as_deref() {
        Some(log) if log == "stderr" || log.is_empty() => b"stderr".to_vec(),
        Some(log) => prefix.join(log).as_os_str().as_bytes().to_vec(),
        None => prefix.join(ERROR_LOG).as_os_str().as_bytes().to_vec(),
    };
    config::Options {
        conf,
        pid: prefix.join(PID),
        prefix,
        error_log,
        globals: args.globals.as_ref().map(|globals: &OsString| globals.to_string_lossy().into_owned()),
    }
}

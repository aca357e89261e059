//! Where things are, from the command line and what the program was built with.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::args::Args;

/// The prefix where `-p` is not given.
pub(crate) const PREFIX: &str = "/usr/local/lockgate/";
/// The configuration file where `-c` is not given, relative to the prefix.
pub(crate) const CONF: &str = "conf/nginx.conf";
/// The error log where `-e` is not given, relative to the prefix.
pub(crate) const ERROR_LOG: &str = "logs/error.log";
/// The pid file where the `pid` directive is not given, relative to the prefix.
pub(crate) const PID: &str = "logs/nginx.pid";

/// What the configuration loader is told of the command line.
pub(crate) fn options(args: &Args) -> config::Options {
    let prefix = absolute(args.prefix.as_deref().unwrap_or(OsStr::new(PREFIX)));
    let conf = prefix.join(args.conf.as_deref().unwrap_or(OsStr::new(CONF)));
    let error_log = match args.error_log.as_deref() {
        Some(log) if log == "stderr" => b"stderr".to_vec(),
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

/// A directory named on the command line: kept as written when it is absolute, else against the
/// current directory, since `daemon` changes that.
fn absolute(path: &OsStr) -> PathBuf {
    let path = Path::new(path);
    if path.is_absolute() {
        return path.to_owned();
    }
    std::env::current_dir().map_or_else(|_| path.to_owned(), |here| here.join(path))
}

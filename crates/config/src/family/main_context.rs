//! The main context: processes, user, pid file, logs of last resort, and what has no meaning here.

mod affinity;
mod directives;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use policy::address::Address;
use syntax::Level;

use crate::load::{Loader, Stage};
use affinity::Affinity;

pub(crate) use directives::DIRECTIVES;

/// `lock_file` where none is given.
const LOCK_FILE: &[u8] = b"logs/nginx.lock";

/// Directives of the main context with their values or defaults.
#[derive(Debug)]
pub struct Main {
    /// `user`: whom the worker runs as; `None` when this process may not change its user.
    pub user: Option<User>,
    /// `worker_processes`: how many threads serve; 0 is legal and serves nobody.
    pub workers: u32,
    /// `worker_cpu_affinity`: a processor mask per worker, the last one for all that follow.
    pub cpu_affinity: Vec<CpuMask>,
    /// `worker_priority`: nice value.
    pub priority: Option<i32>,
    /// `worker_rlimit_nofile`.
    pub rlimit_nofile: Option<u64>,
    /// `worker_rlimit_core`, bytes.
    pub rlimit_core: Option<u64>,
    /// `worker_shutdown_timeout`, milliseconds.
    pub shutdown_timeout: Option<u64>,
    /// `working_directory`.
    pub working_directory: Option<PathBuf>,
    /// `daemon`.
    pub daemon: bool,
    /// `master_process`.
    pub master_process: bool,
    /// `pid`.
    pub pid: PathBuf,
    /// `lock_file`, which nothing is made of.
    pub lock_file: PathBuf,
    /// `worker_sandbox`: whether those who serve give up what they have no use for.
    pub sandbox: bool,
    /// `certificate_watch`: whether changed certificates are taken without a reload.
    pub certificate_watch: bool,
    /// `env`: names kept, each with its new value if one is given.
    pub env: Vec<EnvVariable>,
    /// Whether an `error_log`, here or in a block, is standard error.
    pub tells_stderr: bool,
    /// `error_log`s of the main context; the default log where there is none.
    pub error_log: Arc<[Arc<ErrorLog>]>,
    /// `pcre_jit`.
    pub pcre_jit: bool,
    /// `ssl_object_cache_inheritable`.
    pub inherit_objects: bool,
}

/// Whom to run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, for its supplementary groups.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// `env`: the name of a variable of the environment, and its new value if one is given.
pub type EnvVariable = (OsString, Option<OsString>);

/// A set of processors, bit 0 of the first word the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuMask(pub [u64; 16]);

/// One `error_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: LogTarget,
    /// The least level written.
    pub level: Level,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// A file, absolute.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// A syslog server.
    Syslog(Syslog),
    /// A ring of the last lines in memory, of this many bytes.
    Memory(usize),
}

/// `syslog:server=…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Syslog {
    /// The server, port 514 where none was named.
    pub server: Address,
    /// Facility number, 0 (kern) to 23 (local7).
    pub facility: u8,
    /// Severity number, 0 (emerg) to 7 (debug), for lines without a level of their own.
    pub severity: u8,
    /// The tag before the message.
    pub tag: String,
    /// Whether the machine's name is left out.
    pub nohostname: bool,
}

/// What the main context has said so far. Some of it is checked, and then without meaning here.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    user: Option<User>,
    workers: Option<u32>,
    cpu_affinity: Option<Affinity>,
    priority: Option<i32>,
    rlimit_nofile: Option<u64>,
    rlimit_core: Option<u64>,
    shutdown_timeout: Option<u64>,
    working_directory: Option<PathBuf>,
    daemon: Option<bool>,
    master_process: Option<bool>,
    sandbox: Option<bool>,
    certificate_watch: Option<bool>,
    pid: Option<Box<[u8]>>,
    lock_file: Option<Box<[u8]>>,
    env: Vec<EnvVariable>,
    pub(super) tells_stderr: bool,
    pub(super) error_log: Vec<Arc<ErrorLog>>,
    pcre_jit: Option<bool>,
    inherit_objects: Option<bool>,
    timer_resolution: Option<u64>,
    debug_points: Option<()>,
    pools: Vec<Box<[u8]>>,
    /// Whether a block was read: modules cannot be loaded any more then.
    pub(super) modules_fixed: bool,
}

/// What holds, with defaults.
pub(crate) fn finish(loader: &mut Loader<'_>) -> Main {
    let draft = std::mem::take(&mut loader.main);
    let workers = draft.workers.unwrap_or(1);
    let cpu_affinity = match draft.cpu_affinity {
        Some(affinity) => affinity.of_workers(workers, loader),
        None => Vec::new(),
    };
    let user = match draft.user {
        None if loader.world.is_root() => {
            let user = user::default(loader.world);
            user.map_err(|nobody| loader.tell_later(Stage::Read, nobody)).ok()
        }
        user => user,
    };
    Main {
        user,
        workers,
        cpu_affinity,
        priority: draft.priority,
        rlimit_nofile: draft.rlimit_nofile,
        rlimit_core: draft.rlimit_core,
        shutdown_timeout: draft.shutdown_timeout,
        working_directory: draft.working_directory,
        daemon: draft.daemon.unwrap_or(true),
        master_process: draft.master_process.unwrap_or(true),
        sandbox: draft.sandbox.unwrap_or(true),
        certificate_watch: draft.certificate_watch.unwrap_or(true),
        pid: match draft.pid {
            Some(path) if !path.is_empty() => loader.prefix_path(&path),
            _ => loader.options.pid.clone(),
        },
        lock_file: loader.prefix_path(draft.lock_file.as_deref().filter(|path| !path.is_empty()).unwrap_or(LOCK_FILE)),
        env: draft.env,
        tells_stderr: draft.tells_stderr,
        error_log: with_default(draft.error_log, loader).into(),
        pcre_jit: draft.pcre_jit.unwrap_or(false),
        inherit_objects: draft.inherit_objects.unwrap_or(true),
    }
}

/// Adds the default log to those that are neither a file nor standard error.
fn with_default(mut logs: Vec<Arc<ErrorLog>>, loader: &mut Loader<'_>) -> Vec<Arc<ErrorLog>> {
    if !logs.iter().any(|log| matches!(log.target, LogTarget::File(_) | LogTarget::Stderr)) {
        let target = match loader.options.error_log.as_slice() {
            b"stderr" => LogTarget::Stderr,
            file => {
                let path = loader.prefix_path(file);
                loader.log_files.push(path.clone());
                LogTarget::File(path)
            }
        };
        logs.insert(0, Arc::new(ErrorLog { target, level: Level::Error }));
    }
    logs
}

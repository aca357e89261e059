//! The main context: processes, user, pid file, logs of last resort, and what has no meaning here.

use std::path::PathBuf;

use policy::address::Address;

use crate::directive::Directive;

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
    /// `env`: names kept, each with its new value if one is given.
    pub env: Vec<(String, Option<String>)>,
    /// `error_log`s of the main context; the default log where there is none.
    pub error_log: std::sync::Arc<[ErrorLog]>,
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

/// A set of processors, bit 0 the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuMask(pub u64);

/// One `error_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: LogTarget,
    /// The least level written.
    pub level: syntax::Level,
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

/// What the main context has said so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {}

pub(crate) const DIRECTIVES: &[Directive] = &[];

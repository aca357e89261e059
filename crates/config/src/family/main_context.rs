//! The main context: processes, user, pid file, logs of last resort, and what has no meaning here.

mod directives;
mod error_log;

use std::path::PathBuf;
use std::sync::Arc;

use policy::address::Address;

use crate::load::Loader;

pub(crate) use directives::DIRECTIVES;
pub(crate) use error_log::{Logs, add as add_error_log, syslog};

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
    pub error_log: Arc<[ErrorLog]>,
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
    pid: Option<PathBuf>,
    lock_file: Option<Box<[u8]>>,
    env: Vec<(String, Option<String>)>,
    pub(super) error_log: Logs,
    pcre_jit: Option<bool>,
    inherit_objects: Option<bool>,
    timer_resolution: Option<u64>,
    debug_points: Option<()>,
    pools: Vec<String>,
    /// A block that fixed the list of modules has been read.
    pub(super) modules_fixed: bool,
}

/// `worker_cpu_affinity`.
#[derive(Debug)]
enum Affinity {
    /// `auto`, among the processors of the mask if one is given.
    Auto(Option<CpuMask>),
    /// A mask for each worker.
    Masks(Vec<CpuMask>),
}

/// The main context with its defaults.
pub(crate) fn finish(loader: &mut Loader<'_>) -> Main {
    let draft = std::mem::take(&mut loader.main);
    let workers = draft.workers.unwrap_or(1);
    let cpu_affinity = match draft.cpu_affinity {
        None => Vec::new(),
        Some(Affinity::Masks(masks)) => {
            if masks.len() > 1 && masks.len() != workers as usize {
                loader.warn_bare(
                    "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" \
                     masks, using last mask for remaining worker processes"
                        .to_owned(),
                );
            }
            masks
        }
        Some(Affinity::Auto(among)) => {
            let among = among.map_or(u64::MAX, |mask| mask.0);
            let cpus = loader.world.online_cpus().min(64);
            let usable: Vec<_> = (0..cpus).filter(|cpu| among >> cpu & 1 == 1).collect();
            (0..workers as usize).filter_map(|n| usable.get(n % usable.len().max(1))).map(|cpu| CpuMask(1 << cpu)).collect()
        }
    };
    let user = draft.user.or_else(|| directives::default_user(loader));
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
        pid: draft.pid.unwrap_or_else(|| loader.options.pid.clone()),
        env: draft.env,
        error_log: draft.error_log.or_default(loader),
        pcre_jit: draft.pcre_jit.unwrap_or(false),
        inherit_objects: draft.inherit_objects.unwrap_or(true),
    }
}

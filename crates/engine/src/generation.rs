//! Generations: a plan on one thread, with what is of that thread alone: groups' state, resolvers,
//! log buffers. Sessions belong to the generation they were born in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use config::family::core::ResolverId;
use config::family::upstream::{Upstream, UpstreamId};
use policy::address::{self, Host};
use policy::kept::{Kept, Rules};
use policy::variables::Scope;
use syntax::Level;
use tls::Identity;

use crate::counters::{self, Counter};
use crate::drain::Drain;
use crate::log::LogFile;
use crate::log::access::{AccessLog, Buffers, Target};
use crate::log::disk::Lost;
use crate::log::errno;
use crate::memory;
use crate::ocsp::Flights;
use crate::plan::Plan;
use crate::resolve::Resolver;
use crate::throttle::Throttle;
use crate::upstream::{self, Group};

/// A plan on one thread.
#[derive(Debug)]
pub struct Generation {
    /// What it runs by.
    pub plan: Arc<Plan>,
    /// Its end.
    pub drain: Drain,
    /// Whether no other follows it on this thread.
    pub is_last: Cell<bool>,
    /// How many connections the worker itself takes: the sockets it accepts from, and what it hears of its master by.
    listening: Cell<usize>,
    /// Lines that wait to be written.
    pub buffers: Buffers,
    groups: Vec<Rc<Group>>,
    by_name: HashMap<(String, Option<u16>), UpstreamId>,
    /// Those without a port, by values that name them and need not be taken apart.
    written: HashMap<Box<[u8]>, UpstreamId>,
    /// Questions to OCSP responders.
    pub(crate) flights: Rc<Flights>,
    resolvers: Vec<Rc<Resolver>>,
    connections: Rc<Cell<usize>>,
    crowded: Throttle,
    scarce: Throttle,
    pub(crate) starved: Throttle,
    /// `open_log_file_cache`s.
    log_files: RefCell<HashMap<Rules, Kept<PathBuf, Rc<LogFile>>>>,
    /// Certificate caches, of certificates and keys by their paths.
    identities: RefCell<HashMap<Rules, Identities>>,
}

/// Identities by the paths of certificate and key, with what those files were like when they were read.
pub(crate) type Identities = Kept<(PathBuf, PathBuf), (Arc<Identity>, [Option<Stamp>; 2])>;
/// Device, inode, size and time of the last change of a file.
pub(crate) type Stamp = (u64, u64, u64, i64, i64);

/// One of the `worker_connections` of a thread, given back when dropped.
#[derive(Debug)]
pub struct Connection(Rc<Cell<usize>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Generation {
    /// `old` is the one that this takes over from.
    pub(crate) fn new(plan: Arc<Plan>, old: Option<&Self>) -> Self {
        let name = |conf: &Upstream| (conf.name.to_ascii_lowercase(), conf.port);
        let tls_sessions = |conf: &Upstream| {
            let old = old.and_then(|old| Some(old.group(*old.by_name.get(&name(conf))?)));
            old.map(|old| Rc::clone(&old.tls_sessions)).unwrap_or_default()
        };
        let groups = plan.upstreams.iter().zip(&plan.shared_peers);
        let groups =
            groups.map(|(conf, shared)| Rc::new(Group::new(conf, shared.clone(), tls_sessions(conf)))).collect();
        let named = plan.upstreams.iter().enumerate();
        let by_name: HashMap<_, _> = named.map(|(at, conf)| (name(conf), UpstreamId(at as u32))).collect();
        let written = by_name.iter().filter(|((name, port), _)| {
            let target = address::parse_upstream(name.as_bytes());
            port.is_none()
                && target.is_ok_and(|target| target == address::Target { host: Host::Name(name.clone()), port: None })
        });
        let written = written.map(|((name, _), id)| (name.as_bytes().into(), *id)).collect();
        let resolvers =
            plan.resolvers.iter().map(|conf| Rc::new(Resolver::new(conf.clone(), plan.error_log.clone()))).collect();
        let buffers = Buffers::new(&plan.buffered, &plan.error_log);
        Self {
            plan,
            drain: Drain::default(),
            is_last: Cell::default(),
            listening: Cell::default(),
            buffers,
            groups,
            by_name,
            written,
            flights: Rc::default(),
            resolvers,
            connections: Rc::default(),
            crowded: Throttle::new(),
            scarce: Throttle::new(),
            starved: Throttle::new(),
            log_files: RefCell::default(),
            identities: RefCell::default(),
        }
    }

    /// Follows the names of `server … resolve`, for all threads.
    pub(crate) fn follow_names(self: &Rc<Self>) {
        for (conf, shared) in self.plan.upstreams.iter().zip(&self.plan.shared_peers) {
            let resolver = conf.resolver.and_then(|id| self.resolver(id));
            let (Some(shared), Some(resolver)) = (shared, resolver) else { continue };
            for (at, _) in conf.servers.iter().enumerate().filter(|(_, server)| server.resolve.is_some()) {
                let generation = Rc::downgrade(self);
                let serving = move || generation.upgrade().is_some_and(|serving| !serving.drain.is_draining());
                let (shared, conf) = (Arc::clone(shared), Arc::clone(conf));
                reactor::spawn(upstream::follow(shared, conf, at, Rc::clone(resolver), serving));
            }
        }
    }

    /// The group with this number on this thread.
    #[expect(clippy::indexing_slicing, reason = "ids are made by the configuration that made the list")]
    pub fn group(&self, id: UpstreamId) -> Rc<Group> {
        Rc::clone(&self.groups[id.0 as usize])
    }

    /// The group that a value of a `proxy_pass` with variables names, if it names one.
    pub fn group_named(&self, target: &address::Target) -> Option<Rc<Group>> {
        let name = target.host.text().to_ascii_lowercase();
        self.by_name.get(&(name, target.port)).map(|id| self.group(*id))
    }

    /// The same for a value as it is, where that is all there is to it.
    pub fn group_written(&self, value: &[u8]) -> Option<Rc<Group>> {
        self.written.get(value).map(|id| self.group(*id))
    }

    /// The resolver with this number on this thread.
    pub fn resolver(&self, id: ResolverId) -> Option<&Rc<Resolver>> {
        self.resolvers.get(id.0 as usize)
    }

    /// Writes the line of a session that has ended; an error is what to tell, and at which level.
    /// What cannot be written is lost.
    pub fn write_access(&self, log: &AccessLog, scope: &Scope<'_>, line: &[u8]) -> Result<(), (Level, String)> {
        match &log.target {
            Target::File(file) => {
                if let Some(buffer) = self.buffers.of(file) {
                    self.buffers.add(buffer, line);
                    return Ok(());
                }
                let failed = file.write(line).err().filter(|_| file.is_to_be_told());
                failed.map_or(Ok(()), |lost| Err(not_written(file.path(), &lost)))
            }
            Target::Buffered(_, buffer) => {
                self.buffers.add(*buffer, line);
                Ok(())
            }
            Target::Syslog(sender) if sender.send(None, line.trim_ascii_end()) => Ok(()),
            Target::Syslog(_) => Err((Level::Warn, "send() to syslog failed".to_owned())),
            Target::Evaluated(path, rules, disk) => {
                let mut name = Vec::new();
                path.render(scope, &mut name);
                if !stays_within(path.literal_start(), &name) {
                    let name = String::from_utf8_lossy(&name);
                    return Err((Level::Error, format!("log file \"{name}\" is outside of its directory")));
                }
                let path = self.plan.prefix.join(OsStr::from_bytes(&name));
                let file = self.log_file(*rules, &path);
                let file = file
                    .map_err(|error| (Level::Crit, format!("open() \"{}\" failed{}", path.display(), errno(&error))))?;
                let failed = file.write_on(disk, line).err().filter(|_| disk.is_to_be_told());
                failed.map_or(Ok(()), |lost| Err(not_written(&path, &lost)))
            }
        }
    }

    /// The file at `path`, opened for a line, or kept open by `rules`.
    fn log_file(&self, rules: Option<Rules>, path: &PathBuf) -> io::Result<Rc<LogFile>> {
        let Some(rules) = rules else { return LogFile::open(path).map(Rc::new) };
        let now = reactor::now() / 1000;
        let mut caches = self.log_files.borrow_mut();
        let kept = caches.entry(rules).or_insert_with(|| Kept::new(rules));
        if let Some(file) = kept.get(path, now, |file| file.is_in_place()) {
            return Ok(Rc::clone(file));
        }
        let file = Rc::new(LogFile::open(path)?);
        kept.put(path.clone(), Rc::clone(&file), now);
        Ok(file)
    }

    /// The identities kept by `rules`.
    pub(crate) fn with_identities<T>(&self, rules: Rules, use_them: impl FnOnce(&mut Identities) -> T) -> T {
        use_them(self.identities.borrow_mut().entry(rules).or_insert_with(|| Kept::new(rules)))
    }

    /// Counts the connections that a worker itself takes.
    pub(crate) fn occupy(&self, count: usize) {
        self.listening.set(count);
        self.connections.set(self.connections.get() + count);
    }

    /// It accepts no more.
    pub(crate) fn vacate(&self) {
        self.connections.set(self.connections.get().saturating_sub(self.listening.take()));
    }

    /// Takes one of the `worker_connections`; when there is none left, or memory runs out, that is told once a second.
    pub fn connection(&self) -> Option<Connection> {
        let now = reactor::now();
        let refused = |what: Counter, told: &Throttle, text: &dyn Fn(u64) -> String| {
            counters::count(what);
            if let Some(count) = told.tick(now) {
                self.plan.error_log.write(Level::Alert, None, text(count).as_bytes());
            }
            None
        };
        if self.is_full() {
            return refused(Counter::WorkerConnections, &self.crowded, &|_| self.full_text());
        }
        if let Some(limit) = self.plan.limits.memory.filter(|limit| memory::exceeds(*limit, now)) {
            let text = |count| format!("more than {limit} bytes of memory are in use, {count} clients refused");
            return refused(Counter::MemoryLimit, &self.scarce, &text);
        }
        self.connections.set(self.connections.get() + 1);
        Some(Connection(Rc::clone(&self.connections)))
    }

    /// Takes one of the `worker_connections` for the upstream side of a session, until [`Self::give_back`]; an error is
    /// the line to log.
    pub fn take_for_upstream(&self) -> Result<(), String> {
        if self.is_full() {
            counters::count(Counter::WorkerConnections);
            return Err(self.full_text());
        }
        self.connections.set(self.connections.get() + 1);
        Ok(())
    }

    /// The upstream side of a session is no more.
    pub fn give_back(&self) {
        self.connections.set(self.connections.get().saturating_sub(1));
    }

    fn is_full(&self) -> bool {
        self.connections.get() >= self.plan.events.worker_connections
    }

    fn full_text(&self) -> String {
        format!("{} worker_connections are not enough", self.plan.events.worker_connections)
    }
}

fn not_written(path: &Path, lost: &Lost) -> (Level, String) {
    (Level::Alert, format!("write() to \"{}\" {lost}", path.display()))
}

/// Whether a path that begins with what the configuration says literally stays in the directory that this names, where
/// it names one: what variables add must not lead elsewhere.
fn stays_within(literal: &[u8], path: &[u8]) -> bool {
    let directory = literal.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
    let mut depth = 0_usize;
    for part in path.get(directory.len()..).unwrap_or_default().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    !path.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::stays_within;

    #[test]
    fn variables_lead_log_paths_nowhere_else() {
        for (literal, path, stays) in [
            ("/var/log/", "/var/log/a.test", true),
            ("/var/log/x-", "/var/log/x-a/b", true),
            ("/var/log/x-", "/var/log/x-/../b", true),
            ("/var/log/x-", "/var/log/x-/../../b", false),
            ("/var/log/", "/var/log/../etc/passwd", false),
            ("../log/", "../log/a", true),
            ("../log/", "../log/../a", false),
            ("", "a/b", true),
            ("", "/anywhere/at/all", true),
            ("", "../a", false),
            ("/var/log/", "/var/log/a\0b", false),
        ] {
            assert_eq!(stays_within(literal.as_bytes(), path.as_bytes()), stays, "{literal} {path:?}");
        }
    }
}

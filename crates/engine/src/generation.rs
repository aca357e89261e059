//! Generations and the threads that run them. A generation is a plan on one thread with what is
//! of that thread alone: groups' state, resolvers, log buffers. A new one takes over the
//! listeners; the old one keeps its sessions until they end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use config::family::core::ResolverId;
use config::family::listen::Protocol;
use config::family::main_context::User;
use config::family::upstream::UpstreamId;
use policy::address::Target as Host;
use policy::variables::Scope;
use reactor::{Event, Remote, Runtime};
use syntax::Level;

use crate::drain::Drain;
use crate::listen::{self, Sockets};
use crate::log::LogFile;
use crate::log::access::{AccessLog, Buffers, Target};
use crate::plan::Plan;
use crate::resolve::Resolver;
use crate::session;
use crate::session::fail::errno;
use crate::upstream::Group;

/// A plan on one thread.
#[derive(Debug)]
pub struct Generation {
    /// What it runs by.
    pub plan: Arc<Plan>,
    /// Its end.
    pub drain: Drain,
    /// Lines that wait to be written.
    pub buffers: Buffers,
    groups: Vec<Rc<Group>>,
    by_name: HashMap<(String, Option<u16>), UpstreamId>,
    resolvers: Vec<Rc<Resolver>>,
    connections: Rc<Cell<usize>>,
}

/// One of the `worker_connections` of a thread, given back when dropped.
#[derive(Debug)]
pub struct Connection(Rc<Cell<usize>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Generation {
    fn new(plan: Arc<Plan>, connections: Rc<Cell<usize>>) -> Self {
        let groups = plan
            .upstreams
            .iter()
            .zip(&plan.shared_peers)
            .map(|(conf, shared)| Rc::new(Group::new(conf, shared.clone())))
            .collect();
        let by_name = plan
            .upstreams
            .iter()
            .enumerate()
            .map(|(at, conf)| ((conf.name.to_ascii_lowercase(), conf.port), UpstreamId(at as u32)))
            .collect();
        let resolvers =
            plan.resolvers.iter().map(|conf| Rc::new(Resolver::new(conf.clone(), plan.error_log.clone()))).collect();
        let buffers = Buffers::new(&plan.buffered);
        Self { plan, drain: Drain::default(), buffers, groups, by_name, resolvers, connections }
    }

    /// The group with this number on this thread.
    #[expect(clippy::indexing_slicing, reason = "ids are made by the configuration that made the list")]
    pub fn group(&self, id: UpstreamId) -> Rc<Group> {
        Rc::clone(&self.groups[id.0 as usize])
    }

    /// The group that a value of a `proxy_pass` with variables names, if it names one.
    pub fn group_named(&self, target: &Host) -> Option<Rc<Group>> {
        let name = target.host.text().to_ascii_lowercase();
        self.by_name.get(&(name, target.port)).map(|id| self.group(*id))
    }

    /// The resolver with this number on this thread.
    pub fn resolver(&self, id: ResolverId) -> Option<&Rc<Resolver>> {
        self.resolvers.get(id.0 as usize)
    }

    /// Writes the line of a session that has ended; an error is what to tell, and at which level.
    /// What cannot be written is lost.
    pub fn write_access(&self, log: &AccessLog, scope: &Scope<'_>, line: &[u8]) -> Result<(), (Level, String)> {
        let failed = match &log.target {
            Target::File(file) => file.write(line).err().map(|error| ("write() to", file.path().to_owned(), error)),
            Target::Buffered(_, buffer) => {
                self.buffers.add(*buffer, line);
                None
            }
            Target::Syslog(sender) => {
                let sent = sender.send(None, line.trim_ascii_end());
                return sent.map_err(|error| (Level::Warn, format!("send() to syslog failed{}", errno(&error))));
            }
            Target::Evaluated(path) => {
                let mut name = Vec::new();
                path.render(scope, &mut name);
                let path = self.plan.prefix.join(OsStr::from_bytes(&name));
                let written = LogFile::open(&path).and_then(|file| file.write(line));
                written.err().map(|error| ("open()", path, error))
            }
        };
        match failed {
            None => Ok(()),
            Some((call, path, error)) => {
                let level = if call == "open()" { Level::Crit } else { Level::Alert };
                Err((level, format!("{call} \"{}\" failed{}", path.display(), errno(&error))))
            }
        }
    }

    /// Takes one of the `worker_connections`; when there is none left that is told.
    pub fn connection(&self) -> Option<Connection> {
        let limit = self.plan.events.worker_connections;
        if self.connections.get() >= limit {
            let text = format!("{limit} worker_connections are not enough");
            self.plan.error_log.write(Level::Alert, None, text.as_bytes());
            return None;
        }
        self.connections.set(self.connections.get() + 1);
        Some(Connection(Rc::clone(&self.connections)))
    }
}

/// What runs on a worker thread.
#[derive(Debug, Default)]
struct Worker {
    current: RefCell<Option<Rc<Generation>>>,
    generations: Cell<usize>,
    connections: Rc<Cell<usize>>,
    quitting: Cell<bool>,
    changed: Event,
}

thread_local! {
    static WORKER: Rc<Worker> = Rc::default();
}

impl Worker {
    /// Starts a generation on its listening sockets and drains the one before it.
    fn install(self: &Rc<Self>, plan: Arc<Plan>, sockets: Vec<OwnedFd>) {
        let generation = Rc::new(Generation::new(plan, Rc::clone(&self.connections)));
        self.connections.set(self.connections.get() + sockets.len());
        for (at, socket) in sockets.into_iter().enumerate() {
            let generation = Rc::clone(&generation);
            match generation.plan.listener(at).protocol {
                Protocol::Tcp => match reactor::Listener::new(socket) {
                    Ok(listener) => {
                        reactor::spawn(listen::accept(generation, at, listener));
                    }
                    Err(error) => {
                        let text = format!("epoll_ctl() failed{}", errno(&error));
                        generation.plan.error_log.write(Level::Alert, None, text.as_bytes());
                    }
                },
                Protocol::Udp => {
                    reactor::spawn(session::udp::listen(generation, at, socket));
                }
            }
        }
        self.generations.set(self.generations.get() + 1);
        if let Some(old) = self.current.replace(Some(generation)) {
            self.retire(old);
        }
    }

    /// Drains `old` within its `worker_shutdown_timeout`.
    fn retire(self: &Rc<Self>, old: Rc<Generation>) {
        let worker = Rc::clone(self);
        old.drain.start();
        reactor::spawn(async move {
            let listeners = old.plan.listeners.len();
            worker.connections.set(worker.connections.get().saturating_sub(listeners));
            match old.plan.main.shutdown_timeout {
                None => old.drain.finished().await,
                Some(limit) => {
                    if reactor::timeout(limit, old.drain.finished()).await.is_err() {
                        old.drain.force();
                        old.drain.finished().await;
                    }
                }
            }
            old.buffers.flush();
            worker.generations.set(worker.generations.get() - 1);
            worker.changed.notify_all();
        });
    }

    fn quit(self: &Rc<Self>) {
        self.quitting.set(true);
        match self.current.take() {
            Some(last) => self.retire(last),
            None => self.changed.notify_all(),
        }
    }

    async fn finished(&self) {
        while !(self.quitting.get() && self.generations.get() == 0) {
            self.changed.wait().await;
        }
    }
}

/// The worker threads, as the thread that reads configurations and signals sees them.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    remote: Remote,
    join: JoinHandle<()>,
}

impl Workers {
    /// Starts a thread for each of the plan's `worker_processes`.
    pub fn start(plan: &Arc<Plan>, sockets: &Sockets) -> io::Result<Self> {
        let mut workers = Self { threads: Vec::new() };
        workers.install(plan, sockets)?;
        Ok(workers)
    }

    /// Has every thread take `plan` for new sessions. Threads are added or let go as it says.
    pub fn install(&mut self, plan: &Arc<Plan>, sockets: &Sockets) -> io::Result<()> {
        let wanted = plan.main.workers as usize;
        let handed: Vec<Vec<OwnedFd>> =
            (0..wanted).map(|worker| sockets.of_worker(&plan.listeners, worker)).collect::<io::Result<_>>()?;
        for (worker, sockets) in handed.into_iter().enumerate() {
            if worker == self.threads.len() {
                self.threads.push(Thread::start(worker, plan)?);
            }
            if let Some(thread) = self.threads.get(worker) {
                let plan = Arc::clone(plan);
                thread.remote.post(Box::new(move || WORKER.with(|worker| worker.install(plan, sockets))));
            }
        }
        for surplus in self.threads.drain(wanted.min(self.threads.len())..) {
            surplus.remote.post(Box::new(|| WORKER.with(Worker::quit)));
        }
        Ok(())
    }

    /// Writes lines that wait in buffers, on every thread.
    pub fn flush_logs(&self) {
        for thread in &self.threads {
            thread.remote.post(Box::new(|| {
                WORKER.with(|worker| {
                    if let Some(current) = &*worker.current.borrow() {
                        current.buffers.flush();
                    }
                });
            }));
        }
    }

    /// Drains every thread; the handle tells when all have ended.
    pub fn quit(self) -> Quitting {
        for thread in &self.threads {
            thread.remote.post(Box::new(|| WORKER.with(Worker::quit)));
        }
        Quitting { threads: self.threads }
    }
}

/// Threads that are draining.
#[derive(Debug)]
pub struct Quitting {
    threads: Vec<Thread>,
}

impl Quitting {
    /// Waits for the last session. A thread that died is no reason to wait.
    pub fn wait(self) {
        for thread in self.threads {
            let _ = thread.join.join();
        }
    }
}

impl Thread {
    fn start(number: usize, plan: &Arc<Plan>) -> io::Result<Self> {
        let user = plan.main.user.clone();
        let affinity = plan.main.cpu_affinity.get(number).or(plan.main.cpu_affinity.last()).copied();
        let (tell, told) = std::sync::mpsc::channel();
        let join = std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
            if let Some(mask) = affinity {
                // A mask that names no processor of this machine leaves all of them.
                let _ = os::process::set_affinity(mask.0);
            }
            if let Some(User { name, uid, gid }) = user
                && let Err(error) = os::process::become_user_in_thread(&name, uid, gid)
            {
                return drop(tell.send(Err(error)));
            }
            let runtime = match Runtime::new() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            if tell.send(Ok(runtime.remote())).is_ok() {
                runtime.run(async { WORKER.with(Rc::clone).finished().await });
            }
        })?;
        let remote = told.recv().map_err(|_| io::Error::other("a worker thread died at its start"))??;
        Ok(Self { remote, join })
    }
}

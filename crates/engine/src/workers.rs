//! The worker threads. Each runs a generation of the plan in force; a new one takes over the
//! listeners, and the old one keeps its sessions until they end.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use config::family::listen::Protocol;
use config::family::main_context::CpuMask;
use reactor::{Event, Remote, Runtime};
use syntax::Level;

use crate::generation::Generation;
use crate::listen::{self, Sockets};
use crate::log::errno;
use crate::plan::Plan;
use crate::session;

/// What runs on a worker thread.
#[derive(Debug, Default)]
struct Worker {
    current: RefCell<Option<Rc<Generation>>>,
    draining: RefCell<Vec<Weak<Generation>>>,
    generations: Cell<usize>,
    quitting: Cell<bool>,
    changed: Event,
}

thread_local! {
    static WORKER: Rc<Worker> = Rc::default();
}

impl Worker {
    /// Starts a generation on its listening sockets and drains the one before it.
    fn install(self: &Rc<Self>, plan: Arc<Plan>, sockets: Vec<(usize, OwnedFd)>, first: bool) {
        let old = self.current.borrow().clone();
        let generation = Rc::new(Generation::new(plan, old.as_deref()));
        // Beside its listening sockets a worker of nginx has one to hear of its master.
        generation.occupy(sockets.len() + usize::from(generation.plan.main.master_process));
        for (at, socket) in sockets {
            let generation = Rc::clone(&generation);
            match generation.plan.listener(at).protocol {
                Protocol::Tcp => match reactor::Listener::new(socket) {
                    Ok(mut listener) => {
                        listener.set_multi_accept(generation.plan.events.multi_accept);
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
        if first {
            generation.follow_names();
        }
        self.generations.set(self.generations.get() + 1);
        if let Some(old) = self.current.replace(Some(generation)) {
            self.retire(old);
        }
    }

    /// Drains `old` within its `worker_shutdown_timeout`.
    fn retire(self: &Rc<Self>, old: Rc<Generation>) {
        let worker = Rc::clone(self);
        let mut draining = self.draining.borrow_mut();
        draining.retain(|generation| generation.strong_count() > 0);
        draining.push(Rc::downgrade(&old));
        old.drain.start();
        reactor::spawn(async move {
            old.vacate();
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
            Some(last) => {
                last.is_last.set(true);
                self.retire(last);
            }
            None => self.changed.notify_all(),
        }
    }

    /// Writes lines that wait in buffers.
    fn flush_logs(&self) {
        let draining = self.draining.borrow();
        let current = self.current.borrow().clone();
        for generation in draining.iter().filter_map(Weak::upgrade).chain(current) {
            generation.buffers.flush();
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
    home: Home,
}

/// Whose process the threads run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Their own, which is in its directory and limits itself.
    Own,
    /// That of the thread that reads configurations and signals. With `confined` they give up the system calls that
    /// they have no use for.
    Shared {
        /// Whether they do.
        confined: bool,
    },
}

#[derive(Debug)]
struct Thread {
    remote: Remote,
    join: JoinHandle<()>,
}

impl Workers {
    /// Starts a thread for each of the plan's `worker_processes`.
    pub fn start(plan: &Arc<Plan>, sockets: &Sockets, home: Home) -> io::Result<Self> {
        let mut workers = Self { threads: Vec::new(), home };
        workers.install(plan, sockets)?;
        Ok(workers)
    }

    /// Has every thread take `plan` for new sessions. Threads are added or let go as it says; on an error no thread
    /// takes it.
    pub fn install(&mut self, plan: &Arc<Plan>, sockets: &Sockets) -> io::Result<()> {
        let wanted = plan.main.workers as usize;
        let handed: Vec<_> =
            (0..wanted).map(|worker| sockets.of_worker(&plan.listeners, worker, wanted)).collect::<io::Result<_>>()?;
        self.add(plan)?;
        for (worker_number, sockets) in handed.into_iter().enumerate() {
            if let Some(thread) = self.threads.get(worker_number) {
                let plan = Arc::clone(plan);
                thread
                    .remote
                    .post(Box::new(move || WORKER.with(|worker| worker.install(plan, sockets, worker_number == 0))));
            }
        }
        for surplus in self.threads.drain(wanted.min(self.threads.len())..) {
            surplus.quit();
        }
        Ok(())
    }

    /// Starts the threads that `plan` wants more, all or none.
    fn add(&mut self, plan: &Arc<Plan>) -> io::Result<()> {
        let before = self.threads.len();
        for number in before..plan.main.workers as usize {
            match Thread::start(number, plan, self.home) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    self.threads.drain(before..).for_each(|thread| thread.quit());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes lines that wait in buffers, on every thread, and waits until that is done; not for a thread that hangs.
    pub fn flush_logs(&self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let (tell, told) = mpsc::channel();
        for thread in &self.threads {
            let tell = tell.clone();
            thread.remote.post(Box::new(move || {
                WORKER.with(|worker| worker.flush_logs());
                // Whoever has lost patience does not listen.
                let _ = tell.send(());
            }));
        }
        drop(tell);
        let until = Instant::now() + PATIENCE;
        while told.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }

    /// Asks every thread for a sign of life; each adds one to `count` as soon as it gets round to it.
    pub fn ask_for_life(&self, count: &Arc<AtomicUsize>) -> usize {
        for thread in &self.threads {
            let count = Arc::clone(count);
            thread.remote.post(Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            }));
        }
        self.threads.len()
    }

    /// Drains every thread; the handle tells when all have ended.
    pub fn quit(self) -> Quitting {
        self.threads.iter().for_each(Thread::quit);
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
    fn start(number: usize, plan: &Arc<Plan>, home: Home) -> io::Result<Self> {
        let affinity = plan.main.cpu_affinity.get(number).or(plan.main.cpu_affinity.last()).copied();
        let (tell, told) = mpsc::channel();
        let plan = Arc::clone(plan);
        let join = std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
            if let Some(mask) = affinity {
                take_processors(mask, &plan);
            }
            if let (Home::Shared { .. }, Some(directory)) = (home, &plan.main.working_directory) {
                // Whether it can be entered was found out before.
                let _ = os::process::own_directory().and_then(|()| std::env::set_current_dir(directory));
            }
            if home == (Home::Shared { confined: true }) {
                // Where the kernel has no such thing the thread is as free as under any other server.
                let _ = os::confine::no_new_privileges().and_then(|()| os::confine::limit_calls());
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

    /// Has it end with its last session.
    fn quit(&self) {
        self.remote.post(Box::new(|| WORKER.with(Worker::quit)));
    }
}

/// Keeps this thread on the processors of `mask`.
fn take_processors(mask: CpuMask, plan: &Plan) {
    for cpu in mask.processors() {
        let text = format!("sched_setaffinity(): using cpu #{cpu}");
        plan.error_log.write(Level::Notice, None, text.as_bytes());
    }
    if let Err(error) = os::process::set_affinity(mask.processors()) {
        let text = format!("sched_setaffinity() failed{}", errno(&error));
        plan.error_log.write(Level::Alert, None, text.as_bytes());
    }
}

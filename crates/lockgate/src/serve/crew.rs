//! Those who serve: threads of this process, or a process of its own that runs as another user.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use config::family::main_context::User;
use engine::plan::{Plan, Reach};
use engine::workers::Workers;
use os::channel::Channel;
use os::child::{self, Half};
use os::signals::Signal;

use super::limits::Taken;
use super::order::{self, Refusal};

/// How long the worker process may take over an answer; it is doing what was asked meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// Those who serve now.
#[derive(Debug)]
pub(super) enum Crew {
    /// Nobody.
    None,
    /// Threads here.
    Threads(Threads),
    /// A process of another user.
    Process(Process),
}

/// Worker threads of this process.
#[derive(Debug)]
pub(super) struct Threads {
    pub(super) workers: Workers,
    asked: usize,
    answered: Arc<AtomicUsize>,
    /// For [`Draining`], which may begin when there are no descriptors left.
    done: OwnedFd,
}

impl Threads {
    pub(super) fn new(workers: Workers) -> io::Result<Self> {
        Ok(Self { workers, asked: 0, answered: Arc::default(), done: os::io::eventfd()? })
    }

    /// Whether all have answered since this was asked last. They are asked again.
    pub(super) fn are_alive(&mut self) -> bool {
        let alive = self.answered.load(Ordering::Relaxed) >= self.asked;
        if alive {
            self.answered.store(0, Ordering::Relaxed);
            self.asked = self.workers.ask_for_life(&self.answered);
        }
        alive
    }
}

/// Threads that end when their sessions have.
#[derive(Debug)]
pub(super) struct Draining {
    done: Arc<OwnedFd>,
}

impl Draining {
    /// Waits on a thread of its own.
    pub(super) fn new(threads: Threads) -> io::Result<Self> {
        let quitting = threads.workers.quit();
        let done = Arc::new(threads.done);
        let tell = Arc::clone(&done);
        std::thread::Builder::new().name("drain".to_owned()).spawn(move || {
            quitting.wait();
            // Adding one to a counter of nought does not fail.
            let _ = os::io::eventfd_add(&tell);
        })?;
        Ok(Self { done })
    }

    /// Readable when all have ended.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

/// A worker process, from where it was started.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    channel: Channel,
    user: User,
    reach: Reach,
    taken: Taken,
}

/// Which half of the process goes on after [`Process::start`].
#[derive(Debug)]
pub(super) enum Started {
    /// The one that was there before.
    Here(Process),
    /// The new one, with the way to the other.
    There(Channel),
    /// The one that was there before; the new one, of this number, has ended before it served.
    Stillborn(u32),
}

impl Process {
    /// Whether `plan` is served by a process of its own, and by which user: root keeps to itself what needs
    /// its rights.
    pub(super) fn user_of(plan: &Plan) -> Option<&User> {
        plan.main.user.as_ref().filter(|user| plan.main.master_process && user.uid != 0 && os::credentials::is_root())
    }

    /// Splits off a process that is to serve `plan` as `user`, and waits until it does. `tell` is told its number
    /// before it says anything itself.
    pub(super) fn start(plan: &Plan, user: &User, tell: impl FnOnce(u32)) -> io::Result<Started> {
        let (ours, theirs) = Channel::pair()?;
        match child::fork()? {
            Half::Child => {
                drop(ours);
                theirs.receive()?;
                Ok(Started::There(theirs))
            }
            Half::Parent(pid) => {
                drop(theirs);
                ours.set_patience(Some(PATIENCE))?;
                tell(pid);
                match ours.send(&[], &[]).and_then(|()| ours.receive_answer(order::ANSWER)) {
                    Err(error) if is_gone(&error) => return Ok(Started::Stillborn(pid)),
                    answer => answer?,
                };
                let (reach, taken) = (Reach::of(plan), Taken::of(plan));
                Ok(Started::Here(Self { pid, channel: ours, user: user.clone(), reach, taken }))
            }
        }
    }

    /// Whether the process can serve `plan` too: it can neither change its user and its limits again, nor reach for files
    /// that it has given up.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        Self::user_of(plan) == Some(&self.user)
            && self.taken == Taken::of(plan)
            && (!plan.main.sandbox || self.reach.covers(&Reach::of(plan)))
    }

    /// Sends a signal. One that has ended meanwhile needs none.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = os::process::kill(self.pid, signal.number());
    }

    /// Has it carry out an order. One that does not answer in time would take the next order's answer for its
    /// own: it is killed, and replaced as one that died.
    pub(super) fn ask(&self, order: impl FnOnce(&Channel) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let done = order(&self.channel);
        if matches!(done, Err(Refusal::Lost(_))) {
            // One that has ended meanwhile needs no signal.
            let _ = os::process::kill(self.pid, os::process::KILL);
        }
        done
    }

    /// Whether its threads get round to their work.
    pub(super) fn is_alive(&self) -> bool {
        self.ask(order::beat).is_ok()
    }
}

/// Whether the other end of a channel has ended, before it has read what it was sent or after.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

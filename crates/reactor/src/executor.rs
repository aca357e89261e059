//! The loop: run what is ready, wait for what is not.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use os::epoll::{Epoll, Event, Events, Interest};

use crate::Remote;
use crate::calm::{CALM, Calm};
use crate::remote::Mailbox;
use crate::slab::{Key, Slab};
use crate::socket::Readiness;
use crate::spare::Spare;
use crate::wheel::Wheel;

/// Events taken per wait.
const EVENTS: usize = 512;
/// Polls in one pass of the loop for what became ready during the pass. New sessions begin and
/// tasks answer each other without a look at the sockets in between, but not for ever.
const CHAIN: usize = 512;
/// Microseconds for which tasks of calm sockets are polled before others are looked for.
const CALM_TURN: u64 = 50;
/// The event number of the mailbox; sockets use their slab keys.
const MAILBOX: u64 = u64::MAX;

/// A task, for waking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(Key);

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    queued: bool,
}

/// The state of a thread's reactor.
pub(crate) struct Reactor {
    pub(crate) epoll: Epoll,
    pub(crate) calm: Calm,
    pub(crate) sockets: RefCell<Slab<Readiness>>,
    pub(crate) spare: RefCell<Spare>,
    pub(crate) wheel: RefCell<Wheel>,
    tasks: RefCell<Slab<Task>>,
    ready: RefCell<VecDeque<TaskId>>,
    /// Tasks of calm sockets: their turn comes when nobody else is ready.
    calm_ready: RefCell<VecDeque<TaskId>>,
    /// Tasks that gave way to others: their turn comes after the next look at the sockets.
    yielded: RefCell<Vec<TaskId>>,
    current: Cell<Option<TaskId>>,
    now: Cell<u64>,
    wall: Cell<Option<(i64, u32)>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// Gives `use_it` the reactor of this thread.
///
/// # Panics
/// Outside of [`Runtime::run`], which is a bug of the caller.
#[expect(clippy::expect_used, reason = "a primitive used outside of its runtime is a bug, not an input")]
pub(crate) fn with<T>(use_it: impl FnOnce(&Reactor) -> T) -> T {
    CURRENT.with_borrow(|current| use_it(current.as_ref().expect("used outside of a running reactor")))
}

/// The same where the reactor may be gone, as in destructors.
pub(crate) fn with_any<T>(use_it: impl FnOnce(&Reactor) -> T) -> Option<T> {
    CURRENT.try_with(|current| current.try_borrow().ok().and_then(|current| current.as_deref().map(use_it))).ok()?
}

/// A reactor for one thread.
pub struct Runtime {
    reactor: Rc<Reactor>,
    mailbox: Mailbox,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    /// A reactor that runs nothing yet. Errors are those of epoll and eventfd.
    pub fn new() -> io::Result<Self> {
        let epoll = Epoll::new()?;
        let mailbox = Mailbox::new()?;
        epoll.add(mailbox.bell(), Interest::Reading, MAILBOX)?;
        let calm = Calm::new(&epoll)?;
        let now = os::time::monotonic();
        let reactor = Reactor {
            epoll,
            calm,
            sockets: RefCell::default(),
            spare: RefCell::default(),
            wheel: RefCell::new(Wheel::new(now)),
            tasks: RefCell::default(),
            ready: RefCell::default(),
            calm_ready: RefCell::default(),
            yielded: RefCell::default(),
            current: Cell::new(None),
            now: Cell::new(now),
            wall: Cell::new(None),
        };
        Ok(Self { reactor: Rc::new(reactor), mailbox })
    }

    /// A handle by which other threads reach this one.
    pub fn remote(&self) -> Remote {
        self.mailbox.remote()
    }

    /// Runs `main` and all that it spawns on this thread until `main` is done; tasks that are
    /// left then are dropped.
    ///
    /// # Panics
    /// When `main` does.
    pub fn run<F>(self, main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let reactor = Rc::clone(&self.reactor);
        CURRENT.with_borrow_mut(|current| *current = Some(Rc::clone(&reactor)));
        let _leave = Leave;
        os::time::wake_in_time();
        let result = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&result);
        let main = spawn(async move {
            let output = main.await;
            slot.replace(Some(output));
        });
        let (mut events, mut calm_events) = (Events::new(EVENTS), Calm::room());
        let mut woken = Vec::new();
        loop {
            reactor.run_ready();
            reactor.run_calm();
            if let Some(output) = result.take() {
                return output;
            }
            assert!(reactor.tasks.borrow_mut().find(main.0).is_some(), "the main task panicked");
            reactor.wait(&mut events, &mut calm_events, &self.mailbox);
            reactor.spare.borrow_mut().tend(reactor.now());
            reactor.wheel.borrow_mut().advance(reactor.now(), &mut woken);
            woken.drain(..).for_each(|task| reactor.wake(task));
        }
    }
}

/// Ends the thread's reactor: tasks are dropped while their sockets can still say goodbye to it.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let left = with_any(|reactor| reactor.tasks.borrow_mut().clear());
        for task in left.into_iter().flatten() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
        CURRENT.with_borrow_mut(Option::take);
    }
}

impl Reactor {
    /// Polls what is ready, and what becomes so meanwhile.
    fn run_ready(&self) {
        self.ready.borrow_mut().extend(self.yielded.borrow_mut().drain(..));
        let most = self.ready.borrow().len() + CHAIN;
        for _ in 0..most {
            let Some(id) = self.ready.borrow_mut().pop_front() else { return };
            self.poll(id);
        }
    }

    /// Polls tasks of calm sockets for a while. Who else may be ready by then is looked for.
    fn run_calm(&self) {
        let mut end = 0;
        loop {
            let Some(id) = self.calm_ready.borrow_mut().pop_front() else { return };
            if end == 0 {
                end = os::time::monotonic_micros() + CALM_TURN;
            }
            self.poll(id);
            if os::time::monotonic_micros() >= end {
                return;
            }
        }
    }

    fn poll(&self, id: TaskId) {
        let future = self.tasks.borrow_mut().find(id.0).and_then(|task| {
            task.queued = false;
            task.future.take()
        });
        let Some(mut future) = future else { return };
        self.current.set(Some(id));
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        if let Ok(Poll::Pending) = polled {
            if let Some(task) = self.tasks.borrow_mut().find(id.0) {
                task.future = Some(future);
            }
        } else {
            // Done, or panicked: the panic hook has told of it, and it costs no other task.
            self.tasks.borrow_mut().remove(id.0.index);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
        }
        self.current.set(None);
    }

    fn wait(&self, events: &mut Events, calm_events: &mut Events, mailbox: &Mailbox) {
        let is_idle = [&self.ready, &self.calm_ready].iter().all(|queue| queue.borrow().is_empty())
            && self.yielded.borrow().is_empty();
        let rest = self.calm.rest(&self.epoll);
        let waited = match rest {
            _ if !is_idle => self.epoll.wait(events, 0),
            Some(micros) => self.epoll.wait_micros(events, micros),
            None => self.epoll.wait(events, self.until_next_timer()),
        };
        self.now.set(os::time::monotonic());
        self.wall.set(None);
        // Where the kernel knows no such short waits (before 5.11), nothing gathers.
        let is_over = waited.is_err() || events.iter().next().is_none();
        let mut has_calm = rest == Some(0) || rest.is_some() && is_idle && is_over;
        if waited.is_ok() {
            for event in events.iter() {
                match event.data {
                    MAILBOX => mailbox.open(),
                    CALM => has_calm = true,
                    _ => self.happened(event, &self.ready),
                }
            }
        }
        if has_calm && self.calm.look(calm_events).is_ok() {
            calm_events.iter().for_each(|event| self.happened(event, &self.calm_ready));
        }
    }

    /// Milliseconds, or -1 where no timer is set.
    fn until_next_timer(&self) -> i32 {
        let next = self.wheel.borrow().next().into_iter().chain(self.spare.borrow().due()).min();
        next.map_or(-1, |at| i32::try_from(at.saturating_sub(os::time::monotonic())).unwrap_or(i32::MAX))
    }

    /// Something happened to a socket: who waits for it goes into `queue`.
    fn happened(&self, event: Event, queue: &RefCell<VecDeque<TaskId>>) {
        let key = Key::from_number(event.data);
        let mut sockets = self.sockets.borrow_mut();
        let Some(readiness) = sockets.find(key) else { return };
        let task = readiness.happened(event.bits);
        let is_leaving = readiness.is_leaving();
        drop(sockets);
        if is_leaving {
            self.spare.borrow_mut().happened(key.index, event.bits);
        } else if let Some(task) = task {
            self.wake_in(task, queue);
        }
    }

    pub(crate) fn wake(&self, id: TaskId) {
        self.wake_in(id, &self.ready);
    }

    fn wake_in(&self, id: TaskId, queue: &RefCell<VecDeque<TaskId>>) {
        if let Some(task) = self.tasks.borrow_mut().find(id.0)
            && !task.queued
        {
            task.queued = true;
            if self.current.get() == Some(id) {
                self.yielded.borrow_mut().push(id);
            } else {
                queue.borrow_mut().push_back(id);
            }
        }
    }

    /// The time of the loop, milliseconds.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// The task that is being polled.
    #[expect(clippy::expect_used, reason = "a primitive used outside of a task is a bug, not an input")]
    pub(crate) fn current(&self) -> TaskId {
        self.current.get().expect("used outside of a task")
    }

    /// Adds a descriptor to what is waited for.
    pub(crate) fn register(
        &self,
        fd: impl std::os::fd::AsFd,
        interest: Interest,
        readiness: Readiness,
    ) -> io::Result<u32> {
        let key = self.sockets.borrow_mut().insert(readiness);
        match self.epoll.add(fd, interest, key.number()) {
            Ok(()) => Ok(key.index),
            Err(error) => {
                self.sockets.borrow_mut().remove(key.index);
                Err(error)
            }
        }
    }
}

/// Starts a task. It runs when the current one has waited or ended.
pub fn spawn(future: impl Future<Output = ()> + 'static) -> TaskId {
    with(|reactor| {
        let task = Task { future: Some(Box::pin(future)), queued: false };
        let id = TaskId(reactor.tasks.borrow_mut().insert(task));
        reactor.wake(id);
        id
    })
}

/// The task that is being polled.
///
/// # Panics
/// Outside of a task, which is a bug of the caller.
pub fn current_task() -> TaskId {
    with(Reactor::current)
}

/// Has a task polled again; one that has ended is left in peace.
pub fn wake(task: TaskId) {
    let _ = with_any(|reactor| reactor.wake(task));
}

/// Has the current task polled again, after all others that are ready and those whose sockets are:
/// for a task that has moved much and could go on.
pub fn wake_current() {
    wake(current_task());
}

/// Has every task polled again: for what concerns all and is rare.
pub fn wake_all() {
    with(|reactor| {
        let keys = reactor.tasks.borrow().keys();
        for key in keys {
            reactor.wake(TaskId(key));
        }
    });
}

/// Lets all other ready tasks run first, as [`wake_current`] does.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        wake_current();
        Poll::Pending
    })
    .await;
}

/// The time of the loop: milliseconds of a clock that never goes back, read once per pass.
pub fn now() -> u64 {
    with(Reactor::now)
}

/// Unix time of the loop: seconds and milliseconds, read at most once per pass.
pub fn wall() -> (i64, u32) {
    with(|reactor| {
        let time = reactor.wall.get().unwrap_or_else(os::time::realtime);
        reactor.wall.set(Some(time));
        time
    })
}

#[cfg(test)]
mod tests;

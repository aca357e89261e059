//! Graceful, then forced: a generation that is drained takes no new sessions; one that is forced
//! ends those it has.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use reactor::Event;

/// The drain of one generation on one thread.
#[derive(Debug, Default)]
pub struct Drain {
    draining: Cell<bool>,
    /// Loop time at which it began, milliseconds.
    began: Cell<u64>,
    forced: Cell<bool>,
    changed: Event,
    live: Cell<usize>,
}

/// A session that is counted until it is dropped.
#[derive(Debug)]
pub struct Live<'a>(&'a Drain);

impl Drain {
    /// No new sessions from here on.
    pub fn start(&self) {
        if !self.draining.replace(true) {
            self.began.set(reactor::now());
        }
        self.changed.notify_all();
        // Who waits for a client waits for nothing else.
        reactor::wake_all();
    }

    /// Sessions end now, each with its log line.
    pub fn force(&self) {
        self.forced.set(true);
        self.start();
    }

    /// Whether new sessions are refused.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether draining began `span` milliseconds ago, or earlier.
    pub fn has_lasted(&self, span: u64) -> bool {
        self.draining.get() && reactor::now() >= self.began.get() + span
    }

    /// Counts a session.
    pub fn enter(&self) -> Live<'_> {
        self.live.set(self.live.get() + 1);
        Live(self)
    }

    /// Sessions that live now.
    pub fn live(&self) -> usize {
        self.live.get()
    }

    /// Waits until draining begins.
    pub async fn started(&self) {
        while !self.draining.get() {
            self.changed.wait().await;
        }
    }

    /// Waits until draining has begun and the last session has ended.
    pub async fn finished(&self) {
        while !(self.draining.get() && self.live.get() == 0) {
            self.changed.wait().await;
        }
    }

    /// Runs `session` to its end, or until the drain is forced: then `None`.
    ///
    /// It is pinned by the caller, since a future that is passed on takes its room twice.
    pub fn unless_forced<T>(&self, mut session: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = Option<T>> {
        std::future::poll_fn(move |context| {
            if self.forced.get() {
                return Poll::Ready(None);
            }
            session.as_mut().poll(context).map(Some)
        })
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live.set(self.0.live.get() - 1);
        if self.0.draining.get() && self.0.live.get() == 0 {
            self.0.changed.notify_all();
        }
    }
}

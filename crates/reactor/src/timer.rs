//! Timers of tasks. A timer is made in the wheel at its first use, so that what ends in time
//! costs nothing.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use crate::executor::{current_task, now, with, with_any};

const UNUSED: u32 = u32::MAX;

/// A timer that one task waits for.
#[derive(Debug)]
pub struct Timer {
    slot: Cell<u32>,
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer {
    /// A timer that is not set.
    pub const fn new() -> Self {
        Self { slot: Cell::new(UNUSED) }
    }

    /// Sets it to fire at loop time `at` (milliseconds), instead of when it was set to before.
    /// Moving it later costs next to nothing.
    pub fn set(&self, at: u64) {
        with(|reactor| {
            let mut wheel = reactor.wheel.borrow_mut();
            if self.slot.get() == UNUSED {
                self.slot.set(wheel.create());
            }
            wheel.set(self.slot.get(), at);
        });
    }

    /// The same, and the current task is woken when it fires.
    pub fn wake_at(&self, at: u64) {
        self.set(at);
        let _ = self.poll_expired();
    }

    /// Unsets it.
    pub fn cancel(&self) {
        if self.slot.get() != UNUSED {
            with(|reactor| reactor.wheel.borrow_mut().cancel(self.slot.get()));
        }
    }

    /// Whether it is set, fired or not.
    pub fn is_set(&self) -> bool {
        self.slot.get() != UNUSED && with(|reactor| reactor.wheel.borrow_mut().is_set(self.slot.get()))
    }

    /// Ready once it has fired, until it is set anew; the current task is woken when it does.
    pub fn poll_expired(&self) -> Poll<()> {
        if self.slot.get() == UNUSED {
            return Poll::Pending;
        }
        let task = current_task();
        with(|reactor| {
            let mut wheel = reactor.wheel.borrow_mut();
            match wheel.entries.at(self.slot.get()) {
                Some(entry) if !entry.fired => {
                    entry.task = Some(task);
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.slot.get() != UNUSED {
            let _ = with_any(|reactor| reactor.wheel.borrow_mut().destroy(self.slot.get()));
        }
    }
}

/// Waits for `millis` milliseconds.
pub async fn sleep(millis: u64) {
    let timer = Timer::new();
    timer.set(now() + millis);
    std::future::poll_fn(|_| timer.poll_expired()).await;
}

/// The time was over before the future was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

/// Runs `future` for at most `millis` milliseconds.
pub async fn timeout<F: Future>(millis: u64, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let timer = Timer::new();
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if !timer.is_set() {
            timer.set(now() + millis);
        }
        timer.poll_expired().map(|()| Err(Elapsed))
    })
    .await
}

//! Something that happens again and again, and any number of tasks may wait for.

use std::cell::{Cell, RefCell};
use std::task::Poll;

use crate::executor::{TaskId, current_task, wake};

/// An event on one thread.
#[derive(Debug, Default)]
pub struct Event {
    count: Cell<u64>,
    waiting: RefCell<Vec<TaskId>>,
}

impl Event {
    /// It happens: everybody who waits goes on.
    pub fn notify_all(&self) {
        self.count.set(self.count.get() + 1);
        self.waiting.take().into_iter().for_each(wake);
    }

    /// Waits until it happens next.
    pub async fn wait(&self) {
        let before = self.count.get();
        std::future::poll_fn(|_| {
            if self.count.get() != before {
                return Poll::Ready(());
            }
            let task = current_task();
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.contains(&task) {
                waiting.push(task);
            }
            Poll::Pending
        })
        .await;
    }
}

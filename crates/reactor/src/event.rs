//! Something that happens again and again, and a few tasks may wait for.

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
        let waiting = Waiting { event: self, task: current_task() };
        std::future::poll_fn(|_| if self.count.get() == before { waiting.enlist() } else { Poll::Ready(()) }).await;
    }
}

/// A task's place among those who wait, given up when it does not wait any more.
struct Waiting<'a> {
    event: &'a Event,
    task: TaskId,
}

impl Waiting<'_> {
    fn enlist(&self) -> Poll<()> {
        let mut waiting = self.event.waiting.borrow_mut();
        if !waiting.contains(&self.task) {
            waiting.push(self.task);
        }
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.event.waiting.borrow_mut().retain(|task| *task != self.task);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::{Runtime, spawn, timeout, yield_now};

    #[test]
    fn everybody_who_waits_goes_on() {
        Runtime::new().unwrap().run(async {
            let event = Rc::new(Event::default());
            let gone = Rc::new(Cell::new(0));
            for _ in 0..3 {
                let (event, gone) = (Rc::clone(&event), Rc::clone(&gone));
                spawn(async move {
                    event.wait().await;
                    gone.set(gone.get() + 1);
                });
            }
            yield_now().await;
            assert_eq!(gone.get(), 0);
            event.notify_all();
            yield_now().await;
            assert_eq!(gone.get(), 3);
        });
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        Runtime::new().unwrap().run(async {
            let event = Event::default();
            assert!(timeout(1, event.wait()).await.is_err());
            assert!(event.waiting.borrow().is_empty());
        });
    }
}

//! Answers to the clients of one listener: gathered while the sessions that are ready have their turn, and sent by one
//! call after them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use os::batch::Outgoing;
use reactor::Socket;

use super::{Failure, Flow};

/// So many answers, or bytes of them, do not wait any longer.
const MOST: usize = 32;
const MOST_BYTES: usize = 64 * 1024;

pub(super) struct Outbox {
    socket: Rc<Socket>,
    waiting: RefCell<Waiting>,
    is_due: Cell<bool>,
}

#[derive(Default)]
struct Waiting {
    outgoing: Outgoing,
    /// Whose they are, and of how many bytes.
    whose: VecDeque<(Rc<Flow>, usize)>,
}

impl Outbox {
    pub(super) fn new(socket: Rc<Socket>) -> Self {
        Self { socket, waiting: RefCell::default(), is_due: Cell::new(false) }
    }

    /// Adds an answer to the client of `flow`, which is told if it cannot be sent.
    pub(super) fn push(self: &Rc<Self>, flow: &Rc<Flow>, bytes: &[u8]) {
        let (to, from) = &flow.key;
        let mut waiting = self.waiting.borrow_mut();
        waiting.outgoing.push(bytes, Some(to), *from);
        waiting.whose.push_back((Rc::clone(flow), bytes.len()));
        let is_enough = waiting.outgoing.len() >= MOST || waiting.outgoing.bytes() >= MOST_BYTES;
        drop(waiting);
        if is_enough {
            self.flush();
        } else if !self.is_due.replace(true) {
            let outbox = Rc::clone(self);
            reactor::spawn(async move {
                outbox.is_due.set(false);
                outbox.flush();
            });
        }
    }

    /// Sends what waits. After an answer that cannot be sent its session has no more of them.
    pub(super) fn flush(&self) {
        let Waiting { outgoing, whose } = &mut *self.waiting.borrow_mut();
        while let Some((flow, bytes)) = whose.front() {
            let bytes = *bytes as u64;
            if flow.is_broken() {
                flow.untaken.set(flow.untaken.get() + bytes);
            } else {
                match outgoing.send(&*self.socket) {
                    Ok(sent) => {
                        whose.drain(..sent);
                        continue;
                    }
                    Err(error) => flow.has_failed(Failure::ToClient(error)),
                }
            }
            flow.unsent.set(flow.unsent.get() + bytes);
            outgoing.skip();
            whose.pop_front();
        }
    }
}

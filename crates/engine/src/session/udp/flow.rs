//! What a listener of datagrams and one of its sessions share: the session's datagrams on their way, and what is counted of
//! them. A session that has nothing to decide for each of them is not asked.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;

use policy::flow::{self, Limits};
use reactor::{Socket, TaskId};

use super::outbox::Outbox;
use super::{Key, relay};
use crate::relay::{Limit, Moment};
use crate::session::Session;
use crate::upstream::Datagrams;

/// What a datagram may fill where `proxy_buffer_size` is not set.
const BUFFER: usize = 16 * 1024;
/// Datagrams that wait for a session to take them; more are dropped, as the network would.
const WAITING: usize = 64;

/// What the listener and a session share.
pub struct Flow {
    pub(super) key: Key,
    pub(super) task: Cell<Option<TaskId>>,
    pub(super) datagrams: RefCell<flow::Flow<Vec<u8>>>,
    pub(super) limits: Limits,
    /// `proxy_buffer_size`.
    pub(super) buffer: usize,
    /// Bytes that came from the client.
    came: Cell<u64>,
    /// Bytes that wait for the upstream to be known, in the room of one buffer; `None` once it is.
    pub(super) held: Cell<Option<usize>>,
    /// `proxy_upload_rate`.
    pub(super) upload: RefCell<Option<Limit>>,
    /// Where datagrams go without the session's help, once it relays and has nothing to do for each of them.
    pub(super) way: RefCell<Option<Rc<Datagrams>>>,
    /// Bytes that went this way.
    sent_on: Cell<u64>,
    /// The loop time at which one last did, milliseconds.
    pub(super) last: Cell<u64>,
    pub(super) outbox: Rc<Outbox>,
    /// Bytes that the outbox could not send.
    pub(super) unsent: Cell<u64>,
    /// Bytes among them of answers after the one that failed, which would not have been taken from the upstream.
    pub(super) untaken: Cell<u64>,
    /// What happened first of all that went wrong without the session's help.
    pub(super) failure: OnceCell<Failure>,
    /// What waited behind a datagram that could not be sent: other sessions begin with it.
    pub(super) left: RefCell<Vec<Vec<u8>>>,
}

/// A datagram could not be sent.
pub(super) enum Failure {
    ToUpstream(io::Error),
    ToClient(io::Error),
}

impl Flow {
    /// A session of `s` that begins with this datagram.
    pub(super) fn new(key: Key, first: &[u8], s: &Session, outbox: Rc<Outbox>) -> Self {
        let proxy = &s.server().conf.proxy;
        Self {
            key,
            task: Cell::new(None),
            datagrams: RefCell::new(flow::Flow::new(first.to_vec())),
            limits: Limits {
                requests: proxy.requests as u64,
                responses: proxy.responses.map(|responses| responses as u64),
                timeout: proxy.timeout,
            },
            buffer: proxy.buffer_size.unwrap_or(BUFFER),
            came: Cell::new(first.len() as u64),
            held: Cell::new(Some(0)),
            upload: RefCell::new(None),
            way: RefCell::new(None),
            sent_on: Cell::new(0),
            last: Cell::new(0),
            outbox,
            unsent: Cell::new(0),
            untaken: Cell::new(0),
            failure: OnceCell::new(),
            left: RefCell::default(),
        }
    }

    /// A datagram after the first one.
    pub(super) fn arrive(&self, datagram: &[u8]) {
        let way = self.way.borrow();
        if let Some(way) = &*way {
            if let Err(error) = self.send_on(way, datagram) {
                self.has_failed(Failure::ToUpstream(error));
            }
        } else {
            self.keep(datagram);
            self.wake();
        }
    }

    /// Takes in what the session is to tell and to end with.
    pub(super) fn has_failed(&self, failure: Failure) {
        let _ = self.failure.set(failure);
        self.wake();
    }

    pub(super) fn is_broken(&self) -> bool {
        self.failure.get().is_some()
    }

    fn wake(&self) {
        if let Some(task) = self.task.get() {
            reactor::wake(task);
        }
    }

    /// Sends one on at once, where the session has no say.
    fn send_on(&self, way: &Socket, datagram: &[u8]) -> io::Result<()> {
        let datagram = datagram.get(..self.buffer).unwrap_or(datagram);
        self.datagrams.borrow_mut().pass();
        self.came.set(self.came.get() + datagram.len() as u64);
        self.last.set(reactor::now());
        let sent = relay::send(way, datagram)?;
        self.sent_on.set(self.sent_on.get() + sent as u64);
        Ok(())
    }

    /// Keeps one for the session. It is lost where the rate forbids it or there is no room, and cut where there is not
    /// enough.
    fn keep(&self, datagram: &[u8]) {
        let mut upload = self.upload.borrow_mut();
        if upload.as_mut().is_some_and(|limit| limit.allowed(Moment::now(), self.came.get()) == 0) {
            return;
        }
        let room = self.buffer - self.held.get().unwrap_or(0);
        if room == 0 {
            return;
        }
        let datagram = datagram.get(..room).unwrap_or(datagram);
        if !self.datagrams.borrow_mut().arrive(|| datagram.to_vec(), WAITING) {
            return;
        }
        self.came.set(self.came.get() + datagram.len() as u64);
        self.held.set(self.held.get().map(|held| held + datagram.len()));
        if let Some(limit) = &mut *upload {
            limit.charge(reactor::now(), datagram.len());
        }
    }

    /// Sets aside what the session has not sent on, as if it had not come.
    pub(super) fn set_aside(&self) {
        let left: Vec<Vec<u8>> = std::iter::from_fn(|| self.datagrams.borrow_mut().take()).collect();
        self.came.set(self.came.get() - left.iter().map(|datagram| datagram.len() as u64).sum::<u64>());
        self.left.replace(left);
    }

    /// Has the session know what came and went without its help.
    pub(super) fn tell_counts(&self, s: &Session) {
        s.received.set(self.came.get());
        s.sent.set(s.sent.get() - self.unsent.take());
        s.from_upstream.set(s.from_upstream.get() - self.untaken.take());
        s.to_upstream.set(s.to_upstream.get() + self.sent_on.take());
    }

    /// Whether the next datagram of the client begins another session.
    pub(super) fn is_full(&self) -> bool {
        self.datagrams.borrow().is_full(&self.limits)
    }
}

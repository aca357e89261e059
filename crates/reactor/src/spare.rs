//! Sockets of TCP that serve one connection after another. To make and to close one costs a tenth of a short connection
//! that is passed through.
//!
//! A connection that has come to a good end takes leave: nothing more is said, and the peer is waited for to say the same,
//! as the system does behind a close. Once the system is done with it, too, the socket forgets it, and is kept for the
//! next one. Where anything else comes, or nothing for a second, the socket is closed.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use os::SockAddr;
use os::epoll;

use crate::Socket;
use crate::executor::{Reactor, with, with_any};
use crate::socket::Family;

/// The most that take leave at a time, and the most of each family that are kept.
const MOST: usize = 256;
/// Milliseconds for which one may take leave, and after which those are closed that were not needed meanwhile.
const PERIOD: u64 = 1_000;

/// The sockets of a reactor that nobody uses.
pub(crate) struct Spare {
    /// Those that take leave, each with the loop time at which it began to.
    leaving: VecDeque<(Rc<Socket>, u64)>,
    kept: [Kept; 2],
    /// The loop time at which some may have to be closed.
    due: u64,
}

/// Those of one family that are free. The last one was used last.
#[derive(Default)]
struct Kept {
    sockets: Vec<Rc<Socket>>,
    /// The fewest that there have been in this period.
    unneeded: usize,
}

impl Default for Spare {
    fn default() -> Self {
        Self { leaving: VecDeque::new(), kept: Default::default(), due: u64::MAX }
    }
}

impl Spare {
    /// The loop time at which [`Self::tend`] has something to do.
    pub(crate) fn due(&self) -> Option<u64> {
        (self.due != u64::MAX).then_some(self.due)
    }

    /// Something happened to one that takes leave.
    pub(crate) fn happened(&mut self, slot: u32, bits: u32) {
        let Some(at) = self.leaving.iter().position(|(socket, _)| socket.is_at(slot)) else { return };
        let has_failed = bits & epoll::ERROR != 0;
        let has_ended = bits & epoll::HUP != 0;
        let has_come = bits & (epoll::READABLE | epoll::URGENT) != 0;
        let still_leaves = self.leaving.get(at).is_some_and(|(socket, _)| !has_ended || socket.has_peer());
        if !has_failed && still_leaves && (has_ended || !has_come) {
            return;
        }
        let Some((socket, _)) = self.leaving.remove(at) else { return };
        if !has_failed && has_ended {
            self.keep(socket);
        }
    }

    /// Keeps one whose connection is over, unless somebody else holds it still.
    fn keep(&mut self, socket: Rc<Socket>) {
        let Some(kept) = socket.family().and_then(|family| self.kept.get_mut(family as usize)) else { return };
        if kept.sockets.len() < MOST && Rc::strong_count(&socket) == 1 && socket.forget_connection().is_ok() {
            kept.sockets.push(socket);
        }
    }

    fn take(&mut self, family: Family) -> Option<Rc<Socket>> {
        let kept = self.kept.get_mut(family as usize)?;
        let socket = kept.sockets.pop()?;
        kept.unneeded = kept.unneeded.min(kept.sockets.len());
        Some(socket)
    }

    /// Closes those that have waited for too long.
    pub(crate) fn tend(&mut self, now: u64) {
        if now < self.due {
            return;
        }
        while self.leaving.front().is_some_and(|(_, since)| since + PERIOD <= now) {
            self.leaving.pop_front();
        }
        for kept in &mut self.kept {
            kept.sockets.drain(..kept.unneeded);
            kept.unneeded = kept.sockets.len();
        }
        let is_empty = self.leaving.is_empty() && self.kept.iter().all(|kept| kept.sockets.is_empty());
        self.due = if is_empty { u64::MAX } else { now + PERIOD };
    }

    /// Closes all; whether there were any.
    fn clear(&mut self) -> bool {
        let were_there = self.due != u64::MAX;
        *self = Self::default();
        were_there
    }
}

/// Runs `call`, and once more where the system has run out of descriptors that spare sockets have.
pub(crate) fn with_room<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match call() {
        Err(error)
            if matches!(error.raw_os_error(), Some(os::errno::EMFILE | os::errno::ENFILE))
                && with_any(|reactor| reactor.spare.borrow_mut().clear()) == Some(true) =>
        {
            call()
        }
        result => result,
    }
}

impl Socket {
    /// A stream socket for a connection to `to`, which may have served others before; what was set of it by
    /// [`Socket::set_nodelay`] may still be so. Who sets it up in a way of its own takes [`Socket::toward`].
    pub fn again(to: &SockAddr) -> io::Result<Rc<Self>> {
        let spare = Family::of(to).and_then(|family| with(|reactor| reactor.spare.borrow_mut().take(family)));
        match spare {
            Some(socket) => Ok(socket),
            None => Self::toward(to).map(|socket| Rc::new(socket.for_reuse())),
        }
    }
}

/// Ends a connection that nothing is left to say or to hear on. A socket that [`Socket::again`] has given is used again
/// once the peer has ended it, too; any other is closed, if nobody holds it.
pub fn retire(socket: Rc<Socket>) {
    let _ = with_any(|reactor: &Reactor| {
        if reactor.spare.borrow().leaving.len() < MOST && socket.take_leave() {
            let now = reactor.now();
            let mut spare = reactor.spare.borrow_mut();
            spare.leaving.push_back((socket, now));
            spare.due = spare.due.min(now + PERIOD);
        }
    });
}

#[cfg(test)]
mod tests;

//! Sockets of TCP that serve one connection after another. To make and to close one costs a tenth of a short connection
//! that is passed through.
//!
//! A connection that has come to a good end takes leave: nothing more is said, and the peer is waited for to say the same,
//! as the system does behind a close. Once the system is done with it, too, the socket forgets it, and is kept for the
//! next one. Where anything else comes, or nothing for a second or two, the socket is closed.
//!
//! The next one has to be with the same peer: Linux goes on counting where the last connection ended, so that its peer
//! knows where the next one begins, which is to be a secret from everybody else (RFC 6528).
//!
//! Where the peer ends first, it remembers the connection for a while (`TIME-WAIT`), and takes another one from the same
//! port only if its numbers, or its time stamps where both sides have those, go on from there (RFC 9293 section 3.10.7.4,
//! RFC 6191). Those of one socket know nothing of the ports of another, so that such a socket is closed.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use os::SockAddr;
use os::epoll;

use crate::Socket;
use crate::executor::{with, with_any};

/// The most that take leave at a time.
const MOST_LEAVING: usize = 256;
/// The most that are kept.
const MOST_KEPT: usize = 128;
/// The share of all descriptors that spare sockets may have, whose numbers are the lowest: the system gives the lowest that
/// is free, so that what few connections leave is kept, and what many leave is there for others at once.
const SHARE: u64 = 8;
/// Milliseconds for which one may take leave at least, and after which those are closed that were not needed meanwhile.
const PERIOD: u64 = 1_000;

/// The sockets of a reactor that nobody uses.
pub(crate) struct Spare {
    /// Those that take leave, each with the loop time at which it began to.
    leaving: VecDeque<(Free, u64)>,
    /// Those whose connection is over. The last one was used last.
    kept: Vec<Free>,
    /// The fewest that have been kept in this period.
    unneeded: usize,
    /// The loop time at which some may have to be closed.
    due: u64,
    /// The lowest number of a descriptor that is not for spare sockets.
    too_high: i32,
}

/// A socket that nobody uses.
struct Free {
    socket: Rc<Socket>,
    /// Who was and will be at its other end.
    peer: SocketAddr,
}

impl Default for Spare {
    fn default() -> Self {
        Self { leaving: VecDeque::new(), kept: Vec::new(), unneeded: 0, due: u64::MAX, too_high: too_high() }
    }
}

/// The limit may change while the process runs.
fn too_high() -> i32 {
    os::process::nofile().map_or(0, |(limit, _)| i32::try_from(limit / SHARE).unwrap_or(i32::MAX))
}

impl Spare {
    /// The loop time at which [`Self::tend`] has something to do.
    pub(crate) fn due(&self) -> Option<u64> {
        (self.due != u64::MAX).then_some(self.due)
    }

    /// Something happened to one that takes leave.
    pub(crate) fn happened(&mut self, slot: u32, bits: u32) {
        let Some(at) = self.leaving.iter().position(|(free, _)| free.socket.is_at(slot)) else { return };
        let has_ended = bits & epoll::HUP != 0;
        let has_come = bits & (epoll::READABLE | epoll::URGENT) != 0;
        let is_spoilt = bits & epoll::ERROR != 0 || (has_come && !has_ended);
        let is_over = !is_spoilt && has_ended && self.leaving.get(at).is_some_and(|(free, _)| !free.socket.has_peer());
        if !is_spoilt && !is_over {
            return;
        }
        let Some((free, _)) = self.leaving.remove(at) else { return };
        // Whoever else holds it might have more to say.
        let is_ours = is_over && Rc::strong_count(&free.socket) == 1;
        if is_ours && self.kept.len() < MOST_KEPT && free.socket.forget_connection().is_ok() {
            self.kept.push(free);
        }
    }

    fn take(&mut self, peer: SocketAddr) -> Option<Rc<Socket>> {
        let at = self.kept.iter().rposition(|free| free.peer == peer)?;
        let free = self.kept.remove(at);
        self.unneeded = self.unneeded.min(self.kept.len());
        Some(free.socket)
    }

    /// Closes those that have waited for too long.
    pub(crate) fn tend(&mut self, now: u64) {
        if now < self.due {
            return;
        }
        while self.leaving.front().is_some_and(|(_, since)| since + PERIOD <= now) {
            self.leaving.pop_front();
        }
        self.kept.drain(..self.unneeded);
        self.unneeded = self.kept.len();
        self.too_high = too_high();
        let is_empty = self.leaving.is_empty() && self.kept.is_empty();
        self.due = if is_empty { u64::MAX } else { now + PERIOD };
    }
}

impl Socket {
    /// Whether one that nobody uses may be kept for its next use, or others may have need of its descriptor.
    pub fn may_be_spare(&self) -> bool {
        with_any(|reactor| self.as_fd().as_raw_fd() < reactor.spare.borrow().too_high).unwrap_or_default()
    }

    /// A stream socket for a connection to `to`, which may have served others to there before; what was set of it by
    /// [`Socket::set_nodelay`] may still be so. Who sets it up in a way of its own takes [`Socket::toward`].
    pub fn again(to: &SockAddr) -> io::Result<Rc<Self>> {
        let spare = match to {
            SockAddr::Inet(peer) => with(|reactor| reactor.spare.borrow_mut().take(*peer)),
            SockAddr::Unix(_) => None,
        };
        match spare {
            Some(socket) => Ok(socket),
            None => Self::toward(to).map(|socket| Rc::new(socket.for_reuse())),
        }
    }
}

/// Ends a connection to `peer` that nothing is left to say or to hear on. A socket that [`Socket::again`] has given is
/// used again once the peer has ended it, too; any other is closed, if nobody holds it.
pub fn retire(socket: Rc<Socket>, peer: &SockAddr) {
    let SockAddr::Inet(peer) = peer else { return };
    let _ = with_any(|reactor| {
        let has_room = reactor.spare.borrow().leaving.len() < MOST_LEAVING && socket.may_be_spare();
        if has_room && socket.take_leave() {
            let now = reactor.now();
            let mut spare = reactor.spare.borrow_mut();
            spare.leaving.push_back((Free { socket, peer: *peer }, now));
            spare.due = spare.due.min(now + PERIOD);
        }
    });
}

#[cfg(test)]
mod tests;

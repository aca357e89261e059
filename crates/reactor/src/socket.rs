//! Sockets whose readiness is remembered, so that what cannot succeed is not tried.
//!
//! A socket is registered at the first wait, edge-triggered, and never deregistered where closing does that: what is
//! served without waiting costs no epoll call, anything else one. Room to write is told of from when it is first waited
//! for, which most streams never do. Of a stream, a short read is taken for "drained", a short write for "full": the
//! next edge will tell; after the peer's end or an error reading goes on to the end, which of TCP is known once a short
//! read follows it.
//!
//! Datagrams of a peer are told as long as they wait, so that one is taken by one call; who does not want them says so
//! ([`Socket::rest`]). Whether there is room to send them is not waited for: what does not fit is lost, as on the network.
//!
//! Where small pieces are to go out at once, the system is told so before it could keep one back.
//!
//! One task at a time waits for a socket, for either direction or both.

mod connect;
mod leave;
mod readiness;
mod transfer;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::Poll;

use os::SockAddr;
use os::epoll::Interest;

use crate::executor::{with, with_any};
use crate::slab::Key;

pub use connect::{ConnectError, is_near};
use readiness::{CALM, END, FAILED, OVER, ROOM_TOLD};
pub(crate) use readiness::{READ, Readiness, WRITE};

const UNREGISTERED: u32 = u32::MAX;
/// The sending direction has ended.
const SHUT: u8 = 4;
/// It may serve another connection after this one.
const REUSED: u8 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of TCP, where a read stops short of what is there for bytes out of band only.
    Tcp,
    Stream,
    Datagram,
}

/// A non-blocking socket of any kind.
pub struct Socket {
    fd: OwnedFd,
    slot: Cell<u32>,
    /// What is assumed while it is not registered.
    assumed: Cell<u8>,
    kind: Kind,
    /// How far sending is, and what is to come of the socket: [`transfer::NODELAY`], [`transfer::BEGUN`], [`transfer::TOLD`],
    /// [`SHUT`], [`REUSED`].
    sending: Cell<u8>,
    /// Others may have the same open socket: closing this descriptor would not deregister it.
    shared: bool,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.fd).finish()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// A socket that nothing is known of: its kind is asked for, and it is deregistered before it
    /// is closed. It must be non-blocking, as for the others.
    pub fn new(fd: OwnedFd) -> Self {
        // What is no socket at all is treated with the same care as datagrams.
        let kind = if os::options::is_datagram(&fd).unwrap_or(true) { Kind::Datagram } else { Kind::Stream };
        Self::of(fd, kind, true)
    }

    /// A connected stream that nobody else has a descriptor of.
    pub fn stream(fd: OwnedFd) -> Self {
        Self::of(fd, Kind::Stream, false)
    }

    /// The same with `peer` at its other end.
    pub fn connected(fd: OwnedFd, peer: &SockAddr) -> Self {
        match peer {
            SockAddr::Inet(_) => Self::of(fd, Kind::Tcp, false),
            SockAddr::Unix(_) => Self::stream(fd),
        }
    }

    /// A new stream socket for a connection to `to`.
    pub fn toward(to: &SockAddr) -> io::Result<Self> {
        os::socket::stream(to).map(|fd| Self::connected(fd, to))
    }

    /// A socket of datagrams of one peer that nobody else has a descriptor of.
    pub fn datagram(fd: OwnedFd) -> Self {
        Self::of(fd, Kind::Datagram, false)
    }

    /// Has the reactor tell nothing more of a socket that waits, until the next wait.
    pub fn rest(&self) {
        self.deregister();
    }

    /// Whether anything has come, as far as it is known.
    pub fn has_come(&self) -> bool {
        self.with_ready(|ready| *ready & READ != 0)
    }

    fn of(fd: OwnedFd, kind: Kind, shared: bool) -> Self {
        Self {
            fd,
            slot: Cell::new(UNREGISTERED),
            // What has come from a peer of datagrams is told.
            assumed: Cell::new(if kind == Kind::Datagram && !shared { WRITE } else { READ | WRITE }),
            kind,
            sending: Cell::new(0),
            shared,
        }
    }

    /// The descriptor, free of this reactor: for another thread or process.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        let fd = self.fd.try_clone()?;
        self.deregister();
        Ok(fd)
    }

    /// The local address.
    pub fn local_addr(&self) -> io::Result<SockAddr> {
        os::socket::local_addr(&self.fd)
    }

    /// Sends small pieces at once (`TCP_NODELAY`), where the system can.
    pub fn set_nodelay(&self) {
        self.sending.set(self.sending.get() | transfer::NODELAY);
    }

    /// Ends the sending direction.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.sending.set(self.sending.get() | SHUT);
        os::socket::shutdown_write(&self.fd)
    }

    /// Whether the peer is known to have ended its direction, though bytes may be left to read.
    pub fn is_rdhup(&self) -> bool {
        self.with_ready(|ready| *ready & END != 0)
    }

    /// Whether everything before the peer's end has been read, as far as that is known.
    pub fn is_over(&self) -> bool {
        self.with_ready(|ready| *ready & OVER != 0)
    }

    /// Works on what is known to be ready.
    fn with_ready<T: Default>(&self, work: impl FnOnce(&mut u8) -> T) -> T {
        let slot = self.slot.get();
        if slot == UNREGISTERED {
            let mut ready = self.assumed.get();
            let result = work(&mut ready);
            self.assumed.set(ready);
            return result;
        }
        with(|reactor| reactor.sockets.borrow_mut().at(slot).map(|known| work(&mut known.ready)).unwrap_or_default())
    }

    fn is_peer_of_datagrams(&self) -> bool {
        self.kind == Kind::Datagram && !self.shared
    }

    fn clear(&self, bit: u8) {
        self.with_ready(|ready| *ready &= !bit);
    }

    /// Ready where `bit` is; else the current task is woken when it comes.
    fn poll_ready(&self, bit: u8) -> Poll<io::Result<()>> {
        if self.slot.get() == UNREGISTERED {
            if self.assumed.get() & bit != 0 {
                return Poll::Ready(Ok(()));
            }
            if let Err(error) = self.register(bit) {
                return Poll::Ready(Err(error));
            }
        }
        let slot = self.slot.get();
        with(|reactor| {
            let mut sockets = reactor.sockets.borrow_mut();
            let Some(known) = sockets.at(slot) else { return Poll::Ready(Ok(())) };
            if known.check(bit, reactor.current()) {
                return Poll::Ready(Ok(()));
            }
            if bit == WRITE && known.ready & ROOM_TOLD == 0 {
                known.ready |= ROOM_TOLD;
                let key = sockets.key(slot).map_or(u64::MAX, Key::number);
                reactor.epoll.change(&self.fd, Interest::Stream, key)?;
            }
            Poll::Pending
        })
    }

    /// Has the current task woken when `bit` comes next, of a socket that is registered.
    fn expect(&self, bit: u8) {
        with(|reactor| {
            if let Some(known) = reactor.sockets.borrow_mut().at(self.slot.get()) {
                known.clear(bit);
                known.check(bit, reactor.current());
            }
        });
    }

    /// Has the reactor tell of it, as far as a wait for `bit` needs that.
    fn register(&self, bit: u8) -> io::Result<()> {
        let (interest, told) = match self.kind {
            Kind::Datagram if !self.shared => (Interest::Reading, 0),
            Kind::Tcp | Kind::Stream if bit == READ => (Interest::StreamIn, 0),
            _ => (Interest::Stream, ROOM_TOLD),
        };
        let known = Readiness::new(self.assumed.get() | told);
        self.slot.set(with(|reactor| reactor.register(&self.fd, interest, known))?);
        Ok(())
    }

    /// Waits until a read may bring something.
    pub fn poll_readable(&self) -> Poll<io::Result<()>> {
        self.poll_ready(READ)
    }

    /// Waits until a write may be taken.
    pub fn poll_writable(&self) -> Poll<io::Result<()>> {
        self.poll_ready(WRITE)
    }

    /// Waits until there is more to read than there was, or the peer has ended. For those who have
    /// seen what is there: by peeking, or by reading the descriptor themselves until it said
    /// `WouldBlock`, as TLS libraries do; [`Self::poll_readable`] would not know of it.
    ///
    /// Each call begins to wait anew, so a poll has to look at the socket before it calls this;
    /// [`Self::more`] is for waiting alone.
    pub fn poll_more(&self) -> Poll<io::Result<()>> {
        self.forget(READ, END);
        self.poll_ready(READ)
    }

    /// Waits until there is more room to write than there was: likewise, for those who write to
    /// the descriptor themselves and were told `WouldBlock`.
    pub fn poll_more_room(&self) -> Poll<io::Result<()>> {
        self.forget(WRITE, FAILED);
        self.poll_ready(WRITE)
    }

    /// [`Self::poll_more`] as a future.
    pub async fn more(&self) -> io::Result<()> {
        self.forget(READ, END);
        self.readable().await
    }

    /// [`Self::poll_more_room`] as a future.
    pub async fn more_room(&self) -> io::Result<()> {
        self.forget(WRITE, FAILED);
        self.writable().await
    }

    /// Forgets `bit`, unless after `last` there is nothing to wait for.
    fn forget(&self, bit: u8, last: u8) {
        self.with_ready(|ready| {
            if *ready & last == 0 {
                *ready &= !bit;
            }
        });
    }

    /// Waits until a read may bring something.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|_| self.poll_readable()).await
    }

    /// Waits until a write may be taken.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|_| self.poll_writable()).await
    }

    /// Forgets that there is something to read: the next wait is for bytes that are new.
    pub fn clear_readable(&self) {
        self.clear(READ);
    }

    /// Whether this stream can be let wait while others are served, and where the loop is asked to
    /// linger ([`crate::linger`]). It is without effect before the first wait.
    pub fn set_calm(&self, calm: bool) {
        let slot = self.slot.get();
        if slot == UNREGISTERED || self.is_calm() == calm || self.kind == Kind::Datagram {
            return;
        }
        let moved = with(|reactor| {
            let key = reactor.sockets.borrow().key(slot);
            key.is_some_and(|key| reactor.calm.settle(&self.fd, key.number(), &reactor.epoll, calm).is_ok())
        });
        if moved {
            self.with_ready(|ready| *ready = (*ready ^ CALM) | ROOM_TOLD);
        }
    }

    fn is_calm(&self) -> bool {
        self.with_ready(|ready| *ready & CALM != 0)
    }

    fn deregister(&self) {
        let slot = self.slot.replace(UNREGISTERED);
        if slot != UNREGISTERED {
            let _ = with_any(|reactor| {
                let known = reactor.sockets.borrow_mut().remove(slot);
                if known.is_some_and(|known| known.ready & CALM != 0) {
                    reactor.calm.remove(&self.fd);
                } else {
                    let _ = reactor.epoll.remove(&self.fd);
                }
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.shared {
            return self.deregister();
        }
        let slot = self.slot.get();
        if slot != UNREGISTERED {
            // Closing takes it out of epoll; an event that is on its way finds another generation.
            let _ = with_any(|reactor| reactor.sockets.borrow_mut().remove(slot));
        }
    }
}

#[cfg(test)]
mod tests;

//! Listening sockets. Several threads may each have one on the same socket: a connection wakes
//! one of them.
//!
//! They are level-triggered: a connection that is left waiting is told again at the next pass of
//! the loop, which costs no accept(2) that only says that there is none. A listener that accepts
//! nothing is therefore to be paused, or the loop will not sleep; an error does that by itself.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::Poll;

use os::SockAddr;
use os::epoll::Interest;

use crate::Socket;
use crate::executor::{current_task, with, with_any};
use crate::socket::{READ, Readiness};

/// Connections taken per wake-up where several may be.
const BURST: u32 = 64;
const PAUSED: u32 = u32::MAX;

/// A listening socket on this thread. The descriptor may be a duplicate of what others have.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    slot: Cell<u32>,
    burst: u32,
    left: Cell<u32>,
}

impl Listener {
    /// Listens on `fd`, which is bound, listening and non-blocking.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        let listener = Self { fd, slot: Cell::new(PAUSED), burst: 1, left: Cell::new(1) };
        listener.resume()?;
        Ok(listener)
    }

    /// Whether a wake-up takes all connections that wait, up to a bound that lets others have
    /// their turn (`multi_accept`). Else it is one: with others busy the loop comes by anyway, and
    /// the accept(2) that finds no more is saved.
    pub fn set_multi_accept(&mut self, several: bool) {
        self.burst = if several { BURST } else { 1 };
        self.left.set(self.burst);
    }

    fn resume(&self) -> io::Result<()> {
        if self.slot.get() == PAUSED {
            self.slot.set(with(|reactor| reactor.register(&self.fd, Interest::Listener, Readiness::new(0)))?);
        }
        Ok(())
    }

    /// Leaves connections to other threads, or waiting, until the next [`Self::poll_accept`].
    pub fn pause(&self) {
        let slot = self.slot.replace(PAUSED);
        if slot != PAUSED {
            let _ = with_any(|reactor| {
                // Duplicates elsewhere keep the socket open, so closing would not take it out.
                let _ = reactor.epoll.remove(&self.fd);
                reactor.sockets.borrow_mut().remove(slot)
            });
        }
    }

    /// Hears of no more connections; those that wait already are taken from what is returned.
    pub fn close(&self) -> impl Iterator<Item = (Socket, SockAddr)> {
        self.pause();
        std::iter::from_fn(|| os::socket::accept(&self.fd).ok().map(|(fd, peer)| (Socket::connected(fd, &peer), peer)))
    }

    /// The next connection. Running out of descriptors or memory (`EMFILE`, `ENFILE`, `ENOBUFS`,
    /// `ENOMEM`) or any other error that would only come again pauses the listener, so that the
    /// caller may sleep before the next call.
    pub fn poll_accept(&self) -> Poll<io::Result<(Socket, SockAddr)>> {
        if let Err(error) = self.resume() {
            return Poll::Ready(Err(error));
        }
        let task = current_task();
        if !self.with_readiness(|known| known.check(READ, task)) {
            return Poll::Pending;
        }
        loop {
            match os::socket::accept(&self.fd) {
                Ok((fd, peer)) => {
                    self.took_one();
                    return Poll::Ready(Ok((Socket::connected(fd, &peer), peer)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // No more, or another thread was faster.
                    self.left.set(self.burst);
                    self.with_readiness(|known| {
                        known.clear(READ);
                        known.check(READ, task)
                    });
                    return Poll::Pending;
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::ConnectionAborted {
                        self.pause();
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn took_one(&self) {
        let left = self.left.get() - 1;
        if left > 0 {
            return self.left.set(left);
        }
        self.left.set(self.burst);
        self.with_readiness(|known| {
            known.clear(READ);
            false
        });
    }

    fn with_readiness(&self, work: impl FnOnce(&mut Readiness) -> bool) -> bool {
        with(|reactor| reactor.sockets.borrow_mut().at(self.slot.get()).is_some_and(work))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.pause();
    }
}

#[cfg(test)]
mod tests;

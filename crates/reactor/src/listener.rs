//! Listening sockets. Several threads may each have one on the same socket: a connection wakes
//! one of them.

use std::io;
use std::os::fd::OwnedFd;
use std::task::Poll;

use os::SockAddr;
use os::epoll::Interest;

use crate::Socket;
use crate::executor::{READABLE, current_task, with, with_any};
use crate::socket::Readiness;

/// A listening socket on this thread. The descriptor may be a duplicate of what others have.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    slot: u32,
}

impl Listener {
    /// Listens on `fd`, which is bound, listening and non-blocking.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        let slot = with(|reactor| reactor.register(&fd, Interest::Listener, Readiness::new(0)))?;
        Ok(Self { fd, slot })
    }

    /// The next connection. One is taken per wake-up: as long as more wait, the next pass of the
    /// loop wakes again, and sessions get their turn in between.
    pub fn poll_accept(&self) -> Poll<io::Result<(Socket, SockAddr)>> {
        let task = current_task();
        let came = with(|reactor| {
            reactor.sockets.borrow_mut().at(self.slot).is_some_and(|readiness| readiness.take_or_wait(READABLE, task))
        });
        if !came {
            return Poll::Pending;
        }
        match os::socket::accept(&self.fd) {
            Ok((fd, peer)) => Poll::Ready(Ok((Socket::new(fd), peer))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Another thread was faster.
                with(|reactor| {
                    reactor
                        .sockets
                        .borrow_mut()
                        .at(self.slot)
                        .is_some_and(|readiness| readiness.take_or_wait(READABLE, task))
                });
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = with_any(|reactor| {
            // Duplicates elsewhere keep the socket open, so closing would not take it out.
            let _ = reactor.epoll.remove(&self.fd);
            reactor.sockets.borrow_mut().remove(self.slot)
        });
    }
}

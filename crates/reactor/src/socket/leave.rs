//! What a socket forgets before it is used again.

use std::io;

use super::readiness::{CALM, END, FAILED, READ, ROOM_TOLD, URGENT, WRITE};
use super::{REUSED, SHUT, Socket, UNREGISTERED};
use crate::executor::with;

/// Datagrams that may wait in a socket that is to be used again.
pub(super) const MOST_LEFT: usize = 16;

impl Socket {
    /// Has a socket of datagrams forget its peer, its port and all that has come, for another use. What is under way to
    /// the port goes nowhere. An error says that the socket is of no use any more.
    pub fn disconnect(&self) -> io::Result<()> {
        os::socket::disconnect(&self.fd)?;
        let mut byte = [0];
        for _ in 0..MOST_LEFT {
            match os::socket::recv(&self.fd, &mut byte) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.with_ready(|ready| *ready = WRITE);
                    return Ok(());
                }
                // A datagram, or what became of one that was sent.
                _ => {}
            }
        }
        Err(io::ErrorKind::QuotaExceeded.into())
    }

    /// It may be used again.
    pub(crate) fn for_reuse(self) -> Self {
        self.sending.set(self.sending.get() | REUSED);
        self
    }

    /// Whether this is its place in the reactor.
    pub(crate) fn is_at(&self, slot: u32) -> bool {
        self.slot.get() == slot
    }

    /// Whether the system has a connection, or what is left of one.
    pub(crate) fn has_peer(&self) -> bool {
        os::socket::peer_addr(&self.fd).is_ok()
    }

    /// Says that nothing more comes, for the reactor to tell what the peer says to it; false where it cannot be used
    /// again, where a close has more to say, as with bytes that nobody has read, or where the peer has ended first.
    pub(crate) fn take_leave(&self) -> bool {
        let is_clean = |ready: u8| ready & (READ | END | FAILED | URGENT | CALM) == 0;
        let can_leave = self.sending.get() & REUSED != 0
            && self.slot.get() != UNREGISTERED
            && self.with_ready(|ready| is_clean(*ready))
            && (self.sending.get() & SHUT != 0 || self.shutdown_write().is_ok());
        if can_leave {
            with(|reactor| reactor.sockets.borrow_mut().at(self.slot.get()).map(|known| known.set_leaving(true)));
        }
        can_leave
    }

    /// Forgets a connection that is over.
    pub(crate) fn forget_connection(&self) -> io::Result<()> {
        os::socket::disconnect(&self.fd)?;
        with(|reactor| reactor.sockets.borrow_mut().at(self.slot.get()).map(|known| known.set_leaving(false)));
        self.sending.set(REUSED);
        Ok(())
    }

    /// Begins anew: this is what is known, whatever the reactor has told since the last connection.
    pub(super) fn begin(&self, ready: u8) {
        self.with_ready(|known| *known = *known & ROOM_TOLD | ready & WRITE);
    }
}

//! Reading and writing: as attempts that never wait (`try_…`, and std's traits for libraries that
//! want those), as polls, and as futures.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::Poll;

use os::batch::Incoming;

use super::readiness::{END, FAILED, OVER, READ, URGENT, WRITE};
use super::{Kind, Socket};

/// `TCP_NODELAY` is wanted, and the system not told yet.
pub(super) const NODELAY: u8 = 1;
/// Something was written.
pub(super) const BEGUN: u8 = 2;
/// The system has been told of `TCP_NODELAY`. To tell it again would have it send what waits for more.
pub(super) const TOLD: u8 = 16;
/// What fits into one packet everywhere (RFC 9293 section 3.7.1): as the first of a connection it waits for nothing.
const ONE_PACKET: usize = 536;

impl Socket {
    /// Notes what a read of up to `room` bytes brought.
    fn after_read(&self, result: &io::Result<usize>, room: usize) {
        match result {
            // Of a stream, zero is the end, and a full buffer promises more. A datagram fills what
            // it fills and says nothing about the next one.
            Ok(bytes) if self.kind != Kind::Datagram && *bytes > 0 && *bytes < room => self.with_ready(|ready| {
                if *ready & END == 0 {
                    *ready &= !READ;
                } else if self.kind == Kind::Tcp && *ready & (FAILED | URGENT) == 0 {
                    *ready |= OVER;
                }
            }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(READ),
            _ => {}
        }
    }

    fn after_write(&self, result: &io::Result<usize>, offered: usize) {
        match result {
            _ if self.is_peer_of_datagrams() => {}
            Ok(bytes) if *bytes < offered => self.clear(WRITE),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(WRITE),
            _ => {}
        }
    }

    fn attempt(&self, bit: u8, call: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        if self.with_ready(|ready| *ready & bit == 0) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        call()
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over() {
            return Ok(0);
        }
        let result = os::socket::recv(&self.fd, buffer);
        self.after_read(&result, buffer.len());
        result
    }

    /// Tells the system of `TCP_NODELAY` at the first of `bytes` that it might keep back.
    fn before_write(&self, bytes: usize) {
        let state = self.sending.get();
        if state & BEGUN == 0 && bytes <= ONE_PACKET {
            self.sending.set(state | BEGUN);
            return;
        }
        self.sending.set(state | BEGUN);
        if state & (NODELAY | TOLD) == NODELAY {
            self.sending.set(state | BEGUN | TOLD);
            // Only a matter of speed.
            let _ = os::options::set_nodelay(&self.fd);
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.before_write(bytes.len());
        let result = os::socket::send(&self.fd, bytes);
        self.after_write(&result, bytes.len());
        result
    }

    fn send_more(&self, bytes: &[u8]) -> io::Result<usize> {
        self.before_write(bytes.len());
        let result = os::socket::send_more(&self.fd, bytes);
        self.after_write(&result, bytes.len());
        result
    }

    fn look(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = os::socket::peek(&self.fd, buffer);
        // However little it is: it is still there to read.
        self.after_read(&result, 0);
        result
    }

    /// Reads what is there; `WouldBlock` without asking the kernel where nothing can be.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(READ, || self.receive(buffer))
    }

    /// Looks at what is there without taking it; what was seen stays readable.
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(READ, || self.look(buffer))
    }

    /// Writes what is taken; `WouldBlock` without asking the kernel where nothing can be.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(WRITE, || self.send(bytes))
    }

    /// The same for bytes that others follow at once, or the end: they share packets.
    pub fn try_write_more(&self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(WRITE, || self.send_more(bytes))
    }

    /// [`Self::try_write`] with the bytes in several pieces.
    pub fn try_writev(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.attempt(WRITE, || {
            self.before_write(pieces.iter().map(|piece| piece.len()).sum());
            let result = os::socket::send_pieces(&self.fd, pieces);
            self.after_write(&result, pieces.iter().map(|piece| piece.len()).sum());
            result
        })
    }

    fn poll(&self, bit: u8, mut call: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            match self.poll_ready(bit) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(bit),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Reads what is there; 0 is the end of the stream.
    pub fn poll_read(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(READ, || self.receive(buffer))
    }

    /// Looks at what is there without taking it; what was seen stays readable.
    pub fn poll_peek(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(READ, || self.look(buffer))
    }

    /// Writes what is taken.
    pub fn poll_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(WRITE, || self.send(bytes))
    }

    /// The same for bytes that others follow at once, or the end: they share packets.
    pub fn poll_write_more(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(WRITE, || self.send_more(bytes))
    }

    /// Takes the datagrams that are there, as far as there is room; how many.
    pub fn poll_receive(&self, incoming: &mut Incoming) -> Poll<io::Result<usize>> {
        let result = self.poll(READ, || incoming.receive(&self.fd));
        if let Poll::Ready(Ok(count)) = result
            && count < incoming.room()
        {
            // The kernel looked for more and found none, or an error, which has its own event.
            self.forget(READ, FAILED);
        }
        result
    }

    /// Takes one datagram of a peer ([`Self::datagram`]), cut where it is longer than `buffer`. The current task is woken
    /// for the next one, be it there already.
    pub fn poll_datagram(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let result = self.poll(READ, || os::socket::recv(&self.fd, buffer));
        if let Poll::Ready(Ok(_)) = result {
            self.expect(READ);
        }
        result
    }

    /// Takes bytes by another call than recv; `WouldBlock` from it must mean that none are there.
    pub fn poll_read_with(&self, mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>) -> Poll<io::Result<usize>> {
        self.poll(READ, || call(self.fd.as_fd()))
    }

    /// Gives bytes by another call than send; `WouldBlock` from it must mean that there is no room.
    pub fn poll_write_with(
        &self,
        mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll(WRITE, || {
            self.before_write(usize::MAX);
            call(self.fd.as_fd())
        })
    }

    /// Reads what is there; 0 is the end of the stream.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|_| self.poll_read(buffer)).await
    }

    /// Looks at what is there without taking it.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|_| self.poll_peek(buffer)).await
    }

    /// Writes what is taken.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|_| self.poll_write(bytes)).await
    }

    /// Writes everything.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let wrote = self.write(bytes).await?;
            bytes = bytes.get(wrote..).unwrap_or_default();
        }
        Ok(())
    }
}

impl io::Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_read(buffer)
    }
}

impl io::Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_writev(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

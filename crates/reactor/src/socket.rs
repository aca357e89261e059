//! Sockets whose readiness is remembered, so that what cannot succeed is not tried.
//!
//! A socket is registered at the first wait, for both directions at once and edge-triggered, and
//! never deregistered: closing does that. A short read is taken for "drained", a short write for
//! "full": the next edge will tell; after the peer's end or an error reading goes on to the end.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::Poll;

use os::SockAddr;
use os::epoll::Interest;
use os::socket::Connect;

use crate::executor::{ERROR, HUP, RDHUP, READABLE, TaskId, WRITABLE, current_task, with, with_any};

/// A registered descriptor's state.
#[derive(Debug)]
pub(crate) struct Readiness {
    ready: u32,
    wanted: u32,
    task: Option<TaskId>,
}

impl Readiness {
    pub(crate) fn new(ready: u32) -> Self {
        Self { ready, wanted: 0, task: None }
    }

    /// Whether `bit` was there, which it is no more; where it was not, `task` waits for it.
    pub(crate) fn take_or_wait(&mut self, bit: u32, task: TaskId) -> bool {
        let there = self.ready & bit != 0;
        self.ready &= !bit;
        self.wanted = bit;
        self.task = Some(task);
        there
    }

    /// Takes in an event; who waited for it is returned.
    pub(crate) fn happened(&mut self, bits: u32) -> Option<TaskId> {
        let mut ready = bits;
        if bits & (RDHUP | HUP | ERROR) != 0 {
            ready |= READABLE;
        }
        if bits & (HUP | ERROR) != 0 {
            ready |= WRITABLE;
        }
        self.ready |= ready;
        if self.wanted & ready == 0 {
            return None;
        }
        self.wanted = 0;
        self.task
    }
}

const UNREGISTERED: u32 = u32::MAX;

/// A non-blocking socket of any kind.
pub struct Socket {
    fd: OwnedFd,
    slot: Cell<u32>,
    /// What is assumed while it is not registered.
    assumed: Cell<u32>,
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

/// Why a connection did not come about.
#[derive(Debug)]
pub struct ConnectError {
    error: io::Error,
    at_once: bool,
}

impl ConnectError {
    /// The system's error.
    pub fn as_io(&self) -> &io::Error {
        &self.error
    }

    /// Whether connect(2) itself failed, rather than the attempt later.
    pub fn at_once(&self) -> bool {
        self.at_once
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        error.error
    }
}

impl Socket {
    /// A socket that is connected or otherwise ready to be tried. It must be non-blocking.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd, slot: Cell::new(UNREGISTERED), assumed: Cell::new(READABLE | WRITABLE) }
    }

    /// Connects a prepared socket.
    pub async fn connect(fd: OwnedFd, to: &SockAddr) -> Result<Self, ConnectError> {
        let at_once = |error| ConnectError { error, at_once: true };
        let connected = os::socket::connect(&fd, to).map_err(at_once)?;
        let socket = Self::new(fd);
        if connected == Connect::InProgress {
            socket.assumed.set(0);
            std::future::poll_fn(|_| socket.poll_ready(WRITABLE)).await.map_err(at_once)?;
            os::socket::take_error(&socket.fd).map_err(|error| ConnectError { error, at_once: false })?;
        } else {
            // Nothing can have come yet: the first read waits.
            socket.assumed.set(WRITABLE);
        }
        Ok(socket)
    }

    /// A TCP connection to `to`.
    pub async fn tcp_connect(to: SocketAddr) -> io::Result<Self> {
        let to = SockAddr::Inet(to);
        Ok(Self::connect(os::socket::stream(&to)?, &to).await?)
    }

    /// A UDP socket on a port of the system's choice that talks to `to` alone.
    pub fn udp_connected(to: SocketAddr) -> io::Result<Self> {
        let to = SockAddr::Inet(to);
        let fd = os::socket::datagram(&to)?;
        os::socket::connect(&fd, &to)?;
        Ok(Self::new(fd))
    }

    /// The local address.
    pub fn local_addr(&self) -> io::Result<SockAddr> {
        os::socket::local_addr(&self.fd)
    }

    /// Sends small pieces at once (`TCP_NODELAY`).
    pub fn set_nodelay(&self) -> io::Result<()> {
        os::options::set_nodelay(&self.fd)
    }

    /// Ends the sending direction.
    pub fn shutdown_write(&self) -> io::Result<()> {
        os::socket::shutdown_write(&self.fd)
    }

    /// Whether the peer is known to have ended its direction, though bytes may be left to read.
    pub fn is_rdhup(&self) -> bool {
        self.state() & (RDHUP | HUP | ERROR) != 0
    }

    fn state(&self) -> u32 {
        match self.slot.get() {
            UNREGISTERED => self.assumed.get(),
            slot => with(|reactor| reactor.sockets.borrow_mut().at(slot).map_or(0, |readiness| readiness.ready)),
        }
    }

    fn clear(&self, bit: u32) {
        match self.slot.get() {
            UNREGISTERED => self.assumed.set(self.assumed.get() & !bit),
            slot => with(|reactor| {
                if let Some(readiness) = reactor.sockets.borrow_mut().at(slot) {
                    readiness.ready &= !bit;
                }
            }),
        }
    }

    /// Ready where `bit` is; else the current task is woken when it comes.
    fn poll_ready(&self, bit: u32) -> Poll<io::Result<()>> {
        let slot = self.slot.get();
        if slot == UNREGISTERED {
            if self.assumed.get() & bit != 0 {
                return Poll::Ready(Ok(()));
            }
            let mut readiness = Readiness::new(self.assumed.get());
            readiness.wanted = bit;
            readiness.task = Some(current_task());
            match with(|reactor| reactor.register(&self.fd, Interest::Stream, readiness)) {
                Ok(slot) => self.slot.set(slot),
                Err(error) => return Poll::Ready(Err(error)),
            }
            return Poll::Pending;
        }
        let task = current_task();
        with(|reactor| match reactor.sockets.borrow_mut().at(slot) {
            Some(readiness) if readiness.ready & bit == 0 => {
                readiness.wanted |= bit;
                readiness.task = Some(task);
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        })
    }

    /// Waits until a read may bring something.
    pub fn poll_readable(&self) -> Poll<io::Result<()>> {
        self.poll_ready(READABLE)
    }

    /// Waits until a write may be taken.
    pub fn poll_writable(&self) -> Poll<io::Result<()>> {
        self.poll_ready(WRITABLE)
    }

    /// Forgets that there is something to read: the next wait is for bytes that are new.
    pub fn clear_readable(&self) {
        self.clear(READABLE);
    }

    /// Notes what a read of up to `room` bytes brought.
    fn after_read(&self, result: &io::Result<usize>, room: usize) {
        match result {
            // Zero is the end; a full buffer promises more.
            Ok(bytes) if *bytes > 0 && *bytes < room && !self.is_rdhup() => self.clear(READABLE),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(READABLE),
            _ => {}
        }
    }

    fn after_write(&self, result: &io::Result<usize>, offered: usize) {
        match result {
            Ok(bytes) if *bytes < offered => self.clear(WRITABLE),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(WRITABLE),
            _ => {}
        }
    }

    /// Reads what is there; `WouldBlock` without asking the kernel where nothing can be.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.state() & READABLE == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = os::socket::recv(&self.fd, buffer);
        self.after_read(&result, buffer.len());
        result
    }

    /// Writes what is taken; `WouldBlock` without asking the kernel where nothing can be.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.state() & WRITABLE == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = os::socket::send(&self.fd, bytes);
        self.after_write(&result, bytes.len());
        result
    }

    fn poll(&self, bit: u32, mut attempt: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            match self.poll_ready(bit) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(bit),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Reads what is there; 0 is the end of the stream.
    pub fn poll_read(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(READABLE, || {
            let result = os::socket::recv(&self.fd, buffer);
            self.after_read(&result, buffer.len());
            result
        })
    }

    /// Looks at what is there without taking it; what was seen stays readable.
    pub fn poll_peek(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(READABLE, || os::socket::peek(&self.fd, buffer))
    }

    /// Writes what is taken.
    pub fn poll_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(WRITABLE, || {
            let result = os::socket::send(&self.fd, bytes);
            self.after_write(&result, bytes.len());
            result
        })
    }

    /// Takes bytes by another call than recv; `WouldBlock` from it must mean that none are there.
    pub fn poll_read_with(
        &self,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll(READABLE, || attempt(self.fd.as_fd()))
    }

    /// Gives bytes by another call than send; `WouldBlock` from it must mean that there is no room.
    pub fn poll_write_with(
        &self,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll(WRITABLE, || attempt(self.fd.as_fd()))
    }

    /// Reads what is there; 0 is the end of the stream.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|_| self.poll_read(buffer)).await
    }

    /// Writes everything.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let wrote = std::future::poll_fn(|_| self.poll_write(bytes)).await?;
            bytes = bytes.get(wrote..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let slot = self.slot.get();
        if slot != UNREGISTERED {
            // Closing takes it out of epoll; an event that is on its way finds another generation.
            let _ = with_any(|reactor| reactor.sockets.borrow_mut().remove(slot));
        }
    }
}

//! One end of a relay: a plain socket, or TLS on one.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use reactor::Socket;

use super::pipe::Pipe;

/// How long a close waits for the peer's close_notify, milliseconds.
const CLOSE_NOTIFY_WAIT: u64 = 3_000;

/// A byte stream that a relay reads and writes.
#[derive(Debug)]
pub enum End {
    /// A socket.
    Plain(Rc<Socket>),
    /// TLS on a socket.
    Tls(Box<TlsEnd>),
}

/// TLS on a socket.
#[derive(Debug)]
pub struct TlsEnd {
    /// The connection.
    pub stream: tls::Stream<crate::tls::Transport>,
    /// The socket beneath, to wait on.
    pub socket: Rc<Socket>,
}

impl End {
    /// The socket, where nothing is between it and the bytes.
    pub(super) fn plain(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// Reads what there is; 0 is the end of the stream.
    pub fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(buffer),
            Self::Tls(end) => end.poll_read(buffer),
        }
    }

    /// Writes what is taken.
    pub fn poll_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write(bytes),
            Self::Tls(end) => end.poll_write(bytes),
        }
    }

    /// Moves bytes from a plain end into `pipe`.
    pub(super) fn poll_fill(&mut self, pipe: &mut Pipe, most: usize) -> Poll<io::Result<usize>> {
        let Self::Plain(socket) = self else { return Poll::Pending };
        socket.poll_read_with(|fd| pipe.fill(fd, most))
    }

    /// Moves bytes from `pipe` to a plain end.
    pub(super) fn poll_drain(&mut self, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        let Self::Plain(socket) = self else { return Poll::Pending };
        socket.poll_write_with(|fd| pipe.drain(fd))
    }

    /// Tells the peer that nothing more comes, while reading goes on.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.shutdown_write(),
            Self::Tls(end) => end.socket.shutdown_write(),
        }
    }

    /// Writes everything, counting into `written`.
    pub async fn write_all(&mut self, mut bytes: &[u8], written: &Cell<u64>) -> io::Result<()> {
        while !bytes.is_empty() {
            let wrote = std::future::poll_fn(|_| self.poll_write(bytes)).await?;
            written.set(written.get() + wrote as u64);
            bytes = bytes.get(wrote..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the stream. TLS says close_notify and waits a while for the peer's.
    pub async fn close(self) {
        if let Self::Tls(mut end) = self {
            let closed = std::future::poll_fn(|_| end.poll_close());
            // The session is over either way; a peer that does not answer is not waited for.
            let _ = reactor::timeout(CLOSE_NOTIFY_WAIT, closed).await;
        }
    }
}

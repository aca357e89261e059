//! Connections: the TLS library on a socket of this thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use reactor::Socket;

/// A TLS connection on a socket, shared by the session that relays it and the variables that tell
/// of it.
pub type Connection = Rc<RefCell<tls::Stream<Transport>>>;

/// Under what a TLS session is kept: the context whose rules the peer was verified by, the peer, and the name
/// it was asked for and verified by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// [`tls::ClientContext::digest`]
    pub context: [u8; 32],
    /// The peer's name.
    pub peer: Arc<str>,
    /// `proxy_ssl_name`, or what stands for it.
    pub name: Box<str>,
}

/// A socket as the TLS library reads and writes it.
#[derive(Debug, Clone)]
pub struct Transport {
    socket: Rc<Socket>,
    more: bool,
    allowance: usize,
}

impl Transport {
    /// The library writes to and reads from `socket` itself.
    pub fn new(socket: Rc<Socket>) -> Self {
        Self { socket, more: false, allowance: usize::MAX }
    }

    /// Whether another record follows at once what is written from now on: packets then carry several records.
    pub fn set_more(&mut self, more: bool) {
        self.more = more;
    }

    /// The library gets so many bytes until it is told otherwise, and then an error.
    pub fn allow_reading(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Whether the library has read all that it was allowed to.
    pub fn is_exhausted(&self) -> bool {
        self.allowance == 0
    }

    /// Until it is told again, the library gets no more than about 64 KiB, and then an error. Messages that bring no
    /// data (`KeyUpdate` may follow `KeyUpdate` without end) it would else read for as long as they come, and nobody
    /// else of this thread would have a turn.
    pub fn limit_reading(&mut self) {
        self.allowance = 64 * 1024;
    }
}

impl io::Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            return Err(io::Error::other("too many TLS messages without data"));
        }
        let room = buffer.len().min(self.allowance);
        let count = self.socket.try_read(buffer.get_mut(..room).unwrap_or_default())?;
        self.allowance = self.allowance.saturating_sub(count);
        Ok(count)
    }
}

impl io::Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.more { self.socket.try_write_more(bytes) } else { self.socket.try_write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

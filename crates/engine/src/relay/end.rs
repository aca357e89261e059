//! One end of a relay: a plain socket, or TLS on one.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::{Poll, ready};

use reactor::{Socket, Timer};
use tls::{LibraryErrors, Shutdown, StreamError, Transfer};

use super::Way;
use super::pipe::Pipe;
use super::portions::Portions;
use crate::tls::{Connection, RECORD, SessionKey};

/// How long a close waits for the peer's `close_notify`, milliseconds.
const CLOSE_NOTIFY_WAIT: u64 = 3_000;

/// The most that is sent as records by one call.
const GATHER: usize = 8 * RECORD;

/// Of a stream that brings more at a time than this, as much is read ahead: several records with one call.
const READ_AHEAD: usize = 64 * 1024;

/// A byte stream that a relay reads and writes.
#[derive(Debug)]
pub enum End {
    /// A socket.
    Plain(Rc<Socket>),
    /// TLS on a socket.
    Tls(Box<TlsEnd>),
}

/// TLS on a socket.
pub struct TlsEnd {
    /// The connection, which variables may ask too.
    pub stream: Connection,
    /// The socket beneath, to wait on.
    pub socket: Rc<Socket>,
    /// Under which key a session it gave us is to be kept, for towards upstreams.
    pub remember: Option<SessionKey>,
    /// An error or a deadline has ended it: no alert goes out any more.
    broken: bool,
    /// Whether it has turned out to bring much at a time.
    is_bulk: bool,
    portions: Portions,
}

impl std::fmt::Debug for TlsEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsEnd").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl TlsEnd {
    /// A connection that has shaken hands, or is about to.
    pub fn new(stream: Connection, socket: Rc<Socket>) -> Self {
        Self { stream, socket, remember: None, broken: false, is_bulk: false, portions: Portions::default() }
    }

    /// Reads decrypted bytes, as many records as there are and fit; 0 is the end, also that of a connection which is
    /// broken: an error is told once, and one of the socket not at all.
    fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Ok(0));
        }
        let mut stream = self.stream.borrow_mut();
        let mut filled = 0;
        loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            if room.is_empty() {
                if !self.is_bulk && filled >= READ_AHEAD {
                    self.is_bulk = true;
                    stream.read_ahead(READ_AHEAD);
                }
                return Poll::Ready(Ok(filled));
            }
            stream.socket_mut().limit_reading();
            let wait = match stream.read(room) {
                Ok(Transfer::Bytes(bytes)) => {
                    stream.socket_mut().had_data();
                    filled += bytes;
                    continue;
                }
                // The end, or an error, is found again at the next read.
                _ if filled > 0 => {
                    self.portions.came(filled, &self.socket);
                    return Poll::Ready(Ok(filled));
                }
                Ok(Transfer::Eof) => return Poll::Ready(Ok(0)),
                Ok(Transfer::WantRead) => self.socket.poll_readable(),
                Ok(Transfer::WantWrite) => self.socket.poll_writable(),
                Err(error) => {
                    self.broken = true;
                    return Poll::Ready(match error {
                        StreamError::Io(error) if error.raw_os_error().is_some() => Ok(0),
                        error => Err(io_error(error)),
                    });
                }
            };
            ready!(wait)?;
        }
    }

    fn poll_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let wait = match self.write(bytes) {
                Ok(Transfer::Bytes(wrote)) => {
                    self.stream.borrow_mut().socket_mut().had_data();
                    return Poll::Ready(Ok(wrote));
                }
                Ok(Transfer::Eof) => {
                    self.broken = true;
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Ok(Transfer::WantRead) => self.socket.poll_readable(),
                Ok(Transfer::WantWrite) => self.socket.poll_writable(),
                Err(error) => {
                    self.broken = true;
                    return Poll::Ready(Err(io_error(error)));
                }
            };
            ready!(wait)?;
        }
    }

    /// Writes a record, or several with one call; of those, some may be owed then.
    fn write(&mut self, bytes: &[u8]) -> Result<Transfer, StreamError> {
        let mut stream = self.stream.borrow_mut();
        if bytes.len() <= RECORD || stream.socket().owes() > 0 {
            return stream.write(bytes);
        }
        let bytes = bytes.get(..GATHER).unwrap_or(bytes);
        stream.socket_mut().gather();
        let mut wrote = 0;
        let stopped = loop {
            match stream.write(bytes.get(wrote..).unwrap_or_default()) {
                Ok(Transfer::Bytes(more)) => wrote += more,
                stopped => break stopped,
            }
            if wrote >= bytes.len() {
                break Ok(Transfer::Bytes(wrote));
            }
        };
        stream.socket_mut().send_gathered(wrote).map_err(StreamError::Io)?;
        // What stopped it is found again at the next write.
        if wrote > 0 { Ok(Transfer::Bytes(wrote)) } else { stopped }
    }

    /// Sends of what is owed what there is room for; 0 when nothing is.
    fn poll_flush(&mut self) -> Poll<io::Result<usize>> {
        loop {
            let paid = self.stream.borrow_mut().socket_mut().pay();
            match paid {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_writable())?,
                paid => return Poll::Ready(paid.inspect_err(|_| self.broken = true)),
            }
        }
    }

    /// Gives a client that has shaken hands the tickets of TLS 1.3. Nobody waits for them but for lack of anything to say,
    /// so that they share a packet with what is said first, should that be soon.
    pub fn give_tickets(&self) {
        let mut stream = self.stream.borrow_mut();
        stream.socket_mut().expect_more(true);
        stream.send_tickets();
        stream.socket_mut().expect_more(false);
    }

    /// Says `close_notify` without waiting for the peer's, and with the same packet that nothing more comes.
    pub fn say_goodbye(&mut self) {
        if !self.broken {
            self.say_last();
            // A close alone would throw away what waits, if there were bytes to read.
            let _ = self.socket.shutdown_write();
        }
    }

    /// Says `close_notify`, which waits for the end of the stream to share a packet.
    fn say_last(&mut self) {
        if !self.broken {
            let mut stream = self.stream.borrow_mut();
            stream.socket_mut().expect_more(true);
            // Whether it arrives is the peer's affair: the connection closes now.
            let _ = stream.shutdown();
        }
    }

    /// Says `close_notify` and waits for the peer's; what the library says to what comes instead. The connection is to
    /// be closed at once then.
    fn poll_close(&mut self) -> Poll<Option<LibraryErrors>> {
        loop {
            if self.broken {
                return Poll::Ready(None);
            }
            let mut stream = self.stream.borrow_mut();
            stream.socket_mut().limit_reading();
            // The peer's has come: there is nothing to wait for.
            let is_last = stream.is_read_closed();
            if is_last {
                stream.socket_mut().expect_more(true);
            }
            let wait = match stream.shutdown() {
                Ok(Shutdown::Complete) if is_last && !self.socket.is_over() => {
                    // The close would throw away what waits, if there were bytes to read.
                    let _ = self.socket.shutdown_write();
                    return Poll::Ready(None);
                }
                Ok(Shutdown::Complete) | Err(StreamError::Io(_)) => return Poll::Ready(None),
                Err(StreamError::Library(errors)) => return Poll::Ready(Some(errors)),
                Ok(Shutdown::Sent) => continue,
                Ok(Shutdown::WantRead) => self.socket.poll_readable(),
                Ok(Shutdown::WantWrite) => self.socket.poll_writable(),
            };
            if ready!(wait).is_err() {
                return Poll::Ready(None);
            }
        }
    }
}

fn io_error(error: StreamError) -> io::Error {
    match error {
        StreamError::Io(error) => error,
        StreamError::Library(_) => io::Error::other(error.to_string()),
    }
}

impl End {
    /// The socket, where nothing is between it and the bytes.
    pub(super) fn plain(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// The socket beneath. TLS says nothing more on it.
    pub fn into_socket(self) -> Rc<Socket> {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(end) => end.socket,
        }
    }

    /// The call that is to blame where reading or writing fails.
    pub fn call(&self, way: Way) -> &'static str {
        match (self, way) {
            (Self::Plain(_), Way::From) => "recv()",
            (Self::Plain(_), Way::To) => "writev()",
            (Self::Tls(_), Way::From) => "SSL_read()",
            (Self::Tls(_), Way::To) => "SSL_write()",
        }
    }

    /// Reads what there is; 0 is the end of the stream.
    pub fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(buffer),
            Self::Tls(end) => end.poll_read(buffer),
        }
    }

    /// Whether it is known that there is nothing to read now; the current task is woken when that changes.
    pub(super) fn is_silent(&self) -> bool {
        self.plain().is_some_and(|socket| socket.poll_readable().is_pending())
    }

    /// Whether it is known that nothing is left to read.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_over(),
            Self::Tls(_) => false,
        }
    }

    /// Writes what is taken. What `is_last` waits for [`Self::shutdown_write`], to share a packet with the end.
    pub fn poll_write(&mut self, bytes: &[u8], is_last: bool) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) if is_last => socket.poll_write_more(bytes),
            Self::Plain(socket) => socket.poll_write(bytes),
            Self::Tls(end) => end.poll_write(bytes),
        }
    }

    /// How much memory is taken by what the system did not take when it was written, bytes.
    pub(super) fn owes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(end) => end.stream.borrow().socket().owes(),
        }
    }

    /// How many bytes are written that the system did not take, nor the rest of their record.
    pub(super) fn unsent(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(end) => end.stream.borrow().socket().owed_data(),
        }
    }

    /// Hands the system what it did not take when it was written; 0 when it has everything.
    pub(super) fn poll_flush(&mut self) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(0)),
            Self::Tls(end) => end.poll_flush(),
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
            Self::Tls(end) => {
                // An end without it could be anybody's doing.
                end.say_last();
                end.socket.shutdown_write()
            }
        }
    }

    /// Whether bytes have come or gone since this was last asked that reads and writes did not tell of: parts of records.
    pub(super) fn has_moved(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(end) => end.stream.borrow_mut().socket_mut().has_moved(),
        }
    }

    /// Writes everything, counting what the system took into `written`; `None` when nothing is taken for `patience` milliseconds.
    pub async fn write_all(&mut self, mut bytes: &[u8], written: &Cell<u64>, patience: u64) -> Option<io::Result<()>> {
        let timer = Timer::new();
        let whole = written.get() + bytes.len() as u64;
        std::future::poll_fn(move |_| {
            let mut moved = 0;
            let done = loop {
                let wrote = if bytes.is_empty() { self.poll_flush() } else { self.poll_write(bytes, false) };
                match wrote {
                    Poll::Ready(Ok(0)) => break Poll::Ready(Some(Ok(()))),
                    Poll::Ready(Ok(wrote)) => {
                        moved += wrote;
                        bytes = bytes.get(wrote..).unwrap_or_default();
                    }
                    Poll::Ready(Err(error)) => break Poll::Ready(Some(Err(error))),
                    Poll::Pending => break Poll::Pending,
                }
            };
            written.set(whole - (bytes.len() + self.unsent()) as u64);
            if done.is_ready() {
                return done;
            }
            if self.has_moved() || moved > 0 || !timer.is_set() {
                timer.set(reactor::now() + patience);
            }
            timer.poll_expired().map(|()| None)
        })
        .await
    }

    /// Ends the stream. TLS says `close_notify` and waits a while for the peer's; what comes instead is an error.
    pub async fn close(self) -> Option<LibraryErrors> {
        let Self::Tls(mut end) = self else { return None };
        let closed = std::future::poll_fn(move |_| end.poll_close());
        // The session is over either way; a peer that does not answer is not waited for.
        Box::pin(reactor::timeout(CLOSE_NOTIFY_WAIT, closed)).await.ok().flatten()
    }
}

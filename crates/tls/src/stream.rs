//! A TLS connection on a non-blocking socket: handshake, reading, writing, ending. Whoever owns it waits for the
//! socket; nothing here blocks.

use std::io::{Read, Write};
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, ShutdownResult, ShutdownState, Ssl, SslStream};

use crate::backend;
use crate::client::{ClientContext, ConnectOptions};
use crate::connection::Connection;
use crate::error::{StreamError, TlsError};
use crate::error_text::LibraryErrors;
use crate::server::ServerContext;

mod handshake;
mod tail;

pub use handshake::{Choice, Chooser, Status};
use tail::Tail;

/// A connection over the socket `S`.
pub struct Stream<S> {
    inner: SslStream<Tail<S>>,
    /// Until the `ClientHello` has come.
    waiting: Option<handshake::Waiting>,
    is_established: bool,
    /// Whose caches hold a server side's session: the server it began with.
    origin: Option<Arc<ServerContext>>,
}

/// What is kept of a handshake beside the server name, for variables that ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The client's lists: [`Stream::client_ciphers`] and the like.
    pub lists: bool,
    /// What messages tell: [`Stream::signature_algorithm`] and the like.
    pub messages: bool,
}

/// What became of a read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// This many bytes, at least one.
    Bytes(usize),
    /// The peer has ended its direction, with or without `close_notify`.
    Eof,
    /// Try again when the socket is readable.
    WantRead,
    /// Try again when the socket is writable.
    WantWrite,
}

/// How far the orderly end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Our `close_notify` is out; the peer's has not come. Call again to await it.
    Sent,
    /// Both directions have ended.
    Complete,
    /// Try again when the socket is readable.
    WantRead,
    /// Try again when the socket is writable.
    WantWrite,
}

impl<S: Read + Write> Stream<S> {
    /// The server side. `default` is the server of the address; `chooser` is asked once, when the `ClientHello` has
    /// come.
    pub fn accept(
        socket: S,
        default: Arc<ServerContext>,
        chooser: Option<Chooser>,
        capture: Capture,
    ) -> Result<Self, TlsError> {
        let mut ssl = Ssl::new(&default.context)?;
        let ticket_keys = default.ticket_keys.clone();
        let messages = capture.messages.then(Box::default);
        Connection { capture_hello: capture.lists, messages, ticket_keys, ..Connection::default() }.attach(&mut ssl)?;
        if capture.messages {
            backend::watch_messages(&mut ssl);
        }
        backend::allow_long_hello(&mut ssl);
        ssl.set_accept_state();
        Ok(Self {
            inner: SslStream::new(ssl, Tail::new(socket))?,
            waiting: Some(handshake::Waiting { default: Arc::clone(&default), chooser }),
            is_established: false,
            origin: Some(default),
        })
    }

    /// The client side.
    pub fn connect(socket: S, context: &ClientContext, options: &ConnectOptions<'_>) -> Result<Self, TlsError> {
        let ssl = context.connection(options)?;
        Ok(Self { inner: SslStream::new(ssl, Tail::new(socket))?, waiting: None, is_established: false, origin: None })
    }

    /// Whether the client's `ClientHello` is not complete yet.
    pub fn awaits_hello(&self) -> bool {
        self.waiting.is_some()
    }

    /// Reads plaintext into `buffer`, which must not be empty. The library may hold more than was asked for: before
    /// waiting for the socket, read until `WantRead`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Transfer, StreamError> {
        // an error somebody left in the thread's queue would be taken for this connection's
        drop(ErrorStack::get());
        match self.inner.ssl_read(buffer) {
            Ok(count) => Ok(Transfer::Bytes(count)),
            Err(error) => broken(error),
        }
    }

    /// Writes plaintext, maybe only a part of `data`, which must not be empty. After `WantWrite` the same bytes must
    /// be offered again (more may follow them; they may have moved).
    pub fn write(&mut self, data: &[u8]) -> Result<Transfer, StreamError> {
        drop(ErrorStack::get());
        match self.inner.ssl_write(data) {
            Ok(count) => Ok(Transfer::Bytes(count)),
            Err(error) => broken(error),
        }
    }

    /// Reads up to this many bytes from the socket at a time from now on, where the library can; what is not asked for
    /// yet stays in memory.
    pub fn read_ahead(&mut self, bytes: usize) {
        backend::read_ahead(backend::ssl_mut(&mut self.inner), bytes);
    }

    /// Plaintext bytes that can be read without touching the socket.
    pub fn pending(&self) -> usize {
        self.inner.ssl().pending()
    }

    /// Sends `close_notify`, then (when called again) awaits the peer's. Does nothing during a handshake or after
    /// [`set_quiet_shutdown`](Self::set_quiet_shutdown).
    pub fn shutdown(&mut self) -> Result<Shutdown, StreamError> {
        if !self.is_established {
            return Ok(Shutdown::Complete);
        }
        drop(ErrorStack::get());
        match self.inner.shutdown() {
            Ok(ShutdownResult::Sent) => Ok(Shutdown::Sent),
            Ok(ShutdownResult::Received) => Ok(Shutdown::Complete),
            Err(error) => Ok(match broken(error)? {
                Transfer::WantRead => Shutdown::WantRead,
                Transfer::WantWrite => Shutdown::WantWrite,
                Transfer::Bytes(_) | Transfer::Eof => Shutdown::Complete,
            }),
        }
    }

    /// Lets the connection end without another alert.
    pub fn set_quiet_shutdown(&mut self) {
        self.inner.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
    }

    /// Whether the peer has sent `close_notify`.
    pub fn is_read_closed(&mut self) -> bool {
        self.inner.get_shutdown().contains(ShutdownState::RECEIVED)
    }

    /// Whether the handshake is complete.
    pub fn is_established(&self) -> bool {
        self.is_established
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.inner.get_ref().socket
    }

    /// The socket. Bytes taken from it or put on it would break the connection.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.inner.get_mut().socket
    }

    /// Takes this connection's session out of the server's caches, after its client certificate was refused.
    pub fn remove_session(&mut self) {
        if let (Some(origin), Some(session)) = (&self.origin, self.inner.ssl().session()) {
            origin.remove_session(session);
        }
    }

    /// The newest session the server has given, for [`ConnectOptions::session`]. With TLS 1.3 it comes with the
    /// first bytes read after the handshake, and more may follow.
    pub fn take_session(&mut self) -> Option<crate::Session> {
        Connection::of_mut(backend::ssl_mut(&mut self.inner))?.session.take()
    }
}

impl<S> Stream<S> {
    pub(crate) fn origin(&self) -> Option<&ServerContext> {
        self.origin.as_deref()
    }

    pub(crate) fn ssl(&self) -> &openssl::ssl::SslRef {
        self.inner.ssl()
    }
}

impl<S> Drop for Stream<S> {
    /// OpenSSL takes a connection dropped without `close_notify` for a broken one and forgets its session.
    fn drop(&mut self) {
        if self.is_established {
            backend::mark_ended(&mut self.inner);
        }
    }
}

/// Sorts the library's "errors" into states and real ones.
fn broken(error: openssl::ssl::Error) -> Result<Transfer, StreamError> {
    match error.code() {
        ErrorCode::WANT_READ => Ok(Transfer::WantRead),
        ErrorCode::WANT_WRITE => Ok(Transfer::WantWrite),
        ErrorCode::ZERO_RETURN => Ok(Transfer::Eof),
        ErrorCode::SYSCALL if error.io_error().is_none() && error.ssl_error().is_none() => Ok(Transfer::Eof),
        _ => match error.ssl_error() {
            Some(stack) => Err(StreamError::Library(LibraryErrors::from(stack))),
            None => Err(StreamError::Io(error.into_io_error().unwrap_or_else(std::io::Error::other))),
        },
    }
}

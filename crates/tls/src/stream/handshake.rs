//! The handshake, and the choice of a server in its midst: it stops at the `ClientHello`, so that the chosen server's
//! protocols, ciphers, certificates and client-certificate rule all apply.

use std::io::{Read, Write};
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{Error, ErrorCode, SslRef, SslStream, SslVerifyMode, SslVersion};

use super::Stream;
use crate::backend;
use crate::connection::{Connection, Phase, SecondHello};
use crate::error::HandshakeError;
use crate::error_text::LibraryErrors;
use crate::identity::Identity;
use crate::server::ServerContext;

const NO_SUITABLE_KEY_SHARE: u32 = 101;
const NO_APPLICATION_PROTOCOL: u32 = 235;
#[cfg(feature = "aws-lc")]
const BAD_PACKET_LENGTH: u32 = 115;
#[cfg(feature = "aws-lc")]
const ALERT_CLOSE_NOTIFY: u8 = 0;
const ALERT_INTERNAL_ERROR: u8 = 80;
const ALERT_UNRECOGNIZED_NAME: u8 = 112;

/// Where a handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Complete.
    Done,
    /// Try again when the socket is readable.
    WantRead,
    /// Try again when the socket is writable.
    WantWrite,
}

/// Which server is to go on with a handshake.
#[derive(Debug)]
pub enum Choice {
    /// The one it began with.
    Keep,
    /// Another one.
    Switch(Arc<ServerContext>),
    /// This one, with certificates made for the connection (`ssl_certificate $variable`).
    SwitchWith {
        /// The server; may be the one the handshake began with.
        context: Arc<ServerContext>,
        /// Its certificates, one per key type.
        identities: Vec<Arc<Identity>>,
    },
    /// Refuse with the alert `unrecognized_name`.
    Reject,
    /// Refuse with the alert `internal_error`: a certificate could not be loaded, for this reason.
    Fail(String),
}

/// Asked once per connection with the server name the client sent, if any, as sent.
pub type Chooser = Box<dyn FnMut(Option<&[u8]>) -> Choice>;

/// A server side before its `ClientHello`.
pub(super) struct Waiting {
    pub(super) default: Arc<ServerContext>,
    pub(super) chooser: Option<Chooser>,
}

impl<S: Read + Write> Stream<S> {
    /// Goes on with the handshake.
    pub fn handshake(&mut self) -> Result<Status, HandshakeError> {
        loop {
            // an error somebody left in the thread's queue would be taken for this connection's
            drop(ErrorStack::get());
            let error = match self.inner.do_handshake() {
                Ok(()) => {
                    self.is_established = true;
                    self.inner.get_mut().forget();
                    return Ok(Status::Done);
                }
                Err(error) => error,
            };
            let Some(waiting) = self.waiting.take_if(|_| backend::is_paused(&error)) else {
                if self.origin.is_some() {
                    expect_second_hello(backend::ssl_mut(&mut self.inner));
                }
                let alert = self.inner.get_ref().alert();
                return stopped(error)
                    .map_err(|error| alert_in_plain(error, alert))
                    .inspect_err(|error| self.forget_cipher(error));
            };
            choose(&mut self.inner, waiting)?;
        }
    }

    /// Sends the tickets of TLS 1.3 that a server's library keeps for what is written first. What the client has to say
    /// next may wait for them.
    pub fn send_tickets(&mut self) {
        backend::send_tickets(&mut self.inner);
    }
}

impl<S: Read + Write> Stream<S> {
    /// OpenSSL looks for a group, and before TLS 1.3 for an application protocol, before it looks for a cipher.
    fn forget_cipher(&mut self, error: &HandshakeError) {
        let HandshakeError::Library(errors) = error else { return };
        let is_tls13 = self.inner.ssl().version2() == Some(SslVersion::TLS1_3);
        let came_first = errors.is(NO_SUITABLE_KEY_SHARE) || (!is_tls13 && errors.is(NO_APPLICATION_PROTOCOL));
        if let Some(connection) = Connection::of_mut(backend::ssl_mut(&mut self.inner)).filter(|_| came_first) {
            connection.has_no_cipher = true;
        }
    }
}

/// Makes room for another hello where the library has asked for one: it is as long as the first.
fn expect_second_hello(ssl: &mut SslRef) {
    if !backend::has_asked_for_another_hello(ssl) || ssl.verify_mode() != SslVerifyMode::NONE {
        return;
    }
    let first = Connection::of_mut(ssl).filter(|connection| connection.second_hello == SecondHello::NotAsked);
    if let Some(connection) = first {
        connection.second_hello = SecondHello::Awaited;
        backend::watch_messages(ssl);
        backend::allow_long_hello(ssl);
    }
}

fn choose<S: Read + Write>(stream: &mut SslStream<S>, waiting: Waiting) -> Result<(), HandshakeError> {
    let Waiting { default, chooser } = waiting;
    let choice = match chooser {
        Some(mut chooser) => {
            let hello = Connection::of(stream.ssl()).map(|connection| &connection.hello);
            chooser(hello.and_then(|hello| hello.server_name.as_deref()))
        }
        None => Choice::Keep,
    };
    let (context, identities) = match choice {
        Choice::Keep => (Arc::clone(&default), Vec::new()),
        Choice::Switch(context) => (context, Vec::new()),
        Choice::SwitchWith { context, identities } => (context, identities),
        Choice::Reject => return Err(reject(stream)),
        Choice::Fail(text) => {
            let speaks_tls13 = default.speaks_tls13();
            if let Some(connection) = Connection::of_mut(backend::ssl_mut(stream)) {
                connection.intended = (speaks_tls13 && connection.hello.offers_tls13).then_some("TLSv1.3");
            }
            return Err(fail(stream, text));
        }
    };
    if context.rejects {
        return Err(reject(stream));
    }
    let ssl = backend::ssl_mut(stream);
    context.apply(ssl, &default).map_err(|stack| HandshakeError::Library(LibraryErrors::from(&stack)))?;
    if let Some(connection) = Connection::of_mut(ssl) {
        connection.phase = Phase::Chosen;
    }
    for identity in identities {
        if let Err(error) = identity.use_in_connection(backend::ssl_mut(stream), context.security_level()) {
            return Err(fail(stream, error.to_string()));
        }
    }
    Ok(())
}

fn reject<S: Read + Write>(stream: &mut SslStream<S>) -> HandshakeError {
    // OpenSSL has not looked at the hello yet, and shows the newest version that it knows
    if let Some(connection) = Connection::of_mut(backend::ssl_mut(stream)) {
        connection.intended = Some("TLSv1.3");
        connection.hello.forget();
    }
    backend::abort(stream, ALERT_UNRECOGNIZED_NAME);
    HandshakeError::Rejected
}

fn fail<S: Read + Write>(stream: &mut SslStream<S>, text: String) -> HandshakeError {
    backend::abort(stream, ALERT_INTERNAL_ERROR);
    HandshakeError::Certificate(text)
}

/// A client on OpenSSL that refuses our certificate says so before it begins to encrypt. OpenSSL expects that; AWS-LC takes it for
/// an encrypted record, and a broken one.
#[cfg(feature = "aws-lc")]
fn alert_in_plain(error: HandshakeError, alert: Option<u8>) -> HandshakeError {
    match (&error, alert) {
        (HandshakeError::Library(errors), Some(alert)) if errors.is(BAD_PACKET_LENGTH) => match alert {
            ALERT_CLOSE_NOTIFY => HandshakeError::Closed,
            _ => HandshakeError::Library(LibraryErrors::alert(alert)),
        },
        _ => error,
    }
}

#[cfg(not(feature = "aws-lc"))]
fn alert_in_plain(error: HandshakeError, _: Option<u8>) -> HandshakeError {
    error
}

fn stopped(error: Error) -> Result<Status, HandshakeError> {
    match error.code() {
        ErrorCode::WANT_READ => Ok(Status::WantRead),
        ErrorCode::WANT_WRITE => Ok(Status::WantWrite),
        ErrorCode::ZERO_RETURN => Err(HandshakeError::Closed),
        ErrorCode::SYSCALL if error.io_error().is_none() && error.ssl_error().is_none() => Err(HandshakeError::Closed),
        _ => match error.ssl_error() {
            Some(stack) => Err(HandshakeError::Library(LibraryErrors::from(stack))),
            None => Err(HandshakeError::Io(error.into_io_error().unwrap_or_else(std::io::Error::other))),
        },
    }
}

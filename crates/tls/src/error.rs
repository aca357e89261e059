//! The crate's errors. Their texts are what the error log shows, without the trailing context.

use std::fmt;
use std::io;

use crate::error_text::LibraryErrors;

/// A context or identity that cannot be built; displays nginx's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub(crate) String);

impl TlsError {
    /// `WHAT failed (SSL: QUEUE)`
    pub(crate) fn failed(what: &str, errors: &LibraryErrors) -> Self {
        if errors.is_empty() { Self(format!("{what} failed")) } else { Self(format!("{what} failed (SSL: {errors})")) }
    }
}

impl From<openssl::error::ErrorStack> for TlsError {
    fn from(stack: openssl::error::ErrorStack) -> Self {
        Self::failed("TLS library call", &LibraryErrors::from(&stack))
    }
}

/// Something in the settings that was met only in part; to be logged at level warn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub(crate) String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a handshake did not complete.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer closed the connection.
    #[error("peer closed connection in SSL handshake")]
    Closed,
    /// The socket failed.
    #[error("peer closed connection in SSL handshake ({0})")]
    Io(io::Error),
    /// `ssl_reject_handshake`, or the chooser's [`Choice::Reject`](crate::Choice::Reject).
    #[error("handshake rejected")]
    Rejected,
    /// A certificate of this connection could not be loaded; the text says which. The log line after it is
    /// `SSL_do_handshake() failed (SSL: …)` with [`CERT_CB_ERROR`](crate::CERT_CB_ERROR).
    #[error("{0}")]
    Certificate(String),
    /// The library gave up.
    #[error("SSL_do_handshake() failed (SSL: {0})")]
    Library(LibraryErrors),
}

/// Why an established stream broke.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The socket failed.
    #[error("{0}")]
    Io(io::Error),
    /// The library gave up.
    #[error("SSL: {0}")]
    Library(LibraryErrors),
}

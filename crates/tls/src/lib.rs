//! TLS behind one API: contexts, sessions, certificates, errors worded as nginx users know them.
//!
//! Two libraries can stand behind it, chosen by a cargo feature: AWS-LC (`aws-lc`, the default) and the
//! system's OpenSSL 3 (`openssl`). What differs between them stands in `backend`; so does all unsafe code.
//! The crate knows no configuration and opens no socket: a [`Stream`] sits on a non-blocking one it is given.

#[cfg(feature = "aws-lc")]
mod agreement;
mod backend;
mod cache;
mod certificate;
#[cfg(feature = "aws-lc")]
mod cipher_order;
mod ciphers;
mod client;
mod conf_command;
mod connection;
#[cfg(feature = "aws-lc")]
mod ech;
mod error;
mod error_text;
mod groups;
mod hello;
mod identity;
mod info;
mod library;
mod messages;
mod name_match;
mod names;
mod ocsp;
mod pem;
mod private_key;
mod security_level;
mod server;
mod settings;
mod staple;
mod stream;
mod tickets;
mod verified;
mod verify;

#[cfg(test)]
mod tests;

pub use cache::SharedSessionCache;
pub use certificate::PeerCertificate;
pub use client::{ClientContext, ConnectOptions};
pub use error::{HandshakeError, StreamError, TlsError, Warning};
pub use error_text::{CERT_CB_ERROR, LibraryErrors, error_queue_text};
pub use identity::Identity;
pub use info::LocalCertificate;
pub use library::{ech_supported, open_failure, sni_supported, system_error, version_text};
pub use ocsp::{Answer, CertificateStatus, Inquiry};
pub use openssl::ssl::SslSession as Session;
pub use server::ServerContext;
pub use settings::{ClientSettings, ClientVerify, KeyPair, Pem, Protocols, ServerSettings, SessionCache, Stapling};
pub use staple::Staple;
pub use stream::{Capture, Choice, Chooser, Shutdown, Status, Stream, Transfer};
pub use tickets::TicketKey;
pub use verify::VerifyResult;

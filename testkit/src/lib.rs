//! What the black-box tests stand on: the gateway under test as a process, both ends of the traffic through it,
//! and the certificates and names in between.
//!
//! Every wait has a deadline and every failure panics with what was seen. Nothing here knows how the gateway
//! works inside, and no test-only door into it is used.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a step of a test that fails has to stop the test, there and then"
)]

mod backend;
mod binary;
mod deadline;
mod dns;
mod gateway;
mod hello;
mod ocsp;
mod peer;
mod pki;
mod port;
mod scratch;
mod tls;
mod udp;
mod usage;

pub use backend::{FullListener, TcpBackend};
pub use binary::{Binary, Finished};
pub use deadline::{LIMIT, hold, poll};
pub use dns::{Data, Dns, Question, Reply};
pub use gateway::{Builder, ErrorLine, Gateway, is_over, parse_error_line, send_signal};
pub use hello::Hello;
pub use ocsp::{OpensslResponder, Responder, http, response};
pub use peer::{End, Peer};
pub use pki::{Pki, ech_file, naming_responder, pki};
pub use port::Port;
pub use rustix::process::Signal;
pub use scratch::Scratch;
pub use tls::{TlsClient, TlsServer};
pub use udp::{UdpBackend, UdpPeer};
pub use usage::{ProcessorTime, descriptors};

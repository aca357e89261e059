//! Running a configuration: the plan made from it, the generations that serve by it, and the
//! sessions in them. Modules are listed from the bottom up; each uses only those before it.

pub mod log;

mod counters;
pub mod drain;
pub mod error;
pub mod memory;
pub mod net;
mod succession;
mod throttle;

pub mod resolve;

pub mod ocsp;
pub mod tls;

pub mod relay;

pub mod upstream;

pub mod plan;

pub mod generation;

pub mod session;

pub mod listen;

pub mod workers;

/// The release of nginx whose configuration language and behaviour this is.
pub const NGINX_VERSION: &str = "1.31.5";

/// The TLS library in use, with its version.
pub fn library_version() -> String {
    ::tls::version_text()
}

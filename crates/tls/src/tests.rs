//! Server and client against each other, over pipes in memory.

#[cfg(feature = "aws-lc")]
mod compression;
#[cfg(feature = "aws-lc")]
mod ech;
mod errors;
mod handshake;
mod kit;
mod ocsp;
mod selection;
mod sessions;
mod transfer;
mod verification;

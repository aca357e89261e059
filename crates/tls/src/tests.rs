//! Server and client against each other, over pipes in memory.

mod errors;
mod handshake;
mod kit;
mod selection;
mod sessions;
mod transfer;
mod verification;

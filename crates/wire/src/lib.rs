//! Bytes to values and back: what is on the wire before, or beside, the streams themselves.
//! No I/O, no clock, no policy.

pub mod client_hello;
pub mod dns;
pub mod ocsp;
pub mod proxy_protocol;

//! Connections as the operating system has them: addresses in its form and ours, and the numbers
//! that log lines give them; and what it has run out of.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use policy::address::Address;

/// `$connection` of the next connection: clients and upstreams of all workers count.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A number for a new connection.
pub(crate) fn next_number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Whether a call failed because the system has run out of something, descriptors or memory.
pub(crate) fn has_run_out(error: &io::Error) -> bool {
    use os::errno::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// An address of the operating system as the configuration writes it.
pub(crate) fn address(from: os::SockAddr) -> Address {
    match from {
        os::SockAddr::Inet(address) => Address::Inet(address),
        os::SockAddr::Unix(path) => Address::Unix(path),
    }
}

/// The other way round.
pub(crate) fn sock_addr(from: &Address) -> os::SockAddr {
    match from {
        Address::Inet(address) => os::SockAddr::Inet(*address),
        Address::Unix(path) => os::SockAddr::Unix(path.clone()),
    }
}

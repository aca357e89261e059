//! The operating system, as far as the gateway needs it: thin safe wrappers around system calls,
//! one file per topic. Nothing here waits, and nothing here decides.
#![expect(unsafe_code, reason = "system calls are what this crate is for")]

pub mod addr;
pub mod batch;
pub mod channel;
pub mod child;
pub mod confine;
pub mod credentials;
pub mod environment;
pub mod epoll;
pub mod errno;
pub mod inherit;
pub mod interfaces;
pub mod io;
pub mod memory;
pub mod options;
pub mod poll;
pub mod process;
pub mod sender;
pub mod signals;
pub mod socket;
pub mod time;
pub mod title;
pub mod watch;

pub use addr::SockAddr;

/// Turns the C convention (-1 and errno) into a result.
fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for calls that return a length.
fn check_len(result: libc::ssize_t) -> std::io::Result<usize> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error())
}

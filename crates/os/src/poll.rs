//! Waiting for a few descriptors at once (poll(2)), for threads that do little else. Workers have
//! [`crate::epoll`].

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::check;

/// Waits until one of `fds` can be read or has ended, or until `most` is over: which of them are.
/// An interruption is an early end of the wait.
pub fn wait(fds: &[BorrowedFd<'_>], most: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    // Rounded up: a wait that ends before its time would be begun again at once.
    let millis = most.map_or(-1, |most| i32::try_from(most.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: pointer and length describe the vector.
    match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(polled.iter().map(|fd| fd.revents != 0).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn those_that_are_ready_are_told() {
        let [one, other] = [(); 2].map(|()| crate::io::eventfd().unwrap());
        let fds = [one.as_fd(), other.as_fd()];
        assert_eq!(wait(&fds, Some(Duration::from_micros(1))).unwrap(), [false, false]);
        crate::io::eventfd_add(&other).unwrap();
        assert_eq!(wait(&fds, None).unwrap(), [false, true]);
    }
}

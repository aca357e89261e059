//! Descriptors that pass from one program to the next through exec(2), as in a change of the
//! running binary. Which numbers they have is for the caller to tell and to be told.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::check;

/// Lets `fd` stay open in the program that this process, or a child of it, executes; best called on
/// a duplicate that is closed again when that is done, since every child gets it.
pub fn pass_on(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: no pointers.
    unsafe { check(libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_SETFD, 0)).map(drop) }
}

/// Takes over what the program before left open under `number`: non-blocking from here on, and
/// closed at the next exec. `EBADF` for what was not left open by it: nothing, the standard streams,
/// or a descriptor of this program, all of which close on exec.
pub fn take_over(number: i32) -> io::Result<OwnedFd> {
    let refused = || io::Error::from_raw_os_error(libc::EBADF);
    if number <= libc::STDERR_FILENO {
        return Err(refused());
    }
    // SAFETY: no pointers. Whatever this program opens closes on exec, so a descriptor that does not
    // came from the program before, and is nobody's here; once taken it is not to be had again.
    unsafe {
        if check(libc::fcntl(number, libc::F_GETFD))? & libc::FD_CLOEXEC != 0 {
            return Err(refused());
        }
        check(libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC))?;
        let own = OwnedFd::from_raw_fd(number);
        let flags = check(libc::fcntl(number, libc::F_GETFL))?;
        check(libc::fcntl(number, libc::F_SETFL, flags | libc::O_NONBLOCK))?;
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{SockAddr, options, socket};

    /// Tells the program that is executed by the test which number it was given.
    const GIVEN: &str = "LOCKGATE_TEST_GIVEN";

    #[test]
    fn a_listening_socket_goes_through_exec() {
        let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        if let Some(given) = std::env::var_os(GIVEN) {
            let (number, at) = given.to_str().unwrap().split_once(' ').unwrap();
            let fd = take_over(number.parse().unwrap()).unwrap();
            assert_eq!(socket::local_addr(&fd).unwrap(), SockAddr::Inet(at.parse().unwrap()));
            assert!(options::is_listening(&fd).unwrap() && !options::is_datagram(&fd).unwrap());
            assert!(take_over(number.parse().unwrap()).is_err(), "it is to be had once");
            return assert_eq!(socket::accept(&fd).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        let fd = socket::stream(&any).unwrap();
        socket::bind(&fd, &any).unwrap();
        assert!(!options::is_listening(&fd).unwrap());
        socket::listen(&fd, 8).unwrap();
        let SockAddr::Inet(at) = socket::local_addr(&fd).unwrap() else { panic!("not inet") };
        pass_on(&fd).unwrap();
        let mut itself = Command::new(std::env::current_exe().unwrap());
        itself.args(["--exact", "inherit::tests::a_listening_socket_goes_through_exec"]);
        let output = itself.env(GIVEN, format!("{} {at}", fd.as_raw_fd())).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for number in [-1, 0, 1, 2, i32::MAX] {
            assert_eq!(take_over(number).unwrap_err().raw_os_error(), Some(libc::EBADF), "{number}");
        }
        let own = crate::io::eventfd().unwrap();
        assert_eq!(take_over(own.as_raw_fd()).unwrap_err().raw_os_error(), Some(libc::EBADF));
        crate::io::eventfd_add(&own).unwrap();
    }
}

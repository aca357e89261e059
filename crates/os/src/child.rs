//! Processes of our own: splitting in two, and learning how the other half ended.

use std::io;

use crate::check;

/// Which half of a process goes on after [`fork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The process that was there before, and the number of the new one.
    Parent(u32),
    /// The new one.
    Child,
}

/// Splits the process (fork(2)). Refused with `EBUSY` while it has more than one thread: the others
/// would be missing in the child, with whatever they held.
pub fn fork() -> io::Result<Half> {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: there is one thread, so the child is a whole program.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Half::Child),
        pid => Ok(Half::Parent(pid.unsigned_abs())),
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A child that has ended, its number first, if there is one; it is forgotten then (waitpid(2)).
pub fn ended() -> Option<(u32, End)> {
    let mut status = 0;
    // SAFETY: the kernel writes into `status`.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    if pid <= 0 {
        return None;
    }
    let end = if libc::WIFSIGNALED(status) {
        End::Killed(libc::WTERMSIG(status))
    } else {
        End::Exited(libc::WEXITSTATUS(status))
    };
    Some((pid.unsigned_abs(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_split() {
        // Tests run on threads of their own.
        assert_eq!(fork().unwrap_err().raw_os_error(), Some(libc::EBUSY));
    }
}

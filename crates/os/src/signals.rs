//! Signals, taken one by one from a descriptor, never by a handler.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{check, check_len};

/// A signal that means something to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End at once.
    Term,
    /// The same, from a terminal.
    Int,
    /// End when the sessions have ended.
    Quit,
    /// Take a new configuration.
    Hup,
    /// Reopen log files.
    Usr1,
    /// Start a new binary.
    Usr2,
    /// Drain the workers and keep the rest.
    Winch,
    /// A child process ended.
    Child,
    /// A timer, of nobody here.
    Alarm,
    /// A descriptor is ready, which nobody here asked to be told.
    Io,
}

const ALL: [(Signal, libc::c_int, &str); 10] = [
    (Signal::Term, libc::SIGTERM, "SIGTERM"),
    (Signal::Int, libc::SIGINT, "SIGINT"),
    (Signal::Quit, libc::SIGQUIT, "SIGQUIT"),
    (Signal::Hup, libc::SIGHUP, "SIGHUP"),
    (Signal::Usr1, libc::SIGUSR1, "SIGUSR1"),
    (Signal::Usr2, libc::SIGUSR2, "SIGUSR2"),
    (Signal::Winch, libc::SIGWINCH, "SIGWINCH"),
    (Signal::Child, libc::SIGCHLD, "SIGCHLD"),
    (Signal::Alarm, libc::SIGALRM, "SIGALRM"),
    (Signal::Io, libc::SIGIO, "SIGIO"),
];

impl Signal {
    fn row(self) -> (Self, libc::c_int, &'static str) {
        ALL.into_iter().find(|(signal, ..)| *signal == self).unwrap_or(ALL[0])
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.row().1
    }

    /// Its name, as in `SIGTERM`.
    pub fn name(self) -> &'static str {
        self.row().2
    }
}

fn set() -> libc::sigset_t {
    // SAFETY: the calls initialise and fill a local set with valid numbers.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for (_, number, _) in ALL {
            libc::sigaddset(&raw mut set, number);
        }
        set
    }
}

/// Where signals arrive (signalfd(2)); readable while one waits.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Holds the signals back from the calling thread and all that it starts, so that they wait to
    /// be taken here. Programs that are executed through [`std::process::Command`] get them again. SIGSYS is ignored
    /// from now on.
    pub fn take() -> io::Result<Self> {
        let set = set();
        // SAFETY: the set lives through the calls; the old mask is not asked for; the descriptor
        // that is returned is ours alone; nothing is called for a signal that is ignored.
        unsafe {
            libc::signal(libc::SIGSYS, libc::SIG_IGN);
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
                0 => {}
                error => return Err(io::Error::from_raw_os_error(error)),
            }
            let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
            Ok(Self { fd: OwnedFd::from_raw_fd(check(libc::signalfd(-1, &raw const set, flags))?) })
        }
    }

    /// The next signal that has arrived, with the process that sent it.
    pub fn next(&self) -> Option<(Signal, u32)> {
        // SAFETY: signalfd_siginfo is plain data; pointer and length describe a local.
        let (taken, info) = unsafe {
            let mut info: libc::signalfd_siginfo = mem::zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            (check_len(libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), size)), info)
        };
        taken.ok()?;
        let signal = ALL.into_iter().find(|(_, known, _)| u32::try_from(*known) == Ok(info.ssi_signo));
        signal.map(|(signal, ..)| (signal, info.ssi_pid))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!((Signal::Hup.number(), Signal::Hup.name()), (1, "SIGHUP"));
        assert_eq!((Signal::Term.number(), Signal::Quit.number()), (15, 3));
    }

    #[test]
    fn a_signal_that_is_held_back_is_waited_for_and_tells_its_sender() {
        std::thread::spawn(|| {
            let signals = Signals::take().unwrap();
            assert_eq!(signals.next(), None);
            for signal in [Signal::Usr1, Signal::Hup] {
                // To this thread alone: others of this process have not blocked it.
                // SAFETY: the thread is the calling one.
                assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), signal.number()) }, 0);
                assert_eq!(crate::poll::wait(&[signals.as_fd()], None).unwrap(), [true]);
                assert_eq!(signals.next(), Some((signal, std::process::id())));
            }
        })
        .join()
        .unwrap();
    }
}

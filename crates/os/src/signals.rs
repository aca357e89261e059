//! Signals, taken one by one by a thread that waits for them, never by a handler.

use std::io;
use std::mem;

use crate::check;

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
}

const ALL: [(Signal, libc::c_int, &str); 8] = [
    (Signal::Term, libc::SIGTERM, "SIGTERM"),
    (Signal::Int, libc::SIGINT, "SIGINT"),
    (Signal::Quit, libc::SIGQUIT, "SIGQUIT"),
    (Signal::Hup, libc::SIGHUP, "SIGHUP"),
    (Signal::Usr1, libc::SIGUSR1, "SIGUSR1"),
    (Signal::Usr2, libc::SIGUSR2, "SIGUSR2"),
    (Signal::Winch, libc::SIGWINCH, "SIGWINCH"),
    (Signal::Child, libc::SIGCHLD, "SIGCHLD"),
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

fn mask(how: libc::c_int) -> io::Result<()> {
    let set = set();
    // SAFETY: the set lives through the call; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Holds these signals back from the calling thread and all that it starts: they stay pending
/// until somebody waits for them.
pub fn block() -> io::Result<()> {
    mask(libc::SIG_BLOCK)
}

/// Undoes [`block`], for a child before it runs something else.
pub fn unblock() -> io::Result<()> {
    mask(libc::SIG_UNBLOCK)
}

/// Waits for one of them; with it comes the process that sent it.
pub fn wait() -> io::Result<(Signal, u32)> {
    let set = set();
    // SAFETY: both locals live through the call; for signals sent by processes si_pid is filled.
    let (number, sender) = unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        let number = check(libc::sigwaitinfo(&raw const set, &raw mut info))?;
        (number, info.si_pid())
    };
    let signal = ALL.into_iter().find(|(_, known, _)| *known == number).map(|(signal, ..)| signal);
    Ok((signal.ok_or(io::ErrorKind::Interrupted)?, sender.unsigned_abs()))
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
            block().unwrap();
            for signal in [Signal::Usr1, Signal::Hup] {
                // To this thread alone: others of this process have not blocked it.
                // SAFETY: the thread is the calling one.
                assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), signal.number()) }, 0);
                assert_eq!(wait().unwrap(), (signal, std::process::id()));
            }
        })
        .join()
        .unwrap();
    }
}

//! Changing the binary: starting a new one that inherits the listening sockets, and inheriting them.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;

use syntax::Level;

use super::Master;

/// Where a program finds the numbers of the sockets that it inherits, each followed by `;`.
const VARIABLE: &str = "NGINX";

/// Sockets that another program left open for this one.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// The sockets.
    pub(super) sockets: Vec<OwnedFd>,
    /// The numbers as they were given, where the program before was ours.
    pub(super) from: Option<String>,
    /// Whether they are the service manager's, which keeps them.
    pub(super) lent: bool,
    /// What is wrong with them.
    pub(super) complaints: Vec<(Level, String)>,
}

impl Inherited {
    /// As the environment says: those of the binary before, or of the service manager (`sd_listen_fds`(3)).
    pub(super) fn from_environment() -> Self {
        /// `SD_LISTEN_FDS_START`
        const FIRST: i32 = 3;
        if let Ok(numbers) = std::env::var(VARIABLE) {
            return Self::of_binary(numbers);
        }
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
        let for_us = number("LISTEN_PID").is_some_and(|pid| u32::try_from(pid) == Ok(std::process::id()));
        let count = number("LISTEN_FDS").filter(|_| for_us).unwrap_or(0);
        let sockets = (FIRST..FIRST.saturating_add(count)).filter_map(|fd| os::inherit::take_over(fd).ok()).collect();
        Self { sockets, lent: count > 0, ..Self::default() }
    }

    fn of_binary(numbers: String) -> Self {
        let mut inherited = Self::default();
        let mut rest = numbers.as_str();
        let wrong = |rest: &str, of: &str| {
            let text = format!("invalid socket number \"{rest}\" in {VARIABLE} environment variable, ignoring{of}");
            (Level::Emerg, text)
        };
        while let Some(end) = rest.find([';', ':']) {
            let (number, after) = rest.split_at(end);
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            let Some(fd) = number.parse::<i32>().ok().filter(|_| digits) else {
                inherited.complaints.push(wrong(rest, " the rest of the variable"));
                // It is told once where there is nothing before the end of the number.
                rest = if number.is_empty() { "" } else { rest };
                break;
            };
            match os::inherit::take_over(fd).and_then(|socket| os::socket::local_addr(&socket).map(|_| socket)) {
                Ok(socket) => inherited.sockets.push(socket),
                Err(error) => {
                    let reason = engine::log::errno(&error);
                    let text = format!("getsockname() of the inherited socket #{fd} failed{reason}");
                    inherited.complaints.push((Level::Crit, text));
                }
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            inherited.complaints.push(wrong(rest, ""));
        }
        inherited.from = Some(numbers);
        inherited
    }
}

impl Master<'_> {
    /// Whether a new binary can be started: none is at work, and who started this one does not wait for it.
    pub(super) fn may_change_binary(&self) -> bool {
        self.successor.is_none() && std::os::unix::process::parent_id() != self.parent
    }

    /// Starts a new binary beside this one, on the same sockets.
    pub(super) fn change_binary(&mut self) {
        if !self.may_change_binary() {
            let text = "the changing binary signal is ignored: you should shutdown or terminate before either old or \
                        new binary's process";
            return self.log(Level::Crit, text);
        }
        self.log(Level::Notice, "changing binary");
        let path = self.plan.main.pid.clone();
        if let Err(error) = self.pid.step_aside() {
            let text = format!(
                "rename() {} to {}.oldbin failed{} before executing new binary process",
                path.display(),
                path.display(),
                engine::log::errno(&error)
            );
            return self.log(Level::Alert, &text);
        }
        let (words, environment) = self.appearance.for_successor(&self.plan);
        match start(self.instance.sockets().all(), words, environment) {
            Ok(pid) => {
                self.log(Level::Notice, &format!("start new binary process {pid}"));
                self.successor = Some(pid);
            }
            Err(error) => {
                let text = format!("execve() failed while executing new binary process{}", engine::log::errno(&error));
                self.log(Level::Alert, &text);
                self.step_back();
            }
        }
    }

    /// Takes its place again after it has failed.
    pub(super) fn step_back(&mut self) {
        if let Err(error) = self.pid.step_back(&self.plan.main.pid) {
            let path = self.plan.main.pid.display();
            let reason = engine::log::errno(&error);
            self.log(Level::Alert, &format!("rename() {path}.oldbin back to {path} failed{reason}"));
        }
    }
}

/// Starts the program that `words` begin with, in `environment`, with `sockets` to inherit; the number of its process.
fn start<'a>(
    sockets: impl Iterator<Item = &'a OwnedFd>,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
) -> io::Result<u32> {
    // Duplicates, so that the ones in use are never left open to any other child.
    let passed: Vec<OwnedFd> = sockets.map(|socket| socket.as_fd().try_clone_to_owned()).collect::<io::Result<_>>()?;
    passed.iter().try_for_each(os::inherit::pass_on)?;
    let numbers: Vec<String> = passed.iter().map(|fd| format!("{};", fd.as_raw_fd())).collect();
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_else(|| OsString::from("lockgate")));
    // Of two variables with one name the first holds.
    let environment = environment.into_iter().rev();
    Ok(command.args(words).env_clear().envs(environment).env(VARIABLE, numbers.concat()).spawn()?.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints of `level` about these numbers.
    fn told(level: Level, numbers: &str) -> Vec<String> {
        let all = Inherited::of_binary(numbers.to_owned()).complaints;
        all.into_iter().filter(|(of, _)| *of == level).map(|(_, text)| text).collect()
    }

    #[test]
    fn numbers_that_make_no_sense_are_told() {
        let of = |numbers| told(Level::Emerg, numbers);
        let wrong = |rest: &str| format!("invalid socket number \"{rest}\" in NGINX environment variable, ignoring");
        let both = |rest: &str| vec![wrong(rest) + " the rest of the variable", wrong(rest)];
        assert!(of("").is_empty());
        assert!(of("900;901:").is_empty());
        assert_eq!(of("x;"), both("x;"));
        assert_eq!(of("-1;"), both("-1;"));
        assert_eq!(of("900;+1;"), both("+1;"));
        assert_eq!(of("900;;901;"), [wrong(";901;") + " the rest of the variable"]);
        assert_eq!(of("900;7"), [wrong("7")]);
    }

    #[test]
    fn numbers_of_no_sockets_are_told() {
        let no =
            |number: u32| format!("getsockname() of the inherited socket #{number} failed (9: Bad file descriptor)");
        assert_eq!(told(Level::Crit, "900;901:x;"), [no(900), no(901)]);
    }
}

//! `-s`: telling the running process what to do, by its pid file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use syntax::Level;

use crate::args::Signal;
use crate::instance::Checked;
use crate::outcome::Ear;
use crate::report::{Report, say};

/// Sends `signal` to the process whose pid file the configuration names.
pub(crate) fn send(signal: Signal, checked: &Checked, report: &Report) -> ExitCode {
    report.line(Level::Notice, "signal process started");
    let path = &checked.main().pid;
    let text = match read(path) {
        Ok(text) => text,
        Err((level, call, error)) => {
            let reason = engine::log::errno(&error);
            report.line(level, &format!("{call} \"{}\" failed{reason}", path.display()));
            return ExitCode::FAILURE;
        }
    };
    let Some(pid) = number(&text) else {
        report.line(Level::Error, &format!("invalid PID number \"{text}\" in \"{}\"", path.display()));
        return ExitCode::FAILURE;
    };
    let number = match signal {
        Signal::Stop => os::signals::Signal::Term,
        Signal::Quit => os::signals::Signal::Quit,
        Signal::Reopen => os::signals::Signal::Usr1,
        Signal::Reload => os::signals::Signal::Hup,
    }
    .number();
    let ear = if signal == Signal::Reload { Ear::open() } else { None };
    match os::process::kill(pid, number) {
        Ok(()) => match ear.and_then(|ear| ear.refusal(pid)) {
            None => ExitCode::SUCCESS,
            // The running gateway has it in its log; this is for the one who asked.
            Some(refusal) => {
                say(&format!("nginx: [emerg] {refusal}\n"));
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            let reason = engine::log::errno(&error);
            report.line(Level::Alert, &format!("kill({pid}, {number}) failed{reason}"));
            ExitCode::FAILURE
        }
    }
}

/// What a pid file says, without the ends of lines after it; an error is that of the call it comes with.
fn read(path: &Path) -> Result<String, (Level, &'static str, io::Error)> {
    /// Longer than any number.
    const LONGEST: u64 = 22;
    let file = File::open(path).map_err(|error| (Level::Error, "open()", error))?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).map_err(|error| (Level::Crit, "pread()", error))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The process that a pid file means; 0 would be this one and others.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|pid| digits && *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_processes() {
        assert_eq!(number("17"), Some(17));
        for text in ["", "0", "+5", "-5", " 5", "5 ", "0x5", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}

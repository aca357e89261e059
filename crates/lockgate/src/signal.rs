//! `-s`: telling the running process what to do, by its pid file.

use std::process::ExitCode;

use syntax::Level;

use crate::args::Signal;
use crate::instance::Checked;
use crate::outcome::Ear;
use crate::report::{Report, say};

/// Sends `signal` to the process whose pid file the configuration names.
pub(crate) fn send(signal: Signal, checked: &Checked, report: &Report) -> ExitCode {
    report.log().write(Level::Notice, None, b"signal process started");
    let path = checked.pid();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let reason = engine::log::errno(&error);
            report.line(Level::Error, &format!("open() \"{}\" failed{reason}", path.display()));
            return ExitCode::FAILURE;
        }
    };
    let text = text.trim_end();
    let Some(pid) = text.parse::<u32>().ok().filter(|pid| *pid > 0) else {
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
        Ok(()) => match ear.and_then(Ear::refusal) {
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

//! Limits and places that the main context asks for those who serve.

use std::io;
use std::path::{Path, PathBuf};

use config::Options;
use engine::plan::Plan;
use syntax::Level;

use crate::instance::Refused;
use crate::report::Report;

/// What a process takes at its start for as long as it serves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    files: Option<u64>,
    core: Option<u64>,
    priority: Option<i32>,
    directory: Option<PathBuf>,
}

impl Taken {
    /// What one that serves `plan` takes.
    pub(super) fn of(plan: &Plan) -> Self {
        let main = &plan.main;
        Self {
            files: main.rlimit_nofile,
            core: main.rlimit_core,
            priority: main.priority,
            directory: main.working_directory.clone(),
        }
    }
}

/// Takes them for this process.
pub(super) fn take(plan: &Plan, report: &Report) {
    let main = &plan.main;
    let tell = |call: &str, error: &io::Error| {
        report.line(Level::Alert, &format!("{call} failed{}", engine::log::errno(error)));
    };
    if let Err(error) = engine::memory::watch()
        && plan.limits.memory.is_some()
    {
        tell("open() \"/proc/self/statm\"", &error);
    }
    if let Some(files) = main.rlimit_nofile
        && let Err(error) = os::process::set_nofile(files)
    {
        tell(&format!("setrlimit(RLIMIT_NOFILE, {files})"), &error);
    }
    if let Some(bytes) = main.rlimit_core
        && let Err(error) = os::process::set_core(bytes)
    {
        tell(&format!("setrlimit(RLIMIT_CORE, {bytes})"), &error);
    }
    if let Some(priority) = main.priority
        && let Err(error) = os::process::set_priority(priority)
    {
        tell(&format!("setpriority({priority})"), &error);
    }
}

/// Enters the directory to run in.
pub(super) fn enter_directory(plan: &Plan, report: &Report) -> Result<(), Refused> {
    in_directory(plan, report, |directory| std::env::set_current_dir(directory))
}

/// The same for a process that reads configurations, too: where these lie relative to where it is it stays there, and
/// only sees whether its threads can go, each for itself.
pub(super) fn go_to_directory(plan: &Plan, options: &Options, report: &Report) -> Result<(), Refused> {
    if options.prefix.is_absolute() && options.conf.is_absolute() {
        return enter_directory(plan, report);
    }
    in_directory(plan, report, |directory| {
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                os::process::own_directory()?;
                std::env::set_current_dir(directory)
            });
            entered.join().unwrap_or_else(|_| Err(io::Error::other("a thread died")))
        })
    })
}

fn in_directory(plan: &Plan, report: &Report, enter: impl Fn(&Path) -> io::Result<()>) -> Result<(), Refused> {
    match &plan.main.working_directory {
        Some(directory) => enter(directory).map_err(|error| {
            let text = format!("chdir(\"{}\") failed{}", directory.display(), engine::log::errno(&error));
            report.line(Level::Alert, &text);
            Refused
        }),
        None => Ok(()),
    }
}

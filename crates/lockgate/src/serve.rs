//! Running: from a checked configuration to the end of the process, by signals.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use config::Options;
use engine::plan::Plan;
use engine::workers::Workers;
use os::signals::{self, Signal};
use syntax::Level;

use crate::instance::{Checked, Instance, Refused};
use crate::report::Report;

/// Serves until a signal ends it.
pub(crate) fn run(mut instance: Instance, checked: Checked, options: &Options, report: &Report) -> ExitCode {
    match start(&mut instance, checked, report) {
        Ok((plan, workers, pid)) => supervise(instance, plan, workers, options, pid),
        Err(Refused) => ExitCode::FAILURE,
    }
}

fn start(instance: &mut Instance, checked: Checked, report: &Report) -> Result<(Arc<Plan>, Workers, PidFile), Refused> {
    let plan = instance.open(checked, report, false)?;
    let failed = |call: &str, error: std::io::Error| {
        report.line(Level::Emerg, &format!("{call} failed{}", engine::log::errno(&error)));
        Refused
    };
    let log = |text: String| plan.error_log.write(Level::Notice, None, text.as_bytes());
    log("using the \"epoll\" event method".to_owned());
    log(format!("nginx/{}", crate::version::NGINX));
    log(format!("built as Lockgate {} with {}", env!("CARGO_PKG_VERSION"), engine::library_version()));
    log(format!("OS: Linux {}", os::process::release()));
    if let Some((soft, hard)) = os::process::nofile() {
        log(format!("getrlimit(RLIMIT_NOFILE): {soft}:{hard}"));
    }
    if plan.main.daemon {
        os::process::daemonize().map_err(|error| failed("fork()", error))?;
    }
    // Threads inherit the mask: signals are taken by this thread alone.
    signals::block().map_err(|error| failed("sigprocmask()", error))?;
    let pid = PidFile::write(&plan.main.pid).map_err(|error| {
        let text = format!("open() \"{}\" failed{}", plan.main.pid.display(), engine::log::errno(&error));
        report.line(Level::Emerg, &text);
        Refused
    })?;
    take_limits(&plan, report)?;
    let workers = instance.start(&plan).map_err(|error| failed("pthread_create()", error))?;
    log("start worker processes".to_owned());
    for _ in 0..plan.main.workers {
        log(format!("start worker process {}", std::process::id()));
    }
    Ok((plan, workers, pid))
}

/// Takes the limits that the main context asks for. The user is taken by each worker thread.
fn take_limits(plan: &Plan, report: &Report) -> Result<(), Refused> {
    let main = &plan.main;
    let tell = |call: &str, error: &std::io::Error| {
        report.line(Level::Alert, &format!("{call} failed{}", engine::log::errno(error)));
    };
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
    if let Some(directory) = &main.working_directory
        && let Err(error) = std::env::set_current_dir(directory)
    {
        tell(&format!("chdir(\"{}\")", directory.display()), &error);
        return Err(Refused);
    }
    Ok(())
}

/// Does what signals ask for, until one of them ends the process.
fn supervise(
    mut instance: Instance,
    mut plan: Arc<Plan>,
    mut workers: Workers,
    options: &Options,
    mut pid: PidFile,
) -> ExitCode {
    loop {
        let Ok((signal, sender)) = signals::wait() else { continue };
        let said = |what: &str| {
            let text = format!("signal {} ({}) received from {sender}{what}", signal.number(), signal.name());
            plan.error_log.write(Level::Notice, None, text.as_bytes());
        };
        match signal {
            Signal::Term | Signal::Int => {
                said(", exiting");
                plan.error_log.write(Level::Notice, None, b"exit");
                drop((instance, pid));
                return ExitCode::SUCCESS;
            }
            Signal::Quit => {
                said(", shutting down");
                plan.error_log.write(Level::Notice, None, b"gracefully shutting down");
                drain(instance, workers, &plan, pid);
                return ExitCode::SUCCESS;
            }
            Signal::Hup => {
                said(", reconfiguring");
                if let Some(fresh) = reload(&mut instance, &mut workers, &plan, options) {
                    pid = pid.moved_to(&fresh.main.pid, &fresh);
                    plan = fresh;
                }
            }
            Signal::Usr1 => {
                said(", reopening logs");
                plan.error_log.write(Level::Notice, None, b"reopening logs");
                instance.reopen(&workers, &plan);
            }
            Signal::Usr2 | Signal::Winch | Signal::Child => said(""),
        }
    }
}

/// Waits for the sessions to end; a second TERM or INT ends the wait.
fn drain(mut instance: Instance, workers: Workers, plan: &Arc<Plan>, pid: PidFile) {
    let quitting = instance.quit(workers);
    let main = std::process::id();
    let waiter = std::thread::spawn(move || {
        quitting.wait();
        // Wakes the thread that waits for signals.
        let _ = os::process::kill(main, Signal::Child.number());
    });
    while !waiter.is_finished() {
        match signals::wait() {
            Ok((Signal::Term | Signal::Int, _)) => break,
            Ok((Signal::Child, _)) => {
                let _ = waiter.join();
                break;
            }
            _ => {}
        }
    }
    plan.error_log.write(Level::Notice, None, b"exit");
    drop(pid);
}

/// A new plan for new sessions; on any error the old one goes on untouched.
fn reload(instance: &mut Instance, workers: &mut Workers, old: &Arc<Plan>, options: &Options) -> Option<Arc<Plan>> {
    old.error_log.write(Level::Notice, None, b"reconfiguring");
    let report = Report::new(old.error_log.clone());
    let (checked, _) = instance.check(options, &report);
    let plan = instance.open(checked.ok()?, &report, false).ok()?;
    if let Err(error) = instance.install(workers, &plan) {
        report.line(Level::Emerg, &format!("reload failed ({error}); the running configuration stays"));
        return None;
    }
    plan.error_log.write(Level::Notice, None, b"start worker processes");
    Some(plan)
}

/// The pid file, removed at the end.
#[derive(Debug)]
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> std::io::Result<Self> {
        std::fs::write(path, format!("{}\n", std::process::id()))?;
        // Created under whatever umask; it is for everybody to read.
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644));
        Ok(Self(path.to_owned()))
    }

    fn moved_to(self, path: &Path, plan: &Plan) -> Self {
        if self.0 == path {
            return self;
        }
        match Self::write(path) {
            Ok(moved) => moved,
            Err(error) => {
                let text = format!("open() \"{}\" failed ({error})", path.display());
                plan.error_log.write(Level::Emerg, None, text.as_bytes());
                self
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone already is just as well.
        let _ = std::fs::remove_file(&self.0);
    }
}

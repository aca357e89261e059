//! One running gateway: a plan made from the configuration, its sockets and its worker threads;
//! and how a reload replaces the first and keeps the rest.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::family::listen::Listener;
use config::family::main_context::Main;
use config::{Loaded, Options, Stage, World};
use engine::error::BuildError;
use engine::listen::Sockets;
use engine::log::ErrorLogs;
use engine::plan::{Draft, Kept, Plan, Rotated};
use engine::workers::{Home, Workers};
use syntax::{Diagnostic, Level};

use crate::report::Report;

/// What is kept from configuration to configuration.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    kept: Kept,
    sockets: Sockets,
    /// When files began to be read for the last configuration, by [`os::time::file_stamp`].
    pub(crate) reading_since: Option<(i64, i64)>,
}

/// What is to be told of a configuration, and when.
type Later = Vec<(Stage, Diagnostic)>;

/// A configuration that was read and whose certificates are good.
#[derive(Debug)]
pub(crate) struct Checked {
    draft: Draft,
    later: Later,
}

impl Checked {
    /// The main context.
    pub(crate) fn main(&self) -> &Main {
        &self.draft.config().main
    }
}

/// Everything was told already.
#[derive(Debug)]
pub(crate) struct Refused;

impl Instance {
    /// Reads the configuration and the certificates it names from `world`, telling what is wrong.
    pub(crate) fn check(
        &mut self,
        options: &Options,
        report: &Report,
        world: &dyn World,
    ) -> (Result<Checked, Refused>, syntax::Sources) {
        self.reading_since = Some(os::time::file_stamp());
        let Loaded { config, warnings, later, sources } = config::load(options, world);
        for warning in &warnings {
            report.diagnostic(warning, &sources);
        }
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                report.diagnostic(&error, &sources);
                return (Err(Refused), sources);
            }
        };
        let mut warnings = Vec::new();
        let draft = Draft::new(config, options, world, &mut self.kept, &mut warnings);
        for warning in warnings {
            report.line(Level::Warn, &warning);
        }
        let checked = draft.map(|draft| Checked { draft, later }).map_err(|error| {
            report.line(Level::Emerg, &error.to_string());
            Refused
        });
        let checked = checked.and_then(|checked| {
            report.syntax_is_ok();
            tell(&checked.later, Stage::Read, report)?;
            Ok(checked)
        });
        (checked, sources)
    }

    /// Opens logs and sockets; for a test, addresses in use are passed over.
    pub(crate) fn open(&mut self, checked: Checked, report: &Report, test: bool) -> Result<Arc<Plan>, Refused> {
        let (plan, later) = self.with_logs(checked, report)?;
        let workers = plan.main.workers as usize;
        let aloud = |level, text: &str| report.line(level, text);
        let opened = if test {
            self.sockets.try_open(&plan.listeners, workers, &aloud)
        } else {
            self.sockets.open(&plan.listeners, workers, &aloud)
        };
        opened.map_err(|error| {
            report.line(Level::Emerg, &error.0);
            Refused
        })?;
        if !test {
            report.line(Level::Notice, "using the \"epoll\" event method");
        }
        tell(&later, Stage::Sockets, report)?;
        // A test says what nginx says.
        if !test {
            warn_of_open_doors(&plan);
        }
        Ok(plan)
    }

    /// Opens logs alone.
    pub(crate) fn prepare(&mut self, checked: Checked, report: &Report) -> Result<Arc<Plan>, Refused> {
        self.with_logs(checked, report).map(|(plan, _)| plan)
    }

    /// Opens the logs, which hear of everything from then on.
    fn with_logs(&mut self, checked: Checked, report: &Report) -> Result<(Arc<Plan>, Later), Refused> {
        let Checked { draft, later } = checked;
        let refused = |error: BuildError| {
            report.line(Level::Emerg, &error.to_string());
            Refused
        };
        let logged = draft.open_logs(&mut self.kept).map_err(refused)?;
        tell(&later, Stage::Logs, report)?;
        report.switch(logged.error_log.clone());
        let plan = logged.finish(&mut self.kept).map_err(refused)?;
        Ok((plan, later))
    }

    /// Takes listening sockets that another program has bound, for the addresses of the configuration that is
    /// opened next.
    pub(crate) fn inherit(&mut self, sockets: Vec<OwnedFd>) {
        self.sockets.inherit(sockets);
    }

    /// Takes the sockets of `listeners` from the process that has bound them.
    pub(crate) fn adopt_sockets(&mut self, listeners: &[Listener], sockets: Vec<Vec<OwnedFd>>) {
        for (listener, sockets) in listeners.iter().zip(sockets) {
            self.sockets.adopt(listener, sockets);
        }
    }

    /// Takes a log file from the process that has opened it.
    pub(crate) fn adopt_log(&mut self, path: &Path, file: OwnedFd) -> io::Result<()> {
        self.kept.files.adopt(path, file)
    }

    /// The open log files.
    pub(crate) fn files(&self) -> &engine::log::Files {
        &self.kept.files
    }

    /// The listening sockets.
    pub(crate) fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Reads files of certificates that have `changed`, for handshakes to come.
    pub(crate) fn rotate(&mut self, plan: &Plan, changed: &BTreeSet<PathBuf>, world: &dyn World) -> Rotated {
        plan.rotate(changed, world, &mut self.kept)
    }

    /// Starts the worker threads.
    pub(crate) fn start(&self, plan: &Arc<Plan>, home: Home) -> io::Result<Workers> {
        Workers::start(plan, &self.sockets, home)
    }

    /// Hands `plan` to the workers; what it does not name any more is closed, as by [`Instance::forget_others`].
    pub(crate) fn install(&mut self, workers: &mut Workers, plan: &Arc<Plan>, owner: bool) -> io::Result<()> {
        workers.install(plan, &self.sockets)?;
        self.forget_others(plan, owner);
        Ok(())
    }

    /// The configuration that was opened last is in force: the next one takes over from it.
    pub(crate) fn commit(&mut self) {
        self.kept.commit();
        self.sockets.commit();
    }

    /// The configuration that was opened last was refused in the end; `plan` goes on. As [`Instance::forget_others`].
    pub(crate) fn roll_back(&mut self, plan: &Plan, owner: bool) {
        self.sockets.roll_back();
        self.forget_others(plan, owner);
    }

    /// Lets go of sockets and logs that `plan` does not name. Their `owner` removes sockets from the file system.
    pub(crate) fn forget_others(&mut self, plan: &Plan, owner: bool) {
        self.sockets.close_others(&plan.listeners, owner.then_some(&plan.error_log));
        self.kept.files.forget_unused();
    }

    /// Closes the listeners; `unlink` removes those of the file system, and tells `log` of what could not be removed.
    pub(crate) fn close(&mut self, unlink: bool, log: Option<&ErrorLogs>) {
        for error in self.sockets.close(unlink) {
            if let Some(log) = log {
                log.write(Level::Emerg, None, error.0.as_bytes());
            }
        }
    }

    /// Reopens every log file; with `plan.main.user` they are that user's.
    pub(crate) fn reopen(&self, plan: &Plan) {
        let owner = plan.main.user.as_ref().filter(|_| plan.main.master_process).map(|user| user.uid);
        for (level, text) in self.kept.files.reopen(owner) {
            plan.error_log.write(level, None, text.as_bytes());
        }
    }
}

/// What lets in more than was probably meant, each with its place.
fn warn_of_open_doors(plan: &Plan) {
    let relays =
        plan.open_relays.iter().map(|at| ("clients choose where \"proxy_pass\" leads, see \"proxy_guard\"", at));
    let unasked =
        plan.unasked.iter().map(|at| ("\"ssl_verify_client\" asks nobody, no \"listen\" here has \"ssl\"", at));
    for (what, place) in relays.chain(unasked) {
        plan.error_log.write(Level::Warn, None, format!("{what} in {place}").as_bytes());
    }
}

/// Tells what is due at `stage`; an error makes the configuration useless.
fn tell(later: &[(Stage, Diagnostic)], stage: Stage, report: &Report) -> Result<(), Refused> {
    for (_, diagnostic) in later.iter().filter(|(due, _)| *due == stage) {
        report.line(diagnostic.level, &diagnostic.to_string());
        if diagnostic.level <= Level::Error {
            return Err(Refused);
        }
    }
    Ok(())
}

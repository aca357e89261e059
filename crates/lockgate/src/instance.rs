//! One running gateway: a plan made from the configuration, its sockets and its worker threads;
//! and how a reload replaces the first and keeps the rest.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use config::family::listen::Listener;
use config::{Loaded, Options, World};
use engine::listen::Sockets;
use engine::plan::{Draft, Kept, Plan, Rotated};
use engine::workers::Workers;
use syntax::Level;

use crate::report::Report;

/// What is kept from configuration to configuration.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    kept: Kept,
    sockets: Sockets,
    /// When files began to be read for the last configuration.
    pub(crate) reading_since: Option<SystemTime>,
}

/// A configuration that was read and whose certificates are good.
#[derive(Debug)]
pub(crate) struct Checked {
    draft: Draft,
}

impl Checked {
    /// The pid file.
    pub(crate) fn pid(&self) -> &Path {
        &self.draft.config().main.pid
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
        self.reading_since = Some(SystemTime::now());
        let Loaded { config, warnings, sources, syntax_ok } = config::load(options, world);
        for warning in &warnings {
            report.diagnostic(warning, &sources);
        }
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                if syntax_ok {
                    report.syntax_is_ok();
                }
                report.diagnostic(&error, &sources);
                return (Err(Refused), sources);
            }
        };
        let mut warnings = Vec::new();
        let draft = Draft::new(config, options, world, &mut self.kept, &mut warnings);
        for warning in warnings {
            report.line(Level::Warn, &warning);
        }
        let checked = draft.map(|draft| Checked { draft }).map_err(|error| {
            report.line(Level::Emerg, &error.to_string());
            Refused
        });
        (checked, sources)
    }

    /// Opens logs and sockets; for a test, addresses in use are passed over.
    pub(crate) fn open(&mut self, checked: Checked, report: &Report, test: bool) -> Result<Arc<Plan>, Refused> {
        let plan = self.prepare(checked, report)?;
        let workers = plan.main.workers as usize;
        let tell = |level, text: &str| report.line(level, text);
        let opened = if test {
            self.sockets.try_open(&plan.listeners, workers, &tell)
        } else {
            self.sockets.open(&plan.listeners, workers, &tell)
        };
        opened.map_err(|error| {
            report.line(Level::Emerg, &error.0);
            Refused
        })?;
        // A test says what nginx says.
        for place in plan.open_relays.iter().filter(|_| !test) {
            let text = format!("clients choose where \"proxy_pass\" leads, see \"proxy_guard\" in {place}");
            plan.error_log.write(Level::Warn, None, text.as_bytes());
        }
        Ok(plan)
    }

    /// Opens logs alone.
    pub(crate) fn prepare(&mut self, checked: Checked, report: &Report) -> Result<Arc<Plan>, Refused> {
        checked.draft.open(&mut self.kept).map_err(|error| {
            report.line(Level::Emerg, &error.to_string());
            Refused
        })
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

    /// Starts the worker threads; with `confined` they limit themselves.
    pub(crate) fn start(&self, plan: &Arc<Plan>, confined: bool) -> io::Result<Workers> {
        Workers::start(plan, &self.sockets, confined)
    }

    /// Hands `plan` to the workers; what it does not name any more is closed.
    pub(crate) fn install(&mut self, workers: &mut Workers, plan: &Arc<Plan>) -> io::Result<()> {
        workers.install(plan, &self.sockets)?;
        self.forget_others(plan);
        Ok(())
    }

    /// Lets go of sockets and logs that `plan` does not name.
    pub(crate) fn forget_others(&mut self, plan: &Plan) {
        self.sockets.close_others(&plan.listeners, &plan.error_log);
        self.kept.files.forget_unused();
    }

    /// Closes the listeners; `unlink` removes those of the file system.
    pub(crate) fn close(&mut self, unlink: bool) {
        self.sockets.close(unlink);
    }

    /// Reopens every log file.
    pub(crate) fn reopen(&self, plan: &Plan) {
        for (path, error) in self.kept.files.reopen() {
            let text = format!("open() \"{}\" failed ({error})", path.display());
            plan.error_log.write(Level::Emerg, None, text.as_bytes());
        }
    }
}

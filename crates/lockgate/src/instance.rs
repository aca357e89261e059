//! One running gateway: a plan made from the configuration, its sockets and its worker threads;
//! and how a reload replaces the first and keeps the rest.

use std::sync::Arc;

use config::{Loaded, Options};
use engine::listen::Sockets;
use engine::plan::{Draft, Kept, Plan};
use engine::workers::{Quitting, Workers};
use syntax::Level;

use crate::machine::Machine;
use crate::report::Report;

/// What is kept from configuration to configuration.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    kept: Kept,
    sockets: Sockets,
}

/// A configuration that was read and whose certificates are good.
#[derive(Debug)]
pub(crate) struct Checked {
    draft: Draft,
}

impl Checked {
    /// The pid file.
    pub(crate) fn pid(&self) -> &std::path::Path {
        &self.draft.config().main.pid
    }
}

/// Everything was told already.
#[derive(Debug)]
pub(crate) struct Refused;

impl Instance {
    /// Reads the configuration and the certificates it names, telling what is wrong.
    pub(crate) fn check(&mut self, options: &Options, report: &Report) -> (Result<Checked, Refused>, syntax::Sources) {
        let Loaded { config, warnings, sources, syntax_ok } = config::load(options, &Machine);
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
        let draft = Draft::new(config, options, &Machine, &mut self.kept, &mut warnings);
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
        let plan = checked.draft.open(&mut self.kept).map_err(|error| {
            report.line(Level::Emerg, &error.to_string());
            Refused
        })?;
        let workers = plan.main.workers as usize;
        let opened = if test {
            self.sockets.try_open(&plan.listeners, workers, report.log())
        } else {
            self.sockets.open(&plan.listeners, workers, report.log())
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

    /// Starts the worker threads.
    pub(crate) fn start(&self, plan: &Arc<Plan>) -> std::io::Result<Workers> {
        Workers::start(plan, &self.sockets)
    }

    /// Hands `plan` to the workers; what it does not name any more is closed.
    pub(crate) fn install(&mut self, workers: &mut Workers, plan: &Arc<Plan>) -> std::io::Result<()> {
        workers.install(plan, &self.sockets)?;
        self.sockets.close_others(&plan.listeners, &plan.error_log);
        self.kept.files.forget_unused();
        Ok(())
    }

    /// Closes the listeners and drains the workers.
    pub(crate) fn quit(&mut self, workers: Workers) -> Quitting {
        let quitting = workers.quit();
        self.sockets = Sockets::default();
        quitting
    }

    /// Reopens every log file.
    pub(crate) fn reopen(&self, workers: &Workers, plan: &Plan) {
        workers.flush_logs();
        for (path, error) in self.kept.files.reopen() {
            let text = format!("open() \"{}\" failed ({error})", path.display());
            plan.error_log.write(Level::Emerg, None, text.as_bytes());
        }
    }
}

//! Taking what has changed while others are served: the configuration, log files, certificates.

use std::collections::BTreeSet;
use std::path::PathBuf;

use syntax::Level;

use super::appearance;
use super::crew::{Crew, Process};
use super::rotation::Rotation;
use super::{Master, Step, limits, order};
use crate::instance::Refused;
use crate::machine::Machine;
use crate::report::Report;
use crate::transcript::Recorder;

impl Master<'_> {
    /// A new plan for new sessions; on any error the old one goes on untouched. The process `asker` is told, too.
    pub(super) fn reload(&mut self, asker: u32) -> Step {
        self.log(Level::Notice, "reconfiguring");
        let report = Report::running(self.plan.error_log.clone());
        let taken = self.take_new(&report);
        match taken {
            // The other half of this process tells, once this one serves.
            Ok(step @ (Step::Serve(_) | Step::Exit)) => return step,
            Ok(Step::On) => self.voice.tell(asker, None),
            Err(Refused) => {
                let why = report.first_error();
                self.voice.tell(asker, Some(why.as_deref().unwrap_or("the worker process did not start")));
                return Step::On;
            }
        }
        self.rotation = Rotation::of(self.plan.certificate_files(), self.instance.reading_since);
        self.expiry.tell(&self.plan);
        Step::On
    }

    fn take_new(&mut self, report: &Report) -> Result<Step, Refused> {
        let recorder = matches!(self.crew, Crew::Process(_)).then(|| Recorder::new(&Machine));
        let (checked, _) = match &recorder {
            Some(recorder) => self.instance.check(self.options, report, recorder),
            None => self.instance.check(self.options, report, &Machine),
        };
        let checked = checked?;
        if checked.main().lock_file != self.lock_file {
            report.line(Level::Emerg, "\"lock_file\" could not be changed, ignored");
        }
        let pid = self.pid.beside(&checked.main().pid).map_err(|why| {
            report.line(why.level, &why.text);
            Refused
        })?;
        let opened = self.instance.open(checked, report, false);
        let taken = opened.and_then(|plan| {
            let old = std::mem::replace(&mut self.plan, plan);
            self.hand_over(recorder, report).inspect_err(|_| self.plan = old)
        });
        match (&taken, pid) {
            (Ok(Step::Serve(_)), _) | (Ok(_), None) => {}
            (Ok(_), Some(new)) => {
                let old = std::mem::replace(&mut self.pid, new);
                self.remove(&old);
            }
            (Err(_), new) => {
                self.instance.roll_back(&self.plan, true);
                if let Some(new) = new {
                    self.remove(&new);
                }
            }
        }
        if taken.is_ok() {
            self.instance.commit();
            appearance::redirect_stderr(&self.plan);
        }
        taken
    }

    /// Has the crew take the plan, or another one take the place of the crew.
    fn hand_over(&mut self, recorder: Option<Recorder<'_>>, report: &Report) -> Result<Step, Refused> {
        let refused = |text: &str| {
            report.line(Level::Emerg, &format!("{text}; the running configuration stays"));
            Refused
        };
        match (&mut self.crew, recorder) {
            (Crew::Threads(threads), _) => {
                if Process::user_of(&self.plan).is_some() {
                    let text = "another \"user\" is taken by a restart only";
                    self.plan.error_log.write(Level::Warn, None, text.as_bytes());
                }
                limits::go_to_directory(&self.plan, self.options, report)?;
                let installed = self.instance.install(&mut threads.workers, &self.plan, true);
                installed
                    .map_err(|error| refused(&format!("pthread_create() failed{}", engine::log::errno(&error))))?;
                limits::take(&self.plan, report);
                self.say_starting();
                self.say_started(std::process::id());
            }
            (Crew::Process(process), Some(recorder)) if process.fits(&self.plan) => {
                let (files, sockets) = (self.instance.files(), self.instance.sockets());
                let sockets = sockets.of_listeners(&self.plan.listeners);
                process
                    .ask(|channel| order::reload(channel, &recorder.finish(), files, &sockets))
                    .map_err(|refusal| refused(&refusal.to_string()))?;
                let number = process.pid;
                self.instance.forget_others(&self.plan, true);
                self.say_starting();
                self.say_started(number);
            }
            (Crew::Process(_) | Crew::None, _) => {
                let old = std::mem::replace(&mut self.crew, Crew::None);
                // One from before that is to be buried yet is not the one that is started now.
                let unburied = self.stillborn.take();
                match self.serve() {
                    // It has said why.
                    Ok(Step::On) if self.stillborn.is_some() => {
                        self.stillborn = unburied;
                        self.crew = old;
                        return Err(Refused);
                    }
                    Ok(Step::On) => {
                        self.again = None;
                        let new = std::mem::replace(&mut self.crew, old);
                        self.retire();
                        self.crew = new;
                        self.instance.forget_others(&self.plan, true);
                    }
                    Ok(step) => return Ok(step),
                    Err(Refused) => {
                        self.stillborn = unburied;
                        self.crew = old;
                        return Err(Refused);
                    }
                }
            }
        }
        Ok(Step::On)
    }

    /// Writes to new log files where the old ones were moved away.
    pub(super) fn reopen(&mut self) {
        if let Crew::Threads(threads) = &self.crew {
            if self.plan.main.master_process {
                self.log(Level::Notice, "reopening logs");
            }
            threads.workers.flush_logs();
        }
        self.instance.reopen(&self.plan);
        appearance::redirect_stderr(&self.plan);
        let serving = if let Crew::Process(process) = &self.crew { Some(process) } else { None };
        // Sessions that go on elsewhere are logged, too.
        for process in self.retired.iter().chain(serving) {
            if let Err(refusal) = process.ask(|channel| order::reopen(channel, self.instance.files())) {
                self.log(Level::Alert, &refusal.to_string());
            }
        }
    }

    /// Takes files of certificates that have changed for handshakes to come.
    pub(super) fn rotate(&mut self, changed: &BTreeSet<PathBuf>) {
        let recorder = Recorder::new(&Machine);
        let mut rotated = self.instance.rotate(&self.plan, changed, &recorder);
        if let Crew::Process(process) = &self.crew
            && let Err(refusal) = process.ask(|channel| order::rotate(channel, changed, &recorder.finish()))
        {
            rotated.errors.push(refusal.to_string());
        }
        for warning in &rotated.warnings {
            self.log(Level::Warn, warning);
        }
        for error in &rotated.errors {
            self.log(Level::Error, &format!("{error}; the certificates in use stay"));
        }
        if rotated.errors.is_empty() {
            self.log(Level::Notice, "certificates have changed, new handshakes take them");
        }
        self.expiry.tell(&self.plan);
    }
}

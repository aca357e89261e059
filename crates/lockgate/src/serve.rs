//! Running: from a checked configuration to the end of the process, by signals.

mod appearance;
mod children;
mod crew;
mod expiry;
mod limits;
mod notify;
mod order;
mod pid_file;
mod reload;
mod rotation;
mod signal;
mod upgrade;
mod worker;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use config::Options;
use engine::plan::Plan;
use engine::workers::Home;
use os::channel::Channel;
use os::signals::{Signal, Signals};
use syntax::Level;

use crate::instance::{Checked, Instance, Refused};
use crate::outcome::Voice;
use crate::report::Report;
use appearance::Appearance;
use crew::{Crew, Draining, Process, Started, Threads};
use expiry::Expiry;
use notify::Notify;
use pid_file::PidFile;
use rotation::Rotation;
use upgrade::Inherited;
use worker::Worker;

/// Serves until a signal ends it; `words` are those of the command line.
pub(crate) fn run(
    instance: Instance,
    checked: Checked,
    options: &Options,
    report: &Report,
    words: Vec<OsString>,
) -> ExitCode {
    let Ok(mut master) = Master::start(instance, checked, options, report, words) else { return ExitCode::FAILURE };
    match master.serve() {
        Ok(Step::On) => {
            if master.stillborn.is_none() {
                master.notify.ready();
            }
            master.supervise()
        }
        Ok(Step::Serve(channel)) => master.become_worker(channel),
        Ok(Step::Exit) | Err(_) => {
            master.remove(&master.pid);
            ExitCode::FAILURE
        }
    }
}

/// How a process goes on.
enum Step {
    /// As it is.
    On,
    /// To its end.
    Exit,
    /// As a worker process, with the way to the one that it was split from.
    Serve(Channel),
}

/// The process that reads the configuration and takes the signals.
struct Master<'a> {
    instance: Instance,
    plan: Arc<Plan>,
    options: &'a Options,
    appearance: Appearance,
    signals: Signals,
    pid: PidFile,
    /// `lock_file` of the first configuration, which holds for good.
    lock_file: PathBuf,
    notify: Notify,
    voice: Voice,
    rotation: Rotation,
    expiry: Expiry,
    crew: Crew,
    /// Since when the crew serves.
    since: Instant,
    /// The number of a worker process that ended before it served, until it is buried.
    stillborn: Option<u32>,
    /// When to start a crew again that has died.
    again: Option<Instant>,
    /// Threads, and processes, that end when their sessions have.
    draining: Vec<Draining>,
    retired: Vec<Process>,
    quitting: bool,
    beat: Instant,
    /// The process of the new binary.
    successor: Option<u32>,
    /// The process that started this one.
    parent: u32,
    inherited: bool,
    /// Whether the service manager keeps the sockets.
    lent: bool,
}

impl<'a> Master<'a> {
    fn start(
        mut instance: Instance,
        checked: Checked,
        options: &'a Options,
        report: &Report,
        words: Vec<OsString>,
    ) -> Result<Self, Refused> {
        let inherited = Inherited::from_environment();
        if let Some(numbers) = &inherited.from {
            report.line(Level::Notice, &format!("using inherited sockets from \"{numbers}\""));
        }
        for (level, complaint) in &inherited.complaints {
            report.line(*level, complaint);
        }
        instance.inherit(inherited.sockets);
        let plan = instance.open(checked, report, false)?;
        instance.commit();
        instance.forget_others(&plan, true);
        let (inherited, lent) = (inherited.from.is_some(), inherited.lent);
        let failed = |call: &str, error: io::Error| {
            report.line(Level::Emerg, &format!("{call} failed{}", engine::log::errno(&error)));
            Refused
        };
        appearance::announce(&plan);
        let mut parent = std::os::unix::process::parent_id();
        // A new binary is in the background already.
        if plan.main.daemon && !inherited {
            parent = std::process::id();
            os::process::daemonize().map_err(|error| failed("fork()", error))?;
        }
        // Threads inherit the mask: signals are taken by this thread alone.
        let signals = Signals::take().map_err(|error| failed("sigprocmask()", error))?;
        let pid = PidFile::write(&plan.main.pid).map_err(|why| {
            report.line(why.level, &why.text);
            Refused
        })?;
        let lock_file = plan.main.lock_file.clone();
        let now = Instant::now();
        let rotation = Rotation::of(plan.certificate_files(), instance.reading_since);
        let mut expiry = Expiry::default();
        expiry.tell(&plan);
        let notify = Notify::from_environment();
        appearance::redirect_stderr(&plan);
        let appearance = Appearance::new(words);
        appearance.of_master(&plan);
        Ok(Self {
            instance,
            plan,
            options,
            appearance,
            signals,
            pid,
            lock_file,
            notify,
            voice: Voice::new(),
            rotation,
            expiry,
            crew: Crew::None,
            since: now,
            stillborn: None,
            again: None,
            draining: Vec::new(),
            retired: Vec::new(),
            quitting: false,
            beat: now,
            successor: None,
            parent,
            inherited,
            lent,
        })
    }

    /// Has somebody serve the plan.
    fn serve(&mut self) -> Result<Step, Refused> {
        self.say_starting();
        self.serve_again()
    }

    /// Has somebody take the place of who served it.
    fn serve_again(&mut self) -> Result<Step, Refused> {
        let report = Report::running(self.plan.error_log.clone());
        let failed = |call: &str, error: &io::Error| {
            report.line(Level::Emerg, &format!("{call} failed{}", engine::log::errno(error)));
            Refused
        };
        self.since = Instant::now();
        let plan = Arc::clone(&self.plan);
        self.crew = if let Some(user) = Process::user_of(&plan) {
            match Process::start(&plan, user, |number| self.say_started(number)) {
                Ok(Started::There(channel)) => return Ok(Step::Serve(channel)),
                Ok(Started::Here(process)) => Crew::Process(process),
                Ok(Started::Stillborn(number)) => {
                    self.stillborn = Some(number);
                    Crew::None
                }
                Err(error) => return Err(failed("fork()", &error)),
            }
        } else {
            self.say_started(std::process::id());
            limits::take(&plan, &report);
            limits::go_to_directory(&plan, self.options, &report)?;
            let workers = self.instance.start(&plan, Home::Shared { confined: plan.main.sandbox });
            Crew::Threads(workers.and_then(Threads::new).map_err(|error| failed("pthread_create()", &error))?)
        };
        Ok(Step::On)
    }

    /// Tells that the plan is about to be served by all who do.
    fn say_starting(&self) {
        if self.plan.main.master_process {
            self.log(Level::Notice, "start worker processes");
        }
    }

    /// Tells that the plan is served, by the process of this number.
    fn say_started(&self, number: u32) {
        if !self.plan.main.master_process {
            return;
        }
        for _ in 0..self.plan.main.workers {
            self.log(Level::Notice, &format!("start worker process {number}"));
        }
    }

    /// Goes on as the worker process. What is the master's own is closed first.
    fn become_worker(mut self, channel: Channel) -> ExitCode {
        // Clients of a listener that the plan has no more would wait for an answer as long as it is open here.
        self.instance.forget_others(&self.plan, false);
        let Self {
            instance, plan, options, appearance, signals, notify, voice, rotation, crew, draining, retired, ..
        } = self;
        drop((notify, voice, rotation, crew, draining, retired));
        appearance.of_worker(&plan);
        Worker { instance, plan, options, appearance, signals, channel }.run()
    }

    fn supervise(mut self) -> ExitCode {
        loop {
            match self.wait() {
                Step::On => {}
                Step::Exit => return self.leave(),
                Step::Serve(channel) => return self.become_worker(channel),
            }
        }
    }

    /// Waits until there is something to do, and does it.
    fn wait(&mut self) -> Step {
        let mut fds = vec![self.signals.as_fd()];
        fds.extend(self.draining.iter().map(Draining::fd));
        let watch = self.rotation.fd();
        fds.extend(watch);
        let next = [
            self.rotation.next(),
            Some(self.expiry.next()),
            self.notify.beat().map(|every| self.beat + every),
            self.again,
        ];
        let most = next.into_iter().flatten().min().map(|at| at.saturating_duration_since(Instant::now()));
        let ready = os::poll::wait(&fds, most).unwrap_or_default();
        let told = watch.is_some() && ready.last() == Some(&true);
        let mut drained = ready.iter().skip(1).take(self.draining.len());
        self.draining.retain(|_| drained.next() != Some(&true));
        let now = Instant::now();
        let changed = self.rotation.changed(told, now);
        if !changed.is_empty() {
            self.rotate(&changed);
        }
        if now >= self.expiry.next() {
            self.expiry.tell(&self.plan);
        }
        if self.notify.beat().is_some_and(|every| now >= self.beat + every) {
            self.beat = now;
            self.tell_alive();
        }
        if self.again.take_if(|at| now >= *at).is_some() && matches!(self.crew, Crew::None) {
            if let Ok(step @ Step::Serve(_)) = self.serve_again() {
                return step;
            }
            self.replace_dead_crew(now);
            if !matches!(self.crew, Crew::None) {
                self.notify.ready();
            }
        }
        while let Some((signal, sender)) = self.signals.next() {
            match self.handle(signal, sender) {
                Step::On => {}
                step => return step,
            }
        }
        let ended = self.quitting && self.draining.is_empty() && self.retired.is_empty();
        if ended { Step::Exit } else { Step::On }
    }

    /// Lets the crew end when its sessions have.
    fn retire(&mut self) {
        match std::mem::replace(&mut self.crew, Crew::None) {
            Crew::None => {}
            // Without a thread that waits nobody is waited for.
            Crew::Threads(threads) => self.draining.extend(Draining::new(threads)),
            Crew::Process(process) => {
                process.signal(Signal::Quit);
                self.retired.push(process);
            }
        }
    }

    fn tell_alive(&mut self) {
        let alive = match &mut self.crew {
            Crew::None => true,
            Crew::Threads(threads) => threads.are_alive(),
            Crew::Process(process) => process.is_alive(),
        };
        if alive {
            self.notify.alive();
        }
    }

    /// Whether nobody else has these sockets.
    fn is_last(&self) -> bool {
        self.successor.is_none()
            && !self.lent
            && !(self.inherited && std::os::unix::process::parent_id() == self.parent)
    }

    /// Ends at once, whatever sessions there are.
    fn leave(mut self) -> ExitCode {
        if let Crew::Threads(threads) = &self.crew {
            threads.workers.flush_logs();
        }
        let mut left: Vec<u32> = self.retired.iter().map(|process| process.pid).collect();
        if let Crew::Process(process) = &self.crew {
            left.push(process.pid);
        }
        self.end_processes(left);
        if self.plan.main.master_process && Process::user_of(&self.plan).is_none() {
            self.log(Level::Notice, "exiting");
            self.plan.error_log.write_last(Level::Notice, b"exit");
        }
        self.remove(&self.pid);
        self.log(Level::Notice, "exit");
        let last = self.is_last();
        self.instance.close(last, Some(&self.plan.error_log));
        ExitCode::SUCCESS
    }

    fn remove(&self, pid: &PidFile) {
        if let Err(error) = pid.remove() {
            let text = format!("unlink() \"{}\" failed{}", pid.path().display(), engine::log::errno(&error));
            self.log(Level::Alert, &text);
        }
    }

    fn log(&self, level: Level, text: &str) {
        self.plan.error_log.write(level, None, text.as_bytes());
    }
}

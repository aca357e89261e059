//! The worker process: serves as an unprivileged user what the process that reads the configuration hands it,
//! and asks nothing of the machine itself.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;

use config::Options;
use engine::log::ErrorLogs;
use engine::plan::{Plan, Reach};
use engine::workers::Home;
use os::channel::Channel;
use os::confine::{self, Beneath};
use os::credentials;
use os::signals::{Signal, Signals};
use syntax::Level;

use super::appearance::{self, Appearance};
use super::crew::{Draining, Threads};
use super::limits;
use super::order::{self, Order};
use super::signal::received;
use crate::instance::{Instance, Refused};
use crate::report::Report;
use crate::transcript::Transcript;

/// The worker process while it serves.
pub(super) struct Worker<'a> {
    pub(super) instance: Instance,
    pub(super) plan: Arc<Plan>,
    pub(super) options: &'a Options,
    pub(super) appearance: Appearance,
    pub(super) signals: Signals,
    pub(super) channel: Channel,
}

impl Worker<'_> {
    /// Serves until the end.
    pub(super) fn run(mut self) -> ExitCode {
        let report = Report::running(self.plan.error_log.clone());
        limits::take(&self.plan, &report);
        if limits::enter_directory(&self.plan, &report).is_err() || self.give_up(&report).is_err() {
            return ExitCode::from(2);
        }
        let mut threads = match self.instance.start(&self.plan, Home::Own).and_then(Threads::new) {
            Ok(threads) => threads,
            Err(error) => {
                report.line(Level::Emerg, &format!("pthread_create() failed{}", engine::log::errno(&error)));
                // Another one may find what this one did not.
                return ExitCode::FAILURE;
            }
        };
        // Who started this is gone where it cannot be told: noticed below.
        let _ = order::answer(&self.channel, Ok(()));
        loop {
            let ready = os::poll::wait(&[self.signals.as_fd(), self.channel.as_fd()], None).unwrap_or_default();
            while let Some((signal, sender)) = self.signals.next() {
                self.say_received(signal, sender);
                match signal {
                    Signal::Term | Signal::Int => {
                        threads.workers.flush_logs();
                        return self.exit();
                    }
                    Signal::Quit => return self.drain(threads),
                    Signal::Winch if self.plan.main.daemon => return self.drain(threads),
                    Signal::Usr1 => {
                        self.log(Level::Notice, "reopening logs");
                        threads.workers.flush_logs();
                        self.instance.reopen(&self.plan);
                        appearance::redirect_stderr(&self.plan);
                    }
                    _ => {}
                }
            }
            if ready.get(1) == Some(&true) {
                let Some(order) = order::receive(&self.channel) else {
                    self.log(Level::Alert, "the process that started this one is gone, shutting down");
                    return self.drain(threads);
                };
                let done = self.carry_out(order, &mut threads);
                let _ = order::answer(&self.channel, done);
            }
        }
    }

    /// Gives up what serving does not need: being root, other users' files, most system calls.
    fn give_up(&self, report: &Report) -> Result<(), Refused> {
        let main = &self.plan.main;
        let failed = |call: &str, error: &std::io::Error| {
            report.line(Level::Emerg, &format!("{call} failed{}", engine::log::errno(error)));
            Refused
        };
        if let Some(user) = &main.user {
            credentials::become_user(&user.name, user.uid, user.gid, self.plan.binds_foreign_addresses())
                .map_err(|error| failed(&format!("setuid({})", user.uid), &error))?;
        }
        if main.rlimit_core.is_some() {
            os::process::set_dumpable().map_err(|error| failed("prctl(PR_SET_DUMPABLE)", &error))?;
        }
        confine::no_new_privileges().map_err(|error| failed("prctl(PR_SET_NO_NEW_PRIVS)", &error))?;
        if main.sandbox {
            let reach = Reach::of(&self.plan);
            let beneath = Beneath {
                read: reach.read.iter().map(AsRef::as_ref).collect(),
                write: reach.write.iter().map(AsRef::as_ref).collect(),
            };
            for (what, done) in [("files", confine::limit_files(&beneath)), ("system calls", confine::limit_calls())] {
                if let Err(error) = done {
                    let reason = engine::log::errno(&error);
                    self.log(Level::Notice, &format!("the kernel cannot confine {what}{reason}"));
                }
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, order: Order, threads: &mut Threads) -> Result<(), String> {
        let adopt = |instance: &mut Instance, logs: order::Logs| {
            logs.into_iter().try_for_each(|(path, file)| {
                instance
                    .adopt_log(&path, file)
                    .map_err(|error| format!("dup() of \"{}\" failed: {error}", path.display()))
            })
        };
        match order {
            Order::Reload { transcript, logs, sockets } => {
                adopt(&mut self.instance, logs)?;
                let plan = self.load(&transcript).inspect_err(|_| self.instance.roll_back(&self.plan, false))?;
                self.instance.adopt_sockets(&plan.listeners, sockets);
                if let Err(error) = self.instance.install(&mut threads.workers, &plan, false) {
                    // Whoever keeps a socket open and does not accept holds its clients up.
                    self.instance.roll_back(&self.plan, false);
                    return Err(format!("pthread_create() failed: {error}"));
                }
                self.instance.commit();
                self.plan = plan;
                appearance::redirect_stderr(&self.plan);
                Ok(())
            }
            Order::Reopen { logs } => {
                self.log(Level::Notice, "reopening logs");
                threads.workers.flush_logs();
                adopt(&mut self.instance, logs)?;
                appearance::redirect_stderr(&self.plan);
                Ok(())
            }
            Order::Rotate { changed, transcript } => {
                // What is refused here was refused, and told, by the one who sent it.
                self.instance.rotate(&self.plan, &changed, &transcript);
                Ok(())
            }
            Order::Beat if threads.are_alive() => Ok(()),
            Order::Beat => Err("a worker thread does not answer".to_owned()),
        }
    }

    /// The plan of `transcript`. What there is to say was said by the process that took it down.
    fn load(&mut self, transcript: &Transcript) -> Result<Arc<Plan>, String> {
        let silent = Report::silent();
        let (checked, _) = self.instance.check(self.options, &silent, transcript);
        let plan = checked.and_then(|checked| self.instance.prepare(checked, &silent));
        plan.map_err(|Refused| {
            let why = silent.first_error().unwrap_or_default();
            format!("the worker process cannot load it: {why}")
        })
    }

    /// Tells of a signal, unless it is an order of the process that this one was split from.
    fn say_received(&self, signal: Signal, sender: u32) {
        let what = match signal {
            Signal::Term | Signal::Int => ", exiting",
            Signal::Quit => ", shutting down",
            Signal::Winch if self.plan.main.daemon => ", shutting down",
            Signal::Usr1 => ", reopening logs",
            Signal::Hup | Signal::Usr2 | Signal::Io => ", ignoring",
            Signal::Winch | Signal::Alarm | Signal::Child => "",
        };
        if sender != std::os::unix::process::parent_id() {
            self.log(Level::Notice, &received(signal, sender, what));
        }
    }

    fn drain(mut self, threads: Threads) -> ExitCode {
        self.log(Level::Notice, "gracefully shutting down");
        self.appearance.of_draining_worker();
        let draining = Draining::new(threads);
        self.instance.close(false, None);
        // Without a thread that waits nobody is waited for.
        let Ok(draining) = draining else { return self.exit() };
        let mut keeper = true;
        loop {
            let mut fds = vec![self.signals.as_fd(), draining.fd()];
            fds.extend(keeper.then(|| self.channel.as_fd()));
            let ready = os::poll::wait(&fds, None).unwrap_or_default();
            while let Some((signal, _)) = self.signals.next() {
                if matches!(signal, Signal::Term | Signal::Int) {
                    return self.exit();
                }
            }
            if ready.get(1) == Some(&true) {
                return self.exit();
            }
            if ready.get(2) == Some(&true) {
                // Log files are reopened for those who drain, too.
                match order::receive(&self.channel) {
                    None => keeper = false,
                    Some(Order::Reopen { logs }) => {
                        let done = logs.into_iter().try_for_each(|(path, log)| self.instance.adopt_log(&path, log));
                        let _ = order::answer(&self.channel, done.map_err(|error| error.to_string()));
                    }
                    Some(_) => drop(order::answer(&self.channel, Err("shutting down".to_owned()))),
                }
            }
        }
    }

    fn exit(&self) -> ExitCode {
        self.log(Level::Notice, "exiting");
        self.plan.error_log.write_last(Level::Notice, b"exit");
        ExitCode::SUCCESS
    }

    fn log(&self, level: Level, text: &str) {
        let log: &ErrorLogs = &self.plan.error_log;
        log.write(level, None, text.as_bytes());
    }
}

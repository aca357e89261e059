//! Children that end, by themselves or because they have to.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use os::child::{self, End};
use os::signals::Signal;
use syntax::Level;

use super::crew::Crew;
use super::signal::received;
use super::{Master, Step};

/// How long worker processes have to end at once before they are killed.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The code of a worker process that cannot serve, and another one in its place could not either.
const FATAL: i32 = 2;
/// How long after its start a worker process that dies is not replaced at once: it would only die again.
const SHORT_LIFE: Duration = Duration::from_secs(1);

impl Master<'_> {
    /// Sees to what a child that has ended leaves undone.
    pub(super) fn bury(&mut self, pid: u32, end: End) -> Step {
        self.tell_ended(pid, end);
        self.retired.retain(|retired| retired.pid != pid);
        if self.successor == Some(pid) {
            self.successor = None;
            self.step_back();
            if matches!(self.crew, Crew::None) && !self.quitting {
                return self.serve().unwrap_or(Step::On);
            }
        }
        let served = matches!(&self.crew, Crew::Process(process) if process.pid == pid);
        if served {
            self.crew = Crew::None;
        }
        if self.stillborn == Some(pid) || served {
            self.stillborn = None;
            if end == End::Exited(FATAL) {
                let text = format!("worker process {pid} exited with fatal code {FATAL} and cannot be respawned");
                self.log(Level::Alert, &text);
            } else {
                self.replace_dead_crew(Instant::now());
            }
        }
        Step::On
    }

    /// Has a worker process take the place of one that died; soon where that one did not live long either.
    pub(super) fn replace_dead_crew(&mut self, now: Instant) {
        if matches!(self.crew, Crew::None) && !self.quitting {
            let lived = now.saturating_duration_since(self.since);
            self.again = Some(if lived < SHORT_LIFE { now + SHORT_LIFE } else { now });
        }
    }

    /// Has processes end, by force where they take their time.
    pub(super) fn end_processes(&self, mut left: Vec<u32>) {
        let deadline = Instant::now() + LAST_WORDS;
        for signal in [Some(Signal::Term), None] {
            for pid in &left {
                // One that has ended meanwhile needs no signal.
                let _ = os::process::kill(*pid, signal.map_or(os::process::KILL, Signal::number));
            }
            while !left.is_empty() && (signal.is_none() || Instant::now() < deadline) {
                let _ = os::poll::wait(&[self.signals.as_fd()], Some(Duration::from_millis(50)));
                while let Some((signal, sender)) = self.signals.next() {
                    self.log(Level::Notice, &received(signal, sender, ""));
                }
                while let Some((pid, end)) = child::ended() {
                    self.tell_ended(pid, end);
                    left.retain(|waited| *waited != pid);
                }
            }
        }
    }

    fn tell_ended(&self, pid: u32, end: End) {
        let what = if self.successor == Some(pid) { "new binary" } else { "worker" };
        let (level, how) = match end {
            End::Exited(code) => (Level::Notice, format!("exited with code {code}")),
            End::Killed(signal) => (Level::Alert, format!("exited on signal {signal}")),
        };
        self.log(level, &format!("{what} process {pid} {how}"));
    }
}

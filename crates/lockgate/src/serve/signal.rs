//! What each signal asks of the master.

use os::signals::Signal;
use syntax::Level;

use super::crew::Crew;
use super::{Master, Step};

impl Master<'_> {
    pub(super) fn handle(&mut self, signal: Signal, sender: u32) -> Step {
        let said = |what: &str| self.log(Level::Notice, &received(signal, sender, what));
        match signal {
            Signal::Term | Signal::Int => {
                said(", exiting");
                return Step::Exit;
            }
            Signal::Quit => {
                said(", shutting down");
                // Without a master there is nobody to wait for workers.
                if !self.plan.main.master_process {
                    return Step::Exit;
                }
                if matches!(self.crew, Crew::Threads(_)) {
                    self.log(Level::Notice, "gracefully shutting down");
                }
                self.notify.stopping();
                self.quitting = true;
                self.again = None;
                self.retire();
                let last = self.is_last();
                self.instance.close(last, Some(&self.plan.error_log));
            }
            // While sessions end, or a new binary is at work, there is nothing to read.
            Signal::Hup if self.quitting => {
                said(", reconfiguring");
                self.voice.tell(sender, Some("the gateway is shutting down"));
            }
            Signal::Hup if self.successor.is_some() => {
                said(", reconfiguring");
                self.voice.tell(sender, None);
                if matches!(self.crew, Crew::None) {
                    return self.serve().unwrap_or(Step::On);
                }
            }
            Signal::Hup => {
                said(", reconfiguring");
                self.notify.reloading();
                let step = self.reload(sender);
                if matches!(step, Step::On) {
                    self.notify.ready();
                }
                return step;
            }
            Signal::Usr1 => {
                said(", reopening logs");
                self.log(Level::Notice, "reopening logs");
                self.reopen();
            }
            Signal::Usr2 => {
                said(if self.may_change_binary() { ", changing binary" } else { ", ignoring" });
                self.change_binary();
            }
            Signal::Winch if self.plan.main.daemon => {
                said(", stop accepting connections");
                self.again = None;
                self.retire();
            }
            Signal::Winch | Signal::Alarm | Signal::Io => said(""),
            Signal::Child => {
                said("");
                while let Some((pid, end)) = os::child::ended() {
                    if let step @ Step::Serve(_) = self.bury(pid, end) {
                        return step;
                    }
                }
            }
        }
        Step::On
    }
}

/// Tells of a signal, and what comes of it.
pub(super) fn received(signal: Signal, sender: u32, what: &str) -> String {
    format!("signal {} ({}) received from {sender}{what}", signal.number(), signal.name())
}

//! Error-log lines of a session, with the context that the reference gives them.

use std::fmt::{self, Write as _};
use std::io;

use syntax::Level;

use super::fail::Cause;
use super::{Action, Session};
use crate::log::errno;

impl Session {
    /// Logs why the session ends, if that is to be told.
    pub(super) fn tell(&self, cause: &Cause) {
        if let Some(level) = cause.level() {
            self.log(level, format_args!("{cause}"));
        }
    }

    /// An error-log line with this session's context.
    pub fn log(&self, level: Level, text: fmt::Arguments<'_>) {
        let logs = &self.server().error_log;
        if !logs.admits(level) {
            return;
        }
        let mut line = text.to_string();
        self.context(&mut line);
        logs.write(level, Some(self.number), line.as_bytes());
    }

    /// The same for a system call that failed.
    pub fn log_failed(&self, level: Level, call: &str, error: &io::Error) {
        self.log(level, format_args!("{call} failed{}", errno(error)));
    }

    /// An error-log line without context.
    pub fn log_plain(&self, level: Level, text: fmt::Arguments<'_>) {
        let logs = &self.server().error_log;
        if logs.admits(level) {
            logs.write(level, Some(self.number), text.to_string().as_bytes());
        }
    }

    /// What follows the text of each line as it would be now.
    pub(super) fn context_text(&self) -> String {
        let mut line = String::new();
        self.context(&mut line);
        line
    }

    fn context(&self, line: &mut String) {
        let action = self.action.get();
        if action != Action::None {
            let _ = write!(line, " while {}", action.text());
        }
        let udp = if self.is_udp() { "udp " } else { "" };
        let _ = write!(line, ", {udp}client: {}, server: {}", self.client.borrow().ip_text(), self.listener_address());
        if !self.proxying.get() {
            return;
        }
        let attempts = self.attempts.borrow();
        if let Some(attempt) = attempts.last() {
            let _ = write!(line, ", upstream: \"{}\"", attempt.name);
        } else if let Some(name) = self.rare_if_any().and_then(|rare| rare.upstream_name.borrow().clone()) {
            let _ = write!(line, ", upstream: \"{name}\"");
        }
        let _ = write!(
            line,
            ", bytes from/to client:{}/{}, bytes from/to upstream:{}/{}",
            self.received.get(),
            self.sent.get(),
            self.from_upstream.get(),
            self.to_upstream.get()
        );
    }
}

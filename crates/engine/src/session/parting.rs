//! What is told of a client when its session is over already: that TLS did not end well.

use syntax::Level;
use tls::LibraryErrors;

use super::Session;
use crate::log::ErrorLogs;

/// Enough of a session to write its last line.
pub(super) struct Parting {
    logs: ErrorLogs,
    number: u64,
    context: String,
}

impl Parting {
    /// Of a session that is over; `None` where there will be nothing to tell.
    pub(super) fn of(s: &Session) -> Option<Box<Self>> {
        let logs = &s.server().error_log;
        let may_tell = s.rare_if_any().is_some_and(|rare| rare.tls.get().is_some()) && logs.admits(Level::Info);
        may_tell.then(|| Box::new(Self { logs: logs.clone(), number: s.number, context: s.context_text() }))
    }

    /// Tells of what came in place of the client's `close_notify`.
    pub(super) fn tell(&self, errors: &LibraryErrors) {
        let level = if errors.is_peers_fault() { Level::Info } else { Level::Crit };
        let line = format!("SSL_shutdown() failed (SSL: {errors}){}", self.context);
        self.logs.write(level, Some(self.number), line.as_bytes());
    }
}

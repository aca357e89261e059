//! Telling what came of a configuration: nginx's lines on standard error and in the start-up
//! log, and below them, for people at a terminal, where in the source it is and what may help.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};

use engine::log::ErrorLogs;
use syntax::{Diagnostic, Level, Sources};

/// Where start-up is reported to.
#[derive(Debug)]
pub(crate) struct Report {
    log: RefCell<ErrorLogs>,
    /// The file that is tested, until its syntax was told to be right.
    tested: RefCell<Option<String>>,
    /// Whether standard error is told, too.
    aloud: bool,
    /// The first error, which says most.
    first: RefCell<Option<String>>,
}

impl Report {
    /// Reports to standard error and to `log`, the error log of the command line.
    pub(crate) fn new(log: ErrorLogs) -> Self {
        Self { log: RefCell::new(log), tested: RefCell::default(), aloud: true, first: RefCell::default() }
    }

    /// Has `log` told from now on, the one that was configured.
    pub(crate) fn switch(&self, log: ErrorLogs) {
        self.log.replace(log);
    }

    /// Reports to `log` alone: who is running has no console.
    pub(crate) fn running(log: ErrorLogs) -> Self {
        Self { aloud: false, ..Self::new(log) }
    }

    /// Reports to nobody: what it was is asked of [`Report::first_error`].
    pub(crate) fn silent() -> Self {
        Self::running(ErrorLogs::new(Vec::new()))
    }

    /// The first error that was reported, if there was one.
    pub(crate) fn first_error(&self) -> Option<String> {
        self.first.take()
    }

    /// Has [`Report::syntax_is_ok`] tell that of `conf`.
    pub(crate) fn testing(&self, conf: String) {
        self.tested.replace(Some(conf));
    }

    /// Tells, once, that the syntax of the tested file is right.
    pub(crate) fn syntax_is_ok(&self) {
        if let Some(conf) = self.tested.take() {
            say(&format!("nginx: the configuration file {conf} syntax is ok\n"));
        }
    }

    /// One line. Where the log is standard error itself, it is written there once, as a log line.
    pub(crate) fn line(&self, level: Level, text: &str) {
        if level <= Level::Error {
            self.first.borrow_mut().get_or_insert_with(|| text.to_owned());
        }
        let log = self.log.borrow();
        log.write(level, None, text.as_bytes());
        if self.aloud && level <= Level::Warn && log.admits(level) && !log.reaches_stderr(level) {
            let text = engine::log::error::fitting(level, text.into());
            say(&format!("nginx: [{level}] {}\n", String::from_utf8_lossy(&text)));
        }
    }

    /// A diagnostic of the configuration.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic, sources: &Sources) {
        self.line(diagnostic.level, &diagnostic.to_string());
        let stderr = std::io::stderr();
        if self.aloud && stderr.is_terminal() {
            let color = std::env::var_os("NO_COLOR").is_none();
            say(&diagnostic.render_snippet(sources, color));
        }
    }
}

/// Writes to standard error. When that is closed there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

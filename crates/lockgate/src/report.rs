//! Telling what came of a configuration: nginx's lines on standard error and in the start-up
//! log, and below them, for people at a terminal, where in the source it is and what may help.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};

use engine::log::ErrorLogs;
use syntax::{Diagnostic, Level, Sources};

/// Where start-up is reported to.
#[derive(Debug)]
pub(crate) struct Report {
    log: ErrorLogs,
    /// The file that is tested, until its syntax was told to be right.
    tested: RefCell<Option<String>>,
    /// The last line, where nobody is told.
    heard: Option<RefCell<String>>,
}

impl Report {
    /// Reports to standard error and to `log`, the error log of the command line.
    pub(crate) fn new(log: ErrorLogs) -> Self {
        Self { log, tested: RefCell::default(), heard: None }
    }

    /// The last line that was reported to nobody.
    pub(crate) fn last(&self) -> String {
        self.heard.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// Reports to nobody, but for the last line.
    pub(crate) fn silent() -> Self {
        Self { heard: Some(RefCell::default()), ..Self::new(ErrorLogs::new(Vec::new())) }
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
        if let Some(heard) = &self.heard {
            text.clone_into(&mut heard.borrow_mut());
            return;
        }
        self.log.write(level, None, text.as_bytes());
        if level <= Level::Warn && !self.log.reaches_stderr() {
            say(&format!("nginx: [{level}] {text}\n"));
        }
    }

    /// A diagnostic of the configuration.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic, sources: &Sources) {
        self.line(diagnostic.level, &diagnostic.to_string());
        let stderr = std::io::stderr();
        if stderr.is_terminal() {
            let color = std::env::var_os("NO_COLOR").is_none();
            say(&diagnostic.render_snippet(sources, color));
        }
    }

    /// The start-up log.
    pub(crate) fn log(&self) -> &ErrorLogs {
        &self.log
    }
}

/// Writes to standard error. When that is closed there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

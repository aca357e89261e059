//! What the gateway under test has told: standard error, error log, access logs.

use std::path::Path;

use super::{ErrorLine, Gateway, parse_error_line};
use crate::poll;

impl Gateway {
    /// What it wrote to standard error.
    pub fn stderr(&self) -> String {
        read(&self.path("stderr"))
    }

    /// The error log as it is.
    pub fn error_text(&self) -> String {
        read(&self.path("error.log"))
    }

    /// The error log's lines.
    pub fn errors(&self) -> Vec<ErrorLine> {
        self.error_text().lines().filter_map(parse_error_line).collect()
    }

    /// Waits for a line of the error log that contains `part`.
    pub fn wait_error(&self, part: &str) -> ErrorLine {
        self.wait_errors(part, 1).remove(0)
    }

    /// Waits for `count` lines of the error log that contain `part`.
    pub fn wait_errors(&self, part: &str, count: usize) -> Vec<ErrorLine> {
        self.or_show(&format!("{count} lines in the error log with: {part}"), || {
            let lines: Vec<_> = self.errors().into_iter().filter(|line| line.text.contains(part)).collect();
            (lines.len() >= count).then_some(lines)
        })
    }

    /// Waits for `count` lines in `access.log` and gives them.
    pub fn access(&self, count: usize) -> Vec<String> {
        self.access_in("access.log", count)
    }

    /// Waits for `count` lines in the log file `name` and gives them.
    pub fn access_in(&self, name: &str, count: usize) -> Vec<String> {
        self.or_show(&format!("{count} lines in {name}"), || {
            let text = read(&self.path(name));
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (text.is_empty() || text.ends_with('\n')).then_some(lines).filter(|lines| lines.len() >= count)
        })
    }

    /// Waits for `probe`; a failure shows the error log.
    pub(super) fn or_show<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let end = std::time::Instant::now() + crate::LIMIT.mul_f32(0.9);
        poll(what, || {
            let found = probe();
            let late = found.is_none() && std::time::Instant::now() > end;
            assert!(!late, "not in time: {what}\nerror log:\n{}", self.error_text());
            found
        })
    }
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

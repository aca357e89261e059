//! Error log lines: `2026/11/23 13:11:30 [error] PID#TID: *CONN TEXT`.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, Weak};

use syntax::Level;

use super::clock::{self, Form};
use super::file::LogFile;
use super::syslog::Sender;

/// The longest line written, its newline included.
const LONGEST: usize = 2048;

/// The logs in force somewhere, each with its level.
#[derive(Debug, Clone)]
pub struct ErrorLogs {
    logs: Arc<[(Level, Target)]>,
    most: Level,
}

/// Logs that may be gone.
#[derive(Debug, Clone)]
pub(super) struct WeakLogs(Weak<[(Level, Target)]>, Level);

impl WeakLogs {
    /// The logs, while they are there.
    pub(super) fn upgrade(&self) -> Option<ErrorLogs> {
        Some(ErrorLogs { logs: self.0.upgrade()?, most: self.1 })
    }
}

/// Where an error log's lines go.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file.
    File(Arc<LogFile>),
    /// Standard error.
    Stderr,
    /// A syslog server.
    Syslog(Arc<Sender>),
    /// The last lines, in memory.
    Memory(Arc<Ring>),
}

/// The last lines of a `memory:` log, for a debugger to find.
#[derive(Debug)]
pub struct Ring {
    size: usize,
    bytes: Mutex<VecDeque<u8>>,
}

impl Ring {
    /// A ring of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self { size, bytes: Mutex::default() }
    }

    fn write(&self, line: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bytes.extend(line);
        let surplus = bytes.len().saturating_sub(self.size);
        bytes.drain(..surplus);
    }
}

impl ErrorLogs {
    /// Logs with their levels. Those that more goes to come first.
    pub fn new(mut logs: Vec<(Level, Target)>) -> Self {
        logs.sort_by_key(|(level, _)| Reverse(*level));
        let most = logs.iter().map(|(level, _)| *level).max().unwrap_or(Level::Emerg);
        Self { logs: logs.into(), most }
    }

    /// Whether a line of `level` would be written anywhere: asked before a line is made.
    pub fn admits(&self, level: Level) -> bool {
        level <= self.most
    }

    /// Whether a line of `level` goes to standard error already.
    pub fn reaches_stderr(&self, level: Level) -> bool {
        self.logs.iter().any(|(admitted, target)| level <= *admitted && matches!(target, Target::Stderr))
    }

    /// The file that most lines go to.
    pub fn fullest_file(&self) -> Option<&Arc<LogFile>> {
        self.logs.iter().find_map(|(_, target)| match target {
            Target::File(file) => Some(file),
            Target::Stderr | Target::Syslog(_) | Target::Memory(_) => None,
        })
    }

    /// These logs for one that is among them itself.
    pub(super) fn downgrade(&self) -> WeakLogs {
        WeakLogs(Arc::downgrade(&self.logs), self.most)
    }

    /// Writes the last line of a worker: only the log that most goes to is open then, servers and memory apart.
    pub fn write_last(&self, level: Level, text: &[u8]) {
        let open = |target: &Target| matches!(target, Target::File(_) | Target::Stderr);
        if let Some((admitted, target)) = self.logs.iter().find(|(_, target)| open(target))
            && level <= *admitted
        {
            target.write(level, &line(level, None, text));
        }
    }

    /// Writes `text` to every log that admits `level`; `connection` is the client's number.
    pub fn write(&self, level: Level, connection: Option<u64>, text: &[u8]) {
        if !self.admits(level) {
            return;
        }
        let line = line(level, connection, text);
        for (_, target) in self.logs.iter().filter(|(admitted, _)| level <= *admitted) {
            target.write(level, &line);
        }
    }
}

/// A whole line of `text`, whatever bytes that has.
fn line(level: Level, connection: Option<u64>, text: &[u8]) -> Vec<u8> {
    let mut line = head(level, connection);
    let mut text = text.to_vec();
    disarm(&mut text);
    line.extend_from_slice(&fitted(text, LONGEST.saturating_sub(line.len())));
    line.push(b'\n');
    line
}

/// The beginning of a line.
fn head(level: Level, connection: Option<u64>) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    clock::write(Form::Error, &mut line);
    let (pid, tid) = (std::process::id(), os::process::thread_id());
    let _ = write!(line, " [{}] {pid}#{tid}: ", level.name());
    if let Some(number) = connection {
        let _ = write!(line, "*{number} ");
    }
    line
}

/// As much of `text` as a line without a connection has room for.
pub fn fitting(level: Level, text: Vec<u8>) -> Vec<u8> {
    fitted(text, LONGEST.saturating_sub(head(level, None).len()))
}

/// As much of a line as there is `room` for, its newline counted. An error of the system at its end is shown whatever
/// it takes from what stands before it.
fn fitted(mut line: Vec<u8>, room: usize) -> Vec<u8> {
    /// Bytes that are kept for such an error.
    const ERROR: usize = 50;
    if line.len() >= room
        && let Some(at) = system_error(&line)
    {
        let error = line.split_off(at);
        if line.len() > room.saturating_sub(ERROR) {
            line.truncate(room.saturating_sub(ERROR));
            line.extend_from_slice(b"...");
        }
        line.extend(error);
    }
    line.truncate(room.saturating_sub(1));
    line
}

/// Where ` (2: No such file or directory)` begins, if a line ends with such a thing.
fn system_error(line: &[u8]) -> Option<usize> {
    let at = line.ends_with(b")").then(|| line.windows(2).rposition(|pair| pair == b" ("))??;
    let number = line.get(at + 2..)?.split(|byte| *byte == b':').next()?;
    (!number.is_empty() && number.iter().all(u8::is_ascii_digit)).then_some(at)
}

/// Makes control characters visible: what a client sent must not look like another line, nor speak to a terminal.
fn disarm(line: &mut Vec<u8>) {
    let Some(first) = line.iter().position(u8::is_ascii_control) else { return };
    for byte in line.split_off(first) {
        if byte.is_ascii_control() {
            let _ = write!(line, "\\x{byte:02X}");
        } else {
            line.push(byte);
        }
    }
}

impl Target {
    /// A line that cannot be written is lost: there is nowhere left to say so.
    fn write(&self, level: Level, line: &[u8]) {
        let _ = match self {
            Self::File(file) => file.write(line).is_ok(),
            Self::Stderr => std::io::stderr().write_all(line).is_ok(),
            Self::Syslog(sender) => sender.send(Some(level.severity()), line.trim_ascii_end()),
            Self::Memory(ring) => {
                ring.write(line);
                true
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_made_visible() {
        let disarmed = |text: &[u8]| {
            let mut line = text.to_vec();
            disarm(&mut line);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(disarmed("plain é \"text\" \\".as_bytes()), "plain é \"text\" \\");
        assert_eq!(disarmed(b"a\nb\r\0\x1b[2J\x7f\t"), "a\\x0Ab\\x0D\\x00\\x1B[2J\\x7F\\x09");
    }

    #[test]
    fn long_lines_keep_the_error_at_their_end() {
        let fitted = |text: &str, room: usize| String::from_utf8(fitted(text.into(), room)).unwrap();
        let long = "x".repeat(100);
        assert_eq!(fitted(&long, 101), long);
        assert_eq!(fitted(&long, 100), "x".repeat(99));
        let error = " (2: No such file)";
        assert_eq!(fitted(&format!("{long}{error}"), 119), format!("{long}{error}"));
        assert_eq!(fitted(&format!("{long}{error}"), 118), format!("{}...{error}", "x".repeat(68)));
        assert_eq!(fitted(&format!("{long} (no: number)"), 60), "x".repeat(59));
    }
}

//! Error log lines: `2026/11/23 13:11:30 [error] PID#TID: *CONN TEXT`.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};

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
    /// Logs with their levels.
    pub fn new(logs: Vec<(Level, Target)>) -> Self {
        let most = logs.iter().map(|(level, _)| *level).max().unwrap_or(Level::Emerg);
        Self { logs: logs.into(), most }
    }

    /// Whether a line of `level` would be written anywhere: asked before a line is made.
    pub fn admits(&self, level: Level) -> bool {
        level <= self.most
    }

    /// Whether lines go to standard error already.
    pub fn reaches_stderr(&self) -> bool {
        self.logs.iter().any(|(_, target)| matches!(target, Target::Stderr))
    }

    /// Writes `text` to every log that admits `level`; `connection` is the client's number.
    pub fn write(&self, level: Level, connection: Option<u64>, text: &[u8]) {
        if !self.admits(level) {
            return;
        }
        let mut line = Vec::with_capacity(text.len() + 64);
        clock::write(Form::Error, &mut line);
        let (pid, tid) = (std::process::id(), os::process::thread_id());
        let _ = write!(line, " [{}] {pid}#{tid}: ", level.name());
        if let Some(number) = connection {
            let _ = write!(line, "*{number} ");
        }
        let begin = line.len();
        line.extend_from_slice(text);
        disarm(&mut line, begin);
        line.truncate(LONGEST - 1);
        line.push(b'\n');
        for (_, target) in self.logs.iter().filter(|(admitted, _)| level <= *admitted) {
            target.write(level, &line);
        }
    }
}

/// Makes control characters from `begin` on visible: what a client sent must not look like another line, nor speak to
/// a terminal.
fn disarm(line: &mut Vec<u8>, begin: usize) {
    let text = line.get(begin..).unwrap_or_default();
    let Some(first) = text.iter().position(u8::is_ascii_control) else { return };
    for byte in line.split_off(begin + first) {
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
            Self::Syslog(sender) => sender.send(Some(level.severity()), line.trim_ascii_end()).is_ok(),
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
            let mut line = b"head\n".to_vec();
            line.extend_from_slice(text);
            disarm(&mut line, 5);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(disarmed("plain é \"text\" \\".as_bytes()), "head\nplain é \"text\" \\");
        assert_eq!(disarmed(b"a\nb\r\0\x1b[2J\x7f\t"), "head\na\\x0Ab\\x0D\\x00\\x1B[2J\\x7F\\x09");
    }
}

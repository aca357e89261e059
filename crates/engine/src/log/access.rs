//! Access logs: one line per session, written at once or through a buffer of this thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use config::family::log::{Buffer, Format};
use policy::kept::Rules;
use policy::template::Template;
use policy::variables::Scope;
use syntax::Level;

use super::disk::Disk;
use super::error::ErrorLogs;
use super::file::LogFile;
use super::syslog::Sender;

/// One `access_log` as the plan holds it.
#[derive(Debug)]
pub struct AccessLog {
    /// Where lines go.
    pub target: Target,
    /// What a line says.
    pub format: Arc<Format>,
    /// `if=`: no line where it is empty or `0`.
    pub condition: Option<Template>,
}

impl AccessLog {
    /// Appends the line of a session with its newline; nothing where `if=` says so.
    pub fn format_line(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        if let Some(condition) = &self.condition {
            let mut value = Vec::new();
            condition.render(scope, &mut value);
            if value.is_empty() || value == b"0" {
                return;
            }
        }
        self.format.template.render_log(scope, self.format.escape, out);
        out.push(b'\n');
    }
}

/// Where an access log's lines go.
#[derive(Debug)]
pub enum Target {
    /// A file, each line on its own, unless another log of the same file has a buffer.
    File(Arc<LogFile>),
    /// A file through a buffer on each thread; the number tells which.
    Buffered(Arc<LogFile>, BufferId),
    /// A syslog server.
    Syslog(Arc<Sender>),
    /// A path evaluated for each line, how long its file is kept open, and the disk that it is on.
    Evaluated(Template, Option<Rules>, Disk),
}

/// Which buffer of a thread's [`Buffers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferId(pub u32);

/// The buffered logs of a plan: one buffer each on every thread.
#[derive(Debug, Default)]
pub struct Buffers {
    buffers: Vec<Rc<Buffered>>,
}

/// Lines of one log that wait on this thread.
#[derive(Debug)]
struct Buffered {
    file: Arc<LogFile>,
    how: Buffer,
    lines: RefCell<Vec<u8>>,
    /// How often the first line came into an empty buffer: whoever waits to write it knows whether it still waits.
    filled: Cell<u64>,
    errors: ErrorLogs,
}

impl Buffers {
    /// Empty buffers for `logs`, in the order of their [`BufferId`]s. What cannot be written is told to `errors`.
    pub fn new(logs: &[(Arc<LogFile>, Buffer)], errors: &ErrorLogs) -> Self {
        let buffers = logs
            .iter()
            .map(|(file, how)| {
                let (file, errors) = (Arc::clone(file), errors.clone());
                Rc::new(Buffered { file, how: *how, lines: RefCell::default(), filled: Cell::default(), errors })
            })
            .collect();
        Self { buffers }
    }

    /// The buffer of `file`, if it has one: all lines of a file keep their order.
    pub fn of(&self, file: &Arc<LogFile>) -> Option<BufferId> {
        let at = self.buffers.iter().position(|buffered| Arc::ptr_eq(&buffered.file, file))?;
        Some(BufferId(at as u32))
    }

    /// Adds a line (with its newline). Waiting lines are written first when it does not fit, and
    /// a line longer than the buffer is written by itself.
    pub fn add(&self, id: BufferId, line: &[u8]) {
        let Some(buffered) = self.buffers.get(id.0 as usize) else { return };
        let waiting = buffered.lines.borrow().len();
        if waiting + line.len() > buffered.how.size {
            buffered.flush();
            if line.len() > buffered.how.size {
                buffered.write(line);
                return;
            }
        }
        let mut lines = buffered.lines.borrow_mut();
        let first = lines.is_empty();
        lines.extend_from_slice(line);
        if let (true, Some(after)) = (first, buffered.how.flush) {
            let buffered = Rc::clone(buffered);
            let mine = buffered.filled.get() + 1;
            buffered.filled.set(mine);
            reactor::spawn(async move {
                reactor::sleep(after).await;
                if buffered.filled.get() == mine {
                    buffered.flush();
                }
            });
        }
    }

    /// Writes everything that waits.
    pub fn flush(&self) {
        self.buffers.iter().for_each(|buffered| buffered.flush());
    }
}

impl Buffered {
    fn flush(&self) {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        if !lines.is_empty() {
            self.write(&lines);
        }
    }

    fn write(&self, lines: &[u8]) {
        let written = match self.how.gzip {
            None => self.file.write(lines),
            Some(level) => self.file.write(&gzip(lines, level)),
        };
        if let Some(lost) = written.err().filter(|_| self.file.is_to_be_told()) {
            let text = format!("write() to \"{}\" {lost}", self.file.path().display());
            self.errors.write(Level::Alert, None, text.as_bytes());
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.flush();
    }
}

/// `lines` as one gzip member (RFC 1952).
fn gzip(lines: &[u8], level: u8) -> Vec<u8> {
    use std::io::Write;
    /// Unix.
    const SYSTEM: u8 = 3;
    let level = flate2::Compression::new(level.into());
    let mut encoder = flate2::GzBuilder::new().operating_system(SYSTEM).write(Vec::new(), level);
    // Writing into a Vec cannot fail.
    let _ = encoder.write_all(lines);
    encoder.finish().unwrap_or_default()
}

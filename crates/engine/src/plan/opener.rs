//! Opens the logs of a plan.

use std::path::Path;
use std::sync::Arc;

use config::family::log::{AccessTarget, Buffer};
use config::family::main_context::{ErrorLog, LogTarget, Syslog};

use crate::error::BuildError;
use crate::log::access::{self, AccessLog, BufferId};
use crate::log::disk::Disk;
use crate::log::error::{Ring, Target};
use crate::log::syslog::Sender;
use crate::log::{ErrorLogs, Files, LogFile};

/// Opens logs, each file once.
pub(super) struct Opener<'a> {
    files: &'a mut Files,
    hostname: &'a str,
    buffered: Vec<(Arc<LogFile>, Buffer)>,
    opened: Opened,
}

/// What was opened for a directive: the blocks that inherit it share that.
#[derive(Default)]
struct Opened {
    error_logs: Vec<(Arc<ErrorLog>, Target)>,
    access_logs: Vec<(Arc<config::family::log::AccessLog>, Arc<Sender>)>,
    senders: Vec<Arc<Sender>>,
}

impl<'a> Opener<'a> {
    /// Opens files by `files`; `hostname` is what servers of syslog are told.
    pub(super) fn new(files: &'a mut Files, hostname: &'a str) -> Self {
        Self { files, hostname, buffered: Vec::new(), opened: Opened::default() }
    }

    /// The files that have buffers. Trouble with servers of syslog is told in `error_log`.
    pub(super) fn finish(self, error_log: &ErrorLogs) -> Vec<(Arc<LogFile>, Buffer)> {
        for syslog in self.opened.senders {
            syslog.tell_trouble_to(error_log);
        }
        self.buffered
    }

    pub(super) fn file(&mut self, path: &Path) -> Result<Arc<LogFile>, BuildError> {
        self.files.open(path).map_err(|error| BuildError::Open(path.to_owned(), error))
    }

    fn sender(&mut self, to: &Syslog) -> Arc<Sender> {
        let sender = Arc::new(Sender::new(to.clone(), self.hostname.to_owned()));
        self.opened.senders.push(Arc::clone(&sender));
        sender
    }

    pub(super) fn error_logs(&mut self, logs: &[Arc<ErrorLog>]) -> Result<ErrorLogs, BuildError> {
        let mut open = Vec::with_capacity(logs.len());
        for log in logs {
            let known = self.opened.error_logs.iter().find(|(other, _)| Arc::ptr_eq(other, log));
            let target = match known {
                Some((_, target)) => target.clone(),
                None => self.error_log(log)?,
            };
            open.push((log.level, target));
        }
        Ok(ErrorLogs::new(open))
    }

    fn error_log(&mut self, log: &Arc<ErrorLog>) -> Result<Target, BuildError> {
        let target = match &log.target {
            LogTarget::File(path) => return Ok(Target::File(self.file(path)?)),
            LogTarget::Stderr => return Ok(Target::Stderr),
            LogTarget::Syslog(to) => Target::Syslog(self.sender(to)),
            LogTarget::Memory(size) => Target::Memory(Arc::new(Ring::new(*size))),
        };
        self.opened.error_logs.push((Arc::clone(log), target.clone()));
        Ok(target)
    }

    fn access_sender(&mut self, log: &Arc<config::family::log::AccessLog>, to: &Syslog) -> Arc<Sender> {
        let known = self.opened.access_logs.iter().find(|(other, _)| Arc::ptr_eq(other, log));
        if let Some((_, sender)) = known {
            return Arc::clone(sender);
        }
        let sender = self.sender(to);
        self.opened.access_logs.push((Arc::clone(log), Arc::clone(&sender)));
        sender
    }

    pub(super) fn access_logs(&mut self, logs: &config::family::log::AccessLogs) -> Result<Vec<AccessLog>, BuildError> {
        let mut open = Vec::with_capacity(logs.logs.len());
        for log in logs.logs.iter() {
            let target = match (&log.target, log.buffer) {
                (AccessTarget::Evaluated(path), _) => access::Target::Evaluated(
                    path.clone(),
                    logs.file_cache.map(|cache| policy::kept::Rules {
                        most: cache.max,
                        inactive: cache.inactive,
                        valid: cache.valid,
                        uses: cache.min_uses,
                    }),
                    Disk::default(),
                ),
                (AccessTarget::Fixed(LogTarget::Syslog(to)), _) => access::Target::Syslog(self.access_sender(log, to)),
                (AccessTarget::Fixed(LogTarget::File(path)), None) => access::Target::File(self.file(path)?),
                (AccessTarget::Fixed(LogTarget::File(path)), Some(buffer)) => {
                    let file = self.file(path)?;
                    access::Target::Buffered(Arc::clone(&file), self.buffer(file, buffer))
                }
                (AccessTarget::Fixed(LogTarget::Stderr | LogTarget::Memory(_)), _) => continue,
            };
            let (format, condition) = (Arc::clone(&log.format), log.condition.clone());
            open.push(AccessLog { target, format, condition });
        }
        Ok(open)
    }

    /// The buffer of `file`: one for all `access_log`s that name it.
    fn buffer(&mut self, file: Arc<LogFile>, how: Buffer) -> BufferId {
        let known = self.buffered.iter().position(|(other, _)| Arc::ptr_eq(other, &file));
        let at = known.unwrap_or_else(|| {
            self.buffered.push((file, how));
            self.buffered.len() - 1
        });
        BufferId(at as u32)
    }
}

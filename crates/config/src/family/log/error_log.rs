//! `error_log`, of the main context as of `stream` and `server`.

use std::sync::Arc;

use syntax::{Level, Place, scalar};

use super::syslog;
use crate::directive::Contexts;
use crate::family::main_context::{ErrorLog, LogTarget};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::did_you_mean;

/// Parts of the debug level. All of them are one here.
const DEBUG_PARTS: [&str; 7] =
    ["debug_core", "debug_alloc", "debug_mutex", "debug_event", "debug_http", "debug_mail", "debug_stream"];

/// What a log in memory must have room for besides the name of the file that it is written in: its mark, two numbers
/// and the longest line.
const LEAST: usize = 11 + 20 + 20 + 2048;

/// Adds to the logs of the block being read.
pub(crate) fn error_log(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let target = target(loader, line)?;
    let log = Arc::new(ErrorLog { target, level: level(line)? });
    if loader.context == Contexts::MAIN {
        loader.main.error_log.push(log);
    } else {
        loader.here().log.error_logs.push(log);
    }
    Ok(())
}

fn target(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<LogTarget, Refusal> {
    let word = line.arg(0);
    if word == b"stderr" || word.is_empty() {
        loader.main.tells_stderr = true;
        return Ok(LogTarget::Stderr);
    }
    if let Some(size) = word.strip_prefix(b"memory:") {
        let least = match &line.place {
            Place::File { name, .. } => LEAST + name.len(),
            Place::CommandLine => LEAST,
        };
        return match scalar::size(size) {
            Some(bytes) if bytes >= least as u64 => Ok(LogTarget::Memory(bytes as usize)),
            _ => Err(Refusal::Word(0, format!("invalid buffer size \"{}\"", text(size)), None)),
        };
    }
    if let Some(words) = word.strip_prefix(b"syslog:") {
        return syslog::read(words, loader.world)
            .map(LogTarget::Syslog)
            .map_err(|(message, help)| Refusal::Word(0, message, help));
    }
    let path = loader.prefix_path(word);
    loader.log_files.push(path.clone());
    Ok(LogTarget::File(path))
}

/// The one level, or some parts of debug.
fn level(line: &Line<'_, '_>) -> Result<Level, Refusal> {
    let mut level = None;
    let mut parts = false;
    for (at, word) in line.args().enumerate().skip(1) {
        let unknown = || {
            let names = Level::ALL.map(Level::name);
            Refusal::Word(at, format!("invalid log level \"{}\"", text(word)), did_you_mean(word, names))
        };
        if let Some(plain) = Level::ALL.into_iter().find(|level| level.name().as_bytes() == word) {
            if level.is_some() {
                return Err(Refusal::Word(at, format!("duplicate log level \"{}\"", text(word)), None));
            }
            level = Some(plain);
        } else if DEBUG_PARTS.iter().any(|part| part.as_bytes() == word) && (level.is_none() || parts) {
            level = Some(Level::Debug);
            parts = true;
        } else {
            return Err(unknown());
        }
    }
    Ok(level.unwrap_or(Level::Error))
}

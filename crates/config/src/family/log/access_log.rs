//! `access_log` and `open_log_file_cache`.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use syntax::scalar;

use super::{AccessLog, AccessTarget, Buffer, FileCache, LogTarget, syslog};
use crate::family::proxy::words::has_variables;
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{did_you_mean, duplicate, template};

/// The buffer of a compressed log that names no size, bytes.
const GZIP_BUFFER: usize = 64 << 10;
/// The level of `gzip` alone.
const FASTEST: u8 = 1;

pub(super) fn access_log(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if line.arg(0) == b"off" {
        loader.here().log.access_log_off = true;
        if line.args().len() == 1 {
            return Ok(());
        }
        return Err(Refusal::Word(1, format!("invalid parameter \"{}\"", line.text(1)), None));
    }
    let target = target(loader, line)?;
    if line.args().len() == 1 {
        return Err(Refusal::Text("log format is not specified".to_owned()));
    }
    let formats = &loader.stream().formats.list;
    let named = formats.iter().find(|format| line.arg(1).eq_ignore_ascii_case(format.name.as_bytes()));
    let format = named.map(Arc::clone).ok_or_else(|| {
        let help = did_you_mean(line.arg(1), formats.iter().map(|format| format.name.as_str()));
        Refusal::Word(1, format!("unknown log format \"{}\"", line.text(1)), help)
    })?;
    let mut log = AccessLog { target, format, buffer: None, condition: None };
    parameters(loader, line, &mut log)?;
    check_buffer(loader, line, &log)?;
    loader.here().log.access_logs.push(Arc::new(log));
    Ok(())
}

fn target(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<AccessTarget, Refusal> {
    if let Some(words) = line.arg(0).strip_prefix(b"syslog:") {
        let server = syslog::read(words, loader.world);
        let server = server.map_err(|(message, help)| Refusal::Word(0, message, help))?;
        return Ok(AccessTarget::Fixed(LogTarget::Syslog(server)));
    }
    let path = loader.prefix_path(line.arg(0));
    if has_variables(line.arg(0)) {
        return Ok(AccessTarget::Evaluated(template(loader, path.as_os_str().as_bytes())?));
    }
    loader.log_files.push(path.clone());
    Ok(AccessTarget::Fixed(LogTarget::File(path)))
}

fn parameters(loader: &mut Loader<'_>, line: &Line<'_, '_>, log: &mut AccessLog) -> Result<(), Refusal> {
    let (mut size, mut flush, mut gzip) = (None, None, None);
    for (at, word) in line.args().enumerate().skip(2) {
        let refuse = |what: &str, value: &[u8]| Refusal::Word(at, format!("invalid {what} \"{}\"", text(value)), None);
        if let Some(value) = word.strip_prefix(b"buffer=") {
            let bytes = scalar::size(value).filter(|bytes| *bytes > 0);
            size = Some(bytes.ok_or_else(|| refuse("buffer size", value))? as usize);
        } else if let Some(value) = word.strip_prefix(b"flush=") {
            let time = scalar::msec(value).filter(|time| !time.is_zero());
            flush = Some(time.ok_or_else(|| refuse("flush time", value))?.as_millis() as u64);
        } else if word == b"gzip" {
            size.get_or_insert(GZIP_BUFFER);
            gzip = Some(FASTEST);
        } else if let Some(value) = word.strip_prefix(b"gzip=") {
            size.get_or_insert(GZIP_BUFFER);
            let level = scalar::number(value).filter(|level| (1..=9).contains(level));
            gzip = Some(level.ok_or_else(|| refuse("compression level", value))? as u8);
        } else if let Some(value) = word.strip_prefix(b"if=") {
            log.condition = Some(template(loader, value)?);
        } else {
            let help = did_you_mean(word, ["buffer=", "flush=", "gzip", "gzip=", "if="]);
            return Err(Refusal::Word(at, format!("invalid parameter \"{}\"", text(word)), help));
        }
    }
    log.buffer = size.map(|size| Buffer { size, gzip, flush });
    if flush.is_some() && size.is_none() {
        let path = shown(loader, line, log);
        return Err(Refusal::Text(format!("no buffer is defined for access_log \"{path}\"")));
    }
    Ok(())
}

/// The path as messages show it: a path with variables has its prefix by then.
fn shown(loader: &Loader<'_>, line: &Line<'_, '_>, log: &AccessLog) -> String {
    match log.target {
        AccessTarget::Evaluated(_) => loader.prefix_path(line.arg(0)).display().to_string(),
        AccessTarget::Fixed(_) => line.text(0),
    }
}

/// Only files known now are buffered, each in one way.
fn check_buffer(loader: &mut Loader<'_>, line: &Line<'_, '_>, log: &AccessLog) -> Result<(), Refusal> {
    let Some(buffer) = log.buffer else { return Ok(()) };
    match &log.target {
        AccessTarget::Evaluated(_) => Err(Refusal::Text("buffered logs cannot have variables in name".to_owned())),
        AccessTarget::Fixed(LogTarget::File(path)) => {
            let known = *loader.stream().formats.buffers.entry(path.clone()).or_insert(buffer);
            if known == buffer {
                return Ok(());
            }
            let message = format!("access_log \"{}\" already defined with conflicting parameters", line.text(0));
            Err(Refusal::Text(message))
        }
        AccessTarget::Fixed(_) => Err(Refusal::Text("logs to syslog cannot be buffered".to_owned())),
    }
}

pub(super) fn file_cache(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.here().log.file_cache.is_some() {
        return Err(duplicate());
    }
    let mut cache = FileCache { max: 0, inactive: 10, min_uses: 1, valid: 60 };
    let mut off = false;
    for (at, word) in line.args().enumerate() {
        let number = |value: &[u8]| scalar::number(value).map(|number| number as usize);
        let seconds = |value: &[u8]| scalar::sec(value).map(|time| time.as_secs());
        let read = if let Some(value) = word.strip_prefix(b"max=") {
            number(value).map(|max| cache.max = max)
        } else if let Some(value) = word.strip_prefix(b"inactive=") {
            seconds(value).map(|time| cache.inactive = time)
        } else if let Some(value) = word.strip_prefix(b"min_uses=") {
            number(value).map(|uses| cache.min_uses = uses)
        } else if let Some(value) = word.strip_prefix(b"valid=") {
            seconds(value).map(|time| cache.valid = time)
        } else {
            (word == b"off").then(|| off = true)
        };
        read.ok_or_else(|| {
            let message = format!("invalid \"open_log_file_cache\" parameter \"{}\"", text(word));
            Refusal::Word(at, message, did_you_mean(word, ["max=", "inactive=", "min_uses=", "valid=", "off"]))
        })?;
    }
    if off {
        cache.max = 0;
    } else if cache.max == 0 {
        return Err(Refusal::Text("\"open_log_file_cache\" must have \"max\" parameter".to_owned()));
    }
    loader.here().log.file_cache = Some(cache);
    Ok(())
}

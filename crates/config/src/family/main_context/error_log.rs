//! `error_log` and the `syslog:` destinations it shares with `access_log`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use policy::address::{self, Address, Host};
use syntax::{Level, scalar};

use super::{ErrorLog, LogTarget, Syslog};
use crate::load::{Line, Loader, Refusal, text};

/// The least a `memory:` log may have.
const LEAST_MEMORY: u64 = 4096;

const DEBUG_MASKS: [&str; 7] =
    ["debug_core", "debug_alloc", "debug_mutex", "debug_event", "debug_http", "debug_mail", "debug_stream"];

/// `error_log`s of one block.
#[derive(Debug, Default)]
pub(crate) struct Logs(Vec<ErrorLog>);

impl Logs {
    /// Adds one after those that are there.
    pub(crate) fn push(&mut self, log: ErrorLog) {
        self.0.push(log);
    }

    /// These, or where there are none those of the block outside.
    pub(crate) fn or(&self, outer: &Arc<[ErrorLog]>) -> Arc<[ErrorLog]> {
        if self.0.is_empty() { Arc::clone(outer) } else { self.0.as_slice().into() }
    }

    /// Those of the main context, with the default file where none of them is one.
    pub(super) fn or_default(mut self, loader: &Loader<'_>) -> Arc<[ErrorLog]> {
        if !self.0.iter().any(|log| matches!(log.target, LogTarget::File(_))) {
            let default = ErrorLog { target: file_or_stderr(loader, &loader.options.error_log), level: Level::Error };
            if !self.0.iter().any(|log| log.target == default.target) {
                self.0.push(default);
            }
        }
        self.0.into()
    }
}

/// Reads an `error_log` line.
pub(crate) fn add(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<ErrorLog, Refusal> {
    let word = line.arg(0);
    let target = if let Some(size) = word.strip_prefix(b"memory:") {
        let refused = || Refusal::Text(format!("invalid buffer size \"{}\"", text(size)));
        LogTarget::Memory(scalar::size(size).filter(|size| *size >= LEAST_MEMORY).ok_or_else(refused)? as usize)
    } else if let Some(parameters) = word.strip_prefix(b"syslog:") {
        LogTarget::Syslog(syslog(loader, parameters)?)
    } else {
        file_or_stderr(loader, word)
    };
    Ok(ErrorLog { target, level: level(line)? })
}

fn file_or_stderr(loader: &Loader<'_>, word: &[u8]) -> LogTarget {
    if word == b"stderr" { LogTarget::Stderr } else { LogTarget::File(path(loader, word)) }
}

fn path(loader: &Loader<'_>, word: &[u8]) -> PathBuf {
    loader.prefix_path(word)
}

/// One plain level, or any number of debug masks; `error` without either.
fn level(line: &Line<'_, '_>) -> Result<Level, Refusal> {
    let mut plain = None;
    let mut debug = false;
    for (index, word) in line.args().enumerate().skip(1) {
        let word = text(word);
        if DEBUG_MASKS.contains(&word.as_str()) && plain.is_none() {
            debug = true;
            continue;
        }
        let known = Level::ALL.into_iter().find(|level| level.name() == word);
        let Some(level) = known else {
            return Err(Refusal::Word(index, format!("invalid log level \"{word}\""), None));
        };
        if plain.is_some() || debug {
            return Err(Refusal::Word(index, format!("duplicate log level \"{word}\""), None));
        }
        plain = Some(level);
    }
    Ok(if debug { Level::Debug } else { plain.unwrap_or(Level::Error) })
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp",
    "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];
const LONGEST_TAG: usize = 32;
const PORT: u16 = 514;

/// Reads what follows `syslog:`.
pub(crate) fn syslog(loader: &Loader<'_>, parameters: &[u8]) -> Result<Syslog, Refusal> {
    let (mut server, mut facility, mut severity, mut tag, mut nohostname) = (None, None, None, None, false);
    let duplicate = |name: &str| Refusal::Text(format!("duplicate syslog \"{name}\""));
    let unknown = |name: &str, value: &str| Refusal::Text(format!("unknown syslog {name} \"{value}\""));
    for parameter in text(parameters).split(',') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "server" => {
                if server.replace(address(loader, value)?).is_some() {
                    return Err(duplicate("server"));
                }
            }
            "facility" => {
                let known = FACILITIES.iter().position(|facility| *facility == value);
                let known = known.ok_or_else(|| unknown("facility", value))?;
                if facility.replace(known as u8).is_some() {
                    return Err(duplicate("facility"));
                }
            }
            "severity" => {
                let known = SEVERITIES.iter().position(|severity| *severity == value);
                let known = known.ok_or_else(|| unknown("severity", value))?;
                if severity.replace(known as u8).is_some() {
                    return Err(duplicate("severity"));
                }
            }
            "tag" => {
                if tag.is_some() {
                    return Err(duplicate("tag"));
                }
                if value.len() > LONGEST_TAG {
                    return Err(Refusal::Text("syslog tag length exceeds 32".to_owned()));
                }
                if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    let refused = "syslog \"tag\" only allows alphanumeric characters and underscore";
                    return Err(Refusal::Text(refused.to_owned()));
                }
                tag = Some(value.to_owned());
            }
            "nohostname" => nohostname = true,
            _ => return Err(unknown("parameter", parameter)),
        }
    }
    Ok(Syslog {
        server: server.ok_or_else(|| Refusal::Text("no syslog server specified".to_owned()))?,
        facility: facility.unwrap_or(23),
        severity: severity.unwrap_or(6),
        tag: tag.unwrap_or_else(|| "nginx".to_owned()),
        nohostname,
    })
}

fn address(loader: &Loader<'_>, value: &str) -> Result<Address, Refusal> {
    let refused = |phrase: &str| Refusal::Text(format!("{phrase} in syslog server \"{value}\""));
    let target = address::parse_upstream(value.as_bytes()).map_err(refused)?;
    let inet = |ip: IpAddr| Address::Inet((ip, target.port.unwrap_or(PORT)).into());
    match &target.host {
        Host::Unix(path) => Ok(Address::Unix(path.clone())),
        Host::Ip(ip) => Ok(inet(*ip)),
        Host::Name(name) => {
            let found = loader.world.resolve(name).unwrap_or_default();
            found.first().copied().map(inet).ok_or_else(|| refused("host not found"))
        }
    }
}

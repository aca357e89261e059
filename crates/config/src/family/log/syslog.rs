//! `syslog:server=…[,facility=…][,severity=…][,tag=…][,nohostname]`, of `access_log` and `error_log`.

use std::net::SocketAddr;

use policy::address::{self, Address, Host, Target};
use syntax::Level;

use crate::World;
use crate::family::main_context::Syslog;
use crate::load::text;
use crate::value::did_you_mean;

/// Where syslog servers listen.
const PORT: u16 = 514;
const LONGEST_TAG: usize = 32;
/// By number.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp",
    "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const LOCAL7: u8 = 23;

/// What is wrong, and perhaps help.
pub(super) type Wrong = (String, Option<String>);

/// The destination that the words after `syslog:` describe.
pub(super) fn read(words: &[u8], world: &dyn World) -> Result<Syslog, Wrong> {
    let (mut server, mut facility, mut severity, mut tag, mut nohostname) = (None, None, None, None, false);
    for word in words.split(|byte| *byte == b',') {
        if let Some(address) = word.strip_prefix(b"server=") {
            fill(&mut server, "server", || locate(address, world))?;
        } else if let Some(name) = word.strip_prefix(b"facility=") {
            fill(&mut facility, "facility", || number(name, "facility", FACILITIES))?;
        } else if let Some(name) = word.strip_prefix(b"severity=") {
            fill(&mut severity, "severity", || number(name, "severity", Level::ALL.map(Level::name)))?;
        } else if let Some(name) = word.strip_prefix(b"tag=") {
            fill(&mut tag, "tag", || checked_tag(name))?;
        } else if word == b"nohostname" {
            nohostname = true;
        } else {
            let known = ["server", "facility", "severity", "tag", "nohostname"];
            let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
            return Err((format!("unknown syslog parameter \"{}\"", text(word)), did_you_mean(name, known)));
        }
    }
    Ok(Syslog {
        server: server.ok_or_else(|| ("no syslog server specified".to_owned(), None))?,
        facility: facility.unwrap_or(LOCAL7),
        severity: severity.unwrap_or(Level::Info.severity()),
        tag: tag.unwrap_or_else(|| "nginx".to_owned()),
        nohostname,
    })
}

fn fill<T>(slot: &mut Option<T>, name: &str, read: impl FnOnce() -> Result<T, Wrong>) -> Result<(), Wrong> {
    if slot.is_some() {
        return Err((format!("duplicate syslog \"{name}\""), None));
    }
    *slot = Some(read()?);
    Ok(())
}

fn locate(word: &[u8], world: &dyn World) -> Result<Address, Wrong> {
    let refuse = |phrase: &str| (format!("{phrase} in syslog server \"{}\"", text(word)), None);
    let Target { host, port } = address::parse_upstream(word).map_err(refuse)?;
    let ip = match host {
        Host::Unix(path) => return Ok(Address::Unix(path)),
        Host::Ip(ip) => Some(ip),
        Host::Name(name) => world.resolve(&name).ok().and_then(|found| found.first().copied()),
    };
    let ip = ip.ok_or_else(|| refuse("host not found"))?;
    Ok(Address::Inet(SocketAddr::new(ip, port.unwrap_or(PORT))))
}

/// Which of `names` it is.
fn number<const N: usize>(name: &[u8], what: &str, names: [&'static str; N]) -> Result<u8, Wrong> {
    let at = names.iter().position(|known| known.as_bytes() == name);
    at.map(|at| at as u8)
        .ok_or_else(|| (format!("unknown syslog {what} \"{}\"", text(name)), did_you_mean(name, names)))
}

fn checked_tag(tag: &[u8]) -> Result<String, Wrong> {
    if tag.len() > LONGEST_TAG {
        return Err((format!("syslog tag length exceeds {LONGEST_TAG}"), None));
    }
    if !tag.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Err(("syslog \"tag\" only allows alphanumeric characters and underscore".to_owned(), None));
    }
    Ok(text(tag))
}

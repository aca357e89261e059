//! `limit_conn`: how many sessions may share a key.

#[cfg(test)]
mod tests;
pub(crate) mod zones;

use std::sync::Arc;

use policy::template::Template;
use syntax::{Level, scalar};

use crate::directive::{Args, Contexts, Directive};
use crate::family::proxy::words::invalid_parameter;
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{self, duplicate, flag, once, one_of};

pub(crate) use zones::Zones;

/// Which zone of [`crate::Stream::limit_zones`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneId(pub u32);

/// `limit_conn_zone`.
#[derive(Debug)]
pub struct Zone {
    /// Its name: counts survive a reload under it.
    pub name: String,
    /// Memory for keys, bytes.
    pub size: usize,
    /// The key as written, to compare over a reload.
    pub key_text: String,
    /// The key.
    pub key: Template,
}

/// `limit_conn*` of a server.
#[derive(Debug, Clone)]
pub struct LimitConn {
    /// `limit_conn ZONE N`, in written order.
    pub rules: Arc<[Rule]>,
    /// `limit_conn_log_level`.
    pub log_level: Level,
    /// `limit_conn_dry_run`.
    pub dry_run: bool,
}

/// One `limit_conn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The zone.
    pub zone: ZoneId,
    /// Most sessions with one key, 1 to 65535.
    pub limit: u32,
}

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    rules: Vec<Rule>,
    log_level: Option<Level>,
    dry_run: Option<bool>,
}

/// What holds in a server that says `own` within `outer`: its own rules, or else those of `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> LimitConn {
    let rules = if own.rules.is_empty() { &outer.rules } else { &own.rules };
    LimitConn {
        rules: rules.as_slice().into(),
        log_level: own.log_level.or(outer.log_level).unwrap_or(Level::Error),
        dry_run: own.dry_run.or(outer.dry_run).unwrap_or(false),
    }
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "limit_conn_zone",
        contexts: Contexts::STREAM,
        args: Args::Simple(2, 2),
        syntax: "key zone=name:size",
        default: None,
        doc: "Where sessions are counted by key; those with an empty key are not counted.",
        apply: |loader, line, _| zone(loader, line),
    },
    Directive {
        name: "limit_conn",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(2, 2),
        syntax: "zone number",
        default: None,
        doc: "Most sessions with one key at a time. Further ones are closed.",
        apply: |loader, line, _| limit(loader, line),
    },
    Directive::setting(
        "limit_conn_log_level",
        "info | notice | warn | error",
        Some("error"),
        "Level of the line that tells of a session over the limit.",
        |loader, line, _| once(&mut loader.here().limit_conn.log_level, line, level),
    ),
    Directive::setting(
        "limit_conn_dry_run",
        "on | off",
        Some("off"),
        "Only tells of sessions over the limit, and lets them be.",
        |loader, line, _| once(&mut loader.here().limit_conn.dry_run, line, flag),
    ),
];

fn level(line: &Line<'_, '_>) -> Result<Level, Refusal> {
    one_of(line, &[("info", Level::Info), ("notice", Level::Notice), ("warn", Level::Warn), ("error", Level::Error)])
}

fn zone(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let key = value::template(loader, line.arg(0))?;
    let Some(named) = line.arg(1).strip_prefix(b"zone=") else {
        return Err(invalid_parameter(line, 1));
    };
    let refuse = |message: String| Refusal::Word(1, message, None);
    let invalid = || refuse(format!("invalid zone size \"{}\"", line.text(1)));
    let colon = named.iter().position(|byte| *byte == b':').ok_or_else(invalid)?;
    let (name, size) = named.split_at(colon);
    let size = scalar::size(size.get(1..).unwrap_or_default()).ok_or_else(invalid)?;
    if size < zones::SMALLEST {
        return Err(refuse(format!("zone \"{}\" is too small", line.text(1))));
    }
    if name.is_empty() {
        return Err(Refusal::Text(format!("\"{}\" must have \"zone\" parameter", line.name())));
    }
    let zone = Zone { name: text(name), size: size as usize, key_text: line.text(0), key };
    loader.stream().zones.define(zone)
}

fn limit(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let zone = loader.stream().zones.mention(&line.text(0))?;
    let rules = &mut loader.here().limit_conn.rules;
    if rules.iter().any(|rule| rule.zone == zone) {
        return Err(duplicate());
    }
    let limit = match scalar::number(line.arg(1)) {
        None | Some(0) => {
            let message = format!("invalid number of connections \"{}\"", line.text(1));
            return Err(Refusal::Word(1, message, None));
        }
        Some(limit) if limit > u64::from(u16::MAX) => {
            return Err(Refusal::Word(1, "connection limit must be less 65536".to_owned(), None));
        }
        Some(limit) => limit as u32,
    };
    rules.push(Rule { zone, limit });
    Ok(())
}

//! The words of `listen`.

use std::net::{IpAddr, Ipv4Addr};

use policy::address::{self, Address, Host, ListenTarget};
use syntax::{Level, scalar};

use super::ports::Asked;
use super::{Keepalive, Protocol};
use crate::ServerId;
use crate::load::{Line, Loader, Refusal, text};
use crate::value::did_you_mean;

/// Parameters, for those that are misspelt.
const PARAMETERS: [&str; 15] = [
    "default_server",
    "ssl",
    "udp",
    "proxy_protocol",
    "bind",
    "backlog=",
    "rcvbuf=",
    "sndbuf=",
    "fastopen=",
    "deferred",
    "ipv6only=on",
    "ipv6only=off",
    "reuseport",
    "multipath",
    "so_keepalive=",
];

pub(super) fn listen(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    loader.server().listen.listens = true;
    let addresses = addresses(loader, line)?;
    let asked = asked(loader, line)?;
    let server = ServerId(loader.stream().servers.len() as u32 - 1);
    for address in addresses {
        let warning = loader.stream().ports.add(address, &asked, server)?;
        if let Some(warning) = warning {
            loader.warn(line, warning);
        }
    }
    Ok(())
}

/// The addresses that the first word stands for, each once.
fn addresses(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<Vec<Address>, Refusal> {
    let refuse = |phrase: &str| {
        let message = format!("{phrase} in \"{}\" of the \"listen\" directive", line.text(0));
        Refusal::Word(0, message, None)
    };
    let ListenTarget { host, ports } = address::parse_listen(line.arg(0)).map_err(refuse)?;
    let ips = match host {
        None => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        Some(Host::Ip(ip)) => vec![ip],
        Some(Host::Unix(path)) => return Ok(vec![Address::Unix(path)]),
        Some(Host::Name(name)) => loader.world.resolve(&name).unwrap_or_default(),
    };
    if ips.is_empty() {
        return Err(refuse("host not found"));
    }
    let ports = || ports.0..=ports.1;
    let mut addresses: Vec<Address> = Vec::new();
    for ip in ips {
        let known = addresses.iter().any(|address| matches!(address, Address::Inet(inet) if inet.ip() == ip));
        if !known {
            addresses.extend(ports().map(|port| Address::Inet((ip, port).into())));
        }
    }
    Ok(addresses)
}

fn asked(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<Asked, Refusal> {
    let mut asked = Asked::default();
    let mut backlog = false;
    for (at, word) in line.args().enumerate().skip(1) {
        let (name, value) = match word.iter().position(|byte| *byte == b'=') {
            Some(equals) => word.split_at(equals + 1),
            None => (word, &[][..]),
        };
        let invalid = |what: &str| Refusal::Word(at, format!("invalid {what} \"{}\"", text(word)), None);
        let options = &mut asked.options;
        // All but these are about the socket itself, of which there is one for all servers.
        asked.set |= !matches!(name, b"default_server" | b"udp" | b"ssl" | b"proxy_protocol" | b"accept_filter=");
        match name {
            b"default_server" => asked.default_server = true,
            b"udp" => asked.protocol = Protocol::Udp,
            b"ssl" => asked.ssl = true,
            b"proxy_protocol" => asked.proxy_protocol = true,
            b"bind" => {}
            b"fastopen=" => options.fastopen = Some(count(value).ok_or_else(|| invalid("fastopen"))?),
            b"backlog=" => {
                options.backlog = count(value).filter(|length| *length > 0).ok_or_else(|| invalid("backlog"))?;
                backlog = true;
            }
            b"rcvbuf=" => options.rcvbuf = Some(bytes(value).ok_or_else(|| invalid("rcvbuf"))?),
            b"sndbuf=" => options.sndbuf = Some(bytes(value).ok_or_else(|| invalid("sndbuf"))?),
            b"accept_filter=" => {
                let text = format!("accept filters \"{}\" are not supported on this platform, ignored", text(word));
                loader.say(line, Level::Emerg, text);
            }
            b"deferred" => options.deferred = true,
            b"ipv6only=" if value.first() == Some(&b'o') => {
                options.ipv6only = match value {
                    b"on" => true,
                    b"off" => false,
                    _ => return Err(Refusal::Word(at, format!("invalid ipv6only flags \"{}\"", text(value)), None)),
                }
            }
            b"reuseport" => options.reuseport = true,
            b"multipath" => options.multipath = true,
            b"so_keepalive=" => {
                options.keepalive = Some(keepalive(value).ok_or_else(|| {
                    Refusal::Word(at, format!("invalid so_keepalive value: \"{}\"", text(value)), None)
                })?);
            }
            _ => {
                let message = format!("invalid parameter \"{}\"", text(word));
                return Err(Refusal::Word(at, message, did_you_mean(word, PARAMETERS)));
            }
        }
    }
    match datagram_conflict(&asked, backlog) {
        Some(name) => Err(Refusal::Phrase(format!("\"{name}\" parameter is incompatible with \"udp\""))),
        None => Ok(asked),
    }
}

/// The parameter that makes no sense for datagrams, if one is given.
fn datagram_conflict(asked: &Asked, backlog: bool) -> Option<&'static str> {
    if asked.protocol == Protocol::Tcp {
        return None;
    }
    let options = &asked.options;
    let given = [
        (options.fastopen.is_some(), "fastopen"),
        (backlog, "backlog"),
        (options.deferred, "deferred"),
        (options.multipath, "multipath"),
        (asked.ssl, "ssl"),
        (options.keepalive.is_some(), "so_keepalive"),
        (asked.proxy_protocol, "proxy_protocol"),
    ];
    given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
}

fn count(value: &[u8]) -> Option<i32> {
    scalar::number(value).map(|number| i32::try_from(number).unwrap_or(i32::MAX))
}

fn bytes(value: &[u8]) -> Option<usize> {
    scalar::size(value).map(|size| size as usize)
}

/// `on`, `off`, or `[idle]:[interval]:[count]` of which something must be said.
fn keepalive(value: &[u8]) -> Option<Keepalive> {
    match value {
        b"on" => return Some(Keepalive::On { idle: None, interval: None, count: None }),
        b"off" => return Some(Keepalive::Off),
        _ => {}
    }
    let mut parts = value.splitn(3, |byte| *byte == b':');
    let seconds = |part: Option<&[u8]>| match part {
        None | Some([]) => Some(0),
        Some(time) => scalar::sec(time).map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
    };
    let idle = seconds(parts.next())?;
    let interval = seconds(parts.next())?;
    let count = match parts.next() {
        None | Some([]) => 0,
        Some(probes) => scalar::number(probes).map(|probes| u32::try_from(probes).unwrap_or(u32::MAX))?,
    };
    let said = |value: u32| (value > 0).then_some(value);
    let (idle, interval, count) = (said(idle), said(interval), said(count));
    (idle.is_some() || interval.is_some() || count.is_some()).then_some(Keepalive::On { idle, interval, count })
}

//! `listen` and `server_name` as they are read.

use std::net::{IpAddr, Ipv4Addr};

use policy::address::{self, Address, Host};
use policy::regex::Regex;
use policy::server_name::Name;
use syntax::scalar;

use super::addresses::Listen;
use super::{Keepalive, Protocol, SocketOptions};
use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, text};

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "listen",
        contexts: Contexts::SERVER,
        args: Args::SOME,
        syntax: "address[:port] [default_server] [ssl] [udp] [proxy_protocol] [bind] [backlog=number] [rcvbuf=size] \
                 [sndbuf=size] [fastopen=number] [deferred] [ipv6only=on|off] [reuseport] [multipath] \
                 [so_keepalive=on|off|[idle]:[intvl]:[cnt]]",
        default: None,
        doc: "Where a server takes clients: an address and port, a range of ports, or a unix socket. Servers that \
              share an address are told apart by name.",
        apply: |loader, line, _| listen(loader, line),
    },
    Directive {
        name: "server_name",
        contexts: Contexts::SERVER,
        args: Args::SOME,
        syntax: "name ...",
        default: Some("\"\""),
        doc: "Names by which clients ask for this server (TLS server name), with wildcards at either end, or regular \
              expressions after a tilde.",
        apply: |loader, line, _| server_name(loader, line),
    },
];

fn listen(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let mut addresses = targets(loader, line)?;
    let mut listen = Listen::default();
    let mut incompatible = Vec::new();
    for (index, word) in line.args().enumerate().skip(1) {
        parameter(&mut listen, &mut incompatible, word, index, line)?;
    }
    if listen.protocol == Protocol::Udp {
        let order = ["fastopen", "backlog", "accept_filter", "deferred", "multipath", "ssl", "so_keepalive", "proxy_protocol"];
        if let Some(name) = order.iter().find(|name| incompatible.contains(*name)) {
            return Err(Refusal::Text(format!(
                "\"listen\" directive \"{name}\" parameter is incompatible with \"udp\""
            )));
        }
    }
    addresses.dedup();
    let server = loader.stream().servers.len().saturating_sub(1);
    for address in addresses {
        loader.server().listens.push(address.clone());
        let warning = loader.stream().listens.add(address, &listen, server)?;
        if let Some(warning) = warning {
            loader.warn(line, warning);
        }
    }
    Ok(())
}

/// Every address that the first word stands for.
fn targets(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<Vec<Address>, Refusal> {
    let word = line.arg(0);
    let refused = |phrase: &str| {
        Refusal::Word(0, format!("{phrase} in \"{}\" of the \"listen\" directive", text(word)), None)
    };
    let target = address::parse_listen(word).map_err(refused)?;
    let ips: Vec<IpAddr> = match target.host {
        None => vec![Ipv4Addr::UNSPECIFIED.into()],
        Some(Host::Ip(ip)) => vec![ip],
        Some(Host::Unix(path)) => return Ok(vec![Address::Unix(path)]),
        Some(Host::Name(name)) => loader.world.resolve(&name).unwrap_or_default(),
    };
    if ips.is_empty() {
        return Err(refused("host not found"));
    }
    let (first, last) = target.ports;
    let ports = first..=last;
    Ok(ips.iter().flat_map(|ip| ports.clone().map(|port| Address::Inet((*ip, port).into()))).collect())
}

fn parameter(
    listen: &mut Listen,
    incompatible: &mut Vec<&'static str>,
    word: &[u8],
    index: usize,
    line: &Line<'_, '_>,
) -> Result<(), Refusal> {
    let refused = |message: String| Refusal::Word(index, message, None);
    let options = &mut listen.options;
    let (name, value) = match word.iter().position(|byte| *byte == b'=') {
        Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
        None => (word, None),
    };
    let invalid = |what: &str| refused(format!("invalid {what} \"{}\"", text(word)));
    match (name, value) {
        (b"default_server", None) => listen.default = true,
        (b"udp", None) => listen.protocol = Protocol::Udp,
        (b"ssl", None) => {
            listen.ssl = true;
            incompatible.push("ssl");
        }
        (b"proxy_protocol", None) => {
            listen.proxy_protocol = true;
            incompatible.push("proxy_protocol");
        }
        (b"bind", None) => listen.bind = true,
        (b"backlog", Some(value)) => {
            let number = scalar::number(value).and_then(|number| i32::try_from(number).ok());
            options.backlog = number.filter(|number| *number > 0).ok_or_else(|| invalid("backlog"))?;
            incompatible.push("backlog");
            listen.bind = true;
            listen.has_options = true;
        }
        (b"rcvbuf", Some(value)) => {
            options.rcvbuf = Some(scalar::size(value).ok_or_else(|| invalid("rcvbuf"))? as usize);
        }
        (b"sndbuf", Some(value)) => {
            options.sndbuf = Some(scalar::size(value).ok_or_else(|| invalid("sndbuf"))? as usize);
        }
        (b"fastopen", Some(value)) => {
            let number = scalar::number(value).and_then(|number| i32::try_from(number).ok());
            options.fastopen = Some(number.ok_or_else(|| invalid("fastopen"))?);
            incompatible.push("fastopen");
        }
        (b"deferred", None) => {
            options.deferred = true;
            incompatible.push("deferred");
        }
        (b"reuseport", None) => options.reuseport = true,
        (b"multipath", None) => {
            options.multipath = true;
            incompatible.push("multipath");
        }
        (b"accept_filter", Some(_)) => incompatible.push("accept_filter"),
        (b"ipv6only", Some(value)) if value.first() == Some(&b'o') => match value {
            b"on" => options.ipv6only = true,
            b"off" => options.ipv6only = false,
            _ => return Err(refused(format!("invalid ipv6only flags \"{}\"", text(value)))),
        },
        (b"so_keepalive", Some(value)) => {
            let refused = || refused(format!("invalid so_keepalive value: \"{}\"", text(value)));
            options.keepalive = Some(keepalive(value).ok_or_else(refused)?);
            incompatible.push("so_keepalive");
        }
        _ => return Err(crate::family::proxy::words::invalid_parameter(line, index)),
    }
    if !matches!(name, b"default_server" | b"udp" | b"ssl" | b"proxy_protocol") {
        listen.bind = true;
        listen.has_options = true;
    }
    Ok(())
}

fn keepalive(value: &[u8]) -> Option<Keepalive> {
    match value {
        b"on" => return Some(Keepalive::On { idle: None, interval: None, count: None }),
        b"off" => return Some(Keepalive::Off),
        _ => {}
    }
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b':').collect();
    let [idle, interval, count] = parts.as_slice() else { return None };
    let seconds = |part: &[u8]| match part {
        [] => Some(None),
        part => scalar::sec(part).map(|time| Some(time.as_secs() as u32)),
    };
    let (idle, interval) = (seconds(idle)?, seconds(interval)?);
    let count = match *count {
        [] => None,
        count => Some(u32::try_from(scalar::number(count)?).ok()?),
    };
    let nothing = [idle, interval, count].iter().all(|part| part.unwrap_or(0) == 0);
    (!nothing).then_some(Keepalive::On { idle, interval, count })
}

fn server_name(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    for (index, word) in line.args().enumerate() {
        let hostname;
        let word = if word.eq_ignore_ascii_case(b"$hostname") {
            hostname = loader.world.hostname();
            hostname.as_bytes()
        } else {
            word
        };
        let refused = |message: String| Refusal::Word(index, message, None);
        let (name, suspicious) = Name::parse(word).map_err(|error| refused(error.to_string()))?;
        if let Name::Regex(pattern) = &name {
            // Compiled here to tell its error at its line; the table of names compiles its own.
            let caseless = pattern.iter().any(u8::is_ascii_uppercase);
            Regex::new(pattern, caseless, &mut loader.stream().variables).map_err(|error| refused(error.to_string()))?;
        }
        if suspicious {
            loader.warn(line, format!("server name \"{}\" has suspicious symbols", text(word)));
        }
        loader.server().names.push(name);
    }
    Ok(())
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            protocol: Protocol::Tcp,
            options: SocketOptions::default(),
            has_options: false,
            bind: false,
            ssl: false,
            proxy_protocol: false,
            default: false,
        }
    }
}

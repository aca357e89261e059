//! `resolver`: name servers and how they are asked.

use std::net::SocketAddr;

use policy::address::{self, Host, Target};
use syntax::scalar;

use super::{Resolver, ResolverId};
use crate::directive::Contexts;
use crate::load::{Line, Loader, Refusal, text};
use crate::value::duplicate;

/// Where name servers listen.
const PORT: u16 = 53;

pub(super) fn resolver(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if slot(loader)?.is_some() {
        return Err(duplicate());
    }
    let resolver = read(loader, line)?;
    let resolvers = &mut loader.stream().resolvers;
    let id = ResolverId(resolvers.len() as u32);
    resolvers.push(resolver);
    *slot(loader)? = Some(id);
    Ok(())
}

/// Where the block being read keeps its resolver.
fn slot<'a>(loader: &'a mut Loader<'_>) -> Result<&'a mut Option<ResolverId>, Refusal> {
    if loader.context == Contexts::UPSTREAM {
        return Ok(&mut loader.stream().upstreams.current()?.resolver);
    }
    Ok(&mut loader.here().core.resolver)
}

fn read(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<Resolver, Refusal> {
    let mut resolver = Resolver { servers: Vec::new(), valid: None, min_ttl: 0, stale: None, ipv4: true, ipv6: true };
    for (at, word) in line.args().enumerate() {
        let read = if let Some(time) = word.strip_prefix(b"valid=") {
            scalar::sec(time).map(|time| resolver.valid = Some(time.as_secs()))
        } else if let Some(time) = word.strip_prefix(b"min_ttl=") {
            scalar::sec(time).map(|time| resolver.min_ttl = time.as_secs())
        } else if let Some(time) = word.strip_prefix(b"stale=") {
            scalar::sec(time).map(|time| resolver.stale = Some(time.as_secs()))
        } else if let Some(flag) = word.strip_prefix(b"ipv4=") {
            on_off(flag).map(|on| resolver.ipv4 = on)
        } else if let Some(flag) = word.strip_prefix(b"ipv6=") {
            on_off(flag).map(|on| resolver.ipv6 = on)
        } else {
            resolver.servers.extend(
                servers(loader, word)
                    .map_err(|phrase| Refusal::Word(at, format!("{phrase} in resolver \"{}\"", text(word)), None))?,
            );
            Some(())
        };
        read.ok_or_else(|| Refusal::Word(at, format!("invalid parameter: {}", text(word)), None))?;
    }
    if !resolver.ipv4 && !resolver.ipv6 {
        return Err(Refusal::Text("\"ipv4\" and \"ipv6\" cannot both be \"off\"".to_owned()));
    }
    if resolver.servers.is_empty() {
        return Err(Refusal::Text("no name servers defined".to_owned()));
    }
    Ok(resolver)
}

/// The name servers that a word stands for, or what is wrong with it.
fn servers(loader: &Loader<'_>, word: &[u8]) -> Result<Vec<SocketAddr>, &'static str> {
    let Target { host, port } = address::parse_upstream(word)?;
    let ips = match host {
        Host::Ip(ip) => vec![ip],
        Host::Name(name) => loader.world.resolve(&name).unwrap_or_default(),
        Host::Unix(_) => return Err("invalid host"),
    };
    if ips.is_empty() {
        return Err("host not found");
    }
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port.unwrap_or(PORT))).collect())
}

fn on_off(word: &[u8]) -> Option<bool> {
    match word {
        b"on" => Some(true),
        b"off" => Some(false),
        _ => None,
    }
}

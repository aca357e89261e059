//! What can only be said of groups when all is read: which names are blocks, which are hosts.

use policy::address::Address;
use syntax::Diagnostic;

use super::draft::Group;
use super::{Method, PeerServer, Upstream};
use crate::load::{Loader, spanned};
use crate::value::did_you_mean;

/// `resolver_timeout` where it is not given, milliseconds.
const RESOLVER_TIMEOUT: u64 = 30_000;

/// Every group, in the order of [`super::UpstreamId`].
pub(crate) fn finish(loader: &mut Loader<'_>) -> Result<Vec<Upstream>, Diagnostic> {
    let groups = std::mem::take(&mut loader.stream().upstreams.groups);
    let blocks: Vec<_> = groups.iter().filter(|group| group.explicit).map(|group| group.name.clone()).collect();
    groups.into_iter().map(|group| finished(loader, group, &blocks)).collect()
}

/// `blocks` are the names of those that are defined.
fn finished(loader: &mut Loader<'_>, mut group: Group, blocks: &[String]) -> Result<Upstream, Diagnostic> {
    if group.explicit {
        check(loader, &group)?;
    } else {
        group.servers = vec![implicit(loader, &group, blocks)?];
    }
    let stream = loader.stream();
    let core = &stream.settings.core;
    Ok(Upstream {
        method: group.method.unwrap_or(Method::RoundRobin),
        servers: group.servers,
        zone: group.zone.map(|name| {
            let size = stream.zones.size(&name);
            (name, size)
        }),
        resolver: group.resolver.or(core.resolver),
        resolver_timeout: group.resolver_timeout.or(core.resolver_timeout).unwrap_or(RESOLVER_TIMEOUT),
        name: group.name,
        port: group.port,
        explicit: group.explicit,
    })
}

fn check(loader: &mut Loader<'_>, group: &Group) -> Result<(), Diagnostic> {
    let (name, place) = (&group.name, &group.place);
    if group.servers.iter().any(|server| server.resolve.is_some()) {
        let asks = "to resolve names at run time";
        if group.zone.is_none() {
            let text = "resolving names at run time requires upstream";
            return Err(Diagnostic::emerg(format!("{text} \"{name}\" in {place} to be in shared memory")));
        }
        if group.resolver.or(loader.stream().settings.core.resolver).is_none() {
            return Err(Diagnostic::emerg(format!("no resolver defined {asks} in upstream \"{name}\" in {place}")));
        }
    }
    if group.servers.iter().all(|server| server.backup) {
        return Err(Diagnostic::emerg(format!("no servers in upstream \"{name}\" in {place}")));
    }
    Ok(())
}

/// Help where `name`, without a port, was probably meant to be one of `blocks`.
fn no_such_block(name: &str, blocks: &[String]) -> String {
    did_you_mean(name.as_bytes(), blocks.iter().map(String::as_str))
        .unwrap_or_else(|| format!("a host takes a port; there is no upstream \"{name}\""))
}

/// The only server of a group that no block defines: all addresses of its host.
fn implicit(loader: &Loader<'_>, group: &Group, blocks: &[String]) -> Result<PeerServer, Diagnostic> {
    let (name, place) = (&group.name, &group.place);
    let shown = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    let refuse =
        |phrase: &str| spanned(Diagnostic::emerg(format!("{phrase} in upstream \"{shown}\" in {place}")), group.span);
    let addresses = if group.literal.is_empty() {
        let port = group.port.ok_or_else(|| refuse("no port").help(no_such_block(name, blocks)))?;
        let ips = loader.world.resolve(name).unwrap_or_default();
        ips.into_iter().map(|ip| Address::Inet((ip, port).into())).collect()
    } else {
        group.literal.clone()
    };
    if addresses.is_empty() {
        return Err(refuse("host not found"));
    }
    let text = group.port.map_or_else(|| name.clone(), |port| format!("{shown}:{port}"));
    Ok(PeerServer {
        text,
        addresses,
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: 10,
        backup: false,
        down: false,
        resolve: None,
    })
}

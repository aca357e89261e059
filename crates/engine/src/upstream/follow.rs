//! `server NAME resolve` and `service=`: following what names stand for, for as long as their
//! configuration serves.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use config::family::upstream::{PeerServer, Resolved, Upstream};
use policy::address::Address;
use policy::balance::PeerConf;
use syntax::Level;

use super::{SharedPeers, peer};
use crate::resolve::{ResolveError, Resolver, Service, asked_name};

/// Asks for one server of a group again and again, as its answers grow old, while `serving`.
pub async fn follow(
    shared: Arc<SharedPeers>,
    conf: Arc<Upstream>,
    at: usize,
    resolver: Rc<Resolver>,
    serving: impl Fn() -> bool,
) {
    let Some(server) = conf.servers.get(at) else { return };
    let Some(resolved) = &server.resolve else { return };
    while serving() {
        let pause = match ask(&conf, server, resolved, &resolver).await {
            Ok((peers, ttl)) => {
                shared.found(&conf, at, peers);
                ttl + 1
            }
            Err((text, error)) => {
                resolver.log().write(Level::Error, None, format!("{text} could not be resolved {error}").as_bytes());
                if error == ResolveError::NOT_FOUND {
                    shared.found(&conf, at, Vec::new());
                    resolver.failure_holds()
                } else {
                    (conf.resolver_timeout / 1000).max(1)
                }
            }
        };
        reactor::sleep(pause * 1000).await;
    }
}

/// The peers that a server stands for now; an error comes with what could not be found.
async fn ask(
    conf: &Upstream,
    server: &PeerServer,
    resolved: &Resolved,
    resolver: &Resolver,
) -> Result<(Vec<PeerConf>, u64), (String, ResolveError)> {
    let timeout = conf.resolver_timeout;
    let host = &resolved.host;
    let Some(service) = &resolved.service else {
        let asked = resolver.fresh_addresses(host, timeout).await;
        let (ips, ttl) = asked.map_err(|error| (asked_name(host), error))?;
        return Ok((ips.into_iter().map(|ip| peer(server, address(ip, resolved.port))).collect(), ttl));
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let name = if service.contains('.') { format!("{service}.{host}") } else { format!("_{service}._tcp.{host}") };
    let failed = |error| (format!("service {service} of {host}"), error);
    let (services, mut ttl) = resolver.fresh_services(&name, timeout).await.map_err(failed)?;
    let mut found = Vec::new();
    let mut failure = None;
    for offer in services {
        match resolver.fresh_addresses(&offer.target, timeout).await {
            Ok((ips, holds)) => {
                ttl = ttl.min(holds);
                found.push((offer, ips));
            }
            Err(error) => {
                let target = &offer.target;
                let text =
                    format!("{target} could not be resolved {error} while resolving service {service} of {host}");
                resolver.log().write(Level::Error, None, text.as_bytes());
                failure = Some(error);
            }
        }
    }
    // Others may offer the service where one machine cannot be found.
    if let (true, Some(error)) = (found.is_empty(), failure) {
        return Err(failed(error));
    }
    found.sort_by_key(|(service, _)| service.priority);
    let first = found.first().map_or(0, |(service, _)| service.priority);
    let offers = found.into_iter().flat_map(|(service, ips)| {
        ips.into_iter().map(move |ip| offered(server, &service, first, ip)).collect::<Vec<_>>()
    });
    Ok((offers.collect(), ttl))
}

/// A machine that offers the service: its own port and weight, a backup where others come first.
fn offered(server: &PeerServer, service: &Service, first: u16, ip: IpAddr) -> PeerConf {
    let weight = if server.weight == 1 { u32::from(service.weight.max(1)) } else { server.weight };
    PeerConf {
        text: service.target.clone(),
        weight,
        backup: server.backup || service.priority != first,
        ..peer(server, address(ip, service.port))
    }
}

fn address(ip: IpAddr, port: u16) -> Address {
    Address::Inet((ip, port).into())
}

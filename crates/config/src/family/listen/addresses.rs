//! Addresses of all servers together: who shares one, who is the default, and which sockets are
//! to be bound for them.

use std::collections::HashSet;

use policy::address::Address;
use policy::server_name::{Name, ServerNames};
use syntax::Diagnostic;

use super::{Listener, Protocol, SocketOptions, VirtualAddress};
use crate::ServerId;
use crate::load::{Loader, Refusal};

/// What one `listen` says.
#[derive(Debug, Clone)]
pub(super) struct Listen {
    pub(super) protocol: Protocol,
    pub(super) options: SocketOptions,
    /// Some parameter is an option of the socket.
    pub(super) has_options: bool,
    pub(super) bind: bool,
    pub(super) ssl: bool,
    pub(super) proxy_protocol: bool,
    pub(super) default: bool,
}

/// Every address, in the order of first mention.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    addresses: Vec<Shared>,
}

/// An address and who shares it.
#[derive(Debug)]
struct Shared {
    address: Address,
    listen: Listen,
    default: usize,
    has_default: bool,
    servers: Vec<usize>,
}

impl Draft {
    /// Adds a `listen` of `server`; a warning may come of it.
    pub(super) fn add(
        &mut self,
        address: Address,
        listen: &Listen,
        server: usize,
    ) -> Result<Option<String>, Refusal> {
        let same = |shared: &&mut Shared| shared.address == address && shared.listen.protocol == listen.protocol;
        // The system chooses another port for each port 0.
        let anyport = matches!(&address, Address::Inet(inet) if inet.port() == 0);
        let Some(shared) = self.addresses.iter_mut().find(same).filter(|_| !anyport) else {
            self.addresses.push(Shared {
                address,
                listen: listen.clone(),
                default: server,
                has_default: listen.default,
                servers: vec![server],
            });
            return Ok(None);
        };
        let refused = |text: String| Err(Refusal::Text(text));
        if shared.servers.contains(&server) {
            return refused(format!("a duplicate listen {address}"));
        }
        if listen.has_options {
            if shared.listen.has_options {
                return refused(format!("duplicate listen options for {address}"));
            }
            shared.listen.options = listen.options.clone();
            shared.listen.has_options = true;
            shared.listen.bind = true;
        }
        if listen.default {
            if shared.has_default {
                return refused(format!("a duplicate default server for {address}"));
            }
            shared.has_default = true;
            shared.default = server;
        }
        shared.servers.push(server);
        let redefined =
            (shared.listen.ssl, shared.listen.proxy_protocol) != (listen.ssl, listen.proxy_protocol)
                && (listen.ssl || listen.proxy_protocol);
        shared.listen.ssl |= listen.ssl;
        shared.listen.proxy_protocol |= listen.proxy_protocol;
        Ok(redefined.then(|| format!("protocol options redefined for {address}")))
    }
}

/// What has to be known of each server, by its number.
pub(crate) struct ServerFacts<'a> {
    /// Its names.
    pub(crate) names: &'a [Name],
    /// Whether it has a certificate.
    pub(crate) has_certificate: bool,
    /// `ssl_reject_handshake`.
    pub(crate) rejects: bool,
    /// Where it is written.
    pub(crate) place: String,
}

/// The sockets to bind, in the order of first mention.
pub(crate) fn finish(loader: &mut Loader<'_>, servers: &[ServerFacts<'_>]) -> Result<Vec<Listener>, Diagnostic> {
    let addresses = std::mem::take(&mut loader.stream().listens.addresses);
    for shared in addresses.iter().filter(|shared| shared.listen.ssl) {
        check_certificates(shared, servers)?;
    }
    let mut listeners: Vec<Listener> = Vec::new();
    // A wildcard takes in the addresses of its port that need no socket of their own.
    let (wild, specific): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|shared| shared.address.is_wildcard());
    let mut wildcards: Vec<(Shared, Vec<Shared>)> = wild.into_iter().map(|shared| (shared, Vec::new())).collect();
    let mut own = Vec::new();
    for shared in specific {
        match wildcards.iter_mut().find(|(wild, _)| !shared.listen.bind && covers(wild, &shared)) {
            Some((_, inside)) => inside.push(shared),
            None => own.push(shared),
        }
    }
    for shared in own {
        let address = virtual_address(loader, shared, servers)?;
        listeners.push(listener(vec![address]));
    }
    for (wild, inside) in wildcards {
        let mut all = Vec::with_capacity(inside.len() + 1);
        for shared in inside {
            all.push(virtual_address(loader, shared, servers)?);
        }
        all.push(virtual_address(loader, wild, servers)?);
        listeners.push(listener(all));
    }
    Ok(listeners)
}

type Bound = (VirtualAddress, Listen);

/// One socket for addresses of which the last is the one bound.
fn listener(all: Vec<Bound>) -> Listener {
    let fallback = all.len() - 1;
    let mut protocol = Protocol::Tcp;
    let mut options = SocketOptions::default();
    let mut addresses = Vec::with_capacity(all.len());
    for (address, listen) in all {
        protocol = listen.protocol;
        options = listen.options;
        addresses.push(address);
    }
    let address = addresses.get(fallback).map_or(Address::Unix(Box::default()), |last| last.address.clone());
    Listener { address, protocol, options, addresses, fallback }
}

fn covers(wild: &Shared, shared: &Shared) -> bool {
    match (&wild.address, &shared.address) {
        (Address::Inet(wild_at), Address::Inet(at)) => {
            wild_at.is_ipv4() == at.is_ipv4()
                && wild_at.port() == at.port()
                && wild.listen.protocol == shared.listen.protocol
        }
        _ => false,
    }
}

fn check_certificates(shared: &Shared, servers: &[ServerFacts<'_>]) -> Result<(), Diagnostic> {
    let missing = |server: &ServerFacts<'_>| {
        let text = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in";
        Err(Diagnostic::emerg(format!("{text} {}", server.place)))
    };
    let Some(default) = servers.get(shared.default) else { return Ok(()) };
    if default.has_certificate {
        return Ok(());
    }
    if !default.rejects {
        return missing(default);
    }
    match shared.servers.iter().filter_map(|at| servers.get(*at)).find(|one| !one.has_certificate && !one.rejects) {
        Some(other) => missing(other),
        None => Ok(()),
    }
}

fn virtual_address(
    loader: &mut Loader<'_>,
    shared: Shared,
    servers: &[ServerFacts<'_>],
) -> Result<Bound, Diagnostic> {
    let id = |at: usize| ServerId(at as u32);
    let mut names = ServerNames::default();
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let several = shared.servers.len() > 1;
    for at in &shared.servers {
        let Some(server) = servers.get(*at) else { continue };
        let conflict = |loader: &mut Loader<'_>, name: &[u8]| {
            let name = String::from_utf8_lossy(name).into_owned();
            loader.warn_bare(format!("conflicting server name \"{name}\" on {}, ignored", shared.address));
        };
        if server.names.is_empty() && several && !seen.insert(Vec::new()) {
            conflict(loader, b"");
        }
        for name in server.names {
            if let Name::Plain(text) = name {
                if !seen.insert(text.to_vec()) {
                    if several {
                        conflict(loader, text);
                    }
                    continue;
                }
                if text.is_empty() {
                    continue;
                }
            }
            if !several && !matches!(name, Name::Regex(_)) {
                continue;
            }
            let added = names.add(name, id(*at), &mut loader.stream().variables);
            let fresh = added.map_err(|error| Diagnostic::emerg(format!("{error} on {}", shared.address)))?;
            if let (false, Name::Plain(text)) = (fresh, name) {
                conflict(loader, text);
            }
        }
    }
    let matters = several || names.has_captures();
    let address = VirtualAddress {
        ssl: shared.listen.ssl,
        proxy_protocol: shared.listen.proxy_protocol,
        default: id(shared.default),
        names: matters.then_some(names),
        servers: shared.servers.iter().map(|at| id(*at)).collect(),
        address: shared.address,
    };
    Ok((address, shared.listen))
}

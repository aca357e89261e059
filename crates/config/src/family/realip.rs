//! `set_real_ip_from` and `proxy_protocol_from`: whose word about a client counts, and who may give it at all.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use policy::address::Network;
use policy::realip::TrustedProxies;

use super::access::network;
use crate::directive::{Args, Contexts, Directive};
use crate::family::proxy::words::invalid_parameter;
use crate::load::{Line, Loader, Refusal};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    trusted: Option<Arc<TrustedProxies>>,
    senders: Option<Arc<TrustedProxies>>,
}

/// What holds in a server that says `own` within `outer`: its own list, or else that of `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Arc<TrustedProxies> {
    own.trusted.as_ref().or(outer.trusted.as_ref()).cloned().unwrap_or_default()
}

/// Who may send PROXY headers to a server that says `own` within `outer`; `None` is everybody.
pub(crate) fn senders(own: &Settings, outer: &Settings) -> Option<Arc<TrustedProxies>> {
    own.senders.as_ref().or(outer.senders.as_ref()).cloned()
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "set_real_ip_from",
        contexts: Contexts::STREAM_SERVER,
        args: Args::ONE,
        syntax: "address | CIDR | unix: | host",
        default: None,
        doc: "Proxies whose PROXY protocol header says who the client is; a host stands for all of its addresses at load.",
        apply: |loader, line, _| trust(loader, line),
    },
    Directive {
        name: "proxy_protocol_from",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "address | CIDR | unix: …",
        default: None,
        doc: "Lockgate's own. Who may connect where `listen … proxy_protocol` wants a header; others end with status \
              403 before one is read. Where it is not given everybody may: `set_real_ip_from` only says whose header is \
              believed, and `$proxy_protocol_addr` is what anybody wrote. May be repeated. It is read of the default \
              server of an address.",
        apply: |loader, line, _| admit(loader, line),
    },
];

fn admit(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    for (at, word) in line.args().enumerate() {
        let network = match word {
            b"unix:" => None,
            _ => Some(network(loader, line, word).ok_or_else(|| invalid_parameter(line, at))?),
        };
        let senders = Arc::make_mut(loader.here().realip.senders.get_or_insert_default());
        match network {
            Some(network) => senders.add(network),
            None => senders.add_unix(),
        }
    }
    Ok(())
}

fn trust(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if line.arg(0) == b"unix:" {
        Arc::make_mut(loader.here().realip.trusted.get_or_insert_default()).add_unix();
        return Ok(());
    }
    let networks = match network(loader, line, line.arg(0)) {
        Some(network) => vec![network],
        None => host(loader, line)?,
    };
    let trusted = Arc::make_mut(loader.here().realip.trusted.get_or_insert_default());
    for network in networks {
        trusted.add(network);
    }
    Ok(())
}

fn host(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<Vec<Network>, Refusal> {
    let host = line.text(0);
    let ips = loader.world.resolve(&host).unwrap_or_default();
    if ips.is_empty() {
        return Err(Refusal::Word(0, format!("host not found in set_real_ip_from \"{host}\""), None));
    }
    let whole = |ip: IpAddr| Network::new(ip, if ip.is_ipv4() { 32 } else { 128 });
    Ok(ips.into_iter().map(whole).collect())
}

//! `set_real_ip_from`.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use policy::address::Network;
use policy::realip::TrustedProxies;

use super::access::network;
use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    trusted: Option<Arc<TrustedProxies>>,
}

/// What holds in a server that says `own` within `outer`: its own list, or else that of `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Arc<TrustedProxies> {
    own.trusted.as_ref().or(outer.trusted.as_ref()).cloned().unwrap_or_default()
}

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "set_real_ip_from",
    contexts: Contexts::STREAM_SERVER,
    args: Args::ONE,
    syntax: "address | CIDR | unix: | host",
    default: None,
    doc: "Proxies whose PROXY protocol header says who the client is; a host stands for all of its addresses at load.",
    apply: |loader, line, _| trust(loader, line),
}];

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

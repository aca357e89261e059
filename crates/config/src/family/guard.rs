//! `proxy_guard`: where a `proxy_pass` with variables may not lead.

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use policy::guard::Guard;

use super::access::network;
use crate::directive::{Args, Contexts, Directive};
use crate::family::proxy::words::invalid_parameter;
use crate::load::{Line, Loader, Refusal};
use crate::value::{flag, once};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    on: Option<bool>,
    exceptions: Option<Guard>,
}

/// What holds in a server that says `own` within `outer`; `None` where nothing is guarded. Exceptions are the server's
/// own, or else those of `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Option<Arc<Guard>> {
    let guard = || own.exceptions.as_ref().or(outer.exceptions.as_ref()).cloned().unwrap_or_default();
    own.on.or(outer.on).unwrap_or(false).then(guard).map(Arc::new)
}

/// Whether the text of a `proxy_pass` is made from the name that a client asks for, as it is.
pub(crate) fn is_client_chosen(text: &[u8]) -> bool {
    ["$ssl_preread_server_name", "${ssl_preread_server_name}", "$ssl_server_name", "${ssl_server_name}"]
        .iter()
        .any(|name| text.windows(name.len()).any(|part| part == name.as_bytes()))
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive::setting(
        "proxy_guard",
        "on | off",
        Some("off"),
        "Lockgate's own. Whether a `proxy_pass` with variables is kept from leading to this machine and its \
         neighbours: loopback, unspecified, link-local, private, shared, multicast, reserved and metadata addresses, \
         IPv6 forms of these, unix sockets, and the gateway's own listening addresses. Addresses are judged each time \
         a name is looked up. A group (`upstream`) that the value names is let be. A session that has nowhere else to go \
         ends with status 403.",
        |loader, line, _| once(&mut loader.here().guard.on, line, flag),
    ),
    Directive {
        name: "proxy_guard_allow",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "address | CIDR …",
        default: None,
        doc: "Lockgate's own. Networks that `proxy_guard` lets be all the same; its own listening addresses are refused \
              even so. May be repeated.",
        apply: |loader, line, _| allow(loader, line),
    },
];

fn allow(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    for (at, word) in line.args().enumerate() {
        let network = network(loader, line, word).ok_or_else(|| invalid_parameter(line, at))?;
        loader.here().guard.exceptions.get_or_insert_default().allow(network);
    }
    Ok(())
}

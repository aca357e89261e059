//! Limits for the time before a session relays: how long it may take, and how many there may be.
//! None of them is nginx's; none holds unless it is given.

#[cfg(test)]
mod tests;

use crate::directive::{Args, Contexts, Directive};
use crate::value::{msec, number, once};

/// The limits of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overload {
    /// `prelude_timeout`, milliseconds; `None` is no limit.
    pub prelude_timeout: Option<u64>,
    /// `client_connections`; `None` is no limit.
    pub client_connections: Option<u32>,
}

/// What one block says; 0 stands for no limit here.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    prelude_timeout: Option<u64>,
    client_connections: Option<usize>,
    handshakes: Option<usize>,
}

/// What holds in a server that says `own` within `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Overload {
    let connections = own.client_connections.or(outer.client_connections).filter(|most| *most > 0);
    Overload {
        prelude_timeout: own.prelude_timeout.or(outer.prelude_timeout).filter(|limit| *limit > 0),
        client_connections: connections.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
    }
}

/// `ssl_handshakes_limit` of `stream { }`; `None` is no limit.
pub(crate) fn handshakes(stream: &Settings) -> Option<usize> {
    stream.handshakes.filter(|most| *most > 0)
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive::setting(
        "prelude_timeout",
        "time",
        Some("0"),
        "Lockgate's own. How long everything before the relay may take together: PROXY header, handshake, preread, \
         name and upstream; 0 is no limit. No byte that arrives sets it back, unlike what several timeouts one after \
         the other come to. The session ends with status 400 while the client is waited for, and 502 while the \
         upstream is.",
        |loader, line, _| once(&mut loader.here().overload.prelude_timeout, line, msec),
    ),
    Directive::setting(
        "client_connections",
        "number",
        Some("0"),
        "Lockgate's own. Most sessions that one client address may have at a time, over all workers and all servers \
         that say so; 0 is no limit. An IPv6 client is its /64 network, and behind trusted proxies (`set_real_ip_from`) \
         the address is the one they tell. Further sessions end with status 503, told at `limit_conn_log_level`.",
        |loader, line, _| once(&mut loader.here().overload.client_connections, line, number),
    ),
    Directive {
        name: "ssl_handshakes_limit",
        contexts: Contexts::STREAM,
        args: Args::ONE,
        syntax: "number",
        default: Some("0"),
        doc: "Lockgate's own. Most TLS handshakes with clients under way in a worker; 0 is no limit. Further clients \
              are turned away with status 503 before any work is done for them, told once a second as a warning.",
        apply: |loader, line, _| once(&mut loader.here().overload.handshakes, line, number),
    },
];

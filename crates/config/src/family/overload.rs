//! Limits for the time before a session relays: how long it may take, and how many there may be.
//! None of them is nginx's; none holds unless it is given.

#[cfg(test)]
mod tests;

use crate::directive::{Args, Contexts, Directive};
use crate::value::{msec, number, once, size};

/// The limits of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overload {
    /// `prelude_timeout`, milliseconds; `None` is no limit.
    pub prelude_timeout: Option<u64>,
    /// `client_connections`; `None` is no limit.
    pub client_connections: Option<u32>,
}

/// The limits of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `ssl_handshakes_limit`; `None` is no limit.
    pub handshakes: Option<usize>,
    /// `ssl_hello_limit`, bytes.
    pub hello: usize,
    /// `memory_limit`, bytes; `None` is no limit.
    pub memory: Option<usize>,
}

/// Bytes that OpenSSL grants a `ClientHello`, about; AWS-LC grants as many here.
const HELLO: usize = 128 * 1024;

/// What one block says; 0 stands for no limit here.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    prelude_timeout: Option<u64>,
    client_connections: Option<usize>,
    handshakes: Option<usize>,
    hello: Option<usize>,
    memory: Option<usize>,
}

/// What holds in a server that says `own` within `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Overload {
    let connections = own.client_connections.or(outer.client_connections).filter(|most| *most > 0);
    Overload {
        prelude_timeout: own.prelude_timeout.or(outer.prelude_timeout).filter(|limit| *limit > 0),
        client_connections: connections.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
    }
}

/// What holds for each worker as `stream { }` says it.
pub(crate) fn limits(stream: &Settings) -> Limits {
    let given = |limit: Option<usize>| limit.filter(|most| *most > 0);
    Limits {
        handshakes: given(stream.handshakes),
        hello: given(stream.hello).map_or(HELLO, |most| most.min(HELLO)),
        memory: given(stream.memory),
    }
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
    Directive {
        name: "ssl_hello_limit",
        contexts: Contexts::STREAM,
        args: Args::ONE,
        syntax: "size",
        default: Some("128k"),
        doc: "Lockgate's own. Most bytes, those of records' headers among them, that a client's hello may have where its \
              handshake ends here; 128k at most, as with nginx. A longer one ends the session with status 400 and an error \
              line. For `ssl_preread` the limit is `preread_buffer_size`.",
        apply: |loader, line, _| once(&mut loader.here().overload.hello, line, size),
    },
    Directive {
        name: "memory_limit",
        contexts: Contexts::STREAM,
        args: Args::ONE,
        syntax: "size",
        default: Some("0"),
        doc: "Lockgate's own. While the process that serves has more memory in use (resident), new clients are turned away \
              before anything is done for them, told once a second as an alert; 0 is no limit. Sessions go on. It is for a \
              machine or control group that has less memory than `worker_connections` may come to.",
        apply: |loader, line, _| once(&mut loader.here().overload.memory, line, size),
    },
];

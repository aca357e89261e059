//! `proxy_pass` and the `proxy_*` settings of the relay.

mod directives;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use policy::template::Template;

use crate::family::upstream::UpstreamId;

pub(crate) use directives::DIRECTIVES;

/// Where sessions go.
#[derive(Debug)]
pub enum Pass {
    /// A group known at load: an `upstream { }` or the addresses of a literal.
    Group(UpstreamId),
    /// Text evaluated for each session.
    Evaluated(Template),
}

/// `proxy_*` with values or defaults.
#[derive(Debug)]
pub struct Proxy {
    /// `proxy_bind`.
    pub bind: Option<Bind>,
    /// `proxy_socket_keepalive`.
    pub socket_keepalive: bool,
    /// `proxy_socket_rcvbuf`, bytes; 0 is the system's.
    pub socket_rcvbuf: usize,
    /// `proxy_socket_sndbuf`, bytes; 0 is the system's.
    pub socket_sndbuf: usize,
    /// `proxy_connect_timeout`, milliseconds.
    pub connect_timeout: u64,
    /// `proxy_timeout`, milliseconds.
    pub timeout: u64,
    /// `proxy_buffer_size`, bytes, where it was set; `None` leaves the relay its own choice.
    pub buffer_size: Option<usize>,
    /// `proxy_upload_rate`, bytes per second; `None` is no limit.
    pub upload_rate: Option<Rate>,
    /// `proxy_download_rate`.
    pub download_rate: Option<Rate>,
    /// `proxy_requests`; 0 is no limit.
    pub requests: usize,
    /// `proxy_responses`; `None` is not set.
    pub responses: Option<usize>,
    /// `proxy_next_upstream`.
    pub next_upstream: bool,
    /// `proxy_next_upstream_tries`; 0 is no limit.
    pub next_upstream_tries: usize,
    /// `proxy_next_upstream_timeout`, milliseconds; 0 is no limit.
    pub next_upstream_timeout: u64,
    /// `proxy_protocol`: the PROXY header to send.
    pub protocol: HeaderVersion,
    /// `proxy_half_close`.
    pub half_close: bool,
}

/// `proxy_bind`.
#[derive(Debug, Clone)]
pub struct Bind {
    /// The local address, a literal or evaluated for each session.
    pub address: Template,
    /// `transparent`: the address need not be local.
    pub transparent: bool,
}

/// A rate in bytes per second.
#[derive(Debug, Clone)]
pub enum Rate {
    /// Known at load; never 0.
    Fixed(u64),
    /// Evaluated when the session connects.
    Evaluated(Template),
}

/// Which PROXY header goes to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderVersion {
    /// None.
    Off,
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    bind: Option<BindWords>,
    socket_keepalive: Option<bool>,
    socket_rcvbuf: Option<usize>,
    socket_sndbuf: Option<usize>,
    connect_timeout: Option<u64>,
    timeout: Option<u64>,
    buffer_size: Option<usize>,
    /// 0 stands for none here.
    upload_rate: Option<Rate>,
    download_rate: Option<Rate>,
    requests: Option<usize>,
    responses: Option<usize>,
    next_upstream: Option<bool>,
    next_upstream_tries: Option<usize>,
    next_upstream_timeout: Option<u64>,
    protocol: Option<HeaderVersion>,
    half_close: Option<bool>,
}

/// The words of `proxy_bind`.
#[derive(Debug)]
enum BindWords {
    Off,
    To(Bind),
}

/// What holds in a server that says `own` within `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Proxy {
    let bind = match own.bind.as_ref().or(outer.bind.as_ref()) {
        Some(BindWords::To(bind)) => Some(bind.clone()),
        Some(BindWords::Off) | None => None,
    };
    let rate = |own: &Option<Rate>, outer: &Option<Rate>| {
        own.as_ref().or(outer.as_ref()).filter(|rate| !matches!(rate, Rate::Fixed(0))).cloned()
    };
    Proxy {
        bind,
        socket_keepalive: own.socket_keepalive.or(outer.socket_keepalive).unwrap_or(false),
        socket_rcvbuf: own.socket_rcvbuf.or(outer.socket_rcvbuf).unwrap_or(0),
        socket_sndbuf: own.socket_sndbuf.or(outer.socket_sndbuf).unwrap_or(0),
        connect_timeout: own.connect_timeout.or(outer.connect_timeout).unwrap_or(60_000),
        timeout: own.timeout.or(outer.timeout).unwrap_or(600_000),
        buffer_size: own.buffer_size.or(outer.buffer_size),
        upload_rate: rate(&own.upload_rate, &outer.upload_rate),
        download_rate: rate(&own.download_rate, &outer.download_rate),
        requests: own.requests.or(outer.requests).unwrap_or(0),
        responses: own.responses.or(outer.responses),
        next_upstream: own.next_upstream.or(outer.next_upstream).unwrap_or(true),
        next_upstream_tries: own.next_upstream_tries.or(outer.next_upstream_tries).unwrap_or(0),
        next_upstream_timeout: own.next_upstream_timeout.or(outer.next_upstream_timeout).unwrap_or(0),
        protocol: own.protocol.or(outer.protocol).unwrap_or(HeaderVersion::Off),
        half_close: own.half_close.or(outer.half_close).unwrap_or(false),
    }
}

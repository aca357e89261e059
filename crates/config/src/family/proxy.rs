//! `proxy_pass` and the `proxy_*` settings of the relay.

use policy::template::Template;

use crate::directive::Directive;
use crate::family::upstream::UpstreamId;

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
pub(crate) struct Settings {}

pub(crate) const DIRECTIVES: &[Directive] = &[];

//! The stream core: `stream`, `server`, resolver, preread buffers and the small socket settings.

mod directives;
pub(crate) mod hashes;
mod resolver;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub(crate) use directives::DIRECTIVES;
pub(crate) use hashes::HashSizes;

/// Core settings of a server.
#[derive(Debug, Clone)]
pub struct Core {
    /// `resolver` in force.
    pub resolver: Option<ResolverId>,
    /// `resolver_timeout`, milliseconds.
    pub resolver_timeout: u64,
    /// `preread_buffer_size`, bytes.
    pub preread_buffer_size: usize,
    /// `preread_timeout`, milliseconds.
    pub preread_timeout: u64,
    /// `proxy_protocol_timeout`, milliseconds.
    pub proxy_protocol_timeout: u64,
    /// `tcp_nodelay`.
    pub tcp_nodelay: bool,
}

/// Which resolver of [`crate::Stream::resolvers`]; each `resolver` directive has its own cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResolverId(pub u32);

/// One `resolver`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Name servers, asked in turn.
    pub servers: Vec<SocketAddr>,
    /// `valid=`: seconds for which an answer holds, whatever its records say.
    pub valid: Option<u64>,
    /// `min_ttl=`: seconds for which an answer holds at least.
    pub min_ttl: u64,
    /// `stale=`: seconds for which an answer is used beyond its time where servers fail.
    pub stale: Option<u64>,
    /// `ipv4=`.
    pub ipv4: bool,
    /// `ipv6=`.
    pub ipv6: bool,
}

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) resolver: Option<ResolverId>,
    pub(crate) resolver_timeout: Option<u64>,
    preread_buffer_size: Option<usize>,
    preread_timeout: Option<u64>,
    proxy_protocol_timeout: Option<u64>,
    tcp_nodelay: Option<bool>,
}

/// What holds in a server that says `own` within `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Core {
    Core {
        resolver: own.resolver.or(outer.resolver),
        resolver_timeout: own.resolver_timeout.or(outer.resolver_timeout).unwrap_or(30_000),
        preread_buffer_size: own.preread_buffer_size.or(outer.preread_buffer_size).unwrap_or(16 << 10),
        preread_timeout: own.preread_timeout.or(outer.preread_timeout).unwrap_or(30_000),
        proxy_protocol_timeout: own.proxy_protocol_timeout.or(outer.proxy_protocol_timeout).unwrap_or(30_000),
        tcp_nodelay: own.tcp_nodelay.or(outer.tcp_nodelay).unwrap_or(true),
    }
}

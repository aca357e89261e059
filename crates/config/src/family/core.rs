//! The stream core: `stream`, `server`, resolver, preread buffers and the small socket settings.

use std::net::SocketAddr;

use crate::directive::Directive;

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
    pub(crate) preread_buffer_size: Option<usize>,
    pub(crate) preread_timeout: Option<u64>,
    pub(crate) proxy_protocol_timeout: Option<u64>,
    pub(crate) tcp_nodelay: Option<bool>,
}

/// `*_hash_max_size` and `*_hash_bucket_size`: checked, then without meaning here.
#[derive(Debug, Default)]
pub(crate) struct HashSizes {}

pub(crate) const DIRECTIVES: &[Directive] = &[];

//! The stream core: `stream`, `server`, resolver, preread buffers and the small socket settings.

mod directives;
mod resolver;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use syntax::Diagnostic;

pub(crate) use directives::DIRECTIVES;

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

/// `*_hash_max_size` and `*_hash_bucket_size`: no table here has such a size, but names that the sizes
/// leave no room for are refused, as users of them expect.
#[derive(Debug, Default)]
pub(crate) struct HashSizes {
    names_max: Option<usize>,
    names_bucket: Option<usize>,
    variables_max: Option<usize>,
    variables_bucket: Option<usize>,
    map_max: Option<usize>,
    map_bucket: Option<usize>,
}

impl HashSizes {
    /// Refuses a map whose longest name the sizes leave no room for. The sizes are settled from then on.
    pub(crate) fn check_map(&mut self, longest: Option<usize>) -> Result<(), Diagnostic> {
        let (max, bucket) = (*self.map_max.get_or_insert(2048), *self.map_bucket.get_or_insert(64));
        room("map_hash", max, bucket, longest)
    }

    /// Refuses server names likewise.
    pub(crate) fn check_names(&self, longest: Option<usize>) -> Result<(), Diagnostic> {
        room("server_names_hash", self.names_max.unwrap_or(512), self.names_bucket.unwrap_or(64), longest)
    }

    /// Refuses what leaves no room for the variables that are always there.
    pub(crate) fn check(&self) -> Result<(), Diagnostic> {
        let refuse = |size: &str| {
            let text = format!("could not build variables_hash, you should increase variables_hash_{size}: 0");
            Err(Diagnostic::emerg(text))
        };
        match (self.variables_max, self.variables_bucket) {
            (Some(0), _) => refuse("max_size"),
            (_, Some(0)) => refuse("bucket_size"),
            _ => Ok(()),
        }
    }
}

/// Whether buckets of `bucket` bytes, which come in whole cache lines, have room for the longest name: it takes a
/// word for its value, a length of two bytes and itself, in whole words, and one word ends the bucket.
fn room(table: &str, max: usize, bucket: usize, longest: Option<usize>) -> Result<(), Diagnostic> {
    const WORD: usize = 8;
    const LINE: usize = 64;
    let Some(longest) = longest else { return Ok(()) };
    let refuse = |size: &str, now: usize| {
        Err(Diagnostic::emerg(format!("could not build {table}, you should increase {table}_{size}: {now}")))
    };
    let bucket = bucket.next_multiple_of(LINE);
    if max == 0 {
        refuse("max_size", max)
    } else if bucket < WORD + (longest + 2).next_multiple_of(WORD) + WORD {
        refuse("bucket_size", bucket)
    } else {
        Ok(())
    }
}

//! `upstream { }`: groups of peers and how one is chosen.

mod directives;
mod draft;
mod finish;
mod server;
#[cfg(test)]
mod tests;

use policy::address::Address;
use policy::template::Template;

use crate::family::core::ResolverId;

pub(crate) use directives::DIRECTIVES;
pub(crate) use draft::Draft;
pub(crate) use finish::finish;

/// Which group of [`crate::Stream::upstreams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

/// A group of peers.
#[derive(Debug)]
pub struct Upstream {
    /// The name as written: of the block, or the host of a literal `proxy_pass`.
    pub name: String,
    /// The port of a literal `proxy_pass`; `None` for a block.
    pub port: Option<u16>,
    /// Whether it is an `upstream { }`.
    pub explicit: bool,
    /// How a peer is chosen.
    pub method: Method,
    /// `server`s in written order.
    pub servers: Vec<PeerServer>,
    /// `zone`: a name under which all workers share the group's state, and its size in bytes.
    pub zone: Option<(String, usize)>,
    /// `resolver` for `resolve`.
    pub resolver: Option<ResolverId>,
    /// `resolver_timeout`, milliseconds.
    pub resolver_timeout: u64,
}

/// A balancing method.
#[derive(Debug)]
pub enum Method {
    /// Weighted round robin.
    RoundRobin,
    /// `hash KEY [consistent]`.
    Hash {
        /// What is hashed.
        key: Template,
        /// Ketama.
        consistent: bool,
    },
    /// `least_conn`.
    LeastConn,
    /// `least_time`.
    LeastTime {
        /// Which time is averaged.
        metric: TimeMetric,
        /// `inflight`.
        inflight: bool,
    },
    /// `random [two [least_conn]]`.
    Random {
        /// Draw two and keep the less loaded.
        two: bool,
    },
}

/// What `least_time` averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeMetric {
    /// Time to connect.
    Connect,
    /// Time to the first byte.
    FirstByte,
    /// Time of the whole session.
    LastByte,
}

/// One `server` of a group.
#[derive(Debug, Clone)]
pub struct PeerServer {
    /// The address as written: what consistent hashing hashes.
    pub text: String,
    /// Its addresses: those known at load, none yet for `resolve`.
    pub addresses: Vec<Address>,
    /// `weight=`.
    pub weight: u32,
    /// `max_conns=`; 0 is no limit.
    pub max_conns: u32,
    /// `max_fails=`; 0 never disables.
    pub max_fails: u32,
    /// `fail_timeout=`, seconds.
    pub fail_timeout: u64,
    /// `backup`.
    pub backup: bool,
    /// `down`.
    pub down: bool,
    /// `resolve`: the name to ask for at run time.
    pub resolve: Option<Resolved>,
}

/// A name asked for at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The domain name.
    pub host: String,
    /// The port of each address; taken from SRV where `service` is given.
    pub port: u16,
    /// `service=`.
    pub service: Option<String>,
}

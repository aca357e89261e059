//! `listen` and `server_name`: which sockets to bind, and which server answers on each.

use std::collections::HashMap;

use policy::address::Address;
use policy::server_name::ServerNames;

use crate::ServerId;
use crate::directive::Directive;

/// One socket to bind and what is behind it.
#[derive(Debug)]
pub struct Listener {
    /// Where to bind.
    pub address: Address,
    /// Stream or datagram.
    pub protocol: Protocol,
    /// Socket options.
    pub options: SocketOptions,
    /// The virtual servers on this socket by local address; one entry where no address but the
    /// bound one has servers of its own.
    pub addresses: Vec<VirtualAddress>,
    /// Which of `addresses` serves local addresses that are not listed.
    pub fallback: usize,
}

/// TCP (and unix stream) or UDP (and unix datagram).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One address of a [`Listener`] and the servers that share it.
#[derive(Debug)]
pub struct VirtualAddress {
    /// The address as configured; its text is what logs call `server:`.
    pub address: Address,
    /// `ssl` on any `listen` of the address.
    pub ssl: bool,
    /// `proxy_protocol` on any `listen` of the address.
    pub proxy_protocol: bool,
    /// The default server.
    pub default: ServerId,
    /// The name-based servers; `None` where there is only the default one.
    pub names: Option<ServerNames<ServerId>>,
    /// Every server on the address in written order.
    pub servers: Vec<ServerId>,
}

/// Socket options of a `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOptions {
    /// `backlog=`.
    pub backlog: i32,
    /// `rcvbuf=`, bytes.
    pub rcvbuf: Option<usize>,
    /// `sndbuf=`, bytes.
    pub sndbuf: Option<usize>,
    /// `fastopen=`.
    pub fastopen: Option<i32>,
    /// `deferred`.
    pub deferred: bool,
    /// `ipv6only=`.
    pub ipv6only: bool,
    /// `reuseport`: one socket for each worker.
    pub reuseport: bool,
    /// `multipath`: MPTCP.
    pub multipath: bool,
    /// `so_keepalive=`.
    pub keepalive: Option<Keepalive>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            backlog: 511,
            rcvbuf: None,
            sndbuf: None,
            fastopen: None,
            deferred: false,
            ipv6only: true,
            reuseport: false,
            multipath: false,
            keepalive: None,
        }
    }
}

/// `so_keepalive=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    /// `off`.
    Off,
    /// `on`, or the three values; `None` leaves the system's.
    On {
        /// Seconds of silence before the first probe.
        idle: Option<u32>,
        /// Seconds between probes.
        interval: Option<u32>,
        /// Probes before giving up.
        count: Option<u32>,
    },
}

pub(crate) const DIRECTIVES: &[Directive] = &[];

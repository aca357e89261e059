//! `listen` and `server_name`: which sockets to bind, and which server answers on each.

mod finish;
mod names;
mod ports;
mod read;
#[cfg(test)]
mod tests;

use policy::address::Address;
use policy::server_name::ServerNames;

use crate::ServerId;
use crate::directive::{Args, Contexts, Directive};

pub(crate) use names::Draft;
pub(crate) use ports::Ports;

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
    /// Whether any of them hands its connections to other listeners (`pass`).
    pub passes: bool,
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

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "listen",
        contexts: Contexts::SERVER,
        args: Args::SOME,
        syntax: "address[:port] | port[-port] | unix:path [default_server] [ssl] [udp] [proxy_protocol] [bind] \
                 [backlog=number] [rcvbuf=size] [sndbuf=size] [fastopen=number] [deferred] [ipv6only=on|off] \
                 [reuseport] [multipath] [so_keepalive=on|off|[idle]:[interval]:[count]]",
        default: None,
        doc: "A socket that sessions come in by: an address, a host (each of its addresses), a port or a range of \
              ports, or a unix socket. Servers may share one: `default_server`, or else the first of them, serves \
              whoever asks for no name or for none of theirs. All parameters but `default_server`, `ssl`, `udp` and \
              `proxy_protocol` may be given in one of the `listen`s of an address only.",
        apply: |loader, line, _| read::listen(loader, line),
    },
    Directive {
        name: "server_name",
        contexts: Contexts::SERVER,
        args: Args::SOME,
        syntax: "name …",
        default: Some("\"\""),
        doc: "Names by which clients find this server among those on the same address: from SNI, under `listen … ssl` \
              or `ssl_preread`. A name may begin or end with a `*` label, begin with a dot for both the name and all \
              below it, or be a regular expression after `~`, whose named groups become variables.",
        apply: |loader, line, _| names::server_name(loader, line),
    },
];

//! Which servers are on which address, while they are read: sockets are one per address, so what
//! several `listen`s say of one has to agree.

use policy::address::Address;

use super::{Protocol, SocketOptions};
use crate::ServerId;
use crate::load::Refusal;

/// What one `listen` asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) protocol: Protocol,
    pub(super) options: SocketOptions,
    /// Whether it says anything about the socket itself; it is then bound even beside a wildcard.
    pub(super) set: bool,
    pub(super) default_server: bool,
    pub(super) ssl: bool,
    pub(super) proxy_protocol: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            protocol: Protocol::Tcp,
            options: SocketOptions::default(),
            set: false,
            default_server: false,
            ssl: false,
            proxy_protocol: false,
        }
    }
}

/// Every address listened on, by port in the order of first mention.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    pub(super) list: Vec<Port>,
}

/// The addresses that share protocol, family and port number: a wildcard among them covers the others.
#[derive(Debug)]
pub(super) struct Port {
    key: (Protocol, Family, u16),
    pub(super) addresses: Vec<Shared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Unix,
}

/// One address and the servers on it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Address,
    /// Options, protocols and default as all `listen`s so far make them.
    pub(super) asked: Asked,
    pub(super) default: ServerId,
    pub(super) servers: Vec<ServerId>,
    protocols: Protocols,
}

/// What is remembered of `ssl` and `proxy_protocol` to warn of servers that see them differently.
#[derive(Debug, Default)]
struct Protocols {
    last: Option<[bool; 2]>,
    changed: bool,
}

impl Port {
    pub(super) fn protocol(&self) -> Protocol {
        self.key.0
    }
}

impl Ports {
    /// Adds `server` to an address; a warning may come of it.
    pub(super) fn add(&mut self, address: Address, asked: &Asked, server: ServerId) -> Result<Option<String>, Refusal> {
        let (family, number) = match &address {
            Address::Inet(inet) if inet.is_ipv4() => (Family::V4, inet.port()),
            Address::Inet(inet) => (Family::V6, inet.port()),
            Address::Unix(_) => (Family::Unix, 0),
        };
        let key = (asked.protocol, family, number);
        let known = self.list.iter().position(|port| port.key == key);
        let at = known.unwrap_or_else(|| {
            self.list.push(Port { key, addresses: Vec::new() });
            self.list.len() - 1
        });
        let Some(port) = self.list.get_mut(at) else { return Ok(None) };
        if let Some(shared) = port.addresses.iter_mut().find(|shared| shared.address == address) {
            return shared.join(asked, server).map_err(Refusal::Text);
        }
        port.addresses.push(Shared {
            address,
            asked: asked.clone(),
            default: server,
            servers: vec![server],
            protocols: Protocols::default(),
        });
        Ok(None)
    }
}

impl Shared {
    /// Adds another server with what its `listen` asks for.
    fn join(&mut self, asked: &Asked, server: ServerId) -> Result<Option<String>, String> {
        let address = &self.address;
        // What one server says comes in one piece.
        if self.servers.last() == Some(&server) {
            return Err(format!("a duplicate listen {address}"));
        }
        self.servers.push(server);
        let before = self.asked.clone();
        if asked.set {
            if before.set {
                return Err(format!("duplicate listen options for {address}"));
            }
            self.asked = asked.clone();
        }
        if asked.default_server {
            if before.default_server {
                return Err(format!("a duplicate default server for {address}"));
            }
            self.default = server;
        }
        let redefined = self.protocols.redefined(&before, asked);
        self.asked.default_server = before.default_server || asked.default_server;
        self.asked.ssl = before.ssl || asked.ssl;
        self.asked.proxy_protocol = before.proxy_protocol || asked.proxy_protocol;
        Ok(redefined.then(|| format!("protocol options redefined for {address}")))
    }
}

impl Protocols {
    /// Whether `asked` contradicts what was said `before` in a way that is worth a warning: when the
    /// `listen` that sets socket options says otherwise, or when servers differ back and forth.
    fn redefined(&mut self, before: &Asked, asked: &Asked) -> bool {
        let (old, new) = ([before.ssl, before.proxy_protocol], [asked.ssl, asked.proxy_protocol]);
        let within = |inner: [bool; 2], outer: [bool; 2]| inner.iter().zip(outer).all(|(inner, outer)| !inner || outer);
        let (adds, removes) = (!within(new, old), !within(old, new));
        let differs = self.last.is_some_and(|last| last != new);
        let redefined = match (adds, removes) {
            (true, _) => before.set && !asked.set || self.changed || removes,
            (false, true) => asked.set || differs,
            (false, false) => asked.set && self.changed || differs,
        };
        self.last = Some(if adds { old } else { new });
        self.changed |= adds || removes;
        redefined
    }
}

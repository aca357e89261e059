//! A session: one client, from accept to its log line. Here is what its phases share. The configuration is read through
//! [`Session::server`] only, since TLS and preread may swap it.

mod access;
mod action;
mod attempts;
mod content;
mod counting;
mod early;
pub mod fail;
mod guard;
mod identity;
mod limit_conn;
mod lines;
mod ocsp;
mod overload;
mod parting;
mod pass;
mod phases;
mod preread;
mod proxy;
mod proxy_header;
mod rare;
mod reach;
mod realip;
mod return_text;
mod set;
mod ssl_variables;
mod tls;
pub mod udp;
mod upstream_tls;
mod variables;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use config::ServerId;
use config::family::listen::VirtualAddress;
use policy::address::Address;
use policy::cache::Cache;
use policy::template::Template;
use policy::variables::Scope;
use reactor::Socket;

use crate::counters::{self, Counter};
use crate::generation::Generation;
use crate::plan::Server;
use crate::upstream::Attempt;
use fail::Cause;

pub use action::Action;
pub(crate) use phases::serve;
pub use preread::Preread;
pub use rare::Rare;

/// Room for a rendered text before it has to grow.
const USUAL: usize = 64;

/// What a phase answers: go on, or why the session ends.
pub type Phase<T = ()> = Result<T, Cause>;

/// Facts about one client that phases and variables share. Everything rare is boxed on first
/// use, so that an idle session stays small.
#[derive(Debug)]
pub struct Session {
    /// The configuration the session was born with.
    pub generation: Rc<Generation>,
    /// `$connection`.
    pub number: u64,
    /// Loop time at its start, milliseconds.
    pub started: u64,
    /// Loop time at which the connection was accepted: earlier where it was passed on.
    pub accepted: u64,
    /// The client's socket; for UDP the listening one.
    pub socket: Rc<Socket>,
    /// Client address, replaced by realip.
    pub client: RefCell<Address>,
    listener: u32,
    address: u32,
    server: Cell<ServerId>,
    action: Cell<Action>,
    proxying: Cell<bool>,
    status: Cell<u16>,
    /// Bytes from the client, as `$bytes_received` counts them.
    pub received: Cell<u64>,
    /// Bytes to the client, as `$bytes_sent` counts them.
    pub sent: Cell<u64>,
    /// Bytes from the upstream in the current attempt.
    pub from_upstream: Cell<u64>,
    /// Bytes to the upstream in the current attempt.
    pub to_upstream: Cell<u64>,
    /// The local address, once somebody asked.
    local: OnceCell<Address>,
    cache: Cache,
    /// How often the connection was passed on before it came here.
    pub passes: u8,
    /// Whether the client has said something already, so that more of it is taken before the upstream is reached.
    has_spoken: Cell<bool>,
    /// Whether the upstream side has one of the `worker_connections`.
    has_upstream: Cell<bool>,
    /// Upstream attempts, the last one the current.
    pub attempts: RefCell<Vec<Attempt>>,
    /// What preread learnt and took from the client.
    pub preread: RefCell<Option<Box<Preread>>>,
    rare: OnceCell<Box<Rare>>,
}

/// A newly accepted client.
#[derive(Debug)]
pub struct Accepted {
    /// The accepting generation.
    pub generation: Rc<Generation>,
    /// Which listener of the plan.
    pub listener: usize,
    /// The client's socket.
    pub socket: Rc<Socket>,
    /// The peer's address.
    pub client: Address,
    /// The address asked for, where accepting had to find it out.
    pub local: Option<Address>,
    /// `$connection`.
    pub number: u64,
    /// Loop time at which it was accepted, milliseconds.
    pub at: u64,
    /// How often it was passed on.
    pub passes: u8,
    /// What it keeps from before it was passed on.
    pub kept: Option<Box<Rare>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.release_upstream();
    }
}

impl Session {
    /// The upstream side is no more.
    fn release_upstream(&self) {
        if self.has_upstream.take() {
            self.generation.give_back();
        }
    }

    /// A session for `accepted`, at the default server of the address that was asked for.
    pub fn new(accepted: Accepted) -> Self {
        let Accepted { generation, listener, socket, client, local, number, at, passes, kept } = accepted;
        let address = generation.plan.address_of(listener, local.as_ref());
        let virtual_address = generation.plan.virtual_address(listener, address);
        let server = virtual_address.default;
        let deferred = generation.plan.listener(listener).options.deferred;
        let kept = kept.map(|mut rare| {
            // Another header is to come.
            rare.header = rare
                .header
                .take()
                .filter(|_| !virtual_address.proxy_protocol)
                .map_or_else(OnceCell::new, OnceCell::from);
            rare
        });
        Self {
            generation,
            number,
            started: reactor::now(),
            accepted: at,
            socket,
            client: RefCell::new(client),
            listener: listener as u32,
            address: address as u32,
            server: Cell::new(server),
            action: Cell::new(Action::Initializing),
            proxying: Cell::new(false),
            status: Cell::new(0),
            received: Cell::new(0),
            sent: Cell::new(0),
            from_upstream: Cell::new(0),
            to_upstream: Cell::new(0),
            local: local.map_or_else(OnceCell::new, OnceCell::from),
            cache: Cache::default(),
            passes,
            has_upstream: Cell::default(),
            has_spoken: Cell::new(deferred),
            attempts: RefCell::default(),
            preread: RefCell::default(),
            rare: kept.map_or_else(OnceCell::new, OnceCell::from),
        }
    }

    /// The server in force.
    pub fn server(&self) -> &Server {
        self.generation.plan.server(self.server.get())
    }

    /// Goes on under another server of the same address.
    pub fn switch(&self, server: ServerId) {
        self.server.set(server);
    }

    /// The address that was asked for, with its servers.
    pub fn virtual_address(&self) -> &VirtualAddress {
        self.generation.plan.virtual_address(self.listener as usize, self.address as usize)
    }

    /// The address that is listened on, which may be a wildcard where several addresses share it.
    pub fn listener_address(&self) -> &Address {
        &self.generation.plan.listener(self.listener as usize).address
    }

    /// What most sessions have none of, made at the first call.
    pub fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// The same, if anything made it.
    pub fn rare_if_any(&self) -> Option<&Rare> {
        self.rare.get().map(|rare| &**rare)
    }

    /// The local address of the client's connection.
    pub fn local(&self) -> &Address {
        self.local.get_or_init(|| {
            let configured = &self.virtual_address().address;
            if configured.is_wildcard() {
                self.socket.local_addr().map_or_else(|_| configured.clone(), crate::net::address)
            } else {
                configured.clone()
            }
        })
    }

    /// Names what the session is doing now.
    pub fn doing(&self, action: Action) {
        self.action.set(action);
    }

    /// From here on log lines carry byte counts and the upstream's name.
    pub fn start_proxying(&self) {
        self.proxying.set(true);
    }

    /// Where variables get their values.
    pub fn scope(&self) -> Scope<'_> {
        Scope { variables: &self.generation.plan.variables, values: self, cache: &self.cache }
    }

    /// `template` with this session's values.
    pub fn render(&self, template: &Template) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL);
        template.render(&self.scope(), &mut out);
        out
    }

    /// The end: counts, access log lines. Called once, outside of the phases.
    fn end(&self, status: u16) {
        self.status.set(status);
        // Lines from here on know nothing more of the connection to the upstream. Variables tell of the attempt.
        self.to_upstream.set(0);
        counters::count(counting::ended(status));
        counters::add(Counter::FromClients, self.received.get());
        counters::add(Counter::FromUpstreams, self.sent.get());
        let server = self.server();
        let mut line = Vec::new();
        for log in &server.access_log {
            line.clear();
            log.format_line(&self.scope(), &mut line);
            if !line.is_empty()
                && let Err((level, text)) = self.generation.write_access(log, &self.scope(), &line)
            {
                self.log(level, format_args!("{text}"));
            }
        }
    }

    /// The same connection at another listener, as if accepted there.
    fn passed_on(&self, listener: usize, local: Address) -> Accepted {
        Accepted {
            generation: Rc::clone(&self.generation),
            listener,
            socket: Rc::clone(&self.socket),
            client: self.client.borrow().clone(),
            local: Some(local),
            number: self.number,
            at: self.accepted,
            passes: self.passes + 1,
            kept: self.rare_if_any().map(|rare| Box::new(rare.of_connection())),
        }
    }

    /// Goes on under the server that `name` leads to, if it leads to one.
    pub fn switch_by_name(&self, name: &[u8]) {
        let Some(names) = &self.virtual_address().names else { return };
        if let Some(server) = names.find(name, &self.scope()) {
            self.switch(server);
        }
    }

    /// The PROXY header that tells of this client, in the text or the binary form.
    fn proxy_header(&self, binary: bool) -> Vec<u8> {
        let inet = |address: &Address| match address {
            Address::Inet(address) => Some(*address),
            Address::Unix(_) => None,
        };
        let (source, destination) = (inet(&self.client.borrow()), inet(self.local()));
        if !binary {
            return wire::proxy_protocol::v1(source, destination);
        }
        wire::proxy_protocol::v2(&wire::proxy_protocol::V2 {
            source,
            destination,
            datagram: self.is_udp(),
            ssl: ssl_variables::header_info(self),
        })
    }

    /// Whether this is a session of datagrams.
    pub fn is_udp(&self) -> bool {
        self.rare_if_any().is_some_and(|rare| rare.udp.get().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::Connection;

    fn size_of_future<F: Future>(_: impl FnOnce(Box<Accepted>, Connection) -> F) -> usize {
        size_of::<F>()
    }

    /// What an idle session costs besides its sockets: its future and its facts.
    #[test]
    fn memory_per_session_does_not_creep() {
        let (future, facts) = (size_of_future(serve), size_of::<Session>());
        assert!(future <= 512, "the future has grown to {future} bytes");
        assert!(facts <= 240, "the facts have grown to {facts} bytes");
        let rare = size_of::<Rare>();
        assert!(rare <= 192, "what few sessions need has grown to {rare} bytes");
    }
}

//! Groups of peers as sessions use them: which peer is next, what became of it, and the sockets
//! to reach it. How one is chosen is decided in `policy`.

mod follow;
mod spare;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::family::upstream::{Method as MethodConf, PeerServer, TimeMetric, Upstream};
use policy::address::Address;
use policy::balance::{Method, Metric, PeerConf, PeerRef, Peers, Selection};
use policy::template::Template;

use crate::tls::SessionKey;
pub use follow::follow;
pub(crate) use spare::Datagrams;

/// State of a group that all threads share (`zone`).
#[derive(Debug)]
pub struct SharedPeers {
    /// Name and size of the zone.
    zone: Option<(String, usize)>,
    peers: Mutex<Peers>,
    found: Mutex<Found>,
}

/// A `server … resolve`: its text, and how many before it in its group have the same.
type Followed = (String, usize);
/// What was found for servers, in the order of finding.
type Found = Vec<(Followed, PeerConf)>;

impl SharedPeers {
    /// State for `conf`. Addresses that were found under the `old` configuration hold until they are asked for anew;
    /// what was known of peers holds where the zone is the same.
    pub fn new(conf: &Upstream, old: Option<&Self>) -> Self {
        let mut found = old.map(|old| locked(&old.found).clone()).unwrap_or_default();
        let followed: Vec<_> = (0..conf.servers.len()).filter_map(|server| followed(conf, server)).collect();
        found.retain(|(server, _)| followed.contains(server));
        let mut group = Peers::new(method(conf), peers(conf, &found));
        if let Some(old) = old.filter(|old| old.zone == conf.zone) {
            group.inherit(&locked(&old.peers));
        }
        Self { zone: conf.zone.clone(), peers: Mutex::new(group), found: Mutex::new(found) }
    }

    /// Has `peers_found` take the place of what was known of this server. Those that stay keep their places, new ones
    /// come last.
    fn found(&self, conf: &Upstream, server: usize, peers_found: Vec<PeerConf>) {
        let Some(server) = followed(conf, server) else { return };
        let mut found = locked(&self.found);
        found.retain(|(of, peer)| *of != server || peers_found.contains(peer));
        for peer in peers_found {
            let peer = (server.clone(), peer);
            if !found.contains(&peer) {
                found.push(peer);
            }
        }
        let all = peers(conf, &found);
        drop(found);
        locked(&self.peers).replace(all);
    }
}

/// The server at this place of its group, where it is one to be followed.
fn followed(conf: &Upstream, server: usize) -> Option<Followed> {
    let text = &conf.servers.get(server).filter(|server| server.resolve.is_some())?.text;
    Some((text.clone(), conf.servers.iter().take(server).filter(|other| other.text == *text).count()))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// TLS sessions with peers, by what has to be the same.
pub type TlsSessions = Rc<RefCell<HashMap<SessionKey, tls::Session>>>;

/// A group on one thread.
pub struct Group {
    /// Its name, as log lines and `$upstream_addr` give it when no peer is available.
    pub name: Arc<str>,
    /// The host that `proxy_pass` names, or the name of its group: what is verified by default.
    pub host: Rc<str>,
    state: State,
    key: Option<Template>,
    /// TLS sessions to resume, those from before a reload among them.
    pub tls_sessions: TlsSessions,
    /// Whether TLS sessions are worth keeping: the group outlives the session.
    pub lasting: bool,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum State {
    Own(RefCell<Peers>),
    Shared(Arc<SharedPeers>),
}

impl Group {
    /// The group of `conf`; `shared` is its state where it has a `zone`, `tls_sessions` those that the group of this
    /// name had before.
    pub fn new(conf: &Upstream, shared: Option<Arc<SharedPeers>>, tls_sessions: TlsSessions) -> Self {
        let key = match &conf.method {
            MethodConf::Hash { key, .. } => Some(key.clone()),
            _ => None,
        };
        Self {
            name: conf.name.as_str().into(),
            host: conf.name.as_str().into(),
            state: shared
                .map_or_else(|| State::Own(RefCell::new(Peers::new(method(conf), peers(conf, &[])))), State::Shared),
            key,
            tls_sessions,
            lasting: true,
        }
    }

    /// A group for one session: addresses of equal weight, tried in turn.
    pub fn of_addresses(name: &str, addresses: Vec<Address>) -> Rc<Self> {
        let peers = addresses.into_iter().map(|address| PeerConf::new(address.to_string(), address)).collect();
        Rc::new(Self {
            name: name.into(),
            host: name.into(),
            state: State::Own(RefCell::new(Peers::new(Method::RoundRobin, peers))),
            key: None,
            tls_sessions: TlsSessions::default(),
            lasting: false,
        })
    }

    /// Keeps a TLS session for the next connection to the same peer under the same name.
    pub fn remember(&self, key: SessionKey, session: tls::Session) {
        keep(&mut self.tls_sessions.borrow_mut(), key, session);
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Peers) -> T) -> T {
        match &self.state {
            State::Own(peers) => use_it(&mut peers.borrow_mut()),
            State::Shared(shared) => use_it(&mut locked(&shared.peers)),
        }
    }
}

/// Keeps `value`; in the place of another one where there are too many, as keys are made of names that clients choose.
fn keep<K: Clone + Eq + Hash, V>(kept: &mut HashMap<K, V>, key: K, value: V) {
    const MOST: usize = 1024;
    if kept.len() >= MOST && !kept.contains_key(&key) {
        let any = kept.keys().next().cloned();
        any.map(|any| kept.remove(&any));
    }
    kept.insert(key, value);
}

fn method(conf: &Upstream) -> Method {
    match &conf.method {
        MethodConf::RoundRobin => Method::RoundRobin,
        MethodConf::Hash { consistent: false, .. } => Method::Hash,
        MethodConf::Hash { consistent: true, .. } => Method::ConsistentHash,
        MethodConf::LeastConn => Method::LeastConn,
        MethodConf::LeastTime { metric, inflight } => Method::LeastTime {
            metric: match metric {
                TimeMetric::Connect => Metric::Connect,
                TimeMetric::FirstByte => Metric::FirstByte,
                TimeMetric::LastByte => Metric::LastByte,
            },
            inflight: *inflight,
        },
        MethodConf::Random { two: false } => Method::Random,
        MethodConf::Random { two: true } => Method::RandomTwo,
    }
}

/// The peers of a group: those known at load, in written order, then those found since.
fn peers(conf: &Upstream, found: &[(Followed, PeerConf)]) -> Vec<PeerConf> {
    let known = conf
        .servers
        .iter()
        .flat_map(|server| server.addresses.iter().map(move |address| peer(server, address.clone())));
    known.chain(found.iter().map(|(_, peer)| peer.clone())).collect()
}

/// A peer at `address` with the parameters of its `server`.
fn peer(server: &PeerServer, address: Address) -> PeerConf {
    PeerConf {
        weight: server.weight,
        max_conns: server.max_conns,
        max_fails: server.max_fails,
        fail_timeout: server.fail_timeout,
        backup: server.backup,
        down: server.down,
        ..PeerConf::new(server.text.clone(), address)
    }
}

/// One session's choices in a group.
#[derive(Debug)]
pub struct Picker {
    group: Rc<Group>,
    selection: Selection,
    key: Vec<u8>,
}

impl Picker {
    /// A picker that has tried nothing yet.
    ///
    /// `render` evaluates the key of `hash` for the session.
    pub fn new(group: &Rc<Group>, render: impl FnOnce(&Template) -> Vec<u8>) -> Self {
        let key = group.key.as_ref().map(render).unwrap_or_default();
        Self { group: Rc::clone(group), selection: Selection::default(), key }
    }

    /// How many attempts there may be.
    pub fn tries(&self) -> usize {
        self.group.with(|peers| peers.tries())
    }

    /// The next peer.
    pub fn pick(&mut self) -> Option<Picked> {
        let now = reactor::now() / 1000;
        let (selection, key) = (&mut self.selection, &self.key);
        let (peer, name, address) = self.group.with(|peers| {
            let peer = peers.pick(selection, now, &mut os::process::random, key)?;
            let chosen = peers.peer(peer)?;
            Some((peer, Arc::clone(chosen.name()), chosen.address().clone()))
        })?;
        Some(Picked { group: Rc::clone(&self.group), peer, name, address, over: Cell::new(false) })
    }
}

/// A peer in use by a session; dropping it gives it back without blame.
#[derive(Debug)]
pub struct Picked {
    group: Rc<Group>,
    peer: PeerRef,
    /// Its address in text.
    pub name: Arc<str>,
    /// Where it is.
    pub address: Address,
    over: Cell<bool>,
}

impl Picked {
    /// The connection is there.
    pub fn connected(&self, millis: u64) {
        let now = reactor::now() / 1000;
        self.group.with(|peers| peers.connected(self.peer, now, millis));
    }

    /// The peer failed; true when that took it out of use.
    pub fn failed(&self) -> bool {
        let now = reactor::now() / 1000;
        self.over.set(true);
        self.group.with(|peers| peers.fail(self.peer, now))
    }

    /// The session is over; `millis` is how long it and its first byte took.
    pub fn release(self, first_byte: Option<u64>, whole: u64) {
        let now = reactor::now() / 1000;
        self.over.set(true);
        self.group.with(|peers| peers.release(self.peer, now, first_byte, Some(whole)));
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        if !self.over.get() {
            let now = reactor::now() / 1000;
            self.group.with(|peers| peers.release(self.peer, now, None, None));
        }
    }
}

/// One attempt to reach a peer, as variables tell it. Times are milliseconds.
#[derive(Debug)]
pub struct Attempt {
    /// The peer's address, or the group's name when there was no peer.
    pub name: Arc<str>,
    /// Loop time at its start.
    pub started: u64,
    /// Until the connection was there, its handshake included.
    pub connect_time: Option<u32>,
    /// Until the first byte.
    pub first_byte_time: Option<u32>,
    /// Until its end.
    pub session_time: Option<u32>,
    /// Bytes from the peer.
    pub received: u64,
    /// Bytes to the peer.
    pub sent: u64,
}

impl Attempt {
    /// An attempt that begins now.
    pub fn new(name: Arc<str>) -> Self {
        Self {
            name,
            started: reactor::now(),
            connect_time: None,
            first_byte_time: None,
            session_time: None,
            received: 0,
            sent: 0,
        }
    }

    /// Milliseconds since its start.
    pub fn age(&self) -> u32 {
        u32::try_from(reactor::now() - self.started).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_by_names_of_clients_has_a_bound() {
        let mut kept = HashMap::new();
        (0..5000).for_each(|name| keep(&mut kept, name, name));
        assert_eq!(kept.len(), 1024);
        assert_eq!(kept.get(&4999), Some(&4999));
        let others: Vec<_> = kept.keys().copied().filter(|name| *name != 4999).collect();
        keep(&mut kept, 4999, 0);
        assert_eq!(kept.get(&4999), Some(&0));
        assert!(others.iter().all(|name| kept.contains_key(name)), "one that was there takes nobody's place");
    }
}

//! Load balancing: which peer of a group is next, and what its peers remember of sessions.
//! It neither connects nor knows what time it is.

mod hash;
mod least_conn;
mod least_time;
mod random;
mod round_robin;
#[cfg(test)]
mod tests;

use crate::address::Address;
use hash::Ring;

/// The misses after which hashing and chance give way to round robin.
const MOST_MISSES: u32 = 20;

/// What `least_time` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Time to connect.
    Connect,
    /// Time to the first byte.
    FirstByte,
    /// Time of the whole session.
    LastByte,
}

/// A balancing method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Smooth weighted round robin.
    RoundRobin,
    /// `hash KEY`.
    Hash,
    /// `hash KEY consistent`.
    ConsistentHash,
    /// `least_conn`.
    LeastConn,
    /// `least_time`.
    LeastTime {
        /// What is measured.
        metric: Metric,
        /// Whether sessions that are not over count.
        inflight: bool,
    },
    /// `random`.
    Random,
    /// `random two`.
    RandomTwo,
}

/// One address of a `server` directive.
#[derive(Debug, Clone)]
pub struct PeerConf {
    /// The address as the configuration writes it; consistent hashing goes by it.
    pub text: String,
    /// Where it is.
    pub address: Address,
    /// `weight`.
    pub weight: u32,
    /// `max_conns`; 0 for no limit.
    pub max_conns: u32,
    /// `max_fails`; 0 for never out of use.
    pub max_fails: u32,
    /// `fail_timeout` in seconds.
    pub fail_timeout: u64,
    /// `backup`.
    pub backup: bool,
    /// `down`.
    pub down: bool,
}

impl PeerConf {
    /// A peer with the defaults of the `server` directive.
    pub fn new(text: String, address: Address) -> Self {
        Self { text, address, weight: 1, max_conns: 0, max_fails: 1, fail_timeout: 10, backup: false, down: false }
    }
}

/// A peer and what is remembered of it. Times are seconds unless they say otherwise.
#[derive(Debug)]
pub struct Peer {
    conf: PeerConf,
    name: Box<str>,
    current_weight: i64,
    effective_weight: u32,
    conns: u32,
    fails: u32,
    accessed: u64,
    checked: u64,
    /// Moving average of finished sessions, milliseconds.
    average: u64,
    /// Moving average that does not wait for the end of sessions, milliseconds.
    inflight: u64,
}

impl Peer {
    fn new(conf: PeerConf) -> Self {
        Self {
            name: conf.address.to_string().into(),
            current_weight: 0,
            effective_weight: conf.weight,
            conns: 0,
            fails: 0,
            accessed: 0,
            checked: 0,
            average: 0,
            inflight: 0,
            conf,
        }
    }

    /// Its address in text.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.conf.address
    }

    fn since_checked(&self, now: u64) -> u64 {
        now.saturating_sub(self.checked)
    }

    fn usable(&self, now: u64) -> bool {
        let conf = &self.conf;
        let failed = conf.max_fails > 0 && self.fails >= conf.max_fails && self.since_checked(now) <= conf.fail_timeout;
        let full = conf.max_conns > 0 && self.conns >= conf.max_conns;
        !conf.down && !failed && !full
    }

    /// Forgets failures once a probe after them went well.
    fn recover(&mut self) {
        if self.accessed < self.checked {
            self.fails = 0;
        }
    }
}

/// Names a peer of the group that picked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRef {
    backup: bool,
    index: u32,
}

/// What one session has tried in a group.
#[derive(Debug, Default)]
pub struct Selection {
    backup: bool,
    /// Peers that were tried: the first 64, then the others.
    tried: u64,
    tried_more: Vec<u64>,
    misses: u32,
    rounds: u32,
    hash: Option<u32>,
}

impl Selection {
    fn has_tried(&self, index: usize) -> bool {
        let word = match (index / 64).checked_sub(1) {
            None => self.tried,
            Some(word) => self.tried_more.get(word).copied().unwrap_or(0),
        };
        word >> (index % 64) & 1 == 1
    }

    fn mark(&mut self, index: usize) {
        let bit = 1 << (index % 64);
        let Some(word) = (index / 64).checked_sub(1) else {
            self.tried |= bit;
            return;
        };
        if self.tried_more.len() <= word {
            self.tried_more.resize(word + 1, 0);
        }
        if let Some(word) = self.tried_more.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether the peer at `index` of the list in use may be picked.
    fn eligible(&self, index: usize, peer: &Peer, now: u64) -> bool {
        !self.has_tried(index) && peer.usable(now)
    }

    /// Counts a miss; true when there were too many.
    fn miss(&mut self) -> bool {
        self.misses += 1;
        self.misses > MOST_MISSES
    }

    fn use_backups(&mut self) {
        self.backup = true;
        self.tried = 0;
        self.tried_more.clear();
    }
}

/// The peer of `peers` in whose stretch of the sum of weights `at` lies.
fn at_weight(peers: &[Peer], mut at: u64) -> Option<usize> {
    peers.iter().position(|peer| {
        let weight = u64::from(peer.conf.weight);
        let here = at < weight;
        at = at.saturating_sub(weight);
        here
    })
}

fn total_weight(peers: &[Peer]) -> u64 {
    peers.iter().map(|peer| u64::from(peer.conf.weight)).sum()
}

/// The peers of a group.
#[derive(Debug)]
pub struct Peers {
    method: Method,
    primary: Vec<Peer>,
    backup: Vec<Peer>,
    ring: Ring,
}

impl Peers {
    /// A group of `peers`, none of them used yet.
    pub fn new(method: Method, peers: Vec<PeerConf>) -> Self {
        let (backup, primary): (Vec<_>, Vec<_>) = peers.into_iter().map(Peer::new).partition(|peer| peer.conf.backup);
        let ring = if method == Method::ConsistentHash { Ring::new(&primary) } else { Ring::default() };
        Self { method, primary, backup, ring }
    }

    /// How many attempts a session may make.
    pub fn tries(&self) -> usize {
        self.primary.iter().chain(&self.backup).filter(|peer| !peer.conf.down).count()
    }

    /// The peer that `peer` names.
    pub fn peer(&self, peer: PeerRef) -> Option<&Peer> {
        let list = if peer.backup { &self.backup } else { &self.primary };
        list.get(peer.index as usize)
    }

    fn peer_mut(&mut self, peer: PeerRef) -> Option<&mut Peer> {
        let list = if peer.backup { &mut self.backup } else { &mut self.primary };
        list.get_mut(peer.index as usize)
    }

    /// The next peer for a session, which counts as its connection until it fails or is released;
    /// `now` in seconds. `None` when no peer is live.
    pub fn pick(
        &mut self,
        selection: &mut Selection,
        now: u64,
        random: &mut impl FnMut() -> u64,
        key: &[u8],
    ) -> Option<PeerRef> {
        let list = if selection.backup { &mut self.backup } else { &mut self.primary };
        let direct = if list.len() < 2 || selection.misses > MOST_MISSES {
            None
        } else {
            match self.method {
                Method::Hash => hash::choose(list, selection, now, key),
                Method::ConsistentHash => self.ring.choose(list, selection, now, key),
                Method::Random => random::one(list, selection, now, random),
                Method::RandomTwo => random::two(list, selection, now, random),
                Method::RoundRobin | Method::LeastConn | Method::LeastTime { .. } => None,
            }
        };
        let index = direct.or_else(|| self.in_turn(selection, now))?;
        selection.mark(index);
        let chosen = PeerRef { backup: selection.backup, index: index as u32 };
        let peer = self.peer_mut(chosen)?;
        peer.conns += 1;
        if peer.since_checked(now) > peer.conf.fail_timeout {
            peer.checked = now;
        }
        Some(chosen)
    }

    /// Chooses by comparing all peers, backups when no other is left.
    fn in_turn(&mut self, selection: &mut Selection, now: u64) -> Option<usize> {
        loop {
            let list = if selection.backup { &mut self.backup } else { &mut self.primary };
            let chosen = match self.method {
                Method::LeastConn => least_conn::choose(list, selection, now),
                Method::LeastTime { inflight, .. } => least_time::choose(list, selection, now, inflight),
                _ => round_robin::choose(list, selection, now, |_, _| true),
            };
            if chosen.is_some() || selection.backup || self.backup.is_empty() {
                return chosen;
            }
            selection.use_backups();
        }
    }

    /// Ends a session that failed at `now` (seconds); true when that takes the peer out of use.
    pub fn fail(&mut self, peer: PeerRef, now: u64) -> bool {
        let single = self.primary.len() == 1 && self.backup.is_empty();
        let Some(peer) = self.peer_mut(peer) else { return false };
        peer.conns = peer.conns.saturating_sub(1);
        if single {
            return false;
        }
        peer.fails = peer.fails.saturating_add(1);
        peer.accessed = now;
        peer.checked = now;
        let most = peer.conf.max_fails;
        if let Some(share) = peer.conf.weight.checked_div(most) {
            peer.effective_weight = peer.effective_weight.saturating_sub(share);
        }
        most > 0 && peer.fails >= most
    }

    /// Tells that the connection to `peer` is there and took `millis`.
    pub fn connected(&mut self, peer: PeerRef, _now: u64, millis: u64) {
        let method = self.method;
        let Some(peer) = self.peer_mut(peer) else { return };
        peer.recover();
        if let Method::LeastTime { metric, inflight } = method {
            least_time::connected(peer, metric, inflight, millis);
        }
    }

    /// Ends a session without blame. The times, in milliseconds, are known of sessions that went
    /// well.
    pub fn release(&mut self, peer: PeerRef, _now: u64, first_byte: Option<u64>, whole: Option<u64>) {
        let method = self.method;
        let Some(peer) = self.peer_mut(peer) else { return };
        peer.recover();
        peer.conns = peer.conns.saturating_sub(1);
        if let Method::LeastTime { metric, inflight } = method {
            least_time::released(peer, metric, inflight, first_byte, whole);
        }
    }
}

//! Load balancing: which peer of a group is next, and what its peers remember of sessions.
//! It neither connects nor knows what time it is.

mod hash;
mod least_conn;
mod least_time;
mod peer;
mod random;
mod round_robin;
mod selection;
#[cfg(test)]
mod tests;

use hash::Ring;
pub use peer::{Peer, PeerConf};
pub use selection::Selection;

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

/// Names a peer of the group that picked it, also after the group's peers have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRef {
    id: u32,
    backup: bool,
    index: u32,
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
    /// How many peers there ever were: the number of the next one.
    born: u32,
    /// How often the peers have changed.
    changes: u32,
}

impl Peers {
    /// A group of `peers`, none of them used yet.
    pub fn new(method: Method, peers: Vec<PeerConf>) -> Self {
        let mut group =
            Self { method, primary: Vec::new(), backup: Vec::new(), ring: Ring::default(), born: 0, changes: 0 };
        group.replace(peers);
        group
    }

    /// Has `peers` take the place of those that are there. Those that stay keep their state;
    /// sessions that are choosing get none of the new ones.
    pub fn replace(&mut self, peers: Vec<PeerConf>) {
        let same = |old: &[Peer], new: &[PeerConf]| old.iter().map(|peer| &peer.conf).eq(new.iter());
        let (backup, primary): (Vec<_>, Vec<_>) = peers.into_iter().partition(|peer| peer.backup);
        if same(&self.primary, &primary) && same(&self.backup, &backup) {
            return;
        }
        let mut old: Vec<Peer> = self.primary.drain(..).chain(self.backup.drain(..)).collect();
        let mut born = self.born;
        let mut keep_or_make = |conf: PeerConf| {
            if let Some(at) = old.iter().position(|peer| peer.conf == conf) {
                return old.swap_remove(at);
            }
            born += 1;
            Peer::new(conf, born)
        };
        self.primary = primary.into_iter().map(&mut keep_or_make).collect();
        self.backup = backup.into_iter().map(&mut keep_or_make).collect();
        self.born = born;
        self.changes += 1;
        self.ring = match self.method {
            Method::ConsistentHash => Ring::new(&self.primary, &self.backup),
            _ => Ring::default(),
        };
    }

    /// Has each peer begin with what was known of it in `old`, where it was there.
    pub fn inherit(&mut self, old: &Self) {
        for peer in self.primary.iter_mut().chain(&mut self.backup) {
            let same = |old: &&Peer| old.conf.text == peer.conf.text && old.conf.address == peer.conf.address;
            if let Some(old) = old.primary.iter().chain(&old.backup).find(same) {
                peer.inherit(old);
            }
        }
    }

    /// How many attempts a session may make.
    pub fn tries(&self) -> usize {
        self.primary.iter().chain(&self.backup).filter(|peer| !peer.conf.down).count()
    }

    /// The peer that `peer` names.
    pub fn peer(&self, peer: PeerRef) -> Option<&Peer> {
        let list = if peer.backup { &self.backup } else { &self.primary };
        let here = list.get(peer.index as usize).filter(|here| here.id == peer.id);
        here.or_else(|| list.iter().find(|moved| moved.id == peer.id))
    }

    fn peer_mut(&mut self, peer: PeerRef) -> Option<&mut Peer> {
        let list = if peer.backup { &mut self.backup } else { &mut self.primary };
        match list.get(peer.index as usize) {
            Some(here) if here.id == peer.id => list.get_mut(peer.index as usize),
            _ => list.iter_mut().find(|moved| moved.id == peer.id),
        }
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
        if *selection.changes.get_or_insert(self.changes) != self.changes {
            return None;
        }
        let list = if selection.backup { &mut self.backup } else { &mut self.primary };
        let direct = if list.len() < 2 || selection.missed_too_often() {
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
        let list = if selection.backup { &mut self.backup } else { &mut self.primary };
        let peer = list.get_mut(index)?;
        let chosen = PeerRef { id: peer.id, backup: selection.backup, index: index as u32 };
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
        peer.blame(now)
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

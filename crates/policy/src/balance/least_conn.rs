//! The least loaded peer in proportion to its weight.

use super::{Peer, Selection, round_robin};

/// Chooses by the number of connections.
pub(super) fn choose(peers: &mut [Peer], selection: &Selection, now: u64) -> Option<usize> {
    least(peers, selection, now, |peer| u64::from(peer.conns))
}

/// Chooses the eligible peer with the least `load` for its weight; equals take turns.
pub(super) fn least(peers: &mut [Peer], selection: &Selection, now: u64, load: impl Fn(&Peer) -> u64) -> Option<usize> {
    let mut best: Option<(usize, Load)> = None;
    let mut tied = false;
    for (index, peer) in peers.iter().enumerate() {
        if !selection.eligible(index, peer, now) {
            continue;
        }
        let this = Load { load: load(peer), weight: peer.conf.weight };
        match &best {
            Some((_, least)) if this.scaled(least) > least.scaled(&this) => {}
            Some((_, least)) if this.scaled(least) == least.scaled(&this) => tied = true,
            _ => {
                best = Some((index, this));
                tied = false;
            }
        }
    }
    let (index, least) = best?;
    if !tied {
        return Some(index);
    }
    round_robin::choose(peers, selection, now, |_, peer| {
        let this = Load { load: load(peer), weight: peer.conf.weight };
        this.scaled(&least) == least.scaled(&this)
    })
}

struct Load {
    load: u64,
    weight: u32,
}

impl Load {
    /// The load at the weight of `other`, where the two compare.
    fn scaled(&self, other: &Self) -> u64 {
        self.load.saturating_mul(u64::from(other.weight))
    }
}

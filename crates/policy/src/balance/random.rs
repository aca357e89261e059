//! Peers by chance, in proportion to their weights.

use super::{Peer, Selection, at_weight, total_weight};

/// Draws one eligible peer; `None` after too many misses.
pub(super) fn one(
    peers: &[Peer],
    selection: &mut Selection,
    now: u64,
    random: &mut impl FnMut() -> u64,
) -> Option<usize> {
    loop {
        let (index, peer) = draw(peers, random)?;
        if selection.eligible(index, peer, now) {
            return Some(index);
        }
        if selection.miss() {
            return None;
        }
    }
}

/// Draws two eligible peers and takes the one with fewer connections for its weight, the second
/// of equals; `None` after too many misses.
pub(super) fn two(
    peers: &[Peer],
    selection: &mut Selection,
    now: u64,
    random: &mut impl FnMut() -> u64,
) -> Option<usize> {
    let mut first: Option<(usize, &Peer)> = None;
    loop {
        let (index, peer) = draw(peers, random)?;
        let again = first.is_some_and(|(first, _)| first == index);
        if !again && selection.eligible(index, peer, now) {
            if let Some((other, first)) = first {
                let busier = load(peer, first) > load(first, peer);
                return Some(if busier { other } else { index });
            }
            first = Some((index, peer));
        }
        // The first of two counts as a miss too.
        if selection.miss() {
            return None;
        }
    }
}

/// The connections of `peer` at the weight of `other`.
fn load(peer: &Peer, other: &Peer) -> u64 {
    u64::from(peer.conns) * u64::from(other.conf.weight)
}

fn draw<'a>(peers: &'a [Peer], random: &mut impl FnMut() -> u64) -> Option<(usize, &'a Peer)> {
    let at = random().checked_rem(total_weight(peers))?;
    let index = at_weight(peers, at)?;
    Some((index, peers.get(index)?))
}

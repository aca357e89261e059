//! Smooth weighted round robin.

use super::{Peer, Selection};

/// Chooses among the eligible peers that `competes` admits.
pub(super) fn choose(
    peers: &mut [Peer],
    selection: &Selection,
    now: u64,
    competes: impl Fn(usize, &Peer) -> bool,
) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, &mut Peer)> = None;
    for (index, peer) in peers.iter_mut().enumerate() {
        if !selection.eligible(index, peer, now) || !competes(index, peer) {
            continue;
        }
        let weight = i64::from(peer.effective_weight);
        peer.current_weight += weight;
        total += weight;
        if peer.effective_weight < peer.conf.weight {
            peer.effective_weight += 1;
        }
        if best.as_ref().is_none_or(|(_, best)| peer.current_weight > best.current_weight) {
            best = Some((index, peer));
        }
    }
    let (index, peer) = best?;
    peer.current_weight -= total;
    Some(index)
}

//! What one session has tried in a group.

use super::Peer;

/// The misses after which hashing and chance give way to round robin.
const MOST_MISSES: u32 = 20;

/// What one session has tried in a group.
#[derive(Debug, Default)]
pub struct Selection {
    /// Whether backups are in use.
    pub(super) backup: bool,
    /// How often the group's peers had changed at the first choice.
    pub(super) changes: Option<u32>,
    /// Peers that were tried: the first 64, then the others.
    tried: u64,
    tried_more: Vec<u64>,
    misses: u32,
    /// How often the key was hashed.
    pub(super) rounds: u32,
    /// The sum of hashes, or the place on the ring.
    pub(super) hash: Option<u32>,
}

impl Selection {
    fn has_tried(&self, index: usize) -> bool {
        let word = match (index / 64).checked_sub(1) {
            None => self.tried,
            Some(word) => self.tried_more.get(word).copied().unwrap_or(0),
        };
        word >> (index % 64) & 1 == 1
    }

    /// Notes that the peer at `index` of the list in use is tried.
    pub(super) fn mark(&mut self, index: usize) {
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
    pub(super) fn eligible(&self, index: usize, peer: &Peer, now: u64) -> bool {
        !self.has_tried(index) && peer.usable(now)
    }

    /// Counts a miss; true when there were too many.
    pub(super) fn miss(&mut self) -> bool {
        self.misses += 1;
        self.missed_too_often()
    }

    /// Whether only round robin is left.
    pub(super) fn missed_too_often(&self) -> bool {
        self.misses > MOST_MISSES
    }

    /// Goes over to the backups, none of which is tried.
    pub(super) fn use_backups(&mut self) {
        self.backup = true;
        self.tried = 0;
        self.tried_more.clear();
    }
}

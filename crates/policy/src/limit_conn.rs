//! `limit_conn_zone`: sessions counted by key, shared by all threads, within the zone's memory.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts with a lock each, so that threads seldom meet.
const SHARDS: usize = 16;
/// What a key costs a zone beyond its bytes; about what a node of the reference's tree takes.
const ENTRY: usize = 64;

/// A zone's counts.
#[derive(Debug)]
pub struct Zone {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Bytes that one shard may use.
    room: usize,
}

#[derive(Debug, Default)]
struct Shard {
    counts: HashMap<Box<[u8]>, u32>,
    used: usize,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The key has as many sessions as it may.
    Limit,
    /// The zone's memory is used up.
    Full,
}

impl Refused {
    /// Whether the zone's memory is used up.
    pub fn is_full(self) -> bool {
        self == Self::Full
    }
}

/// A counted session; dropping it gives the slot back.
#[derive(Debug)]
pub struct Slot {
    zone: Arc<Zone>,
    key: Box<[u8]>,
}

impl Zone {
    /// An empty zone of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self { shards: Default::default(), hasher: RandomState::new(), room: (size / SHARDS).max(ENTRY * 2) }
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        let shard = self.shards.get(at).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a session of `key`, if it has fewer than `limit`.
    pub fn try_acquire(self: &Arc<Self>, key: &[u8], limit: u32) -> Result<Slot, Refused> {
        let mut shard = self.shard(key);
        if let Some(count) = shard.counts.get_mut(key) {
            if *count >= limit {
                return Err(Refused::Limit);
            }
            *count += 1;
        } else {
            let cost = key.len() + ENTRY;
            if shard.used + cost > self.room {
                return Err(Refused::Full);
            }
            shard.used += cost;
            shard.counts.insert(key.into(), 1);
        }
        drop(shard);
        Ok(Slot { zone: Arc::clone(self), key: key.into() })
    }

    /// Sessions of `key` now.
    pub fn count(&self, key: &[u8]) -> u32 {
        self.shard(key).counts.get(key).copied().unwrap_or(0)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut shard = self.zone.shard(&self.key);
        if let Some(count) = shard.counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                shard.counts.remove(&self.key);
                shard.used -= self.key.len() + ENTRY;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_up_to_the_limit_and_back() {
        let zone = Arc::new(Zone::new(1 << 20));
        let first = zone.try_acquire(b"a", 2).unwrap();
        let _second = zone.try_acquire(b"a", 2).unwrap();
        assert_eq!(zone.try_acquire(b"a", 2).unwrap_err(), Refused::Limit);
        assert!(zone.try_acquire(b"b", 1).is_ok());
        drop(first);
        assert_eq!(zone.count(b"a"), 1);
        assert!(zone.try_acquire(b"a", 2).is_ok());
    }

    #[test]
    fn a_zone_is_bounded_and_recovers() {
        let zone = Arc::new(Zone::new(32 * 1024));
        let mut slots = Vec::new();
        let refused = loop {
            match zone.try_acquire(format!("key {}", slots.len()).as_bytes(), 1) {
                Ok(slot) => slots.push(slot),
                Err(refused) => break refused,
            }
        };
        assert!(refused.is_full() && slots.len() > 100 && slots.len() < 1000);
        slots.clear();
        assert!(zone.shards.iter().all(|shard| shard.lock().unwrap().used == 0));
    }
}

//! `ssl_session_cache shared:…`: sessions of all threads and generations, in their serialized form, in a bounded
//! store. Knows nothing of TLS beyond the identifiers that name them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::tickets::TicketKeys;

const SHARDS: usize = 16;
/// Larger sessions are not stored, as in nginx.
const LARGEST: usize = 8192;
/// Bytes that an entry costs beside its session.
const OVERHEAD: usize = 128;

/// Sessions by identifier. The caller keeps it and hands it to each new generation of contexts.
#[derive(Debug)]
pub struct SharedSessionCache {
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes: usize,
    ticket_keys: Arc<TicketKeys>,
}

#[derive(Debug, Default)]
struct Shard {
    sessions: HashMap<Box<[u8]>, Entry>,
    oldest_first: VecDeque<Box<[u8]>>,
    bytes: usize,
}

/// A serialized session and when it expires.
type Entry = (Box<[u8]>, Instant);

impl SharedSessionCache {
    /// A cache of about `bytes` bytes, whose ticket keys change every `timeout` (`ssl_session_timeout`).
    pub fn new(bytes: usize, timeout: Duration) -> Self {
        Self {
            shards: Default::default(),
            shard_bytes: bytes / SHARDS,
            ticket_keys: Arc::new(TicketKeys::rotating(timeout.max(Duration::from_secs(1)))),
        }
    }

    pub(crate) fn ticket_keys(&self) -> Arc<TicketKeys> {
        Arc::clone(&self.ticket_keys)
    }

    pub(crate) fn insert(&self, id: &[u8], session: Vec<u8>, lifetime: Duration, now: Instant) {
        let cost = id.len() + session.len() + OVERHEAD;
        if id.is_empty() || session.len() > LARGEST || cost > self.shard_bytes {
            return;
        }
        let mut shard = self.shard(id);
        shard.remove(id);
        while shard.bytes + cost > self.shard_bytes {
            let Some(oldest) = shard.oldest_first.pop_front() else { break };
            shard.forget(&oldest);
        }
        shard.bytes += cost;
        shard.oldest_first.push_back(id.into());
        shard.sessions.insert(id.into(), (session.into(), now + lifetime));
    }

    pub(crate) fn find(&self, id: &[u8], now: Instant) -> Option<Vec<u8>> {
        let mut shard = self.shard(id);
        let (session, until) = shard.sessions.get(id)?;
        if *until > now {
            return Some(session.to_vec());
        }
        shard.remove(id);
        None
    }

    pub(crate) fn remove(&self, id: &[u8]) {
        self.shard(id).remove(id);
    }

    fn shard(&self, id: &[u8]) -> MutexGuard<'_, Shard> {
        // identifiers are random or digests: any byte spreads them
        let index = id.last().map_or(0, |byte| *byte as usize % SHARDS);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn remove(&mut self, id: &[u8]) {
        if self.forget(id)
            && let Some(place) = self.oldest_first.iter().position(|known| **known == *id)
        {
            self.oldest_first.remove(place);
        }
    }

    fn forget(&mut self, id: &[u8]) -> bool {
        let Some((session, _)) = self.sessions.remove(id) else { return false };
        self.bytes -= id.len() + session.len() + OVERHEAD;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_was_stored_is_found_until_it_expires() {
        let cache = SharedSessionCache::new(65536, HOUR);
        let now = Instant::now();
        cache.insert(b"id", vec![1, 2, 3], HOUR, now);
        assert_eq!(cache.find(b"id", now), Some(vec![1, 2, 3]));
        assert_eq!(cache.find(b"id", now + HOUR), None);
        assert_eq!(cache.find(b"id", now), None, "gone for good");
    }

    #[test]
    fn the_oldest_makes_room() {
        let cache = SharedSessionCache::new(16 * 700, HOUR);
        let now = Instant::now();
        for id in 0..3_u8 {
            cache.insert(&[id, 0], vec![id; 200], HOUR, now);
        }
        assert_eq!(cache.find(&[0, 0], now), None);
        assert!(cache.find(&[1, 0], now).is_some() && cache.find(&[2, 0], now).is_some());
    }

    #[test]
    fn removed_and_oversized_sessions_are_not_found() {
        let cache = SharedSessionCache::new(1 << 20, HOUR);
        let now = Instant::now();
        cache.insert(b"a", vec![0; LARGEST + 1], HOUR, now);
        assert_eq!(cache.find(b"a", now), None);
        cache.insert(b"b", vec![0; 9], HOUR, now);
        cache.insert(b"b", vec![1; 9], HOUR, now);
        assert_eq!(cache.find(b"b", now), Some(vec![1; 9]));
        cache.remove(b"b");
        assert_eq!(cache.find(b"b", now), None);
        assert_eq!(cache.shard(b"b").bytes, 0);
        assert!(cache.shard(b"b").oldest_first.is_empty());
    }
}

//! `ssl_ocsp_cache`: what responders said, for all threads and over reloads, in a bounded store.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tls::{Answer, CertificateStatus};

use crate::succession::Succession;

/// What an entry costs of a zone's size, bytes.
const COST: usize = 128;
/// Seconds for which an answer without end is kept.
const ENDLESS: i64 = 3600;

/// Zones by name.
#[derive(Debug, Default)]
pub struct Caches {
    by_name: Succession<(usize, Arc<Statuses>)>,
}

impl Caches {
    /// The cache of this name: the last configuration's, where that had the same size.
    pub fn of(&mut self, name: &str, size: usize) -> Arc<Statuses> {
        self.by_name.of(name, |(same, _)| *same == size, || (size, Arc::new(Statuses::new(size)))).1
    }

    /// As [`Succession::begin`].
    pub(crate) fn begin(&mut self) {
        self.by_name.begin();
    }

    /// As [`Succession::commit`].
    pub(crate) fn commit(&mut self) {
        self.by_name.commit();
    }
}

/// The status of certificates by the digest of the question.
#[derive(Debug)]
pub struct Statuses {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<[u8; 20], (CertificateStatus, i64)>,
    oldest_first: VecDeque<[u8; 20]>,
}

impl Statuses {
    /// An empty cache in a zone of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self { most: (size / COST).max(1), known: Mutex::default() }
    }

    /// What is known of `key` at `now`, seconds since 1970.
    pub fn find(&self, key: &[u8; 20], now: i64) -> Option<CertificateStatus> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, until) = *known.by_key.get(key)?;
        if until > now {
            return Some(status);
        }
        known.remove(key);
        None
    }

    /// Keeps an answer for as long as it holds; the oldest makes room.
    pub fn keep(&self, key: [u8; 20], answer: Answer, now: i64) {
        let holds = answer.holds.unwrap_or(ENDLESS);
        if holds < 0 {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&key);
        while known.by_key.len() >= self.most {
            let Some(oldest) = known.oldest_first.front().copied() else { break };
            known.remove(&oldest);
        }
        known.by_key.insert(key, (answer.status, now.saturating_add(holds)));
        known.oldest_first.push_back(key);
    }
}

impl Known {
    fn remove(&mut self, key: &[u8; 20]) {
        if self.by_key.remove(key).is_some()
            && let Some(place) = self.oldest_first.iter().position(|known| known == key)
        {
            self.oldest_first.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(holds: impl Into<Option<i64>>) -> Answer {
        Answer { status: CertificateStatus::Good, holds: holds.into() }
    }

    #[test]
    fn an_answer_is_kept_for_as_long_as_it_holds() {
        let cache = Statuses::new(4096);
        cache.keep([1; 20], good(10), 1000);
        assert_eq!(cache.find(&[1; 20], 1009), Some(CertificateStatus::Good));
        assert_eq!(cache.find(&[1; 20], 1010), None);
        cache.keep([2; 20], good(None), 1000);
        assert_eq!(cache.find(&[2; 20], 4599), Some(CertificateStatus::Good));
        assert_eq!(cache.find(&[2; 20], 4600), None);
        cache.keep([3; 20], good(-1), 1000);
        assert_eq!(cache.find(&[3; 20], 1000), None);
    }

    #[test]
    fn a_newer_answer_takes_the_place_of_the_old() {
        let cache = Statuses::new(4096);
        cache.keep([1; 20], good(10), 0);
        cache.keep([1; 20], Answer { status: CertificateStatus::Revoked, holds: Some(10) }, 0);
        assert_eq!(cache.find(&[1; 20], 5), Some(CertificateStatus::Revoked));
    }

    #[test]
    fn the_oldest_makes_room() {
        let cache = Statuses::new(2 * COST);
        for key in 1..=3 {
            cache.keep([key; 20], good(10), 0);
        }
        assert_eq!(cache.find(&[1; 20], 5), None);
        assert!(cache.find(&[2; 20], 5).is_some() && cache.find(&[3; 20], 5).is_some());
    }

    #[test]
    fn a_zone_outlives_a_configuration_of_the_same_size() {
        let mut caches = Caches::default();
        let cache = caches.of("a", 4096);
        assert!(Arc::ptr_eq(&cache, &caches.of("a", 4096)));
        assert!(!Arc::ptr_eq(&cache, &caches.of("a", 8192)));
    }
}

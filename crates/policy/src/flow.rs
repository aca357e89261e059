//! Flows of datagrams: to which session a datagram belongs, and when a session has had all that
//! was to come. How datagrams travel and what they say is not known here.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher};

use crate::hash::mix;

/// The sessions by address pair `K` (the client's, and the one it asked).
#[derive(Debug)]
pub struct Table<K, V>(HashMap<K, V, Seed>);

impl<K: Hash + Eq, V> Table<K, V> {
    /// An empty table. Who does not know `seed` cannot choose addresses that collide in it.
    pub fn new(seed: u64) -> Self {
        Self(HashMap::with_hasher(Seed(seed)))
    }

    /// The session that a datagram of `key` belongs to.
    pub fn find(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// Makes a session known, in place of an older one of the same pair.
    pub fn insert(&mut self, key: K, session: V) {
        self.0.insert(key, session);
    }

    /// Forgets the session of `key` if it is the one that `is_it` knows and no younger one: the
    /// next datagram begins another.
    pub fn remove(&mut self, key: &K, is_it: impl FnOnce(&V) -> bool) {
        if self.0.get(key).is_some_and(is_it) {
            self.0.remove(key);
        }
    }
}

/// What ends a session of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `proxy_requests`: datagrams that one session takes from its client; 0 is any number.
    pub requests: u64,
    /// `proxy_responses`: answers to come for each of them; `None` is any number.
    pub responses: Option<u64>,
    /// `proxy_timeout`: milliseconds of silence.
    pub timeout: u64,
}

/// What holds for a session at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// More may come.
    Open,
    /// As many answers came as were to come.
    Done,
    /// Silence for too long.
    Silent {
        /// Answers that were to come did not.
        missing: bool,
    },
}

/// One session: what waits to be sent on, and how much came and went.
#[derive(Debug)]
pub struct Flow<D> {
    waiting: VecDeque<D>,
    requests: u64,
    responses: u64,
}

impl<D> Flow<D> {
    /// A session that its first datagram brings about.
    pub fn new(first: D) -> Self {
        Self { waiting: VecDeque::from([first]), requests: 0, responses: 0 }
    }

    /// A datagram of the client; it is dropped, as the network would, when `room` others wait, and then this is
    /// false.
    pub fn arrive(&mut self, datagram: impl FnOnce() -> D, room: usize) -> bool {
        let fits = self.waiting.len() < room;
        if fits {
            self.waiting.push_back(datagram());
        }
        fits
    }

    /// Takes the next datagram of the client, which counts from then on.
    pub fn take(&mut self) -> Option<D> {
        let datagram = self.waiting.pop_front()?;
        self.requests += 1;
        Some(datagram)
    }

    /// A datagram of the client that is sent on without waiting.
    pub fn pass(&mut self) {
        self.requests += 1;
    }

    /// Counts an answer.
    pub fn answer(&mut self) {
        self.responses += 1;
    }

    /// Datagrams of the client, those that wait among them.
    pub fn arrived(&self) -> u64 {
        self.requests + self.waiting.len() as u64
    }

    /// Datagrams taken from the client.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Answers to the client.
    pub fn responses(&self) -> u64 {
        self.responses
    }

    /// Whether the next datagram of the client begins another session.
    pub fn is_full(&self, limits: &Limits) -> bool {
        limits.requests > 0 && self.arrived() >= limits.requests
    }

    /// What holds at loop time `now` if the last datagram in either direction moved at `last`, both in
    /// milliseconds.
    pub fn state(&self, last: u64, now: u64, limits: &Limits) -> State {
        let expected = limits.responses.map(|each| each.saturating_mul(self.requests));
        let missing = expected.is_some_and(|expected| self.responses < expected);
        let over = expected.is_some() && !missing && self.requests > 0 && self.waiting.is_empty();
        if over && (limits.requests == 0 || self.is_full(limits)) {
            State::Done
        } else if now.saturating_sub(last) >= limits.timeout {
            State::Silent { missing }
        } else {
            State::Open
        }
    }
}

/// What makes the hashes of one table unlike those of another.
#[derive(Debug, Clone, Copy)]
struct Seed(u64);

impl BuildHasher for Seed {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer(self.0)
    }
}

/// A word at a time: one multiplication each, where std's own hash takes many rounds.
#[derive(Debug)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0 ^ word);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

#[cfg(test)]
mod tests;

//! Byte strings one after the other, each behind its length: nothing per string but a byte or
//! two, and a string is named by where it begins. Knows no meaning of the strings.

use crate::hash::hash;

/// Strings named by the place where they begin.
#[derive(Debug, Default)]
pub(crate) struct Arena(Vec<u8>);

impl Arena {
    /// Adds a string. Past four gigabytes in all there is no name for it left: `None`.
    pub(crate) fn push(&mut self, text: &[u8]) -> Option<u32> {
        let at = u32::try_from(self.0.len()).ok()?;
        push_number(&mut self.0, u32::try_from(text.len()).ok()?);
        self.0.extend_from_slice(text);
        Some(at)
    }

    /// The string that begins here; empty where none does.
    pub(crate) fn get(&self, at: u32) -> &[u8] {
        let read = || {
            let (length, rest) = read_number(self.0.get(at as usize..)?)?;
            rest.get(..length as usize)
        };
        read().unwrap_or_default()
    }
}

/// An [`Arena`] that keeps equal strings once.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    arena: Arena,
    slots: Slots,
}

impl Interner {
    /// The place of this string; `None` when there is no room, see [`Arena::push`].
    pub(crate) fn intern(&mut self, text: &[u8]) -> Option<u32> {
        let Self { arena, slots } = self;
        let hash = hash(text);
        if let Some(at) = slots.find(hash, |at| arena.get(at) == text) {
            return Some(at);
        }
        let at = arena.push(text)?;
        slots.add(hash, at);
        Some(at)
    }

    /// The string that begins here.
    pub(crate) fn get(&self, at: u32) -> &[u8] {
        self.arena.get(at)
    }

    /// The strings without what was needed to find equal ones.
    pub(crate) fn finish(mut self) -> Arena {
        self.arena.0.shrink_to_fit();
        self.arena
    }
}

/// A hash table of places: open addressing, at most half full while it grows.
///
/// Made for a million places that are looked for once and then added: memory that is far away is waited for only where a hash may be
/// there already, and new places go to it many at a time, so that the waits for them overlap. Places are in the order of their hashes,
/// so that a table is copied to one of another size from its start to its end.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    settled: Vec<Slot>,
    used: usize,
    /// One bit for each eighth of a slot, set where a hash that leads there was added. Only while it grows.
    seen: Vec<u8>,
    /// Added and not settled yet.
    waiting: Vec<Slot>,
}

/// A place and a part of its hash, which spares looking at most places that are not meant.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    at: u32,
}

/// No place: the last one has no room for a string behind it.
const EMPTY: Slot = Slot { hash: 0, at: u32::MAX };

/// How many places wait at most.
const WAITING: usize = 32;

impl Slots {
    /// The place under this hash that `is_it`.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = hash as u32;
        let (byte, bit) = self.bit(hash);
        if self.seen.get(byte).is_some_and(|byte| byte & bit == 0) {
            return None;
        }
        let is_it = |slot: &Slot| slot.hash == hash && is_it(slot.at);
        let settled = self.settled.get(self.probe(hash, is_it)?).filter(|slot| slot.at != EMPTY.at);
        settled.or_else(|| self.waiting.iter().find(|slot| is_it(slot))).map(|slot| slot.at)
    }

    /// Adds a place that is not there.
    pub(crate) fn add(&mut self, hash: u64, at: u32) {
        if (self.used + 1) * 2 > self.settled.len() {
            self.settle();
            let size = (self.settled.len() * 2).max(16);
            self.seen = vec![0; size];
            self.resize(size);
        }
        let new = Slot { hash: hash as u32, at };
        self.mark(new.hash);
        self.waiting.push(new);
        self.used += 1;
        if self.waiting.len() == WAITING {
            self.settle();
        }
    }

    /// Gives back the memory that only growing needs: nothing is added from now on.
    pub(crate) fn finish(&mut self) {
        self.settle();
        (self.seen, self.waiting) = (Vec::new(), Vec::new());
        self.resize(self.used + self.used.div_ceil(2));
    }

    fn resize(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.settled, vec![EMPTY; size]);
        for slot in old.into_iter().filter(|slot| slot.at != EMPTY.at) {
            self.mark(slot.hash);
            self.put(slot);
        }
    }

    fn settle(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.drain(..).for_each(|slot| self.put(slot));
        self.waiting = waiting;
    }

    fn put(&mut self, new: Slot) {
        if let Some(slot) = self.probe(new.hash, |_| false).and_then(|slot| self.settled.get_mut(slot)) {
            *slot = new;
        }
    }

    fn mark(&mut self, hash: u32) {
        let (byte, bit) = self.bit(hash);
        if let Some(byte) = self.seen.get_mut(byte) {
            *byte |= bit;
        }
    }

    /// The byte and the bit of `seen` that a hash leads to.
    fn bit(&self, hash: u32) -> (usize, u8) {
        let bit = scaled(hash, self.seen.len() * 8);
        (bit / 8, 1 << (bit % 8))
    }

    /// The slot that `is_it`, or the empty one that ends the search.
    fn probe(&self, hash: u32, is_it: impl Fn(&Slot) -> bool) -> Option<usize> {
        let (first, size) = (scaled(hash, self.settled.len()), self.settled.len());
        let is_end = |slot: &usize| self.settled.get(*slot).is_none_or(|slot| slot.at == EMPTY.at || is_it(slot));
        (first..size).find(is_end).or_else(|| (0..first).find(is_end))
    }
}

/// Which of `size` a hash leads to: none below another's that is greater.
fn scaled(hash: u32, size: usize) -> usize {
    ((u64::from(hash) * size as u64) >> 32) as usize
}

/// Appends a number in groups of seven bits, the lowest first, as few as it takes.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads such a number, and what follows it.
pub(crate) fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u32::MAX] {
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            assert_eq!(read_number(&bytes), Some((number, &[][..])));
            assert_eq!(read_number(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn places_are_found_while_there_are_more_and_at_the_end() {
        // Many hashes that lead to the last slots, whose places go on at the first ones.
        let hash =
            |number: u32| u64::from(if number.is_multiple_of(2) { u32::MAX - number / 64 } else { number << 20 });
        let mut slots = Slots::default();
        assert_eq!(slots.find(0, |_| true), None);
        for number in 0..5000 {
            assert_eq!(slots.find(hash(number), |at| at == number), None);
            slots.add(hash(number), number);
            assert_eq!(slots.find(hash(number / 2), |at| at == number / 2), Some(number / 2));
        }
        slots.finish();
        for number in 0..5000 {
            assert_eq!(slots.find(hash(number), |at| at == number), Some(number));
            assert_eq!(slots.find(hash(number), |at| at == number + 5000), None);
        }
        let mut none = Slots::default();
        none.finish();
        assert_eq!(none.find(7, |_| true), None);
    }

    #[test]
    fn equal_strings_have_one_place() {
        let mut interner = Interner::default();
        let texts: Vec<String> = (0..1000).map(|n| format!("{:>width$}", n % 300, width = n % 300)).collect();
        let places: Vec<u32> = texts.iter().map(|text| interner.intern(text.as_bytes()).unwrap()).collect();
        let arena = interner.finish();
        for (n, place) in places.iter().enumerate() {
            assert_eq!(arena.get(*place), texts[n].as_bytes());
            assert_eq!(*place, places[n % 300]);
        }
        assert_eq!(arena.get(u32::MAX), b"");
    }
}

//! A table of exact names: one arena of bytes and one table of places, nothing per name.

use std::hash::{BuildHasher, RandomState};

/// A place in the arena: where the name begins, how long it is, and its value.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    length: u32,
    value: u32,
}

const EMPTY: u32 = u32::MAX;

/// Names with a number each.
#[derive(Debug, Default)]
pub(super) struct Names {
    arena: Vec<u8>,
    places: Vec<Place>,
    /// Indexes of `places`, by hash, open addressing; a power of two.
    table: Vec<u32>,
    hasher: RandomState,
}

impl Names {
    /// Adds a name; false where it is there already.
    pub(super) fn insert(&mut self, name: &[u8], value: u32) -> bool {
        if (self.places.len() + 1) * 4 > self.table.len() * 3 {
            self.grow();
        }
        let at = self.slot(name);
        match self.table.get_mut(at) {
            Some(slot) if *slot == EMPTY => *slot = self.places.len() as u32,
            _ => return false,
        }
        self.places.push(Place { start: self.arena.len() as u32, length: name.len() as u32, value });
        self.arena.extend_from_slice(name);
        true
    }

    /// The number of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let index = *self.table.get(self.slot(name))?;
        self.places.get(index as usize).map(|place| place.value)
    }

    /// Lets go of room that is not needed.
    pub(super) fn shrink(&mut self) {
        self.arena.shrink_to_fit();
        self.places.shrink_to_fit();
    }

    /// Where `name` is in the table, or would be.
    fn slot(&self, name: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut at = self.hasher.hash_one(name) as usize & mask;
        while let Some(index) = self.table.get(at).filter(|index| **index != EMPTY) {
            if self.places.get(*index as usize).is_some_and(|place| self.name(place) == name) {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    fn name(&self, place: &Place) -> &[u8] {
        let start = place.start as usize;
        self.arena.get(start..start + place.length as usize).unwrap_or_default()
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(16);
        self.table = vec![EMPTY; size];
        for index in 0..self.places.len() {
            let Some(place) = self.places.get(index) else { continue };
            let mut at = self.hasher.hash_one(self.name(place)) as usize & (size - 1);
            while self.table.get(at).is_some_and(|slot| *slot != EMPTY) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = self.table.get_mut(at) {
                *slot = index as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let mut names = Names::default();
        assert_eq!(names.find(b"x"), None);
        for number in 0..5000_u32 {
            assert!(names.insert(format!("host{number}.example.com").as_bytes(), number));
        }
        assert!(!names.insert(b"host7.example.com", 1));
        names.shrink();
        for number in 0..5000_u32 {
            assert_eq!(names.find(format!("host{number}.example.com").as_bytes()), Some(number));
            assert_eq!(names.find(format!("host{number}.example.org").as_bytes()), None);
        }
    }
}

//! Networks with values while they are read.

use std::collections::BTreeMap;

use super::segments::Segments;

/// An address as a number.
pub(super) trait Bits: Copy + Ord {
    /// How many bits there are.
    const WIDTH: u8;
    /// Every bit is 0.
    const FIRST: Self;
    /// The first address of the network of `bits` bits around this one.
    fn first(self, bits: u8) -> Self;
    /// The last one.
    fn last(self, bits: u8) -> Self;
    /// The address after this one.
    fn next(self) -> Option<Self>;
}

macro_rules! bits {
    ($type:ident) => {
        impl Bits for $type {
            const WIDTH: u8 = $type::BITS as u8;
            const FIRST: Self = 0;

            fn first(self, bits: u8) -> Self {
                self & !$type::MAX.checked_shr(bits.into()).unwrap_or(0)
            }

            fn last(self, bits: u8) -> Self {
                self | $type::MAX.checked_shr(bits.into()).unwrap_or(0)
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}

bits!(u32);
bits!(u128);

/// Networks by first address and number of bits, so that each comes right before those inside it.
#[derive(Debug)]
pub(super) struct Networks<T>(BTreeMap<(T, u8), u32>);

impl<T> Default for Networks<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Bits> Networks<T> {
    /// Adds a network or replaces its value; then returns what its first address had before,
    /// which a longer network may have given it.
    pub(super) fn insert(&mut self, address: T, bits: u8, value: u32) -> Option<u32> {
        let key = (address.first(bits), bits);
        let old = if self.0.contains_key(&key) { self.find(key.0) } else { None };
        self.0.insert(key, value);
        old
    }

    /// Forgets a network; false where it is not there.
    pub(super) fn remove(&mut self, address: T, bits: u8) -> bool {
        self.0.remove(&(address.first(bits), bits)).is_some()
    }

    /// The value of the longest network around `address`.
    fn find(&self, address: T) -> Option<u32> {
        (0..=T::WIDTH).rev().find_map(|bits| self.0.get(&(address.first(bits), bits)).copied())
    }

    /// For look-ups; addresses in no network have the value `outside`.
    pub(super) fn segments(&self, outside: u32) -> Segments<T> {
        let mut runs = vec![(T::FIRST, outside)];
        // Networks around the current place, the innermost last: their last addresses and values.
        let mut around: Vec<(T, u32)> = Vec::new();
        let leave = |around: &mut Vec<(T, u32)>, runs: &mut Vec<(T, u32)>| {
            let next = around.pop().and_then(|(last, _)| last.next());
            if let Some(start) = next {
                runs.push((start, around.last().map_or(outside, |(_, value)| *value)));
            }
        };
        for ((address, bits), value) in &self.0 {
            while around.last().is_some_and(|(last, _)| last < address) {
                leave(&mut around, &mut runs);
            }
            runs.push((*address, *value));
            around.push((address.last(*bits), *value));
        }
        while !around.is_empty() {
            leave(&mut around, &mut runs);
        }
        Segments::new(runs)
    }
}

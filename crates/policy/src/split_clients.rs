//! `split_clients`: one of several values by the hash of a text, so that the same text always has
//! the same value.

use crate::template::Template;
use crate::variables::Scope;

/// A share and the value it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Hundredths of a percent.
    Hundredths(u32, Box<[u8]>),
    /// `*`: all that is left.
    Rest(Box<[u8]>),
}

/// A finished `split_clients`.
#[derive(Debug)]
pub struct SplitClients {
    source: Template,
    /// Hashes below the number have the value, unless an earlier part has them.
    parts: Box<[(u64, Box<[u8]>)]>,
}

const WHOLE: u64 = 10_000;

/// Above every hash.
const BEYOND: u64 = 1 << 32;

impl SplitClients {
    /// Parts in written order; a part that completes the whole gets what rounding left over too.
    pub fn new(source: Template, parts: Vec<Part>) -> Self {
        let (mut share_so_far, mut below) = (0, 0);
        let parts = parts.into_iter().map(|part| match part {
            Part::Rest(value) => (BEYOND, value),
            Part::Hundredths(share, value) => {
                share_so_far += u64::from(share);
                below += u64::from(share) * u64::from(u32::MAX) / WHOLE;
                (if share_so_far < WHOLE { below } else { BEYOND }, value)
            }
        });
        Self { source, parts: parts.collect() }
    }

    /// The place of the value for a session.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> u32 {
        let mut text = Vec::new();
        self.source.render(scope, &mut text);
        self.choose(murmur2(&text))
    }

    /// The value at a place; empty for what no part has.
    pub(crate) fn constant(&self, place: u32) -> &[u8] {
        self.parts.get(place as usize).map(|(_, value)| &**value).unwrap_or_default()
    }

    fn choose(&self, hash: u32) -> u32 {
        let part = self.parts.iter().position(|(below, _)| u64::from(hash) < *below);
        part.map_or(u32::MAX, |at| at as u32)
    }
}

/// `MurmurHash2` of 32 bits with seed 0.
fn murmur2(text: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = text.len() as u32;
    let (words, rest) = text.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ (word ^ word >> 24).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(shares: &[u32], rest: bool) -> SplitClients {
        let mut parts: Vec<_> =
            shares.iter().zip(b'a'..).map(|(share, name)| Part::Hundredths(*share, [name].into())).collect();
        parts.extend(rest.then(|| Part::Rest(b"*"[..].into())));
        SplitClients::new(Template::text(b""), parts)
    }

    fn value(split: &SplitClients, hash: u32) -> &[u8] {
        split.constant(split.choose(hash))
    }

    #[test]
    fn hashes_as_published() {
        // From an independent implementation of MurmurHash2.
        for (text, hash) in [("", 0), ("k580015", 4_294_963_852)] {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn shares_begin_where_the_last_one_ended() {
        let split = split(&[1000, 50, 3333], false);
        let tenth = 429_496_729;
        let (second, third) = (tenth + 21_474_836, tenth + 21_474_836 + 1_431_512_599);
        for (hash, expected) in [
            (0, "a"),
            (tenth - 1, "a"),
            (tenth, "b"),
            (second - 1, "b"),
            (second, "c"),
            (third - 1, "c"),
            (third, ""),
            (u32::MAX, ""),
        ] {
            assert_eq!(value(&split, hash), expected.as_bytes(), "{hash}");
        }
    }

    #[test]
    fn nobody_is_left_out_of_the_whole_nor_of_the_rest() {
        assert_eq!(value(&split(&[3333, 3333, 3334], false), u32::MAX), b"c");
        assert_eq!(value(&split(&[3333, 3333, 3333], false), u32::MAX), b"");
        assert_eq!(value(&split(&[3333], true), u32::MAX), b"*");
        assert_eq!(value(&split(&[], true), 0), b"*");
    }

    proptest! {
        #[test]
        fn thresholds(shares in prop::collection::vec(1..2000_u32, 0..6), hash: u32) {
            let whole: u32 = shares.iter().sum();
            prop_assume!(whole < 10_000);
            let mut below = 0_u64;
            let chosen = shares.iter().position(|share| {
                below += u64::from(*share) * 0xffff_ffff / 10_000;
                u64::from(hash) < below
            });
            let name: Vec<u8> = chosen.map(|at| b'a' + at as u8).into_iter().collect();
            let split = split(&shares, false);
            prop_assert_eq!(value(&split, hash), &name[..]);
        }
    }
}

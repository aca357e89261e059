//! Ranges of IPv4 addresses with values while they are read. They are kept in pieces that do not
//! cross a /16, since that is how the reference compares them: a range may overlap another one
//! across such a border as long as no piece overlaps.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::segments::Segments;

/// A range overlaps another one without lying in it: the piece that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeError {
    /// Its first address.
    pub first: Ipv4Addr,
    /// Its last address.
    pub last: Ipv4Addr,
}

/// Pieces by first address: last address and value. No two overlap.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pieces: BTreeMap<u32, (u32, u32)>,
    /// The value of addresses in no range.
    pub(super) default: Option<u32>,
}

impl Ranges {
    /// Adds a range; the values of pieces that were there before go to `replaced`.
    pub(super) fn insert(
        &mut self,
        (first, last): (u32, u32),
        value: u32,
        replaced: &mut Vec<u32>,
    ) -> Result<(), RangeError> {
        for (first, last) in pieces(first, last) {
            replaced.extend(self.insert_piece(first, last, value)?);
        }
        Ok(())
    }

    fn insert_piece(&mut self, first: u32, last: u32, value: u32) -> Result<Option<u32>, RangeError> {
        let below = self.pieces.range(..=last).next_back();
        let Some((outer_first, (outer_last, outer_value))) =
            below.map(|(first, piece)| (*first, *piece)).filter(|(_, (last, _))| *last >= first)
        else {
            self.pieces.insert(first, (last, value));
            return Ok(None);
        };
        if first < outer_first || last > outer_last {
            return Err(RangeError { first: outer_first.into(), last: outer_last.into() });
        }
        if outer_first < first {
            self.pieces.insert(outer_first, (first - 1, outer_value));
        }
        if last < outer_last {
            self.pieces.insert(last + 1, (outer_last, outer_value));
        }
        self.pieces.insert(first, (last, value));
        Ok(((first, last) == (outer_first, outer_last)).then_some(outer_value))
    }

    /// Forgets a range; false where a piece of it is not there as such.
    pub(super) fn remove(&mut self, first: u32, last: u32) -> bool {
        pieces(first, last).fold(true, |all, (first, last)| {
            let there = self.pieces.get(&first).is_some_and(|piece| piece.0 == last);
            if there {
                self.pieces.remove(&first);
            }
            all && there
        })
    }

    /// For look-ups; addresses in no range have the default value, or else `outside`.
    pub(super) fn segments(&self, outside: u32) -> Segments<u32> {
        let outside = self.default.unwrap_or(outside);
        let runs = self.pieces.iter().flat_map(|(first, (last, value))| {
            [Some((*first, *value)), last.checked_add(1).map(|next| (next, outside))]
        });
        Segments::new(std::iter::once((0, outside)).chain(runs.flatten()))
    }
}

/// The range cut at the borders of /16 networks.
fn pieces(first: u32, last: u32) -> impl Iterator<Item = (u32, u32)> {
    (first >> 16..=last >> 16).map(move |block| (first.max(block << 16), last.min(block << 16 | 0xffff)))
}

//! A table of names with numbers, made for a million of them: all bytes lie in one place, and
//! there is no allocation per name. Case does not count.
//!
//! A name is a record: its length, itself in lower case, its number. A table of places finds them, in which a look-up reads a slot or
//! two that lie together, and then the record.

use crate::arena::{Slots, push_number, read_number};
use crate::hash::hash;

/// Names with numbers.
#[derive(Debug, Default)]
pub(crate) struct Table {
    records: Vec<u8>,
    slots: Slots,
    longest: Option<usize>,
}

/// How an insertion went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is in.
    Fresh,
    /// The name was there; nothing changed.
    Taken,
    /// There is no room: records begin within the first four gigabytes.
    Full,
}

impl Table {
    pub(super) fn insert(&mut self, name: &[u8], number: u32) -> Inserted {
        let Self { records, slots, longest } = self;
        let hash = hash(name);
        if slots.find(hash, |at| name_at(records, at).eq_ignore_ascii_case(name)).is_some() {
            return Inserted::Taken;
        }
        let (Ok(at), Ok(length)) = (u32::try_from(records.len()), u32::try_from(name.len())) else {
            return Inserted::Full;
        };
        push_number(records, length);
        let start = records.len();
        records.extend_from_slice(name);
        records.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        push_number(records, number);
        slots.add(hash, at);
        *longest = (*longest).max(Some(name.len()));
        Inserted::Fresh
    }

    /// The names in the order in which they were put in.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        Records(&self.records).map(|record| record.name)
    }

    /// Gives back the memory that only growing needs: nothing is put in from now on.
    pub(super) fn finish(&mut self) {
        self.records.shrink_to_fit();
        self.slots.finish();
    }

    /// The number of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        let at = self.slots.find(hash(name), |at| name_at(&self.records, at).eq_ignore_ascii_case(name))?;
        Records(self.records.get(at as usize..)?).next().map(|record| record.number)
    }

    /// The length of the longest name; `None` where there is none.
    pub(super) fn longest(&self) -> Option<usize> {
        self.longest
    }
}

fn name_at(records: &[u8], at: u32) -> &[u8] {
    records.get(at as usize..).and_then(|rest| Records(rest).next()).map(|record| record.name).unwrap_or_default()
}

struct Record<'a> {
    name: &'a [u8],
    number: u32,
}

/// The records that follow one another in some bytes.
#[derive(Clone)]
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (length, rest) = read_number(self.0)?;
        let (name, rest) = rest.split_at_checked(length as usize)?;
        let (number, rest) = read_number(rest)?;
        self.0 = rest;
        Some(Record { name, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 5000_u32] {
            let mut table = Table::default();
            for number in 0..count {
                assert_eq!(table.insert(format!("Host{number}.example.com").as_bytes(), number), Inserted::Fresh);
            }
            for number in 0..count {
                assert_eq!(table.insert(format!("hOST{number}.example.com").as_bytes(), 0), Inserted::Taken);
                assert_eq!(table.find(format!("HOST{number}.example.com").as_bytes()), Some(number));
            }
            assert_eq!(table.longest().is_some(), count > 0);
            table.finish();
            for number in 0..count {
                assert_eq!(table.find(format!("HOST{number}.Example.com").as_bytes()), Some(number));
                assert_eq!(table.find(format!("host{number}.example.org").as_bytes()), None);
            }
            assert_eq!(table.find(b""), None);
        }
    }

    #[test]
    fn names_and_numbers_of_every_length() {
        let mut table = Table::default();
        let names: Vec<Vec<u8>> = (0..400).map(|length| vec![b'x'; length]).collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(table.insert(name, u32::MAX >> (at % 32)), Inserted::Fresh);
        }
        table.finish();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(table.find(name), Some(u32::MAX >> (at % 32)));
        }
    }
}

//! A table of names with numbers, made for a million of them: all bytes lie in one place, and
//! there is no allocation per name. Case does not count.
//!
//! A name is a record: its length, itself in lower case, its number. While the table grows, an
//! open-addressed table of places finds them. [`Table::pack`] lays the records out bucket by
//! bucket, so that a look-up reads one entry of the directory and then a few records that lie
//! together, and the directory costs two bytes per name.

use crate::arena::{Slots, push_number, read_number};
use crate::hash::hash;

/// A table that answers.
pub(crate) trait Find {
    /// The number of a name.
    fn find(&self, name: &[u8]) -> Option<u32>;
    /// The length of the longest name; `None` where there is none.
    fn longest(&self) -> Option<usize>;
}

/// A growing table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    records: Vec<u8>,
    slots: Slots,
    longest: Option<usize>,
}

/// A finished table.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Where the records of each bucket begin, and one place more: where the last ones end.
    buckets: Box<[u32]>,
    records: Box<[u8]>,
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

/// Names per bucket, roughly.
const BUCKET: usize = 2;

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
        records.extend(name.iter().map(u8::to_ascii_lowercase));
        push_number(records, number);
        slots.add(hash, at);
        *longest = (*longest).max(Some(name.len()));
        Inserted::Fresh
    }

    /// The names in the order in which they were put in.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        Records(&self.records).map(|record| record.name)
    }

    pub(super) fn pack(self) -> Packed {
        let Self { records, slots, longest } = self;
        let count = slots.len().div_ceil(BUCKET);
        drop(slots);
        // The end of each bucket, and from there backwards as records are put in.
        let mut buckets = vec![0_u32; count + 1];
        for record in Records(&records) {
            if let Some(size) = buckets.get_mut(bucket(record.name, count)) {
                *size += record.whole.len() as u32;
            }
        }
        let mut end = 0;
        for size in &mut buckets {
            end += *size;
            *size = end;
        }
        let mut packed = vec![0; records.len()];
        for record in Records(&records) {
            let Some(end) = buckets.get_mut(bucket(record.name, count)) else { continue };
            let start = *end as usize - record.whole.len();
            if let Some(room) = packed.get_mut(start..*end as usize) {
                room.copy_from_slice(record.whole);
            }
            *end = start as u32;
        }
        Packed { buckets: buckets.into(), records: packed.into(), longest }
    }
}

impl Find for Table {
    fn find(&self, name: &[u8]) -> Option<u32> {
        let at = self.slots.find(hash(name), |at| name_at(&self.records, at).eq_ignore_ascii_case(name))?;
        Records(self.records.get(at as usize..)?).next().map(|record| record.number)
    }

    fn longest(&self) -> Option<usize> {
        self.longest
    }
}

impl Find for Packed {
    fn find(&self, name: &[u8]) -> Option<u32> {
        let bucket = bucket(name, self.buckets.len() - 1);
        let (start, end) = (*self.buckets.get(bucket)?, *self.buckets.get(bucket + 1)?);
        let mut records = Records(self.records.get(start as usize..end as usize)?);
        records.find(|record| record.name.eq_ignore_ascii_case(name)).map(|record| record.number)
    }

    fn longest(&self) -> Option<usize> {
        self.longest
    }
}

/// Which of `count` buckets; none of none.
fn bucket(name: &[u8], count: usize) -> usize {
    ((u128::from(hash(name)) * count as u128) >> 64) as usize
}

fn name_at(records: &[u8], at: u32) -> &[u8] {
    records.get(at as usize..).and_then(|rest| Records(rest).next()).map(|record| record.name).unwrap_or_default()
}

struct Record<'a> {
    name: &'a [u8],
    number: u32,
    whole: &'a [u8],
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
        let whole = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Record { name, number, whole })
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
            let packed = table.pack();
            for number in 0..count {
                assert_eq!(packed.find(format!("HOST{number}.Example.com").as_bytes()), Some(number));
                assert_eq!(packed.find(format!("host{number}.example.org").as_bytes()), None);
            }
            assert_eq!(packed.find(b""), None);
        }
    }

    #[test]
    fn names_and_numbers_of_every_length() {
        let mut table = Table::default();
        let names: Vec<Vec<u8>> = (0..400).map(|length| vec![b'x'; length]).collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(table.insert(name, u32::MAX >> (at % 32)), Inserted::Fresh);
        }
        let packed = table.pack();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(packed.find(name), Some(u32::MAX >> (at % 32)));
        }
    }

    #[test]
    fn memory_per_name_is_the_name_and_few_bytes() {
        let mut table = Table::default();
        let names: Vec<String> = (0..20_000_u32).map(|number| format!("host-{number:05}.example.com")).collect();
        for name in &names {
            table.insert(name.as_bytes(), 1);
        }
        let packed = table.pack();
        let whole: usize = names.iter().map(String::len).sum();
        assert!(packed.records.len() + packed.buckets.len() * 4 <= whole + names.len() * 4 + 4);
    }
}

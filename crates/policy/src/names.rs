//! Host names, exact or with a wildcard at one end, with a number each: what `map … hostnames`
//! and `server_name` share. Knows neither regular expressions nor what the numbers stand for.

mod table;
#[cfg(test)]
mod tests;

use crate::hash_size::{Misfit, Sizes};
use table::{Inserted, Table};

/// Names by form.
#[derive(Debug, Default)]
pub(crate) struct Names {
    exact: Table,
    /// Which of the exact names, in the order in which they came, belong to a wildcard.
    reserved: Vec<bool>,
    /// `example.com` of `*.example.com` and `.example.com`.
    leading: Table,
    /// `mail` of `mail.*`.
    trailing: Table,
}

/// Why a name is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A star elsewhere than at one end before or behind a dot, two dots in a row, or a zero byte.
    Malformed,
    /// It is there already, in this form or one that includes it.
    Taken,
    /// Names are limited to four gigabytes in all.
    Full,
}

/// The number of a name that only keeps others from taking it.
const NOBODY: u32 = u32::MAX;

impl Names {
    /// Adds a name as it is, whatever its letters; case does not count.
    pub(crate) fn add(&mut self, name: &[u8], number: u32) -> Result<(), Refused> {
        self.add_exact(name, number, false)
    }

    fn add_exact(&mut self, name: &[u8], number: u32, reserved: bool) -> Result<(), Refused> {
        taken(self.exact.insert(name, number))?;
        self.reserved.push(reserved);
        Ok(())
    }

    /// What is wrong with `sizes` for tables of these names as nginx has them.
    pub(crate) fn misfits(&self, sizes: Sizes) -> Vec<Misfit> {
        let exact = self.exact.names().zip(&self.reserved).filter(|(_, reserved)| !**reserved);
        let mut misfits = sizes.misfits_of(exact.map(|(name, _)| name));
        misfits.extend(sizes.misfits_of_labels(self.leading.names().collect(), |name, depth| {
            name.rsplit(|byte| *byte == b'.').nth(depth)
        }));
        misfits.extend(sizes.misfits_of_labels(self.trailing.names().collect(), |name, depth| {
            name.split(|byte| *byte == b'.').nth(depth)
        }));
        misfits
    }

    /// Adds a host name in one of the forms `a.b`, `*.a.b`, `.a.b` (both of the former) and `a.*`.
    pub(crate) fn add_host(&mut self, name: &[u8], number: u32) -> Result<(), Refused> {
        let mut stars = name.iter().filter(|byte| **byte == b'*');
        let (starred, too_often) = (stars.next().is_some(), stars.next().is_some());
        if too_often || name.contains(&0) || name.windows(2).any(|pair| pair == b"..") {
            return Err(Refused::Malformed);
        }
        match name {
            [b'.', rest @ ..] if !rest.is_empty() => {
                let wildcard_is_free = self.leading.find(rest).is_none();
                // The exact name is reserved even if the wildcard is refused: so does the reference.
                self.add_exact(rest, if wildcard_is_free { number } else { NOBODY }, true)?;
                taken(self.leading.insert(rest, number))
            }
            [b'*', b'.', rest @ ..] if !rest.is_empty() => taken(self.leading.insert(rest, number)),
            [rest @ .., b'.', b'*'] if !rest.is_empty() => taken(self.trailing.insert(rest, number)),
            _ if starred => Err(Refused::Malformed),
            _ => self.add(name, number),
        }
    }

    /// Gives back the memory that only growing needs: nothing is added from now on.
    pub(crate) fn finish(&mut self) {
        self.reserved = Vec::new();
        for table in [&mut self.exact, &mut self.leading, &mut self.trailing] {
            table.finish();
        }
    }

    /// The number for `name`: of the exact name, else of the longest `*.rest`, else of the longest
    /// `rest.*`. Case does not count.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.exact
            .find(name)
            .filter(|number| *number != NOBODY)
            .or_else(|| self.find_leading(name))
            .or_else(|| self.find_trailing(name))
    }

    fn find_leading(&self, name: &[u8]) -> Option<u32> {
        // Names longer than any that is known are not worth hashing.
        let from = name.len().saturating_sub(self.leading.longest()? + 1);
        let mut dots = name.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'.');
        dots.find_map(|(dot, _)| self.leading.find(name.get(dot + 1..)?))
    }

    fn find_trailing(&self, name: &[u8]) -> Option<u32> {
        let near = name.get(..=self.trailing.longest()?).unwrap_or(name);
        let mut dots = near.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.');
        dots.find_map(|(dot, _)| self.trailing.find(name.get(..dot)?))
    }
}

fn taken(inserted: Inserted) -> Result<(), Refused> {
    match inserted {
        Inserted::Fresh => Ok(()),
        Inserted::Taken => Err(Refused::Taken),
        Inserted::Full => Err(Refused::Full),
    }
}

//! Values as bytes between processes of this one program: numbers and lengths of eight bytes, in the
//! machine's order.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Appends values.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend(number.to_ne_bytes());
    }

    /// Read as a list, of one number at most.
    pub(crate) fn optional(&mut self, number: Option<u64>) {
        self.list(number.as_slice(), |writer, number| writer.number(*number));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn path(&mut self, path: impl AsRef<Path>) {
        self.bytes(path.as_ref().as_os_str().as_bytes());
    }

    pub(crate) fn list<T>(&mut self, items: &[T], write: fn(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    /// Answers by their questions; an error is its number.
    pub(crate) fn map<K, T>(
        &mut self,
        map: &BTreeMap<K, Result<T, i32>>,
        key: fn(&mut Self, &K),
        value: fn(&mut Self, &T),
    ) {
        self.number(map.len() as u64);
        for (question, answer) in map {
            key(self, question);
            match answer {
                Ok(answer) => {
                    self.number(0);
                    value(self, answer);
                }
                Err(number) => {
                    self.number(1);
                    self.number(number.unsigned_abs().into());
                }
            }
        }
    }
}

/// Takes values in the order they were written; `None` once the bytes make no sense.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    pub(crate) fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn path(&mut self) -> Option<PathBuf> {
        Some(OsStr::from_bytes(&self.bytes()?).into())
    }

    pub(crate) fn list<T>(&mut self, read: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| read(self)).collect()
    }

    pub(crate) fn map<K: Ord, T>(
        &mut self,
        key: fn(&mut Self) -> Option<K>,
        value: fn(&mut Self) -> Option<T>,
    ) -> Option<BTreeMap<K, Result<T, i32>>> {
        let entry = |reader: &mut Self| {
            let question = key(reader)?;
            let answer = match reader.number()? {
                0 => Ok(value(reader)?),
                _ => Err(i32::try_from(reader.number()?).ok()?),
            };
            Some((question, answer))
        };
        (0..self.number()?).map(|_| entry(self)).collect()
    }
}

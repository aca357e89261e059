//! Whether nginx would find room for names in the hash tables that it builds, whose sizes may be configured. There
//! are no such tables here; whoever has set their sizes is told what nginx tells.

use crate::hash::lower;

/// Bytes of a pointer.
const WORD: usize = 8;
/// Bytes of a cache line, which buckets come in wholes of.
const LINE: usize = 64;
/// Most bytes of a bucket.
const LARGEST: usize = 65536 - LINE;

/// `*_hash_max_size` and `*_hash_bucket_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    max: usize,
    bucket: usize,
}

/// What is wrong with the sizes for some names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misfit {
    /// There are too few buckets.
    Buckets,
    /// Buckets are larger than any can be.
    LargeBuckets,
    /// A bucket has no room for one of the names.
    SmallBuckets,
    /// No number of buckets allowed keeps all of them within their size: they become larger, which is no error.
    NotOptimal,
}

impl Sizes {
    /// The sizes as configured.
    pub fn new(max: usize, bucket: usize) -> Self {
        Self { max, bucket: bucket.checked_next_multiple_of(LINE).unwrap_or(usize::MAX) }
    }

    /// Most buckets.
    pub fn max(self) -> usize {
        self.max
    }

    /// Bytes of a bucket, in whole cache lines.
    pub fn bucket(self) -> usize {
        self.bucket
    }

    /// What is wrong with them for a table of `names`, of which there is one at least.
    fn misfits<'a>(self, names: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<Misfit> {
        if self.max == 0 {
            return vec![Misfit::Buckets];
        }
        if self.bucket > LARGEST {
            return vec![Misfit::LargeBuckets];
        }
        if names.clone().any(|name| self.bucket < element(name) + WORD) {
            return vec![Misfit::SmallBuckets];
        }
        // A word ends each bucket.
        let room = self.bucket - WORD;
        let count = names.clone().count();
        let mut least = (count / (room / (2 * WORD)).max(1)).max(1);
        if self.max > 10_000 && count > 0 && self.max / count < 100 {
            least = self.max - 1000;
        }
        let elements = names.map(|name| (key(name), element(name)));
        if least <= self.max {
            // Nearly always so, and then there is no need to keep what a million names come to.
            if fullest(least, room, elements.clone()) <= room {
                return Vec::new();
            }
            let elements: Vec<_> = elements.clone().collect();
            if (least + 1..=self.max).any(|buckets| fullest(buckets, room, elements.iter().copied()) <= room) {
                return Vec::new();
            }
        }
        let overflow = fullest(self.max, LARGEST - WORD, elements) > LARGEST - WORD;
        [Misfit::NotOptimal].into_iter().chain(overflow.then_some(Misfit::Buckets)).collect()
    }

    /// The same for exact names.
    pub(crate) fn misfits_of<'a>(self, names: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<Misfit> {
        if names.clone().next().is_none() { Vec::new() } else { self.misfits(names) }
    }

    /// The same for names that are looked up label by label: there is a table of the first labels, and for each of
    /// them one of the labels that follow. `label` tells the label of a name at some depth.
    pub(crate) fn misfits_of_labels<'a>(
        self,
        mut names: Vec<&'a [u8]>,
        label: fn(&'a [u8], usize) -> Option<&'a [u8]>,
    ) -> Vec<Misfit> {
        let labels = |name: &'a [u8]| (0..).map_while(move |depth| label(name, depth));
        names.sort_by(|one, other| labels(one).cmp(labels(other)));
        let mut misfits = Vec::new();
        self.descend(&names, 0, label, &mut misfits);
        misfits
    }

    fn descend<'a>(
        self,
        names: &[&'a [u8]],
        depth: usize,
        label: fn(&'a [u8], usize) -> Option<&'a [u8]>,
        misfits: &mut Vec<Misfit>,
    ) {
        let mut labels = Vec::new();
        for group in names.chunk_by(|one, other| label(one, depth) == label(other, depth)) {
            let Some(shared) = group.first().and_then(|name| label(name, depth)) else { continue };
            labels.push(shared);
            if group.iter().any(|name| label(name, depth + 1).is_some()) {
                self.descend(group, depth + 1, label, misfits);
            }
        }
        misfits.extend(self.misfits_of(labels.iter().copied()));
    }
}

/// Bytes of an element: a pointer, a length of two bytes and the name, in whole words.
fn element(name: &[u8]) -> usize {
    WORD + (name.len() + 2).next_multiple_of(WORD)
}

/// nginx's hash of a name: the bytes in lower case are the digits of a number in base 31.
fn key(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    // Word by word, whose digits need not wait for one another.
    let key = words.iter().fold(0_u64, |key, word| {
        let word = lower(u64::from_le_bytes(*word)).to_le_bytes();
        let places = word.iter().zip(PLACES).map(|(digit, place)| u64::from(*digit) * place);
        key.wrapping_mul(31 * PLACES[0]).wrapping_add(places.sum())
    });
    rest.iter().fold(key, |key, byte| key.wrapping_mul(31).wrapping_add(byte.to_ascii_lowercase().into()))
}

/// What each of eight digits counts.
const PLACES: [u64; 8] = [31_u64.pow(7), 31_u64.pow(6), 31_u64.pow(5), 31_u64.pow(4), 31_u64.pow(3), 961, 31, 1];

/// Bytes in the fullest of so many buckets, or in the first one that is found to hold more than `most`.
fn fullest(buckets: usize, most: usize, elements: impl Iterator<Item = (u64, usize)>) -> usize {
    // In words, which elements consist of: a million buckets are to stay in a cache.
    let mut filled = vec![0_u16; buckets];
    let mut fullest = 0;
    for (key, size) in elements {
        let Some(bucket) = filled.get_mut((key % buckets as u64) as usize) else { continue };
        *bucket = bucket.saturating_add(u16::try_from(size / WORD).unwrap_or(u16::MAX));
        fullest = fullest.max(*bucket);
        if usize::from(fullest) * WORD > most {
            break;
        }
    }
    usize::from(fullest) * WORD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misfits(max: usize, bucket: usize, names: &[&str]) -> Vec<Misfit> {
        Sizes::new(max, bucket).misfits_of(names.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn names_that_do_not_fit() {
        assert_eq!(misfits(0, 64, &[]), []);
        assert_eq!(misfits(0, 64, &["a"]), [Misfit::Buckets]);
        assert_eq!(misfits(1, 65536, &["a"]), [Misfit::LargeBuckets]);
        assert_eq!(misfits(1, 65473, &["a"]), [Misfit::LargeBuckets]);
        assert_eq!(misfits(1, 65472, &["a"]), []);
        let long = |length: usize| "x".repeat(length);
        assert_eq!(misfits(1, 64, &[&long(46)]), []);
        assert_eq!(misfits(1, 64, &[&long(47)]), [Misfit::SmallBuckets]);
        assert_eq!(misfits(1, 0, &["a"]), [Misfit::SmallBuckets]);
    }

    #[test]
    fn keys_are_numbers_in_base_31() {
        for name in ["", "a", "B", "host-01", "Host-012", "HOST-0123.Example.com", "x.y.z\u{e9}[@`{}|~^_ABCDEFGHZ"] {
            let expected = name
                .bytes()
                .fold(0_u64, |key, byte| key.wrapping_mul(31).wrapping_add(byte.to_ascii_lowercase().into()));
            assert_eq!(key(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn buckets_that_overflow() {
        // Three elements of 16 bytes fit beside the last word, four do not.
        assert_eq!(misfits(1, 64, &["a", "b", "c"]), []);
        assert_eq!(misfits(1, 64, &["a", "b", "c", "d"]), [Misfit::NotOptimal]);
        assert_eq!(misfits(2, 64, &["a", "b", "c", "d"]), []);
        assert_eq!(misfits(2, 64, &["a", "c", "e", "g"]), [Misfit::NotOptimal]);
        assert_eq!(misfits(3, 64, &["a", "c", "e", "g"]), []);
        let many: Vec<String> = (0..5000).map(|number| format!("{number:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(misfits(1, 64, &many), [Misfit::NotOptimal, Misfit::Buckets]);
        assert_eq!(misfits(2, 64, &many), [Misfit::NotOptimal]);
    }

    #[test]
    fn labels_have_tables_of_their_own() {
        let of = |max: usize, names: &[&'static str]| {
            let names = names.iter().map(|name| name.as_bytes()).collect();
            Sizes::new(max, 64).misfits_of_labels(names, |name, depth| name.split(|byte| *byte == b'.').nth(depth))
        };
        assert_eq!(of(1, &[]), []);
        assert_eq!(of(1, &["a", "b", "c", "c.a", "c.b", "c.c"]), []);
        assert_eq!(of(1, &["a", "b", "c", "d"]), [Misfit::NotOptimal]);
        let both = of(1, &["x.a", "x.b", "x.c", "x.d", "y.a", "y.b", "y.c", "y.d", "z"]);
        assert_eq!(both, [Misfit::NotOptimal; 2]);
    }
}

//! The hash of the tables: the same for both cases of a letter, eight bytes at a time. Keys come
//! from the configuration, so it need not withstand an enemy who chooses them.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of `bytes` in lower case.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = mix(hash ^ lower(u64::from_le_bytes(*word)));
    }
    let mut last = [0; 8];
    if let Some(room) = last.get_mut(..rest.len()) {
        room.copy_from_slice(rest);
    }
    mix(hash ^ lower(u64::from_le_bytes(last)))
}

/// Spreads every bit of a word over all of it.
pub(crate) fn mix(word: u64) -> u64 {
    let product = u128::from(word ^ FACTOR.rotate_left(32)) * u128::from(FACTOR);
    product as u64 ^ (product >> 64) as u64
}

/// Eight bytes at once, the letters A to Z among them in lower case.
pub(crate) fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (ONES * 0x7f);
    let from_a = low + ONES * (0x80 - b'A' as u64);
    let past_z = low + ONES * (0x80 - b'Z' as u64 - 1);
    let upper = from_a & !past_z & !word & (ONES * 0x80);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_lower_case() {
        for byte in 0..=255_u8 {
            for at in 0..8 {
                let mut word = [b'Q'; 8];
                word[at] = byte;
                assert_eq!(lower(u64::from_le_bytes(word)), u64::from_le_bytes(word.map(|b| b.to_ascii_lowercase())));
            }
        }
    }

    #[test]
    fn case_does_not_count_and_all_else_does() {
        let name = b"Host-17.Example.COM";
        for end in 0..name.len() {
            let (prefix, longer) = (&name[..end], &name[..=end]);
            assert_eq!(hash(prefix), hash(&prefix.to_ascii_lowercase()));
            assert_ne!(hash(prefix), hash(longer));
            let mut other = longer.to_vec();
            other[end] ^= 1;
            assert_ne!(hash(longer), hash(&other));
        }
        assert_ne!(hash(b""), hash(b"\0"));
    }
}

//! The name that was probably meant.

/// Of `candidates`, the one nearest to `word`, the first of equals; none if all are far.
///
/// Near means that a third of the word's letters, but at least one, may be missing, added, changed or swapped with the next. Case does not count.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word);
    let mut limit = (word.len() / 3).max(1);
    let mut best = None;
    for candidate in candidates {
        let name = letters(candidate);
        // A name of one or two letters is near to anything short.
        if name.len().abs_diff(word.len()) > limit || name.len().max(word.len()) <= limit + 1 {
            continue;
        }
        let distance = distance(&word, &name);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
            limit = distance;
        }
    }
    best.map(|(_, name)| name)
}

fn letters(word: &str) -> Vec<char> {
    word.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// Damerau-Levenshtein (optimal string alignment), three rows at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut last_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let replaced = at(&above, j) + usize::from(ca != cb);
            let mut least = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if j > 0 && last_a == Some(cb) && last_b == Some(ca) {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
            last_b = Some(cb);
        }
        before = std::mem::replace(&mut above, row);
        last_a = Some(ca);
    }
    at(&above, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["proxy_pass", "proxy_bind", "listen", "server", "set", "pass"];

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        for (word, expected) in [
            ("proxy_pas", Some("proxy_pass")),
            ("prxoy_pass", Some("proxy_pass")),
            ("Proxy_Pass", Some("proxy_pass")),
            ("proxy_band", Some("proxy_bind")),
            ("sever", Some("server")),
            ("lisetn", Some("listen")),
            ("ste", Some("set")),
            ("pas", Some("pass")),
            ("foo", None),
            ("x", None),
            ("", None),
            ("proxy", None),
        ] {
            assert_eq!(closest(word, NAMES), expected, "{word}");
        }
    }

    #[test]
    fn the_nearest_wins_then_the_first() {
        assert_eq!(closest("abcdex", ["abcdyy", "abcdef", "abcdeg"]), Some("abcdef"));
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("abc", "acb", 1), ("ca", "abc", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(&letters(a), &letters(b)), expected, "{a} {b}");
        }
    }
}

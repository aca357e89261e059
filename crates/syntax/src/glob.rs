//! File name masks by the rules of glob(3): `*`, `?`, `[…]`, a backslash to quote, a leading dot only when written.
//!
//! It touches no disk; braces and tilde are literal.

/// Whether a text has a character that makes it a mask.
pub fn is_mask(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether `mask` matches the whole `path`, component by component.
pub fn matches(mask: &[u8], path: &[u8]) -> bool {
    let (mut masks, mut names) = (mask.split(|b| *b == b'/'), path.split(|b| *b == b'/'));
    loop {
        match (masks.next(), names.next()) {
            (None, None) => return true,
            (Some(mask), Some(name)) if matches_name(mask, name) => {}
            _ => return false,
        }
    }
}

/// The paths that `mask` matches, sorted by bytes and spelled as the mask spells them.
///
/// `list` tells the names in a directory (empty for the working one), `exists` whether a path is there.
pub(crate) fn expand(
    mask: &[u8],
    list: &dyn Fn(&[u8]) -> Vec<Vec<u8>>,
    exists: &dyn Fn(&[u8]) -> bool,
) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    let mut literal_tail = false;
    for (depth, component) in mask.split(|byte| *byte == b'/').enumerate() {
        if depth > 0 {
            for path in &mut found {
                path.push(b'/');
            }
        }
        literal_tail = !is_mask(component);
        if literal_tail {
            let name = unquoted(component);
            for path in &mut found {
                path.extend_from_slice(&name);
            }
            continue;
        }
        found = found
            .iter()
            .flat_map(|directory| {
                let names = list(directory).into_iter();
                names
                    .filter(|name| matches_name(component, name))
                    .map(|name| [directory.as_slice(), name.as_slice()].concat())
            })
            .collect();
    }
    if literal_tail {
        found.retain(|path| exists(path));
    }
    found.sort_unstable();
    found
}

/// One component. A `*` that failed is retried one character further; only the last one ever needs it.
fn matches_name(mask: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && !matches!(mask, [b'.', ..] | [b'\\', b'.', ..]) {
        return false;
    }
    let (mut rest, mut left) = (mask, name);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            retry = Some((after, left));
            rest = after;
            continue;
        }
        match (left.split_first(), step(rest, left.first().copied())) {
            (None, _) if rest.is_empty() => return true,
            (Some((_, next)), Some(after)) => (rest, left) = (after, next),
            _ => match retry {
                Some((after, [_, shorter @ ..])) => {
                    retry = Some((after, shorter));
                    (rest, left) = (after, shorter);
                }
                _ => return false,
            },
        }
    }
}

/// What is left of the mask when its first element matches `byte`.
fn step(mask: &[u8], byte: Option<u8>) -> Option<&[u8]> {
    let byte = byte?;
    match mask {
        [b'?', rest @ ..] => Some(rest),
        [b'[', set @ ..] => match class(set, byte) {
            Some((inside, rest)) => inside.then_some(rest),
            None => (byte == b'[').then_some(set),
        },
        [b'\\', quoted, rest @ ..] => (byte == *quoted).then_some(rest),
        [literal, rest @ ..] => (byte == *literal).then_some(rest),
        [] => None,
    }
}

/// A bracket expression after its `[`: whether it holds `byte`, and what follows it; none if it is never closed.
fn class(mut set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let negated = matches!(set, [b'!' | b'^', ..]);
    if negated {
        set = set.get(1..)?;
    }
    let (mut inside, mut first) = (false, true);
    loop {
        set = match set {
            [b']', rest @ ..] if !first => return Some((inside != negated, rest)),
            [b'[', b':', rest @ ..] => {
                let length = rest.windows(2).position(|pair| pair == b":]")?;
                let (name, rest) = rest.split_at(length);
                inside |= named(name, byte);
                rest.get(2..)?
            }
            _ => {
                let (low, rest) = member(set)?;
                match rest {
                    [b'-', after @ ..] if !after.starts_with(b"]") => {
                        let (high, rest) = member(after)?;
                        inside |= (low..=high).contains(&byte);
                        rest
                    }
                    _ => {
                        inside |= low == byte;
                        rest
                    }
                }
            }
        };
        first = false;
    }
}

/// One member of a bracket expression, unquoted.
fn member(set: &[u8]) -> Option<(u8, &[u8])> {
    match set {
        [b'\\', quoted, rest @ ..] => Some((*quoted, rest)),
        [literal, rest @ ..] => Some((*literal, rest)),
        [] => None,
    }
}

fn named(name: &[u8], byte: u8) -> bool {
    match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"lower" => byte.is_ascii_lowercase(),
        b"upper" => byte.is_ascii_uppercase(),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

fn unquoted(component: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(component.len());
    let mut bytes = component.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => *bytes.next().unwrap_or(byte),
            _ => *byte,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        for (mask, path, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("\\.*", ".conf", true),
            ("?x", ".x", false),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a**c", "abbc", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]]", "7", true),
            ("[[:digit:]]", "a", false),
            ("a[", "a[", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(mask.as_bytes(), path.as_bytes()), expected, "{mask} {path}");
        }
    }

    #[test]
    fn every_prefix_of_a_mask_ends() {
        let mask = b"a*[!x-z[:alpha:]]?\\*[]-9";
        for end in 0..=mask.len() {
            matches(&mask[..end], b"aaaaaaaaaaaaaaaaaaaaaaaa1b*5");
            assert_eq!(expand(&mask[..end], &|_| Vec::new(), &|_| false).len(), 0);
        }
    }

    #[test]
    fn masks_with_many_stars_stay_fast() {
        let mask = b"*a".repeat(500);
        assert!(!matches(&mask, &b"b".repeat(100_000)));
    }

    #[test]
    fn a_literal_tail_must_exist() {
        let list = |directory: &[u8]| match directory {
            b"/d/" => vec![b"b".to_vec(), b"a".to_vec()],
            _ => Vec::new(),
        };
        let exists = |path: &[u8]| path == b"/d/a/x";
        assert_eq!(expand(b"/d/*/x", &list, &exists), [b"/d/a/x"]);
        assert_eq!(expand(b"/d/*", &list, &exists), [b"/d/a", b"/d/b"]);
    }
}

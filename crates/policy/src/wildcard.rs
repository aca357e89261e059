//! Names with a wildcard at one end, shared by `map … hostnames` and `server_name`: the longest
//! that matches wins, `*.example.com` before `mail.*`.

use std::collections::HashMap;

/// What a name with a wildcard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// The name itself.
    Exact(Vec<u8>),
    /// `*.rest`: at least one label before `rest`.
    Leading(Vec<u8>),
    /// `.rest`: `rest` itself and everything before it.
    Dot(Vec<u8>),
    /// `rest.*`: at least one label after `rest`.
    Trailing(Vec<u8>),
}

impl Pattern {
    /// Takes a lower-case name apart; `None` for what is no name.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let bad = |rest: &[u8]| {
            rest.is_empty() || rest.contains(&b'*') || rest.contains(&0) || rest.windows(2).any(|pair| pair == b"..")
        };
        if let Some(rest) = name.strip_prefix(b"*.") {
            return (!bad(rest) && !rest.starts_with(b".")).then(|| Self::Leading(rest.to_vec()));
        }
        if let Some(rest) = name.strip_suffix(b".*") {
            return (!bad(rest) && !rest.starts_with(b".")).then(|| Self::Trailing(rest.to_vec()));
        }
        if let Some(rest) = name.strip_prefix(b".") {
            return (!bad(rest) && !rest.starts_with(b".")).then(|| Self::Dot(rest.to_vec()));
        }
        (!name.contains(&b'*')).then(|| Self::Exact(name.to_vec()))
    }
}

/// Wildcards by what is fixed of them.
#[derive(Debug)]
pub(crate) struct Wildcards<T> {
    leading: HashMap<Box<[u8]>, T>,
    trailing: HashMap<Box<[u8]>, T>,
}

impl<T> Default for Wildcards<T> {
    fn default() -> Self {
        Self { leading: HashMap::new(), trailing: HashMap::new() }
    }
}

impl<T: Copy> Wildcards<T> {
    /// Adds `*.rest`; false where it is there already.
    pub(crate) fn add_leading(&mut self, rest: &[u8], value: T) -> bool {
        let fresh = !self.leading.contains_key(rest);
        self.leading.entry(rest.into()).or_insert(value);
        fresh
    }

    /// Adds `rest.*`; false where it is there already.
    pub(crate) fn add_trailing(&mut self, rest: &[u8], value: T) -> bool {
        let fresh = !self.trailing.contains_key(rest);
        self.trailing.entry(rest.into()).or_insert(value);
        fresh
    }

    /// The longest wildcard that matches a lower-case name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<T> {
        if !self.leading.is_empty() {
            let mut dots = name.iter().enumerate().filter(|(at, byte)| **byte == b'.' && *at > 0);
            let found = dots.find_map(|(at, _)| self.leading.get(name.get(at + 1..)?));
            if let Some(value) = found {
                return Some(*value);
            }
        }
        if self.trailing.is_empty() {
            return None;
        }
        let mut dots = name.iter().enumerate().rev().filter(|(at, byte)| **byte == b'.' && at + 1 < name.len());
        dots.find_map(|(at, _)| self.trailing.get(name.get(..at)?)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(Pattern::parse(b"a.b"), Some(Pattern::Exact(b"a.b".to_vec())));
        assert_eq!(Pattern::parse(b"*.a.b"), Some(Pattern::Leading(b"a.b".to_vec())));
        assert_eq!(Pattern::parse(b".a.b"), Some(Pattern::Dot(b"a.b".to_vec())));
        assert_eq!(Pattern::parse(b"a.*"), Some(Pattern::Trailing(b"a".to_vec())));
        for bad in [&b"*"[..], b"*a.com", b".", b"*.a.*", b"a.*.b", b"*..a"] {
            assert_eq!(Pattern::parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    /// Against trying every pattern.
    #[test]
    fn the_longest_wins_as_by_trying_all() {
        let rests = [&b"com"[..], b"a.com", b"b.a.com", b"www", b"www.a", b"x.www"];
        let mut wildcards = Wildcards::default();
        for (number, rest) in rests.iter().enumerate() {
            assert!(wildcards.add_leading(rest, number) && wildcards.add_trailing(rest, number + 100));
            assert!(!wildcards.add_leading(rest, 9));
        }
        for name in ["a.com", "x.a.com", "x.y.b.a.com", "www.de", "www.a.com", "www.a.de", "x.www.de", "com", "net.x"] {
            let dotted = |rest: &[u8]| [b".", rest].concat();
            let leading = rests.iter().enumerate().filter(|(_, rest)| name.as_bytes().ends_with(&dotted(rest)));
            let trailing =
                rests.iter().enumerate().filter(|(_, rest)| name.as_bytes().starts_with(&[rest, &b"."[..]].concat()));
            let longest = leading.max_by_key(|(_, rest)| rest.len()).map(|(at, _)| at);
            let expected = longest.or_else(|| trailing.max_by_key(|(_, rest)| rest.len()).map(|(at, _)| at + 100));
            assert_eq!(wildcards.find(name.as_bytes()), expected, "{name}");
        }
    }
}

//! Name-based servers: which server answers to a name, by exact name, wildcard, or regular
//! expression, in this order. Every look-up goes through [`normalise`].

use std::collections::HashMap;
use std::fmt;

use crate::regex::{Regex, RegexError};
use crate::variables::{Scope, Variables};
use crate::wildcard::{Pattern, Wildcards};

/// The names of the servers on one address.
#[derive(Debug)]
pub struct ServerNames<T> {
    exact: HashMap<Box<[u8]>, T>,
    wildcards: Wildcards<T>,
    regexes: Vec<(Regex, T)>,
}

/// One name of a `server_name`, checked.
#[derive(Debug)]
pub enum Name {
    /// An exact name or a wildcard, lower case.
    Plain(Box<[u8]>),
    /// A regular expression, without its `~`.
    Regex(Box<[u8]>),
}

/// Why a name is refused, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// `*`, `.`, `*a.com` and the like.
    Invalid(String),
    /// `~` alone.
    EmptyRegex(String),
    /// A wildcard in the middle, found when the table is made.
    Wildcard(String),
    /// A regular expression that cannot be used.
    Regex(RegexError),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(name) => write!(f, "server name \"{name}\" is invalid"),
            Self::EmptyRegex(name) => write!(f, "empty regex in server name \"{name}\""),
            Self::Wildcard(name) => write!(f, "invalid server name or wildcard \"{name}\""),
            Self::Regex(error) => error.fmt(f),
        }
    }
}

impl Name {
    /// Checks a word of `server_name`; true tells that it has suspicious symbols.
    pub fn parse(word: &[u8]) -> Result<(Self, bool), NameError> {
        let text = || String::from_utf8_lossy(word).into_owned();
        if let Some(regex) = word.strip_prefix(b"~") {
            if regex.is_empty() {
                return Err(NameError::EmptyRegex(text()));
            }
            return Ok((Self::Regex(regex.into()), false));
        }
        let starred = word.first() == Some(&b'*') && word.get(1) != Some(&b'.');
        if starred || (word.first() == Some(&b'.') && word.len() < 2) {
            return Err(NameError::Invalid(text()));
        }
        let suspicious = word.contains(&b'/');
        Ok((Self::Plain(word.to_ascii_lowercase().into()), suspicious))
    }

    /// What `$server_name` says of it when it is the first.
    pub fn first(&self) -> Vec<u8> {
        match self {
            Self::Plain(name) => name.strip_prefix(b".").unwrap_or(name).to_vec(),
            Self::Regex(pattern) => [b"~", &**pattern].concat(),
        }
    }
}

impl<T: Copy> Default for ServerNames<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcards: Wildcards::default(), regexes: Vec::new() }
    }
}

impl<T: Copy> ServerNames<T> {
    /// Adds a name of a server; false where another server has it already.
    pub fn add(&mut self, name: &Name, server: T, variables: &mut Variables) -> Result<bool, NameError> {
        let name = match name {
            Name::Regex(pattern) => {
                let caseless = pattern.iter().any(u8::is_ascii_uppercase);
                let regex = Regex::new(pattern, caseless, variables).map_err(NameError::Regex)?;
                self.regexes.push((regex, server));
                return Ok(true);
            }
            Name::Plain(name) => name,
        };
        let parsed = Pattern::parse(name);
        let pattern = parsed.ok_or_else(|| NameError::Wildcard(String::from_utf8_lossy(name).into_owned()))?;
        Ok(match pattern {
            Pattern::Exact(name) => self.add_exact(&name, server),
            Pattern::Leading(rest) => self.wildcards.add_leading(&rest, server),
            Pattern::Trailing(rest) => self.wildcards.add_trailing(&rest, server),
            Pattern::Dot(rest) => {
                let exact = self.add_exact(&rest, server);
                self.wildcards.add_leading(&rest, server) && exact
            }
        })
    }

    fn add_exact(&mut self, name: &[u8], server: T) -> bool {
        let fresh = !self.exact.contains_key(name);
        self.exact.entry(name.into()).or_insert(server);
        fresh
    }

    /// Whether a match leaves captures behind.
    pub fn has_captures(&self) -> bool {
        self.regexes.iter().any(|(regex, _)| regex.has_captures())
    }

    /// The server that answers to `host` as a client sent it; `None` leaves the default one.
    pub fn find(&self, host: &[u8], scope: &Scope<'_>) -> Option<T> {
        self.find_by(host, |regex, name| regex.matches(name, scope))
    }

    /// The same before there is a session, captures left behind nowhere.
    pub fn peek(&self, host: &[u8]) -> Option<T> {
        self.find_by(host, Regex::is_match)
    }

    fn find_by(&self, host: &[u8], matches: impl Fn(&Regex, &[u8]) -> bool) -> Option<T> {
        let name = normalise(host)?;
        if let Some(server) = self.exact.get(&*name) {
            return Some(*server);
        }
        if let Some(server) = self.wildcards.find(&name) {
            return Some(server);
        }
        self.regexes.iter().find(|(regex, _)| matches(regex, &name)).map(|(_, server)| *server)
    }
}

/// A host name as look-ups want it: lower case, without port and trailing dot; `None` for what no
/// server can be called.
pub fn normalise(host: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(host.len());
    let mut bracket = false;
    let mut port = false;
    for (at, &byte) in host.iter().enumerate() {
        if port {
            if !byte.is_ascii_digit() {
                return None;
            }
            continue;
        }
        match byte {
            b'.' if name.last() == Some(&b'.') => return None,
            b'[' if at == 0 => bracket = true,
            b']' if bracket => bracket = false,
            b':' if bracket => {}
            b':' => {
                port = true;
                continue;
            }
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
            | b'%' => {}
            _ => return None,
        }
        name.push(byte.to_ascii_lowercase());
    }
    if name.last() == Some(&b'.') {
        name.pop();
    }
    (!bracket && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> ServerNames<usize> {
        let (mut names, mut variables) = (ServerNames::default(), Variables::new());
        for (number, word) in words.iter().enumerate() {
            let (name, _) = Name::parse(word.as_bytes()).unwrap();
            assert!(names.add(&name, number, &mut variables).unwrap(), "{word}");
        }
        names
    }

    #[test]
    fn exact_then_wildcards_then_expressions() {
        let names = names(&["a.com", "*.a.com", "*.b.a.com", "mail.*", "~^x\\d+$", "~^y(?<id>.)"]);
        for (host, server) in [
            ("a.com", Some(0)),
            ("A.COM.", Some(0)),
            ("a.com:443", Some(0)),
            ("w.a.com", Some(1)),
            ("w.b.a.com", Some(2)),
            ("mail.de", Some(3)),
            ("x12", Some(4)),
            ("yz", Some(5)),
            ("z", None),
            ("a..com", None),
            ("a com", None),
            ("", None),
        ] {
            assert_eq!(names.peek(host.as_bytes()), server, "{host}");
        }
        assert!(names.has_captures());
    }

    #[test]
    fn refusals() {
        let refused = |word: &str| Name::parse(word.as_bytes()).unwrap_err().to_string();
        assert_eq!(refused("*"), "server name \"*\" is invalid");
        assert_eq!(refused("."), "server name \".\" is invalid");
        assert_eq!(refused("*a.com"), "server name \"*a.com\" is invalid");
        assert_eq!(refused("~"), "empty regex in server name \"~\"");
        assert!(Name::parse(b"a/b").unwrap().1);
        let (name, _) = Name::parse(b"a.*.b").unwrap();
        let error = ServerNames::default().add(&name, 1, &mut Variables::new()).unwrap_err();
        assert_eq!(error.to_string(), "invalid server name or wildcard \"a.*.b\"");
    }

    #[test]
    fn every_byte_string_is_normal_or_refused() {
        for byte in 0..=255 {
            let _ = normalise(&[b'a', byte, b'b']);
        }
        assert_eq!(normalise(b"[::1]:80").unwrap(), b"[::1]");
        assert_eq!(normalise(b"a\0b"), None);
        assert_eq!(normalise(b"../etc/passwd"), None);
    }
}

//! Name-based servers: which server answers to a name, by exact name, wildcard, or regular
//! expression, in this order. Every look-up goes through [`normalise`].

#[cfg(test)]
mod tests;

use std::fmt;

use crate::hash_size::{Misfit, Sizes};
use crate::names::{Names, Refused};
use crate::regex::{Regex, RegexError};
use crate::variables::{Scope, Variables};

/// The names of the servers on one address.
#[derive(Debug)]
pub struct ServerNames<T> {
    /// With numbers of `servers`.
    names: Names,
    servers: Vec<T>,
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
    /// Gigabytes of names.
    TooMany,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(name) => write!(f, "server name \"{name}\" is invalid"),
            Self::EmptyRegex(name) => write!(f, "empty regex in server name \"{name}\""),
            Self::Wildcard(name) => write!(f, "invalid server name or wildcard \"{name}\""),
            Self::Regex(error) => error.fmt(f),
            Self::TooMany => f.write_str("there are too many server names"),
        }
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Checks a word of `server_name`; true tells that it has suspicious symbols.
    pub fn parse(word: &[u8]) -> Result<(Self, bool), NameError> {
        let text = || String::from_utf8_lossy(word).into_owned();
        let suspicious = word.contains(&b'/');
        match word {
            b"~" => Err(NameError::EmptyRegex(text())),
            [b'~', pattern @ ..] => Ok((Self::Regex(pattern.into()), suspicious)),
            b"." | b"*." => Err(NameError::Invalid(text())),
            [b'*', second, ..] if *second != b'.' => Err(NameError::Invalid(text())),
            b"*" => Err(NameError::Invalid(text())),
            _ => Ok((Self::Plain(word.to_ascii_lowercase().into()), suspicious)),
        }
    }

    /// What `$server_name` says of it when it is the first.
    pub fn first(&self) -> Vec<u8> {
        match self {
            Self::Plain(name) => name.strip_prefix(b".").unwrap_or(name).to_vec(),
            Self::Regex(pattern) => [b"~", &**pattern].concat(),
        }
    }
}

impl<T> Default for ServerNames<T> {
    fn default() -> Self {
        Self { names: Names::default(), servers: Vec::new(), regexes: Vec::new() }
    }
}

impl<T: Copy> ServerNames<T> {
    /// What is wrong with `sizes` for tables of the names as nginx has them.
    pub fn misfits(&self, sizes: Sizes) -> Vec<Misfit> {
        self.names.misfits(sizes)
    }

    /// Adds a name of a server; false where another server has it already. A capital in a regular
    /// expression makes it one in which case does not count.
    pub fn add(&mut self, name: &Name, server: T, variables: &mut Variables) -> Result<bool, NameError> {
        match name {
            Name::Regex(pattern) => {
                let caseless = pattern.iter().any(u8::is_ascii_uppercase);
                let regex = Regex::new(pattern, caseless, variables).map_err(NameError::Regex)?;
                self.regexes.push((regex, server));
                Ok(true)
            }
            Name::Plain(name) => {
                let number = u32::try_from(self.servers.len()).map_err(|_| NameError::TooMany)?;
                match self.names.add_host(name, number) {
                    Ok(()) => {
                        self.servers.push(server);
                        Ok(true)
                    }
                    Err(Refused::Taken) => Ok(false),
                    Err(Refused::Malformed) => Err(NameError::Wildcard(String::from_utf8_lossy(name).into_owned())),
                    Err(Refused::Full) => Err(NameError::TooMany),
                }
            }
        }
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
        let named = self.names.find(&name).and_then(|number| self.servers.get(number as usize));
        let matching = || self.regexes.iter().find(|(regex, _)| matches(regex, &name)).map(|(_, server)| server);
        named.or_else(matching).copied()
    }
}

/// A host name as look-ups want it: lower case, without port and trailing dot; `None` for what no
/// server can be called. Nothing else changes names before they are looked up.
pub fn normalise(host: &[u8]) -> Option<Vec<u8>> {
    let literal = host.first() == Some(&b'[');
    let end = if literal {
        host.iter().position(|byte| *byte == b']')? + 1
    } else {
        host.iter().position(|byte| *byte == b':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at_checked(end)?;
    if !matches!(port, [] | [b':', ..]) || !port.iter().skip(1).all(u8::is_ascii_digit) {
        return None;
    }
    let inside = if literal { name.get(1..name.len() - 1)? } else { name };
    let allowed = |byte: &u8| match byte {
        b':' => literal,
        b'%' => !literal,
        _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte),
    };
    if !inside.iter().all(allowed) || inside.windows(2).any(|pair| pair == b"..") {
        return None;
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

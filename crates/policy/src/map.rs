//! `map`: from a text to a value, by exact name, wildcard or regular expression. Made for a
//! million names: their bytes lie in one arena, and looking one up touches a place or two.

mod names;

use std::collections::HashMap;
use std::fmt;

use crate::regex::{Regex, RegexError};
use crate::template::{Captures, Template, TemplateError};
use crate::variables::{Scope, Variables};
use crate::wildcard::{Pattern, Wildcards};
use names::Names;

/// Which value of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ValueId(u32);

/// A finished map.
#[derive(Debug)]
pub struct Map {
    names: Names,
    wildcards: Wildcards<ValueId>,
    regexes: Vec<(Regex, ValueId)>,
    default: Option<ValueId>,
    hostnames: bool,
    values: Vec<Template>,
}

/// Why an entry is refused, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapError {
    /// Not two words, and no word of its own.
    WordCount,
    /// A second `default`.
    DuplicateDefault,
    /// A source that is there already.
    Conflict(String),
    /// With `hostnames`, a name that is none.
    BadName(String),
    /// A regular expression that cannot be used.
    Regex(RegexError),
    /// A value that is no template.
    Value(TemplateError),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WordCount => f.write_str("invalid number of the map parameters"),
            Self::DuplicateDefault => f.write_str("duplicate default map parameter"),
            Self::Conflict(name) => write!(f, "conflicting parameter \"{name}\""),
            Self::BadName(name) => write!(f, "invalid hostname or wildcard \"{name}\""),
            Self::Regex(error) => error.fmt(f),
            Self::Value(error) => error.fmt(f),
        }
    }
}

/// A map while its entries are read.
#[derive(Debug)]
pub struct MapBuilder {
    map: Map,
    volatile: bool,
    interned: HashMap<Box<[u8]>, ValueId>,
}

impl Default for MapBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl MapBuilder {
    /// A map without entries.
    pub fn new() -> Self {
        let map = Map {
            names: Names::default(),
            wildcards: Wildcards::default(),
            regexes: Vec::new(),
            default: None,
            hostnames: false,
            values: Vec::new(),
        };
        Self { map, volatile: false, interned: HashMap::new() }
    }

    /// Takes the words of one entry. `include` is the caller's affair.
    pub fn entry(&mut self, words: &[&[u8]], variables: &mut Variables) -> Result<(), MapError> {
        let (source, value) = match words {
            [word] if *word == b"hostnames" => {
                self.map.hostnames = true;
                return Ok(());
            }
            [word] if *word == b"volatile" => {
                self.volatile = true;
                return Ok(());
            }
            [source, value] => (*source, *value),
            _ => return Err(MapError::WordCount),
        };
        let value = self.value(value, variables)?;
        if source == b"default" {
            if self.map.default.replace(value).is_some() {
                return Err(MapError::DuplicateDefault);
            }
            return Ok(());
        }
        if let Some(pattern) = source.strip_prefix(b"~") {
            let (pattern, caseless) = match pattern.strip_prefix(b"*") {
                Some(pattern) => (pattern, true),
                None => (pattern, false),
            };
            let regex = Regex::new(pattern, caseless, variables).map_err(MapError::Regex)?;
            self.map.regexes.push((regex, value));
            return Ok(());
        }
        // A backslash before a word of our own makes it a plain name.
        self.name(source.strip_prefix(b"\\").unwrap_or(source), value)
    }

    fn name(&mut self, source: &[u8], value: ValueId) -> Result<(), MapError> {
        let written = || String::from_utf8_lossy(source).into_owned();
        let name = source.to_ascii_lowercase();
        let fresh = if self.map.hostnames {
            match Pattern::parse(&name).ok_or_else(|| MapError::BadName(written()))? {
                Pattern::Exact(name) => self.map.names.insert(&name, value.0),
                Pattern::Leading(rest) => self.map.wildcards.add_leading(&rest, value),
                Pattern::Trailing(rest) => self.map.wildcards.add_trailing(&rest, value),
                Pattern::Dot(rest) => {
                    let exact = self.map.names.insert(&rest, value.0);
                    self.map.wildcards.add_leading(&rest, value) && exact
                }
            }
        } else {
            self.map.names.insert(&name, value.0)
        };
        if fresh { Ok(()) } else { Err(MapError::Conflict(written())) }
    }

    /// The value with this text; equal texts share one.
    fn value(&mut self, text: &[u8], variables: &mut Variables) -> Result<ValueId, MapError> {
        if let Some(known) = self.interned.get(text) {
            return Ok(*known);
        }
        let template = Template::parse(text, variables, Captures::Allowed).map_err(MapError::Value)?;
        let id = ValueId(self.map.values.len() as u32);
        self.map.values.push(template);
        self.interned.insert(text.into(), id);
        Ok(id)
    }

    /// Whether values are evaluated anew for each text.
    pub fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// The map, ready for look-ups.
    pub fn finish(mut self) -> Map {
        self.map.names.shrink();
        self.map.values.shrink_to_fit();
        self.map
    }
}

impl Map {
    /// Appends the value for `text`; nothing where no entry matches and there is no default.
    pub fn lookup(&self, text: &[u8], scope: &Scope<'_>, out: &mut Vec<u8>) {
        if let Some(value) = self.find(text, scope).and_then(|id| self.values.get(id.0 as usize)) {
            value.render(scope, out);
        }
    }

    fn find(&self, text: &[u8], scope: &Scope<'_>) -> Option<ValueId> {
        let mut name = text.to_ascii_lowercase();
        if self.hostnames && name.last() == Some(&b'.') {
            name.pop();
        }
        if let Some(value) = self.names.find(&name) {
            return Some(ValueId(value));
        }
        if let Some(value) = self.wildcards.find(&name) {
            return Some(value);
        }
        if !text.is_empty()
            && let Some((_, value)) = self.regexes.iter().find(|(regex, _)| regex.matches(text, scope))
        {
            return Some(*value);
        }
        self.default
    }
}

//! `map`: from a text to a value, by exact name, wildcard or regular expression. Made for a
//! million names: see `names` for how they are kept; equal values are kept once.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use crate::arena::{Arena, Interner};
use crate::hash_size::{Misfit, Sizes};
use crate::names::{Names, Refused};
use crate::regex::{Regex, RegexError};
use crate::template::{Captures, Template, TemplateError};
use crate::variables::{Scope, Variables};

/// A finished map.
#[derive(Debug)]
pub struct Map {
    names: Box<Names>,
    regexes: Box<[(Regex, ValueId)]>,
    default: Option<ValueId>,
    hostnames: bool,
    texts: Arena,
    templates: Box<[Template]>,
}

/// Which value of a map: twice the place of a text, or twice the number of a template plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ValueId(u32);

/// A value of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Text(u32),
    Template(usize),
}

impl ValueId {
    fn text(place: u32) -> Option<Self> {
        place.checked_mul(2).map(Self)
    }

    fn template(number: usize) -> Option<Self> {
        u32::try_from(number).ok()?.checked_mul(2).map(|double| Self(double + 1))
    }

    fn value(self) -> Value {
        if self.0.is_multiple_of(2) { Value::Text(self.0 / 2) } else { Value::Template(self.0 as usize / 2) }
    }
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
    /// Gigabytes of names or of values.
    TooLarge,
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
            Self::TooLarge => f.write_str("the map is too large"),
        }
    }
}

impl std::error::Error for MapError {}

/// A map while its entries are read.
#[derive(Debug, Default)]
pub struct MapBuilder {
    names: Names,
    regexes: Vec<(Regex, ValueId)>,
    default: Option<ValueId>,
    hostnames: bool,
    volatile: bool,
    texts: Interner,
    templates: Vec<Template>,
    /// Templates by what is written.
    known: HashMap<Box<[u8]>, ValueId>,
}

impl MapBuilder {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the words of one entry. `include` is the caller's affair.
    pub fn entry(&mut self, words: &[&[u8]], variables: &mut Variables) -> Result<(), MapError> {
        let (source, value) = match words {
            [b"hostnames"] => {
                self.hostnames = true;
                return Ok(());
            }
            [b"volatile"] => {
                self.volatile = true;
                return Ok(());
            }
            [source, value] => (*source, *value),
            _ => return Err(MapError::WordCount),
        };
        let value = self.value(value, variables)?;
        match source {
            b"default" if self.default.is_some() => Err(MapError::DuplicateDefault),
            b"default" => {
                self.default = Some(value);
                Ok(())
            }
            [b'~', b'*', pattern @ ..] => self.regex(pattern, true, value, variables),
            [b'~', pattern @ ..] => self.regex(pattern, false, value, variables),
            // A backslash makes a plain name of what would have a meaning.
            [b'\\', name @ ..] | name => self.name(name, value),
        }
    }

    fn regex(
        &mut self,
        pattern: &[u8],
        caseless: bool,
        value: ValueId,
        variables: &mut Variables,
    ) -> Result<(), MapError> {
        let regex = Regex::new(pattern, caseless, variables).map_err(MapError::Regex)?;
        self.regexes.push((regex, value));
        Ok(())
    }

    fn name(&mut self, name: &[u8], value: ValueId) -> Result<(), MapError> {
        let added = if self.hostnames { self.names.add_host(name, value.0) } else { self.names.add(name, value.0) };
        added.map_err(|refused| match refused {
            Refused::Malformed => MapError::BadName(String::from_utf8_lossy(name).into_owned()),
            Refused::Taken => MapError::Conflict(String::from_utf8_lossy(name).to_ascii_lowercase()),
            Refused::Full => MapError::TooLarge,
        })
    }

    /// The value with this text; equal texts share one.
    fn value(&mut self, text: &[u8], variables: &mut Variables) -> Result<ValueId, MapError> {
        if !text.contains(&b'$') {
            return self.texts.intern(text).and_then(ValueId::text).ok_or(MapError::TooLarge);
        }
        if let Some(known) = self.known.get(text) {
            return Ok(*known);
        }
        let template = Template::parse(text, variables, Captures::Allowed).map_err(MapError::Value)?;
        let id = ValueId::template(self.templates.len()).ok_or(MapError::TooLarge)?;
        self.templates.push(template);
        self.known.insert(text.into(), id);
        Ok(id)
    }

    /// What is wrong with `sizes` for tables of the names as nginx has them.
    pub fn misfits(&self, sizes: Sizes) -> Vec<Misfit> {
        self.names.misfits(sizes)
    }

    /// Whether values are evaluated anew for each text.
    pub fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// The map, ready for look-ups.
    pub fn finish(mut self) -> Map {
        self.names.finish();
        Map {
            names: Box::new(self.names),
            regexes: self.regexes.into(),
            default: self.default,
            hostnames: self.hostnames,
            texts: self.texts.finish(),
            templates: self.templates.into(),
        }
    }
}

impl Map {
    /// Looks up what `source` says in a session: gives the place of the value, or appends it to
    /// `out` where it varies. Otherwise `out` may have grown by anything.
    pub(crate) fn evaluate(&self, source: &Template, scope: &Scope<'_>, out: &mut Vec<u8>) -> Option<u32> {
        let start = out.len();
        source.render(scope, out);
        let found = self.find(out.get(start..).unwrap_or_default(), scope);
        match found.map(ValueId::value) {
            // Past every text: an empty one.
            None => Some(u32::MAX),
            Some(Value::Text(place)) => Some(place),
            Some(Value::Template(number)) => {
                out.truncate(start);
                if let Some(template) = self.templates.get(number) {
                    template.render(scope, out);
                }
                None
            }
        }
    }

    /// The value at a place.
    pub(crate) fn constant(&self, place: u32) -> &[u8] {
        self.texts.get(place)
    }

    fn find(&self, text: &[u8], scope: &Scope<'_>) -> Option<ValueId> {
        let text = if self.hostnames { text.strip_suffix(b".").unwrap_or(text) } else { text };
        let matching = || self.regexes.iter().find(|(regex, _)| regex.matches(text, scope)).map(|(_, value)| *value);
        self.names.find(text).map(ValueId).or_else(|| if text.is_empty() { None } else { matching() }).or(self.default)
    }
}

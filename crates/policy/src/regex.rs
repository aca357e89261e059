//! Regular expressions of `map` and `server_name`: PCRE2 on bytes. What a match captured is kept
//! for the session as far as some text mentions it.

use std::fmt;

use pcre2::bytes::{Regex as Pcre, RegexBuilder};

use crate::cache::{Captures, Kept};
use crate::variables::{Definition, Duplicate, Scope, VarId, Variables};

/// A compiled expression with the variables that its named groups fill.
#[derive(Debug)]
pub struct Regex {
    pcre: Pcre,
    named: Box<[(usize, VarId)]>,
}

/// Why an expression cannot be used, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegexError {
    /// It does not compile.
    Compile {
        /// PCRE2's reason.
        reason: String,
        /// The expression.
        pattern: String,
        /// What is left of it at the error.
        rest: String,
    },
    /// A named group has the name of a built-in variable.
    Duplicate(Duplicate),
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compile { reason, pattern, rest } if rest.is_empty() => {
                write!(f, "pcre2_compile() failed: {reason} in \"{pattern}\"")
            }
            Self::Compile { reason, pattern, rest } => {
                write!(f, "pcre2_compile() failed: {reason} in \"{pattern}\" at \"{rest}\"")
            }
            Self::Duplicate(duplicate) => duplicate.fmt(f),
        }
    }
}

impl Regex {
    /// Compiles `pattern`; its named groups become variables.
    pub fn new(pattern: &[u8], caseless: bool, variables: &mut Variables) -> Result<Self, RegexError> {
        let text = as_text(pattern);
        let built = RegexBuilder::new().caseless(caseless).jit_if_available(true).build(&text);
        let pcre = built.map_err(|error| compile_error(&error, &text))?;
        let mut named = Vec::new();
        for (number, name) in pcre.capture_names().iter().enumerate() {
            if let Some(name) = name {
                let id = variables.define(name.as_bytes(), Definition::Capture).map_err(RegexError::Duplicate)?;
                named.push((number, id));
            }
        }
        Ok(Self { pcre, named: named.into() })
    }

    /// Whether it has groups, so that matching it leaves something behind.
    pub fn has_captures(&self) -> bool {
        self.pcre.captures_len() > 1
    }

    /// Whether `text` matches; then captures are kept for the session. An expression that PCRE2
    /// gives up on does not match, and that is told.
    pub fn matches(&self, text: &[u8], scope: &Scope<'_>) -> bool {
        // Most expressions do not match: what it takes to capture is only fetched for those that do.
        match self.pcre.is_match(text) {
            Ok(matched) if !matched => return false,
            Ok(_) => {}
            Err(error) => {
                scope.values.complain(&format!(
                    "pcre2_match() failed: {} on \"{}\" using \"{}\"",
                    error.code(),
                    String::from_utf8_lossy(text),
                    self.pcre.as_str()
                ));
                return false;
            }
        }
        let numbered = scope.variables.mentions_captures();
        let named = || self.named.iter().filter(|(_, id)| scope.variables.is_mentioned(*id));
        if !self.has_captures() || !(numbered || named().next().is_some()) {
            scope.cache.set_captures(None);
            return true;
        }
        let mut places = self.pcre.capture_locations();
        if !matches!(self.pcre.captures_read(&mut places, text), Ok(Some(_))) {
            return false;
        }
        let group = |number| places.get(number).unwrap_or_default();
        for (number, id) in named() {
            let (start, end) = group(*number);
            scope.cache.store(*id, false, Kept::Text(text.get(start..end).unwrap_or_default().into()));
        }
        scope.cache.set_captures(
            numbered.then(|| Captures { text: text.into(), groups: (1..places.len().min(10)).map(group).collect() }),
        );
        true
    }

    /// Whether `text` matches, leaving nothing behind.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.pcre.is_match(text).unwrap_or(false)
    }
}

/// The pattern for an interface that takes text: bytes that are none are written as escapes, which
/// mean the same to PCRE2.
fn as_text(pattern: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(pattern) {
        return text.to_owned();
    }
    let escaped = |byte: &u8| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("\\x{byte:02x}") };
    pattern.iter().map(escaped).collect()
}

fn compile_error(error: &pcre2::Error, pattern: &str) -> RegexError {
    let whole = error.to_string();
    // The crate's own words come before PCRE2's.
    let reason = whole.split_once("at offset ").and_then(|(_, tail)| tail.split_once(": "));
    let reason = reason.map_or(whole.as_str(), |(_, reason)| reason).to_owned();
    let rest = error.offset().and_then(|at| pattern.as_bytes().get(at..)).unwrap_or_default();
    RegexError::Compile { reason, pattern: pattern.to_owned(), rest: String::from_utf8_lossy(rest).into_owned() }
}

#[cfg(test)]
mod tests;

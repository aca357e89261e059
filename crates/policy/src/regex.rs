//! Regular expressions of `map` and `server_name`: PCRE2 on bytes, captures kept for the session.

use std::fmt;

use pcre2::bytes::{Regex as Pcre, RegexBuilder};

use crate::variables::{Definition, Duplicate, Scope, VarId, Variables};

/// A compiled expression with the variables that its named groups fill.
#[derive(Debug)]
pub struct Regex {
    pcre: Pcre,
    named: Vec<(usize, VarId)>,
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
        let text = String::from_utf8_lossy(pattern).into_owned();
        let built = RegexBuilder::new().caseless(caseless).jit_if_available(true).build(&text);
        let pcre = built.map_err(|error| {
            let whole = error.to_string();
            // The crate's own words come before PCRE2's.
            let reason = whole.rsplit_once("offset ").and_then(|(_, tail)| tail.split_once(": "));
            let reason = reason.map_or(whole.as_str(), |(_, reason)| reason).to_owned();
            let rest = error.offset().and_then(|at| text.get(at..)).unwrap_or_default().to_owned();
            RegexError::Compile { reason, pattern: text.clone(), rest }
        })?;
        let mut named = Vec::new();
        for (number, name) in pcre.capture_names().iter().enumerate() {
            if let Some(name) = name {
                let id = variables.define(name.as_bytes(), Definition::Capture).map_err(RegexError::Duplicate)?;
                named.push((number, id));
            }
        }
        Ok(Self { pcre, named })
    }

    /// Whether it has groups, so that matching it leaves something behind.
    pub fn has_captures(&self) -> bool {
        self.pcre.captures_len() > 1
    }

    /// Whether `text` matches; then captures are kept for the session. An expression that PCRE2
    /// gives up on does not match.
    pub fn matches(&self, text: &[u8], scope: &Scope<'_>) -> bool {
        if !self.has_captures() {
            let matched = self.pcre.is_match(text).unwrap_or(false);
            if matched {
                scope.cache.set_captures(Vec::new());
            }
            return matched;
        }
        let mut places = self.pcre.capture_locations();
        if !matches!(self.pcre.captures_read(&mut places, text), Ok(Some(_))) {
            return false;
        }
        let group = |number| {
            let (start, end) = places.get(number)?;
            text.get(start..end)
        };
        scope.cache.set_captures((0..=9).map(|number| group(number).map(Into::into)).collect());
        for (number, id) in &self.named {
            scope.set(*id, group(*number).unwrap_or_default().to_vec());
        }
        true
    }

    /// Whether `text` matches, leaving nothing behind.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.pcre.is_match(text).unwrap_or(false)
    }
}

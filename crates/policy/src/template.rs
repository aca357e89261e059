//! Text with variables in it, parsed once and rendered for each session.

mod escape;
#[cfg(test)]
mod tests;

use std::fmt;

pub use escape::Escape;

use crate::variables::{Scope, VarId, Variables};

/// Text with variables ("complex value").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Variable {
        id: VarId,
        /// Whether it is elsewhere in the template too.
        again: bool,
    },
    Capture(u8),
}

/// Whether `$1` to `$9` are captures or names that happen to be digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captures {
    /// Captures of the last regular expression.
    Allowed,
    /// `log_format`: digits are read as a name.
    Plain,
}

/// Why text is no template, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A `${` that is never closed.
    Unclosed(String),
    /// A dollar sign that names nothing.
    NoName,
    /// The same in a `log_format`: the text from there on.
    InvalidParameter(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(name) => write!(f, "the closing bracket in \"{name}\" variable is missing"),
            Self::NoName => f.write_str("invalid variable name"),
            Self::InvalidParameter(rest) => write!(f, "invalid parameter \"{rest}\""),
        }
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// The text before the first variable.
    pub fn literal_start(&self) -> &[u8] {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => &[],
        }
    }

    /// Reads text; variables in it are referenced in `variables`.
    pub fn parse(text: &[u8], variables: &mut Variables, captures: Captures) -> Result<Self, TemplateError> {
        Self::parse_words([text], variables, captures)
    }

    /// Reads several texts that are one after the other in the result. Nothing that begins in one
    /// goes on in the next.
    pub fn parse_words<'a>(
        words: impl IntoIterator<Item = &'a [u8]>,
        variables: &mut Variables,
        captures: Captures,
    ) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        for word in words {
            let mut rest = word;
            while !rest.is_empty() {
                let dollar = rest.iter().position(|byte| *byte == b'$').unwrap_or(rest.len());
                let (plain, from_dollar) = rest.split_at(dollar);
                literal.extend_from_slice(plain);
                let Some((mention, after)) = mention(from_dollar, captures)? else { break };
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal).into()));
                }
                parts.push(match mention {
                    Mention::Name(name) => Part::Variable { id: variables.reference(name), again: false },
                    Mention::Capture(number) => {
                        variables.mention_captures();
                        Part::Capture(number)
                    }
                });
                rest = after;
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        mark_repeated(&mut parts);
        Ok(Self { parts: parts.into() })
    }

    /// Text without variables.
    pub fn text(text: &[u8]) -> Self {
        let part = (!text.is_empty()).then(|| Part::Text(text.into()));
        Self { parts: part.into_iter().collect() }
    }

    /// The text, where nothing in it varies.
    pub fn literal(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(&[]),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text that it begins with whatever the session.
    pub fn beginning(&self) -> &[u8] {
        match &*self.parts {
            [Part::Text(text), ..] => text,
            _ => &[],
        }
    }

    /// Whether it is always empty.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Appends it with the values of a session; what has no value adds nothing.
    pub fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        self.render_each(scope, out, |_, _| {}, None);
    }

    /// Appends it as a log line, values escaped.
    pub fn render_log(&self, scope: &Scope<'_>, escape: Escape, out: &mut Vec<u8>) {
        let missing = (escape == Escape::Default).then_some(b'-');
        self.render_each(scope, out, |out, start| escape.apply(out, start), missing);
    }

    /// `finish` sees each value where it begins in `out`; `missing` stands for those that there are
    /// none of.
    fn render_each(
        &self,
        scope: &Scope<'_>,
        out: &mut Vec<u8>,
        finish: impl Fn(&mut Vec<u8>, usize),
        missing: Option<u8>,
    ) {
        // What is to be evaluated anew is so once for the whole text.
        scope.cache.forget_fresh(self.parts.iter().filter_map(|part| match part {
            Part::Variable { id, .. } => Some(*id),
            Part::Text(_) | Part::Capture(_) => None,
        }));
        for part in &self.parts {
            let start = out.len();
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Capture(number) => {
                    scope.cache.capture(*number, out);
                    finish(out, start);
                }
                Part::Variable { id, again } => {
                    if scope.append(*id, *again, out) {
                        finish(out, start);
                    } else {
                        out.extend(missing);
                    }
                }
            }
        }
    }
}

/// What follows a dollar sign.
enum Mention<'a> {
    Name(&'a [u8]),
    Capture(u8),
}

/// Reads what the dollar sign at the start of `text` mentions, and what follows; `None` where
/// there is no text.
fn mention(text: &[u8], captures: Captures) -> Result<Option<(Mention<'_>, &[u8])>, TemplateError> {
    let Some((_, after)) = text.split_first() else { return Ok(None) };
    if let (Captures::Allowed, Some((digit @ b'1'..=b'9', rest))) = (captures, after.split_first()) {
        return Ok(Some((Mention::Capture(digit - b'0'), rest)));
    }
    let (braced, name) = match after.strip_prefix(b"{") {
        Some(name) => (!name.is_empty(), name),
        None => (false, after),
    };
    let end = name.iter().position(|byte| !is_name(*byte)).unwrap_or(name.len());
    let (name, mut rest) = name.split_at(end);
    if braced {
        let unclosed = || TemplateError::Unclosed(String::from_utf8_lossy(name).into_owned());
        rest = rest.strip_prefix(b"}").ok_or_else(unclosed)?;
    }
    match (name, captures) {
        ([], Captures::Allowed) => Err(TemplateError::NoName),
        ([], Captures::Plain) => Err(TemplateError::InvalidParameter(String::from_utf8_lossy(text).into_owned())),
        _ => Ok(Some((Mention::Name(name), rest))),
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn mark_repeated(parts: &mut [Part]) {
    let ids: Vec<VarId> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Variable { id, .. } => Some(*id),
            Part::Text(_) | Part::Capture(_) => None,
        })
        .collect();
    for part in parts {
        if let Part::Variable { id, again } = part {
            *again = ids.iter().filter(|other| *other == id).count() > 1;
        }
    }
}

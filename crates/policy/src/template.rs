//! Text with variables in it, parsed once and rendered for each session.

use std::fmt;

use crate::cache::Value;
use crate::variables::{Scope, VarId, Variables};

/// Text with variables ("complex value").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Variable(VarId),
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

/// How values are escaped in log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `\xHH` for quotes, backslashes and what is not printable; a dash for no value.
    Default,
    /// For JSON strings.
    Json,
    /// As it is.
    None,
}

/// Why text is no template, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A `${` that is never closed.
    Unclosed(String),
    /// A dollar sign that names nothing.
    NoName,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(name) => write!(f, "the closing bracket in \"{name}\" variable is missing"),
            Self::NoName => f.write_str("invalid variable name"),
        }
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads text; variables in it are referenced in `variables`.
    pub fn parse(text: &[u8], variables: &mut Variables, captures: Captures) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            if byte != b'$' {
                literal.push(byte);
                rest = after;
                continue;
            }
            if let (Captures::Allowed, Some(digit @ b'1'..=b'9')) = (captures, after.first()) {
                flush(&mut literal, &mut parts);
                parts.push(Part::Capture(digit - b'0'));
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            let (braced, name) = match after.strip_prefix(b"{") {
                Some(name) => (true, name),
                None => (false, after),
            };
            let end = name.iter().position(|byte| !is_name(*byte)).unwrap_or(name.len());
            let (name, mut tail) = name.split_at(end);
            if braced {
                tail = tail
                    .strip_prefix(b"}")
                    .ok_or_else(|| TemplateError::Unclosed(String::from_utf8_lossy(name).into_owned()))?;
            }
            if name.is_empty() {
                return Err(TemplateError::NoName);
            }
            flush(&mut literal, &mut parts);
            parts.push(Part::Variable(variables.reference(name)));
            rest = tail;
        }
        flush(&mut literal, &mut parts);
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

    /// Whether it is always empty.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Appends it with the values of a session; what has no value adds nothing.
    pub fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        self.refresh(scope);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(id) => out.extend_from_slice(scope.value(*id).bytes()),
                Part::Capture(number) => scope.cache.capture(*number, out),
            }
        }
    }

    /// Appends it as a log line, values escaped.
    pub fn render_log(&self, scope: &Scope<'_>, escape: Escape, out: &mut Vec<u8>) {
        self.refresh(scope);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(id) => match scope.value(*id) {
                    Value::NotFound if escape == Escape::Default => out.push(b'-'),
                    value => escape.write(value.bytes(), out),
                },
                Part::Capture(number) => scope.cache.capture(*number, out),
            }
        }
    }

    /// Forgets values that are to be evaluated anew for each text, once for the whole text.
    fn refresh(&self, scope: &Scope<'_>) {
        for part in &self.parts {
            if let Part::Variable(id) = part
                && scope.variables.is_fresh(*id)
            {
                scope.cache.forget(*id);
            }
        }
    }
}

fn flush(literal: &mut Vec<u8>, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal).into()));
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Escape {
    fn write(self, value: &[u8], out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let hex = |byte: u8| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        for &byte in value {
            match (self, byte) {
                (Self::Default, b'"' | b'\\' | 0..=0x1f | 0x7f..) => {
                    out.extend_from_slice(b"\\x");
                    out.extend_from_slice(&hex(byte));
                }
                (Self::Json, b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
                (Self::Json, b'\n') => out.extend_from_slice(b"\\n"),
                (Self::Json, b'\r') => out.extend_from_slice(b"\\r"),
                (Self::Json, b'\t') => out.extend_from_slice(b"\\t"),
                (Self::Json, 8) => out.extend_from_slice(b"\\b"),
                (Self::Json, 12) => out.extend_from_slice(b"\\f"),
                (Self::Json, 0..=0x1f) => {
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&hex(byte));
                }
                (Self::Default | Self::Json | Self::None, _) => out.push(byte),
            }
        }
    }
}

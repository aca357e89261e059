//! Words and the directives they form.

use std::borrow::Cow;

use crate::source::Span;

/// One word, borrowed from the text unless it has an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<'s> {
    /// Its meaning: without quotes, escapes replaced.
    pub text: Cow<'s, [u8]>,
    /// Where it is written, quotes included.
    pub span: Span,
    /// Whether it was written in quotes.
    pub quoted: bool,
}

/// How a directive ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With `;`.
    Semicolon,
    /// With `{`: its block follows, up to the matching [`crate::Item::Close`].
    Open,
}

/// A directive up to its `;` or `{`. A fresh one is only the buffer that [`crate::Parser::next`] fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive<'s> {
    /// Its name and arguments; never empty once filled.
    pub words: Vec<Word<'s>>,
    /// How it ends.
    pub end: End,
    /// The line of its `;` or `{`, which is the one that nginx's errors name.
    pub line: u32,
}

impl Default for Directive<'_> {
    fn default() -> Self {
        Self { words: Vec::new(), end: End::Semicolon, line: 0 }
    }
}

impl<'s> Directive<'s> {
    /// The first word's text; empty only before the first fill.
    pub fn name(&self) -> &[u8] {
        self.words.first().map_or(&[], |word| &word.text)
    }

    /// The words after the name.
    pub fn args(&self) -> &[Word<'s>] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Where it is written, from its first word to its last; none only before the first fill.
    pub fn span(&self) -> Option<Span> {
        Some(self.words.first()?.span.to(self.words.last()?.span))
    }
}

/// The meaning of a raw word: `\"`, `\'` and `\\` stand for the character, `\t`, `\r` and `\n` for a control character, and any other
/// backslash for itself.
pub(crate) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, after @ ..] = rest {
        let replaced = match rest {
            [b'\\', quoted @ (b'"' | b'\'' | b'\\'), ..] => Some(*quoted),
            [b'\\', b't', ..] => Some(b'\t'),
            [b'\\', b'r', ..] => Some(b'\r'),
            [b'\\', b'n', ..] => Some(b'\n'),
            _ => None,
        };
        text.push(replaced.unwrap_or(*byte));
        rest = match replaced {
            Some(_) => after.get(1..).unwrap_or_default(),
            None => after,
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (raw, text) in [
            (r#"\"\'\\"#, r#""'\"#),
            (r"a\tb\rc\n", "a\tb\rc\n"),
            (r"\d\;\{\$", r"\d\;\{\$"),
            (r"\\t", r"\t"),
            ("\\\n", "\\\n"),
            ("", ""),
        ] {
            assert_eq!(unescape(raw.as_bytes()), text.as_bytes(), "{raw}");
        }
    }
}

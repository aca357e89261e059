//! Text to directives, one at a time, so that the errors of the text and of what it means come in the order of the text.
//!
//! Words are borrowed and the caller's [`Directive`] is reused: memory does not grow with the text. A parser sees one source only,
//! whose blocks must be closed in it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Kind, Source, Span};
use crate::word::{Directive, End, Word, unescape};

/// In a file no word or comment may reach this many bytes. They are counted from its start (after an opening quote) to the byte
/// that makes nginx look for a new start, so what ends the word counts too.
pub const MAX_TOKEN: usize = 4096;

/// What [`Parser::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A directive, now in the caller's buffer.
    Directive,
    /// The `}` of the innermost open block.
    Close,
    /// The end of the text, all blocks closed.
    End,
}

/// A walk through one source.
#[derive(Debug)]
pub struct Parser<'s> {
    source: &'s Source,
    text: &'s [u8],
    at: usize,
    line: u32,
    /// Offsets of the `{` of open blocks.
    open: Vec<u32>,
}

impl<'s> Parser<'s> {
    /// At the start of `source`.
    pub fn new(source: &'s Source) -> Self {
        Self { source, text: source.text(), at: 0, line: 1, open: Vec::new() }
    }

    /// Moves to the next item. After an error the walk is over.
    pub fn next(&mut self, directive: &mut Directive<'s>) -> Result<Item, Diagnostic> {
        let words = &mut directive.words;
        words.clear();
        loop {
            self.skip_blank()?;
            let Some(&byte) = self.text.get(self.at) else {
                return self.end(words.last());
            };
            match byte {
                b';' | b'{' if words.is_empty() => return Err(self.unexpected(byte)),
                b'}' => return self.close(words.last()),
                b';' | b'{' => {
                    directive.line = self.line;
                    directive.end = if byte == b'{' {
                        self.enter()?;
                        End::Open
                    } else {
                        End::Semicolon
                    };
                    self.at += 1;
                    return Ok(Item::Directive);
                }
                b'"' | b'\'' => words.push(self.quoted_word(byte)?),
                _ => words.push(self.bare_word()?),
            }
        }
    }

    /// Where the parser stands: after an item, the line of its `;`, `{` or `}`. nginx's errors name this place.
    pub fn place(&self) -> Place {
        self.source.place(self.line)
    }

    /// The text it walks.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    fn enter(&mut self) -> Result<(), Diagnostic> {
        if self.source.kind() == Kind::CommandLine {
            let message = "block directives are not supported in -g option";
            return Err(self.fail(message, self.at, self.at + 1));
        }
        self.open.push(self.at as u32);
        Ok(())
    }

    fn close(&mut self, last: Option<&Word<'s>>) -> Result<Item, Diagnostic> {
        match (last, self.open.pop()) {
            (Some(word), _) => Err(self.unexpected(b'}').related(word.span, NO_END)),
            (None, None) => Err(self.unexpected(b'}')),
            (None, Some(_)) => {
                self.at += 1;
                Ok(Item::Close)
            }
        }
    }

    fn end(&mut self, last: Option<&Word<'s>>) -> Result<Item, Diagnostic> {
        match (last, self.open.last()) {
            (Some(word), _) => {
                let error = self.ends_inside();
                Err(error.related(word.span, NO_END))
            }
            (None, Some(&brace)) => {
                let brace = brace as usize;
                let message = "unexpected end of file, expecting \"}\"";
                let error = self.fail(message, self.text.len(), self.text.len());
                Err(error.related(self.span(brace, brace + 1), "this block is not closed"))
            }
            (None, None) => Ok(Item::End),
        }
    }

    /// White space and comments.
    fn skip_blank(&mut self) -> Result<(), Diagnostic> {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                b'#' => {
                    let start = self.at;
                    let bound = self.bound(start);
                    let comment = self.slice(start, bound);
                    match comment.iter().position(|byte| *byte == b'\n') {
                        Some(length) => {
                            self.at = start + length;
                            self.line += 1;
                        }
                        None if bound < self.text.len() => return Err(self.too_long(start)),
                        None => {
                            self.at = bound;
                            return Ok(());
                        }
                    }
                }
                _ => return Ok(()),
            }
            self.at += 1;
        }
        Ok(())
    }

    fn bare_word(&mut self) -> Result<Word<'s>, Diagnostic> {
        let start = self.at;
        let bound = self.bound(start);
        let mut escaped = false;
        let mut at = start;
        let ends_blank = loop {
            at += plain_length(self.slice(at, bound), ENDS_BARE);
            match self.slice(at, bound) {
                [] if bound < self.text.len() => return Err(self.too_long(start)),
                [] => return Err(self.cut_off(start, start)),
                [b'\\', ..] => {
                    escaped = true;
                    at += 2;
                }
                [b'$', rest @ ..] => at += 1 + rest.iter().take_while(|b| **b == b'{').count(),
                [b';' | b'{', ..] => break false,
                _ => break true,
            }
        };
        if ends_blank {
            self.check_length(start, at + 1)?;
        }
        if escaped {
            self.line += line_feeds(self.slice(start, at));
        }
        self.at = at;
        Ok(self.word(start, at, self.span(start, at), escaped))
    }

    fn quoted_word(&mut self, quote: u8) -> Result<Word<'s>, Diagnostic> {
        let ends = if quote == b'"' { ENDS_DOUBLE } else { ENDS_SINGLE };
        let start = self.at + 1;
        let bound = self.bound(start);
        let mut escaped = false;
        let mut at = start;
        loop {
            at += plain_length(self.slice(at, bound), ends);
            match self.slice(at, bound) {
                [] if bound < self.text.len() => {
                    let quote = char::from(quote);
                    let message = format!("too long parameter, probably missing terminating \"{quote}\" character");
                    return Err(self.fail(&message, start - 1, start));
                }
                [] => return Err(self.cut_off(start - 1, start)),
                [b'\\', ..] => {
                    escaped = true;
                    at += 2;
                }
                _ => break,
            }
        }
        self.check_length(start, at + 1)?;
        let next = self.text.get(at + 1);
        if matches!(next, Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.check_length(start, at + 2)?;
        }
        self.line += line_feeds(self.slice(start, at));
        self.at = at + 1;
        match next {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') | None => {}
            Some(&byte) => return Err(self.unexpected(byte)),
        }
        Ok(Word { quoted: true, ..self.word(start, at, self.span(start - 1, at + 1), escaped) })
    }

    fn word(&self, start: usize, end: usize, span: Span, escaped: bool) -> Word<'s> {
        let raw = self.slice(start, end);
        let text = if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) };
        Word { text, span, quoted: false }
    }

    /// Where a token that begins at `start` is cut off, if not by the end of the text.
    fn bound(&self, start: usize) -> usize {
        match self.source.kind() {
            Kind::File => self.text.len().min(start + MAX_TOKEN),
            Kind::CommandLine => self.text.len(),
        }
    }

    /// Whether nginx still has the token from `start` when it reads the byte at `at`.
    fn check_length(&self, start: usize, at: usize) -> Result<(), Diagnostic> {
        if at >= self.bound(start) && at < self.text.len() {
            return Err(self.too_long(start));
        }
        Ok(())
    }

    fn slice(&self, start: usize, end: usize) -> &'s [u8] {
        self.text.get(start..end).unwrap_or_default()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.source.id(), start: start as u32, end: end as u32 }
    }

    fn fail(&self, message: &str, start: usize, end: usize) -> Diagnostic {
        Diagnostic::emerg(message).at(Some(self.place())).span(self.span(start, end))
    }

    fn unexpected(&self, byte: u8) -> Diagnostic {
        let shown = String::from_utf8_lossy(&[byte]).into_owned();
        self.fail(&format!("unexpected \"{shown}\""), self.at, self.at + 1)
    }

    fn too_long(&self, start: usize) -> Diagnostic {
        let head = String::from_utf8_lossy(self.slice(start, start + 10));
        let message = format!("too long parameter \"{head}...\" started");
        self.fail(&message, start, start + MAX_TOKEN)
    }

    /// The text ends in the word whose bytes begin at `content`; its quote, if it has one, is at `start`.
    fn cut_off(&mut self, start: usize, content: usize) -> Diagnostic {
        self.line += line_feeds(self.text.get(content..).unwrap_or_default());
        let error = self.ends_inside();
        if start < content {
            error.related(self.span(start, content), "this quote is not closed")
        } else {
            error.related(self.span(start, self.text.len()), NO_END)
        }
    }

    fn ends_inside(&self) -> Diagnostic {
        let message = match self.source.kind() {
            Kind::File => "unexpected end of file, expecting \";\" or \"}\"",
            Kind::CommandLine => "unexpected end of parameter, expecting \";\"",
        };
        self.fail(message, self.text.len(), self.text.len())
    }
}

/// What is said of the word that a `;` should have followed.
pub const NO_END: &str = "no \";\" after this";

const ENDS_BARE: u8 = 1;
const ENDS_DOUBLE: u8 = 2;
const ENDS_SINGLE: u8 = 4;

/// For each byte, in which kinds of word it is not just one more byte.
static ENDS: [u8; 256] = {
    let mut table = [0; 256];
    let bare = b" \t\r\n;{$";
    let mut i = 0;
    while i < bare.len() {
        table[bare[i] as usize] = ENDS_BARE;
        i += 1;
    }
    table[b'"' as usize] = ENDS_DOUBLE;
    table[b'\'' as usize] = ENDS_SINGLE;
    table[b'\\' as usize] = ENDS_BARE | ENDS_DOUBLE | ENDS_SINGLE;
    table
};

fn plain_length(bytes: &[u8], ends: u8) -> usize {
    bytes.iter().position(|byte| ENDS[*byte as usize] & ends != 0).unwrap_or(bytes.len())
}

fn line_feeds(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |count, byte| count + u32::from(*byte == b'\n'))
}

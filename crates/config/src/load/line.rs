//! One directive as its function sees it, and what that function says when it refuses.

use syntax::{Diagnostic, Place, Span};

/// One directive: its words and where it stands.
#[derive(Debug)]
pub(crate) struct Line<'a, 's> {
    directive: &'a syntax::Directive<'s>,
    /// File and line of the `;` or `{`.
    pub(crate) place: Place,
}

impl<'a, 's> Line<'a, 's> {
    /// The directive that was just read, which ends at `place`.
    pub(super) fn new(directive: &'a syntax::Directive<'s>, place: Place) -> Self {
        Self { directive, place }
    }

    /// How it ends.
    pub(super) fn end(&self) -> syntax::End {
        self.directive.end
    }

    /// Every word, the name being the first.
    pub(super) fn words(&self) -> impl Iterator<Item = &syntax::Word<'s>> {
        self.directive.words.iter()
    }

    /// The words after the name.
    pub(crate) fn args(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.directive.words.iter().skip(1).map(|word| &*word.text)
    }

    /// The argument with this index; empty where there is none.
    pub(crate) fn arg(&self, index: usize) -> &[u8] {
        self.word(index + 1)
    }

    /// The word with this index, the name being the first; empty where there is none.
    pub(crate) fn word(&self, index: usize) -> &[u8] {
        self.directive.words.get(index).map_or(&[], |word| &*word.text)
    }

    /// An argument as text for messages; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, index: usize) -> String {
        text(self.arg(index))
    }

    /// The name as written; empty where it is not UTF-8, which no name is.
    pub(crate) fn name(&self) -> &str {
        std::str::from_utf8(self.word(0)).unwrap_or_default()
    }

    /// `diagnostic`, pointing at the name.
    pub(crate) fn point_at_name(&self, diagnostic: Diagnostic) -> Diagnostic {
        spanned(diagnostic, self.span(0))
    }

    /// The bytes of a word, the name being the first.
    pub(crate) fn span(&self, word: usize) -> Option<Span> {
        self.directive.words.get(word).map(|word| word.span)
    }

    /// The bytes from the first word to the last.
    pub(super) fn whole(&self) -> Option<Span> {
        self.directive.span()
    }
}

/// Bytes of the configuration as text for messages.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why a directive is refused; [`Refusal::tell`] adds its name and place.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// `"name" directive PHRASE in FILE:LINE`.
    Phrase(String),
    /// `TEXT in FILE:LINE`.
    Text(String),
    /// `TEXT in FILE:LINE` about the argument with this index, with help.
    Word(usize, String, Option<String>),
    /// `TEXT` alone.
    Bare(String),
    /// An error that already has its place (from a block inside).
    Told(Box<Diagnostic>),
}

impl From<Diagnostic> for Refusal {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Told(Box::new(diagnostic))
    }
}

impl Refusal {
    /// What is wrong with `line`.
    pub(super) fn tell(self, line: &Line<'_, '_>) -> Diagnostic {
        let placed = |message: String| Diagnostic::emerg(message).at(line.place.clone());
        match self {
            Self::Told(diagnostic) => *diagnostic,
            Self::Bare(message) => Diagnostic::emerg(message),
            Self::Phrase(phrase) => {
                spanned(placed(format!("\"{}\" directive {phrase}", text(line.word(0)))), line.whole())
            }
            Self::Text(message) => spanned(placed(message), line.whole()),
            Self::Word(index, message, help) => {
                let told = spanned(placed(message), line.span(index + 1).or(line.whole()));
                match help {
                    Some(help) => told.help(help),
                    None => told,
                }
            }
        }
    }
}

/// `diagnostic` about these bytes, where they are known.
pub(crate) fn spanned(diagnostic: Diagnostic, span: Option<Span>) -> Diagnostic {
    match span {
        Some(span) => diagnostic.span(span),
        None => diagnostic,
    }
}

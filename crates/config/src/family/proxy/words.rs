//! Words and entries that many families share: the usual inherited setting, a word with variables,
//! a parameter that is not known.

use crate::directive::{Apply, Args, Contexts, Directive};
use crate::load::{Line, Refusal};

impl Directive {
    /// The usual setting: one word, in `stream` or `server`.
    pub(crate) const fn setting(
        name: &'static str,
        syntax: &'static str,
        default: Option<&'static str>,
        doc: &'static str,
        apply: Apply,
    ) -> Self {
        Self { name, contexts: Contexts::STREAM_SERVER, args: Args::ONE, syntax, default, doc, apply }
    }
}

/// Whether text is evaluated for each session: a `$` in it makes it so.
pub(crate) fn has_variables(word: &[u8]) -> bool {
    word.contains(&b'$')
}

/// `invalid parameter "x"`, about the argument with this index.
pub(crate) fn invalid_parameter(line: &Line<'_, '_>, index: usize) -> Refusal {
    Refusal::Word(index, format!("invalid parameter \"{}\"", line.text(index)), None)
}

//! Where variables are first mentioned: whether they exist is known only at the end, and nginx does
//! not say where it met them.

use std::collections::HashMap;

use syntax::Span;

/// The directive that first mentions each variable.
#[derive(Debug, Default)]
pub(crate) struct Mentions(HashMap<String, Span>);

impl Mentions {
    /// Notes the variables of a text that stands in the directive at `span`.
    pub(crate) fn note(&mut self, text: &[u8], span: Option<Span>) {
        let Some(span) = span else { return };
        for after in text.split(|byte| *byte == b'$').skip(1) {
            let name = after.strip_prefix(b"{").unwrap_or(after);
            let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
            if !name.is_empty() {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                self.0.entry(name).or_insert(span);
            }
        }
    }

    /// Where the variable of this lower-case name is first mentioned.
    pub(crate) fn first(&self, name: &str) -> Option<Span> {
        self.0.get(name).copied()
    }
}

//! What is wrong and where. The first line is nginx's; the snippet below it is for people at a terminal.

mod snippet;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::level::Level;
use crate::source::{Sources, Span};

/// The place that nginx names after ` in `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a file.
    File {
        /// The path as given.
        name: Arc<str>,
        /// The line, from 1.
        line: u32,
    },
    /// The parameter of `-g`.
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// A second spot that explains the first, such as the earlier of two duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where it is.
    pub span: Span,
    /// What it has to do with the error.
    pub label: String,
}

/// nginx cuts a text to this many bytes before it adds the place.
const MAX_PLACED: usize = 1024;

/// An error or a warning about a configuration.
///
/// Displayed, it is nginx's line without the level: `TEXT in FILE:LINE`. Bytes of the text that are not UTF-8 show as U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// nginx's text.
    pub message: String,
    /// What nginx names after ` in `; some of its errors name nothing.
    pub place: Option<Place>,
    /// The very bytes meant.
    pub span: Option<Span>,
    /// Another spot that matters.
    pub related: Option<Box<Related>>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Without a place.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self { level, message: message.into(), place: None, span: None, related: None, help: None }
    }

    /// Level emerg, without a place.
    pub fn emerg(message: impl Into<String>) -> Self {
        Self::new(Level::Emerg, message)
    }

    /// Level warn, without a place.
    pub fn warn(message: impl Into<String>) -> Self {
        Self::new(Level::Warn, message)
    }

    /// Names the place, see [`crate::Parser::place`].
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// Points at the bytes meant.
    #[must_use]
    pub fn span(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Points at another spot.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        let label = label.into();
        self.related = Some(Box::new(Related { span, label }));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Offers `name` for a word that is unknown: `did you mean "name"?`. Nothing without one.
    #[must_use]
    pub fn did_you_mean(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.help(format!("did you mean \"{name}\"?")),
            None => self,
        }
    }

    /// The lines to show below the first one on a terminal: the source line with the bytes underlined, the other spot, the help.
    ///
    /// Each ends with a line feed; empty if there is nothing to show. Whatever the text holds, no control byte gets out of it, but
    /// for the color codes if asked for.
    pub fn render_snippet(&self, sources: &Sources, color: bool) -> String {
        snippet::render(self, sources, color)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => {
                let longest = self.message.len().min(MAX_PLACED);
                let end = (0..=longest).rfind(|end| self.message.is_char_boundary(*end));
                let end = end.unwrap_or_default();
                let message = self.message.get(..end).unwrap_or_default();
                write!(f, "{message} in {place}")
            }
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// `2: No such file or directory`, as nginx words it.
pub(crate) fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => {
            let text = text.strip_suffix(&format!(" (os error {code})"));
            format!("{code}: {}", text.unwrap_or_default())
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_nginxs() {
        let place = Place::File { name: "/etc/a.conf".into(), line: 7 };
        let error = Diagnostic::emerg("unknown directive \"x\"");
        assert_eq!(error.to_string(), "unknown directive \"x\"");
        assert_eq!(error.clone().at(place).to_string(), "unknown directive \"x\" in /etc/a.conf:7");
        assert_eq!(error.at(Place::CommandLine).to_string(), "unknown directive \"x\" in command line");
    }

    #[test]
    fn a_long_text_is_cut_before_the_place() {
        let error = Diagnostic::emerg(format!("{}é!", "x".repeat(1023)));
        let placed = error.clone().at(Place::CommandLine).to_string();
        assert_eq!(placed, format!("{} in command line", "x".repeat(1023)));
        assert_eq!(error.to_string().len(), 1026);
    }

    #[test]
    fn levels_have_nginxs_names() {
        let names = [Level::Emerg, Level::Crit, Level::Error, Level::Warn];
        assert_eq!(names.map(|level| level.to_string()), ["emerg", "crit", "error", "warn"]);
        assert_eq!(Diagnostic::warn("x").level, Level::Warn);
    }

    #[test]
    fn errors_of_the_system_are_worded_as_nginx_does() {
        assert_eq!(os_error(&io::Error::from_raw_os_error(13)), "13: Permission denied");
        assert_eq!(os_error(&io::Error::other("odd")), "odd");
    }
}

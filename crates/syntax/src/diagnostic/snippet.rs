//! Source lines with something underlined, safe to print on any terminal.

use std::fmt::Write as _;

use super::Diagnostic;
use crate::source::{Sources, Span};

/// Columns of a source line shown at most.
const WINDOW: usize = 100;
/// Columns kept before what is underlined when the line does not fit.
const LEAD: usize = 30;
const TAB: &str = "    ";

#[derive(Clone, Copy)]
enum Paint {
    Gutter,
    Primary,
    Secondary,
    Help,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Gutter => "34",
            Self::Primary => "1;31",
            Self::Secondary => "1;34",
            Self::Help => "1;36",
        }
    }
}

pub(super) fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let paint = |text: &str, paint: Paint| {
        if color && !text.is_empty() { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
    };
    let primary = diagnostic.span.and_then(|span| Spot::find(span, sources));
    let related = diagnostic.related.as_ref();
    let related = related.and_then(|r| Some((Spot::find(r.span, sources)?, r.label.as_str())));
    let gutter = [primary.as_ref(), related.as_ref().map(|(spot, _)| spot)]
        .into_iter()
        .flatten()
        .map(|spot| spot.line.to_string().len())
        .max()
        .unwrap_or(0);

    let mut out = String::new();
    let mut show = |spot: &Spot, sign: char, label: &str, marker: Paint| {
        let heading = format!("{:gutter$}-->", "");
        let place = printable(&format!("{}:{}:{}", spot.name, spot.line, spot.column));
        let number = paint(&format!("{:>gutter$} |", spot.line), Paint::Gutter);
        let empty = paint(&format!("{:gutter$} |", ""), Paint::Gutter);
        let marks = std::iter::repeat_n(sign, spot.width).collect::<String>();
        let marks = paint(format!("{marks} {label}").trim_end(), marker);
        let indent = " ".repeat(spot.indent);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{} {place}", paint(&heading, Paint::Gutter));
        let _ = writeln!(out, "{number} {}", spot.shown);
        let _ = writeln!(out, "{empty} {indent}{marks}");
    };
    if let Some(spot) = &primary {
        show(spot, '^', "", Paint::Primary);
    }
    if let Some((spot, label)) = &related {
        show(spot, '-', &printable(label), Paint::Secondary);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "{:gutter$} {} {}", "", paint("= help:", Paint::Help), printable(help));
    }
    out
}

/// One line of a source, ready to print.
struct Spot {
    name: String,
    line: usize,
    column: usize,
    shown: String,
    indent: usize,
    width: usize,
}

impl Spot {
    /// The line on which the span starts; a span over several lines is marked to the end of the first.
    fn find(span: Span, sources: &Sources) -> Option<Self> {
        let source = sources.find(span.file)?;
        let text = source.text();
        let mut at = (span.start as usize).min(text.len());
        // The end of a text is best shown on its last line that has something.
        if at == text.len() {
            let blank = text.iter().rev().take_while(|b| b.is_ascii_whitespace());
            at -= blank.count();
        }
        let (before, after) = text.split_at(at);
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = after.split(|b| *b == b'\n').next().unwrap_or_default();
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        let (meant, tail) = rest.split_at(rest.len().min((span.end as usize).saturating_sub(at)));
        let head = before.get(line_start..).unwrap_or_default();
        let [head_shown, meant, tail] = [head, meant, tail].map(columns);
        let (shown, indent, width) = window(&head_shown, &meant, &tail);
        Some(Self {
            name: source.name().to_owned(),
            line: before.split(|b| *b == b'\n').count(),
            column: String::from_utf8_lossy(head).chars().count() + 1,
            shown,
            indent,
            width,
        })
    }
}

/// Cuts a long line down to the part around `meant`. The text, the columns before the marks, and the number of marks.
fn window(head: &[char], meant: &[char], tail: &[char]) -> (String, usize, usize) {
    let total = head.len() + meant.len() + tail.len();
    let width = meant.len().clamp(1, WINDOW - LEAD);
    if total <= WINDOW {
        let shown: String = [head, meant, tail].concat().into_iter().collect();
        return (shown.trim_end().to_owned(), head.len(), width);
    }
    let skip = head.len().saturating_sub(LEAD).min(total - WINDOW);
    let all = [head, meant, tail].concat();
    let mut shown: String = all.iter().skip(skip).take(WINDOW).collect();
    let mut indent = head.len() - skip;
    if skip > 0 {
        shown.insert_str(0, "… ");
        indent += 2;
    }
    if skip + WINDOW < total {
        shown.push_str(" …");
    }
    (shown, indent, width)
}

fn columns(bytes: &[u8]) -> Vec<char> {
    printable(&String::from_utf8_lossy(bytes)).chars().collect()
}

/// The text with tabs as four blanks, control characters as their pictures, and what could reorder a line as U+FFFD.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' => out.push_str(TAB),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + char as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::files::Memory;

    fn snippet(text: &[u8], start: u32, end: u32) -> String {
        let mut sources = Sources::new();
        let files = Memory::from([("a", text)]);
        let source = sources.open(Path::new("a"), &files, None).unwrap();
        let file = source.id();
        let error = Diagnostic::emerg("x").span(Span { file, start, end });
        error.render_snippet(&sources, false)
    }

    #[test]
    fn tabs_controls_and_broken_utf8() {
        assert_eq!(
            snippet(b"\ta\x1b[31m\xff \x7f bad;", 11, 14),
            " --> a:1:12\n1 |     a␛[31m� ␡ bad;\n  |               ^^^\n"
        );
        assert_eq!(snippet("\u{202e}x \u{9b}2J".as_bytes(), 3, 4), " --> a:1:2\n1 | �x �2J\n  |  ^\n");
    }

    #[test]
    fn no_bytes_of_the_text_reach_the_terminal_as_controls() {
        let every: Vec<u8> = (0..=255).collect();
        for start in 0..256 {
            let shown = snippet(&every, start, start + 3);
            let controls = shown.chars().filter(|c| c.is_control() && *c != '\n');
            assert_eq!(controls.count(), 0, "{shown:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = [&b"a "[..], &[b'x'; 500], b" bad ", &[b'y'; 500]].concat();
        let shown = snippet(&line, 503, 506);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].starts_with("1 | … xxx"), "{shown}");
        assert!(lines[1].ends_with("yyy …"), "{shown}");
        assert_eq!(lines[1].chars().count(), 4 + 2 + WINDOW + 2);
        let (text, mark) = (lines[1].find("bad").unwrap(), lines[2].find('^').unwrap());
        assert_eq!(lines[1][..text].chars().count(), mark, "{shown}");
    }

    #[test]
    fn spans_over_lines_and_at_the_end() {
        assert_eq!(snippet(b"a \"b\r\nc\";", 2, 9), " --> a:1:3\n1 | a \"b\n  |   ^^\n");
        assert_eq!(snippet(b"a\n\n", 3, 3), " --> a:1:2\n1 | a\n  |  ^\n");
        assert_eq!(snippet(b"", 0, 0), " --> a:1:1\n1 | \n  | ^\n");
        assert_eq!(snippet(b"a", 900, 20), " --> a:1:2\n1 | a\n  |  ^\n");
    }

    #[test]
    fn color_frames_but_does_not_change_the_text() {
        let mut sources = Sources::new();
        let file = sources.command_line(b"usr x;").id();
        let error = Diagnostic::emerg("x").span(Span { file, start: 0, end: 3 }).did_you_mean(Some("user"));
        let plain = error.render_snippet(&sources, false);
        let mut colored = error.render_snippet(&sources, true);
        assert!(colored.contains("\x1b[1;31m^^^\x1b[0m"), "{colored}");
        for code in ["34", "1;31", "1;36", "0"] {
            colored = colored.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(colored, plain);
    }

    #[test]
    fn nothing_to_show_is_nothing() {
        let error = Diagnostic::emerg("x");
        assert_eq!(error.render_snippet(&Sources::new(), true), "");
    }
}

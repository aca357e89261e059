//! Lines of the error log, taken apart.

/// `2026/11/23 13:11:30 [error] 22#22: *7 text` in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLine {
    /// The word in brackets.
    pub level: String,
    /// The process id before the `#`.
    pub pid: u32,
    /// The number after the star.
    pub connection: Option<u64>,
    /// All the rest.
    pub text: String,
}

/// Reads one line; `None` when it does not have the form.
pub fn parse_error_line(line: &str) -> Option<ErrorLine> {
    let (stamp, rest) = line.split_at_checked(20)?;
    let shape: String = stamp.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    if shape != "0000/00/00 00:00:00 " {
        return None;
    }
    let (level, rest) = rest.strip_prefix('[')?.split_once("] ")?;
    let (who, text) = rest.split_once(": ")?;
    let (pid, thread) = who.split_once('#')?;
    thread.parse::<u32>().ok()?;
    let (connection, text) = match text.strip_prefix('*').and_then(|rest| rest.split_once(' ')) {
        Some((number, rest)) => (number.parse().ok(), rest),
        None => (None, text),
    };
    Some(ErrorLine { level: level.to_owned(), pid: pid.parse().ok()?, connection, text: glibc_words(text) })
}

/// Says system errors in the words of glibc, should the program be linked with musl. The resolver has words of its own.
pub(crate) fn glibc_words(text: &str) -> String {
    if text.contains("could not be resolved") {
        return text.to_owned();
    }
    text.replace("(110: Operation timed out)", "(110: Connection timed out)")
        .replace("(98: Address in use)", "(98: Address already in use)")
        .replace("(99: Address not available)", "(99: Cannot assign requested address)")
        .replace("(90: Message too large)", "(90: Message too long)")
}

#[cfg(test)]
mod tests {
    use super::parse_error_line;

    #[test]
    fn takes_a_line_apart() {
        let line = parse_error_line("2026/11/23 13:11:30 [error] 22#23: *7 a: b, client: c").unwrap();
        assert_eq!((line.level.as_str(), line.pid, line.connection), ("error", 22, Some(7)));
        assert_eq!(line.text, "a: b, client: c");
        assert_eq!(parse_error_line("2026/11/23 13:11:30 [notice] 22#22: exit").unwrap().connection, None);
        assert_eq!(parse_error_line("nginx: [emerg] x"), None);
    }
}

//! Finds PEM blocks in text. What the library can decode, it does.

/// What some editors put before a text, which OpenSSL skips.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Every block that begins a line and whose label is one of `labels`, from its BEGIN line to its END line (or to the end of the text).
pub(crate) fn blocks<'a>(text: &'a [u8], labels: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = find(rest, b"-----BEGIN ")?;
            let block = rest.get(start..)?;
            let before = rest.get(..start)?;
            let is_marked = before == BYTE_ORDER_MARK && rest.len() == text.len();
            if !(before.is_empty() || before.ends_with(b"\n") || is_marked) {
                rest = block.get(11..)?;
                continue;
            }
            let label = block.get(11..)?;
            let label = label.get(..find(label, b"-----")?)?;
            let after = find(block, b"-----END ")
                .and_then(|end| Some(end + find(block.get(end + 9..)?, b"-----")? + 14))
                .unwrap_or(block.len());
            let (block, next) = block.split_at(after.min(block.len()));
            rest = next;
            if labels.iter().any(|known| known.as_bytes() == label) {
                return Some(block);
            }
        }
    })
}

/// Whether a block has this label.
pub(crate) fn is_labelled(block: &[u8], label: &str) -> bool {
    block
        .strip_prefix(b"-----BEGIN ")
        .and_then(|rest| rest.strip_prefix(label.as_bytes()))
        .is_some_and(|rest| rest.starts_with(b"-----"))
}

/// The bytes that a block holds in base64; headers are not understood.
pub(crate) fn content(block: &[u8]) -> Option<Vec<u8>> {
    let lines = block.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let text: Vec<u8> = lines.filter(|line| !line.starts_with(b"-----")).flatten().copied().collect();
    openssl::base64::decode_block(std::str::from_utf8(&text).ok()?).ok()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"junk\n-----BEGIN A-----\nxx\n-----END A-----\n-----BEGIN B-----\ny\n-----END B-----\n-----BEGIN A-----\nz\n-----END A-----";

    #[test]
    fn only_wanted_labels_are_found() {
        let found: Vec<_> = blocks(TEXT, &["A"]).collect();
        assert_eq!(found, [&b"-----BEGIN A-----\nxx\n-----END A-----"[..], b"-----BEGIN A-----\nz\n-----END A-----"]);
        assert_eq!(blocks(TEXT, &["C"]).count(), 0);
    }

    #[test]
    fn blocks_begin_lines() {
        let block = "-----BEGIN A-----\nz\n-----END A-----";
        for (before, count) in [("", 1), ("x\n", 1), ("\u{FEFF}", 1), (" ", 0), ("x", 0), ("x\n\u{FEFF}", 0)] {
            assert_eq!(blocks(format!("{before}{block}").as_bytes(), &["A"]).count(), count, "{before:?}");
        }
    }

    #[test]
    fn every_prefix_ends_without_panic() {
        for end in 0..TEXT.len() {
            assert!(blocks(&TEXT[..end], &["A", "B"]).count() <= 3);
        }
        assert_eq!(blocks(b"-----BEGIN A-----\nhalf", &["A"]).count(), 1);
    }
}

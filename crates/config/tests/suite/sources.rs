//! What the tests of the whole program write into configurations: which of their files give a directive.
#![expect(clippy::unwrap_used, reason = "a tree that cannot be read has to stop the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the source tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The texts that may be configuration, by file below `tests/`, in the order of the files' names.
pub(crate) fn texts() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut left = vec![root().join("tests")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let texts = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => literals(&fs::read_to_string(&path).unwrap()),
            Some("golden" | "conf") => fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect(),
            _ => continue,
        };
        found.insert(path.strip_prefix(root()).unwrap().display().to_string(), texts);
    }
    found
}

/// The string literals of a source in Rust, with escapes as they are written but for line breaks.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, from) = rest.split_at(at);
        let inner = &from[1..];
        rest = if let Some(comment) = from.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(rest) = inner.strip_prefix("\\\"'").or_else(|| inner.strip_prefix("\"'")) {
            rest
        } else if from.starts_with('"') {
            let hashes = before.len() - before.trim_end_matches('#').len();
            let raw = before.trim_end_matches('#').ends_with('r');
            let end = if raw { inner.find(&format!("\"{}", "#".repeat(hashes))) } else { end_of_literal(inner) };
            let (text, rest) = inner.split_at(end.unwrap());
            found.push(text.replace("\\n", "\n"));
            &rest[1..]
        } else {
            inner
        };
    }
    found
}

fn end_of_literal(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    })
}

/// Whether `text` gives the directive `name`: the word stands where a directive begins, and something ends it.
pub(crate) fn gives(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let begins = text[..at].trim_end_matches([' ', '\t']).bytes().last();
        let after = &text[at + name.len()..];
        begins.is_none_or(|byte| b";{}\n\\".contains(&byte))
            && after.starts_with([' ', ';', '{', '\n'])
            && after.contains([';', '{'])
    })
}

#[test]
fn literals_are_found_and_nothing_else() {
    let source =
        "use a; // \"no\"\nlet x = \"set \\\"$a\\\" b;\\n\"; let c = '\"'; let d = '\\\"'; r#\"a \"b\" c\"#; \"end\"";
    assert_eq!(literals(source), ["set \\\"$a\\\" b;\n", "a \"b\" c", "end"]);
}

#[test]
fn a_directive_begins_where_one_may() {
    assert!(gives("listen 1; proxy_timeout 1s;", "proxy_timeout") && gives("x {\n  set a b;", "set"));
    assert!(!gives("listen 1 set; x", "set") && !gives("settle 1;", "set") && !gives("set it up", "set"));
}

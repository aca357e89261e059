//! Files and what is said of them, with what a terminal shows below: `golden/NAME.conf` and
//! `golden/NAME.expected`. A line `#= NAME` in the former begins another file beside it.
//!
//! `UPDATE_GOLDEN=1` writes what is said now; the first lines are nginx's own, to be checked with it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use syntax::{Diagnostic, Level, Memory};

use crate::machine::load;

/// Everything that is said of a file, in order.
fn said(name: &str, text: &str) -> String {
    let mut files = Memory::default();
    let mut parts = text.split("#= ");
    files.insert(Path::new("/conf").join(name), parts.next().unwrap_or_default());
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        files.insert(Path::new("/conf").join(name), text);
    }
    let loaded = load(name, files);
    let mut said = String::new();
    let tell = |told: &Diagnostic, said: &mut String| {
        let _ = write!(said, "[{}] {told}\n{}", told.level, told.render_snippet(&loaded.sources, false));
    };
    let error = loaded.config.as_ref().err();
    loaded.warnings.iter().chain(error).for_each(|told| tell(told, &mut said));
    if error.is_some() {
        return said;
    }
    if !loaded.later.is_empty() {
        said.push_str("syntax is ok\n");
    }
    loaded.later.iter().for_each(|(_, told)| tell(told, &mut said));
    if loaded.later.iter().all(|(_, told)| told.level > Level::Error) {
        said.push_str("ok\n");
    }
    said
}

#[test]
fn files_and_what_is_said_of_them() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        count += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let now = said(&name, &fs::read_to_string(&path).unwrap());
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(expected, now).unwrap();
        } else {
            assert_eq!(fs::read_to_string(expected).unwrap(), now, "{name}");
        }
    }
    assert!(count >= 20, "only {count} files were found");
}

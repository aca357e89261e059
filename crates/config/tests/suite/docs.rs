//! The manual: `docs/directives.md` is written from the table, and is to be as it is.
//!
//! `UPDATE_DOCS=1` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use config::{Args, Directive, FAMILIES};

/// The manual as the table has it.
fn manual() -> String {
    let mut text = "# Directives\n\nWritten from the table in `crates/config` by \
                    `UPDATE_DOCS=1 cargo test -p lockgate-config`; changes belong there.\n\nTimes without a unit are \
                    seconds, sizes without one bytes. What stands in `stream` holds in every `server` that does not \
                    say otherwise.\n\n"
        .to_owned();
    for family in FAMILIES {
        let names: Vec<_> = family.directives.iter().map(|directive| format!("`{}`", directive.name)).collect();
        let _ = writeln!(text, "* [{}](#{}): {}", family.title, family.name, names.join(", "));
    }
    for family in FAMILIES {
        let _ = write!(text, "\n## {}\n\n{}.\n", family.name, family.title);
        family.directives.iter().for_each(|directive| entry(directive, &mut text));
    }
    text
}

fn entry(directive: &Directive, text: &mut String) {
    let end = match directive.args {
        Args::Simple(..) => ";",
        Args::Block(..) => "",
    };
    let space = if directive.syntax.is_empty() { "" } else { " " };
    let contexts: Vec<_> = directive.contexts.names().collect();
    let _ = write!(
        text,
        "\n**{name}**\n\n```text\n{name}{space}{syntax}{end}\n```\n\n",
        name = directive.name,
        syntax = directive.syntax
    );
    if let Some(default) = directive.default {
        let _ = write!(text, "Default: `{default}`. ");
    }
    let _ = writeln!(text, "In: {}.\n\n{}", contexts.join(", "), directive.doc);
}

#[test]
fn the_manual_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/directives.md");
    let now = manual();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/directives.md is stale: write it anew with UPDATE_DOCS=1");
}

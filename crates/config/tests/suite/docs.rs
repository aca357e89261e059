//! The manual: `docs/directives.md` is written from the table, and is to be as it is.
//!
//! `UPDATE_DOCS=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use config::{Args, Directive, FAMILIES, Family};
use policy::builtin::Builtin;

use crate::sources::{self, gives};

/// What the table cannot tell: the directives that are read and do nothing are taken from it.
const ABSENT: &str = "\
| `http { }`, `mail { }` | refused by name: Lockgate serves `stream { }` only | keep nginx for them, with `stream { }` in a file of its own |
| `listen … accept_filter=name` | a warning: the system has none, as for nginx on Linux | `deferred` |
| `listen … setfib=number` | an invalid parameter, as for nginx on Linux | policy routing of the system |
| `ssl_ech_file`, `ssl_certificate_compression` in the build with OpenSSL | a warning, as for nginx with a library that cannot | the build with AWS-LC |
";

/// What is otherwise on purpose.
const DIFFERENT: &str = "\
| One process with a thread for each worker, no master | nothing is shared between processes, and a reload needs no new ones | none; `PID#TID` in log lines tells the threads apart |
| An error in a configuration is followed by the line, the place underlined and a suggestion | written for people: on a terminal only | redirect standard error |
| `$ssl_curve` is empty after a handshake that failed | it ends a worker of nginx by signal 11 | none |
| TLS 1.0 and 1.1 work where `ssl_protocols` lists them | OpenSSL wants `@SECLEVEL=0` in the ciphers, too | do not list them |
| No finite-field DHE: `ssl_dhparam` is taken with a warning | AWS-LC has none | build with `--no-default-features --features openssl` |
";

/// How the documentation of a directive begins that nginx has not.
const OWN: &str = "Lockgate's own";

/// What holds for all variables.
const VARIABLES: &str = "\
These are there without being defined. What is not known of a session is empty in texts, and `-` in an `access_log`. \
`$ssl_preread_…` take `ssl_preread on`, the others of TLS `listen … ssl`. As with nginx, none holds a certificate's alternative \
names, nor anything of TLS with the upstream.
";

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
    text.push_str(
        "* [Variables](#variables)\n\
         * [What nginx has and Lockgate has not](#what-nginx-has-and-lockgate-has-not)\n\
         * [What Lockgate has and nginx has not](#what-lockgate-has-and-nginx-has-not)\n\
         * [Where Lockgate is deliberately different](#where-lockgate-is-deliberately-different)\n",
    );
    let texts = sources::texts();
    for family in FAMILIES {
        let _ = write!(text, "\n## {}\n\n{}.\n", family.name, family.title);
        for directive in family.directives {
            entry(directive, &mut text);
            if let Some(file) = tested_in(family, directive, &texts) {
                let _ = writeln!(text, "\nTested in [{file}](../{file}).");
            }
        }
    }
    variables(&mut text);
    absent(&mut text);
    own(&mut text);
    text.push_str("\n## Where Lockgate is deliberately different\n\n");
    text.push_str(
        "The [README](../README.md#differences-from-nginx) has those that no directive is concerned with.\n\n",
    );
    let _ = write!(text, "| Lockgate | why, or nginx instead | nginx's way |\n|---|---|---|\n{DIFFERENT}");
    text
}

/// Every variable that is there without being defined.
fn variables(text: &mut String) {
    let _ = write!(text, "\n## Variables\n\n{VARIABLES}\n| variable | says |\n|---|---|\n");
    for variable in Builtin::ALL {
        let rest = if variable.is_prefix() { "…" } else { "" };
        let _ = writeln!(text, "| `${}{rest}` | {} |", variable.name(), variable.doc());
    }
}

/// What is read and has no effect, or is refused, with the reason.
fn absent(text: &mut String) {
    text.push_str(
        "\n## What nginx has and Lockgate has not\n\nEvery directive of nginx's `stream` is known. These do nothing, or \
         cannot:\n\n| | here | instead |\n|---|---|---|\n",
    );
    for directive in FAMILIES.iter().flat_map(|family| family.directives) {
        let reason = directive.doc.strip_prefix("Checked and ignored: ").map(|reason| ("read without effect", reason));
        let refused = || directive.doc.strip_prefix("Refused: ").map(|reason| ("refused", reason));
        if let Some((how, reason)) = reason.or_else(refused) {
            let reason = reason.split(". ").next().unwrap_or_default().trim_end_matches('.');
            let _ = writeln!(text, "| `{}` | {how}: {reason} | leave it out |", directive.name);
        }
    }
    text.push_str(ABSENT);
}

/// What nginx would refuse as unknown.
fn own(text: &mut String) {
    text.push_str(
        "\n## What Lockgate has and nginx has not\n\nnginx refuses these as unknown. None but `worker_sandbox` and \
         `certificate_watch` has an effect where it is not given. Besides there are two parameters of \
         [`resolver`](#core), `min_ttl=` and `stale=`, and a variable, `$lockgate_counters`.\n\n| directive | default | where |\n|---|---|---|\n",
    );
    for directive in FAMILIES.iter().flat_map(|family| family.directives).filter(|one| one.doc.starts_with(OWN)) {
        let default = directive.default.map(|default| format!("`{default}`")).unwrap_or_default();
        let contexts: Vec<_> = directive.contexts.names().collect();
        let _ = writeln!(text, "| `{}` | {default} | {} |", directive.name, contexts.join(", "));
    }
}

/// The file of black-box or differential tests that gives the directive: the family's own one where it does.
fn tested_in<'a>(
    family: &Family,
    directive: &Directive,
    texts: &'a BTreeMap<String, Vec<String>>,
) -> Option<&'a String> {
    let mut files = texts.iter().filter(|(_, texts)| texts.iter().any(|text| gives(text, directive.name)));
    let own = format!("tests/blackbox/{}.rs", family.name);
    let first = files.clone().next();
    files.find(|(file, _)| **file == own).or(first).map(|(file, _)| file)
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
    let path = sources::root().join("docs/directives.md");
    let now = manual();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/directives.md is stale: write it anew with UPDATE_DOCS=1");
}

#[test]
fn every_directive_is_tested_on_the_whole_program() {
    let texts = sources::texts();
    let untested: Vec<_> = FAMILIES
        .iter()
        .flat_map(|family| family.directives.iter().map(move |directive| (family, directive)))
        .filter(|(family, directive)| tested_in(family, directive, &texts).is_none())
        .map(|(_, directive)| directive.name)
        .collect();
    assert!(untested.is_empty(), "no file in tests/ gives {untested:?}");
}

//! What `-t` says about a config, right or wrong: one table per family beside this file.
//!
//! A case is a context (`@stream`), the text in that context, and after `> ` the lines on standard error without the
//! program's name, `> ok` for success. `%F` is the file, `%dir` its directory, `%pki` that of the certificates, `%p` a
//! free port. A line that ends in `(` goes on with what the TLS library or the system says, which is not compared.

use std::fmt::Write;

use testkit::{Port, Scratch, pki};

use crate::{binary, gateway, is_nginx};

struct Case<'a> {
    context: &'a str,
    text: String,
    expected: Vec<&'a str>,
}

fn parse(table: &str) -> Vec<Case<'_>> {
    let case = |part| {
        let mut case = Case { context: "", text: String::new(), expected: Vec::new() };
        let mut first = true;
        for line in str::lines(part) {
            match line.strip_prefix("> ") {
                Some(expected) => case.expected.push(expected),
                None if case.context.is_empty() => case.context = line,
                None => {
                    // Between lines only: where the text ends decides some of the line numbers.
                    if !std::mem::take(&mut first) {
                        case.text.push('\n');
                    }
                    case.text.push_str(line);
                }
            }
        }
        case
    };
    table.split("\n\n@").map(|part| case(part.trim_start_matches('@'))).collect()
}

/// The whole file around the text, with as many lines before it as the table counts on.
fn file(context: &str, text: &str) -> String {
    match context {
        "raw" => text.to_owned(),
        "main" => format!("{text}\nevents {{}}\n"),
        "events" => format!("events {{\n{text}\n}}\n"),
        "stream" => format!("events {{}}\nstream {{\n{text}\n}}\n"),
        "server" => format!("events {{}}\nstream {{\nserver {{\nlisten unix:%dir/l;\n{text}\n}}\n}}\n"),
        "upstream" => format!("events {{}}\nstream {{\nupstream u {{\nserver 127.0.0.1:1;\n{text}\n}}\n}}\n"),
        other => panic!("unknown context {other:?}"),
    }
}

/// The lines on standard error, in the form of the tables, and the exit code.
fn test_conf(case: &Case<'_>) -> (Vec<String>, Option<i32>) {
    let (scratch, port) = (Scratch::new(), Port::lease());
    let dir = scratch.path().display().to_string();
    let (pki, number) = (pki().dir().display().to_string(), port.number().to_string());
    let text = file(case.context, &case.text).replace("%pki", &pki).replace("%dir", &dir).replace("%p", &number);
    let conf = scratch.write("load.conf", text).display().to_string();
    let log = format!("{dir}/start.log");
    let run = binary().run(["-t", "-p", &dir, "-c", &conf, "-e", &log]);
    let lines = run
        .messages()
        .into_iter()
        .filter(|line| !line.ends_with("syntax is ok") && !line.ends_with("test failed"))
        .map(|line| {
            if line.ends_with("test is successful") {
                return "ok".to_owned();
            }
            line.replace(&conf, "%F").replace(&dir, "%dir").replace(&pki, "%pki").replace(&number, "%p")
        })
        .collect();
    (lines, run.code)
}

fn agrees(line: &str, expected: &str) -> bool {
    // The build of nginx that is used to check the tables may have the older of the two regex libraries.
    let line = line.replace("pcre_compile() failed: missing )", "pcre2_compile() failed: missing closing parenthesis");
    let open = expected.ends_with("(SSL:") || expected.ends_with('(');
    line == expected || open && line.starts_with(expected)
}

fn check(table: &str) {
    let cases = parse(table);
    assert!(cases.len() > 20, "the table is read");
    let mut report = String::new();
    for case in &cases {
        let (lines, code) = test_conf(case);
        let same = lines.len() == case.expected.len()
            && lines.iter().zip(&case.expected).all(|(line, expected)| agrees(line, expected));
        let succeeds = case.expected.last() == Some(&"ok");
        if !same || code != Some(i32::from(!succeeds)) {
            let _ = writeln!(
                report,
                "@{}\n{}\nexpected {:#?}\ngot {lines:#?}, exit code {code:?}\n",
                case.context, case.text, case.expected
            );
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn grammar() {
    check(include_str!("load/grammar.golden"));
}

#[test]
fn main_and_events() {
    check(include_str!("load/main.golden"));
}

#[test]
fn core() {
    check(include_str!("load/core.golden"));
}

#[test]
fn proxy() {
    check(include_str!("load/proxy.golden"));
}

#[test]
fn upstream() {
    check(include_str!("load/upstream.golden"));
}

#[test]
fn ssl() {
    check(include_str!("load/ssl.golden"));
}

#[test]
fn variables_and_logs() {
    check(include_str!("load/variables.golden"));
}

#[test]
fn limits() {
    check(include_str!("load/limits.golden"));
}

/// The messages of a config whose `stream {}` has this inside.
fn messages(stream: &str) -> (Vec<String>, Option<i32>) {
    let done = gateway(stream).test();
    (done.messages(), done.code)
}

#[test]
fn a_parameter_too_long_for_the_buffer() {
    let (lines, code) = messages(&format!("log_format f {};", "x".repeat(5000)));
    assert_eq!(code, Some(1));
    assert!(lines[0].starts_with("[emerg] too long parameter \"xxxxxxxxxx...\" started in "), "{lines:?}");
    let (lines, _) = messages(&format!("log_format f \"{};", "x".repeat(5000)));
    assert!(
        lines[0].starts_with("[emerg] too long parameter, probably missing terminating \"\"\" character in "),
        "{lines:?}"
    );
}

#[test]
fn an_error_in_an_included_file_names_that_file() {
    let done = gateway("include %dir/part.conf;").file("part.conf", "\n\nbogus;\n").test();
    let line = done.messages().remove(0);
    assert!(line.starts_with("[emerg] unknown directive \"bogus\" in "), "{line}");
    assert!(line.ends_with("/part.conf:3"), "{line}");
}

#[test]
fn an_included_file_is_complete_in_itself() {
    let done = gateway("include %dir/part.conf; }").file("part.conf", "server {\n").test();
    let line = done.messages().remove(0);
    assert!(line.starts_with("[emerg] unexpected end of file, expecting \"}\" in "), "{line}");
    assert!(line.ends_with("/part.conf:2"), "{line}");
}

#[test]
fn masks_include_in_sorted_order() {
    let done = gateway("include %dir/*.part;").file("b.part", "bogus_b;\n").file("a.part", "bogus_a;\n").test();
    let line = done.messages().remove(0);
    assert!(line.starts_with("[emerg] unknown directive \"bogus_a\" in "), "{line}");
}

#[test]
fn other_subsystems_are_refused_with_advice() {
    if is_nginx() {
        return;
    }
    for block in ["http", "mail"] {
        let done = gateway("").main(&format!("{block} {{ }}")).test();
        assert_eq!(done.code, Some(1));
        let line = done.messages().remove(0);
        assert!(line.starts_with("[emerg] ") && line.contains(&format!("\"{block}\"")), "{line}");
    }
}

#[test]
fn what_came_with_later_releases() {
    if is_nginx() {
        return;
    }
    let (lines, code) = messages("server { listen 127.0.0.1:%p; proxy_protocol v2; proxy_pass 127.0.0.1:1; }");
    assert_eq!(code, Some(0), "{lines:?}");
    let (lines, code) = messages("server { listen 127.0.0.1:%p; proxy_protocol v1; proxy_pass 127.0.0.1:1; }");
    assert_eq!(code, Some(1), "{lines:?}");
    assert!(lines[0].starts_with("[emerg] invalid value \"v1\" in /"), "{lines:?}");
    let (lines, code) = messages("log_format f a; access_log %dir/a f gzip=10;");
    assert_eq!(code, Some(1));
    assert!(lines[0].starts_with("[emerg] invalid compression level \"10\" in "), "{lines:?}");
    let (lines, _) = messages("server { listen 127.0.0.1:%p; js_access x; }");
    assert!(lines[0].starts_with("[emerg] unknown directive \"js_access\" in "), "{lines:?}");
}

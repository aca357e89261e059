use super::*;
use crate::cache::Cache;
use crate::variables::tests::{World, render};

fn parse(text: &[u8], captures: Captures) -> Result<Template, TemplateError> {
    Template::parse(text, &mut Variables::new(), captures)
}

#[test]
fn names_braces_prefixes_and_captures() {
    let mut variables = Variables::new();
    assert_eq!(
        render(
            &mut variables,
            &["<$remote_addr>${REMOTE_ADDR}x", "$proxy_protocol_tlv_Alpn", "$protocol|$1|$12|}{", "plain", ""]
        ),
        ["<1.2.3.4>1.2.3.4x", "alpn", "||2|}{", "plain", ""]
    );
}

#[test]
fn refusals() {
    for (text, allowed, plain) in [
        ("a$", "invalid variable name", "invalid parameter \"$\""),
        ("a$-x y", "invalid variable name", "invalid parameter \"$-x y\""),
        ("a${", "invalid variable name", "invalid parameter \"${\""),
        ("a${}x", "invalid variable name", "invalid parameter \"${}x\""),
        (
            "a${b",
            "the closing bracket in \"b\" variable is missing",
            "the closing bracket in \"b\" variable is missing",
        ),
        ("${-}", "the closing bracket in \"\" variable is missing", "the closing bracket in \"\" variable is missing"),
        (
            "${a-b}",
            "the closing bracket in \"a\" variable is missing",
            "the closing bracket in \"a\" variable is missing",
        ),
    ] {
        assert_eq!(parse(text.as_bytes(), Captures::Allowed).unwrap_err().to_string(), allowed, "{text}");
        assert_eq!(parse(text.as_bytes(), Captures::Plain).unwrap_err().to_string(), plain, "{text}");
    }
}

#[test]
fn digits_are_captures_or_names() {
    for (text, captures, unknown) in [
        ("$0", Captures::Allowed, Some("0")),
        ("${1}", Captures::Allowed, Some("1")),
        ("$9$1x", Captures::Allowed, None),
        ("$1x", Captures::Plain, Some("1x")),
    ] {
        let mut variables = Variables::new();
        Template::parse(text.as_bytes(), &mut variables, captures).unwrap();
        let expected = unknown.map(|name| format!("unknown \"{name}\" variable"));
        assert_eq!(variables.check().err().map(|error| error.to_string()), expected, "{text}");
    }
}

#[test]
fn words_follow_one_another_and_end_where_they_end() {
    let mut variables = Variables::new();
    let mut parse = |words: &[&str]| {
        let words = words.iter().map(|word| word.as_bytes());
        Template::parse_words(words, &mut variables, Captures::Plain)
    };
    assert_eq!(parse(&["a", "", "b c"]).unwrap().literal(), Some(&b"ab c"[..]));
    assert_eq!(parse(&["a$", "pid"]).unwrap_err().to_string(), "invalid parameter \"$\"");
    let split = parse(&["$pro", "tocol"]);
    assert!(split.is_ok());
    assert_eq!(variables.check().unwrap_err().to_string(), "unknown \"pro\" variable");
}

#[test]
fn literals() {
    assert_eq!(parse(b"a b", Captures::Allowed).unwrap().literal(), Some(&b"a b"[..]));
    assert_eq!(parse(b"", Captures::Allowed).unwrap().literal(), Some(&b""[..]));
    assert!(parse(b"", Captures::Allowed).unwrap().is_empty());
    assert_eq!(parse(b"$pid", Captures::Allowed).unwrap().literal(), None);
    assert!(!parse(b"$pid", Captures::Allowed).unwrap().is_empty());
    assert_eq!(Template::text(b"a$b").literal(), Some(&b"a$b"[..]));
    assert_eq!(Template::text(b""), parse(b"", Captures::Plain).unwrap());
}

#[test]
fn log_lines_tell_missing_from_empty_and_escape_values_only() {
    let mut variables = Variables::new();
    let text = b"\"$limit_conn_status\" \"$server_name\" \"$ssl_preread_server_name\"";
    let template = Template::parse(text, &mut variables, Captures::Plain).unwrap();
    let (world, cache) = (World::default(), Cache::default());
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    world.name.replace(b"a\"\n".to_vec());
    let line = |escape| {
        let mut out = Vec::new();
        template.render_log(&scope, escape, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(line(Escape::Default), "\"-\" \"\" \"a\\x22\\x0A\"");
    assert_eq!(line(Escape::Json), "\"\" \"\" \"a\\\"\\n\"");
    assert_eq!(line(Escape::None), "\"\" \"\" \"a\"\n\"");
    let mut out = Vec::new();
    template.render(&scope, &mut out);
    assert_eq!(out, b"\"\" \"\" \"a\"\n\"");
}

/// No prefix does harm, and only a mention that was cut off is refused.
#[test]
fn every_prefix() {
    let text = b"a$remote_addr ${bytes_sent}b$1$2${Pid}$x\xff$";
    for end in 0..=text.len() {
        let text = &text[..end];
        let begins = text.iter().rposition(|byte| *byte == b'$').map(|at| &text[at..]);
        let cut =
            begins.is_some_and(|mention| mention == b"$" || (mention.starts_with(b"${") && !mention.contains(&b'}')));
        for captures in [Captures::Allowed, Captures::Plain] {
            assert_eq!(parse(text, captures).is_err(), cut, "{}", String::from_utf8_lossy(text));
        }
    }
}

use std::cell::{Cell, RefCell};

use super::*;
use crate::map::MapBuilder;
use crate::template::{Captures, Escape, TemplateError};

/// A session that counts how often it was asked.
#[derive(Default)]
struct World {
    asked: Cell<u32>,
    said: RefCell<Vec<String>>,
}

impl Values for World {
    fn builtin(&self, which: Builtin, suffix: &str, out: &mut Vec<u8>) -> bool {
        self.asked.set(self.asked.get() + 1);
        match which {
            Builtin::RemoteAddr => out.extend_from_slice(b"1.2.3.4"),
            Builtin::Status | Builtin::BytesSent => out.extend_from_slice(self.asked.get().to_string().as_bytes()),
            Builtin::ProxyProtocolTlv => out.extend_from_slice(suffix.as_bytes()),
            Builtin::ServerName => {}
            Builtin::SslPrereadServerName => out.extend_from_slice(b"Host7.Example.COM"),
            _ => return false,
        }
        true
    }

    fn client_ip(&self) -> Option<IpAddr> {
        None
    }

    fn complain(&self, text: &str) {
        self.said.borrow_mut().push(text.to_owned());
    }
}

fn render(variables: &mut Variables, texts: &[&str]) -> Vec<String> {
    let (world, cache) = (World::default(), Cache::default());
    let templates: Vec<_> =
        texts.iter().map(|text| Template::parse(text.as_bytes(), variables, Captures::Allowed).unwrap()).collect();
    let scope = Scope { variables, values: &world, cache: &cache };
    templates
        .iter()
        .map(|template| {
            let mut out = Vec::new();
            template.render(&scope, &mut out);
            String::from_utf8(out).unwrap()
        })
        .collect()
}

fn define_map(variables: &mut Variables, name: &str, source: &str, entries: &[&[&str]]) {
    let mut builder = MapBuilder::new();
    for words in entries {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        builder.entry(&words, variables).unwrap();
    }
    let source = Template::parse(source.as_bytes(), variables, Captures::Allowed).unwrap();
    let volatile = builder.is_volatile();
    variables.define(name.as_bytes(), Definition::Map { source, map: builder.finish(), volatile }).unwrap();
}

#[test]
fn names_braces_and_prefixes() {
    let mut variables = Variables::new();
    assert_eq!(
        render(&mut variables, &["<$remote_addr>${REMOTE_ADDR}x", "$proxy_protocol_tlv_alpn", "$pid|$1"]),
        ["<1.2.3.4>1.2.3.4x", "alpn", "|"]
    );
}

#[test]
fn counters_freeze_unless_they_are_fresh() {
    let mut variables = Variables::new();
    let texts = render(&mut variables, &["$bytes_sent", "$bytes_sent", "$status $status", "$status"]);
    assert_eq!(texts[0], texts[1]);
    let (first, second) = texts[2].split_once(' ').unwrap();
    assert_eq!(first, second, "once per text");
    assert_ne!(first, texts[3], "anew for the next");
}

#[test]
fn a_map_with_everything() {
    let mut variables = Variables::new();
    define_map(
        &mut variables,
        "target",
        "$ssl_preread_server_name",
        &[&["hostnames"], &["default", "none"], &["*.example.com", "wild $remote_addr"], &["~^x(.)$", "cap $1"]],
    );
    define_map(&mut variables, "exact", "$ssl_preread_server_name", &[&["host7.example.com", "$target!"]]);
    define_map(&mut variables, "caught", "x$remote_addr", &[&["~^x(?<front>\\d)\\.(.)", "$front-$2"]]);
    assert_eq!(
        render(&mut variables, &["$target", "$exact", "$caught", "$front $1"]),
        ["wild 1.2.3.4", "wild 1.2.3.4!", "1-2", "1 1"]
    );
}

#[test]
fn refusals_in_the_reference_s_words() {
    let mut variables = Variables::new();
    assert_eq!(
        variables.define(b"remote_addr", Definition::Set).unwrap_err().to_string(),
        "the duplicate \"remote_addr\" variable"
    );
    variables.define(b"ssl_protocol", Definition::Set).unwrap();
    variables.reference(b"nope");
    assert_eq!(variables.check().unwrap_err().to_string(), "unknown \"nope\" variable");
    let mut builder = MapBuilder::new();
    let mut entry = |words: &[&[u8]]| builder.entry(words, &mut variables).map_err(|error| error.to_string());
    entry(&[b"A", b"1"]).unwrap();
    assert_eq!(entry(&[b"a", b"2"]).unwrap_err(), "conflicting parameter \"a\"");
    assert_eq!(entry(&[b"a"]).unwrap_err(), "invalid number of the map parameters");
    entry(&[b"default", b"1"]).unwrap();
    assert_eq!(entry(&[b"default", b"1"]).unwrap_err(), "duplicate default map parameter");
    entry(&[b"\\default", b"1"]).unwrap();
    entry(&[b"hostnames"]).unwrap();
    assert_eq!(entry(&[b"*.a.*", b"1"]).unwrap_err(), "invalid hostname or wildcard \"*.a.*\"");
    assert!(entry(&[b"~a(", b"1"]).unwrap_err().starts_with("pcre2_compile() failed: missing closing parenthesis"));
    let parse = |text: &str| Template::parse(text.as_bytes(), &mut Variables::new(), Captures::Allowed);
    assert_eq!(parse("a${foo").unwrap_err(), TemplateError::Unclosed("foo".to_owned()));
    assert_eq!(parse("a$").unwrap_err(), TemplateError::NoName);
}

#[test]
fn circles_end() {
    let mut variables = Variables::new();
    define_map(&mut variables, "a", "$b", &[&["default", "$b"]]);
    define_map(&mut variables, "b", "$a", &[&["default", "$a"]]);
    let template = Template::parse(b"<$a>", &mut variables, Captures::Allowed).unwrap();
    let (world, cache) = (World::default(), Cache::default());
    let mut out = Vec::new();
    template.render(&Scope { variables: &variables, values: &world, cache: &cache }, &mut out);
    assert_eq!(out, b"<>");
    assert!(world.said.borrow().iter().any(|line| line.starts_with("cycle while evaluating variable")));
}

#[test]
fn set_values_override() {
    let mut variables = Variables::new();
    define_map(&mut variables, "m", "$remote_addr", &[&["default", "mapped"]]);
    let id = variables.define(b"m", Definition::Set).unwrap();
    let template = Template::parse(b"$m", &mut variables, Captures::Allowed).unwrap();
    let (world, cache) = (World::default(), Cache::default());
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    let rendered = || {
        let mut out = Vec::new();
        template.render(&scope, &mut out);
        out
    };
    assert_eq!(rendered(), b"mapped");
    scope.set(id, b"set".to_vec());
    assert_eq!(rendered(), b"set");
}

#[test]
fn log_lines_escape_values() {
    let log = |text: &str, escape| {
        let mut variables = Variables::new();
        let template = Template::parse(text.as_bytes(), &mut variables, Captures::Plain).unwrap();
        let (world, cache) = (World::default(), Cache::default());
        let scope = Scope { variables: &variables, values: &world, cache: &cache };
        let id = template_id(&variables);
        if let Some(id) = id {
            scope.set(id, b"a\"\\\n\x1f\x7f\xff".to_vec());
        }
        let mut out = Vec::new();
        template.render_log(&scope, escape, &mut out);
        out
    };
    assert_eq!(log("\"$odd\"", Escape::Default), b"\"a\\x22\\x5C\\x0A\\x1F\\x7F\\xFF\"");
    assert_eq!(log("$odd", Escape::Json), b"a\\\"\\\\\\n\\u001F\x7f\xff");
    assert_eq!(log("$odd", Escape::None), b"a\"\\\n\x1f\x7f\xff");
    assert_eq!(log("$server_name$limit_conn_status", Escape::Default), b"-");
    assert_eq!(log("$limit_conn_status", Escape::Json), b"");
}

/// The variable called `odd`, if the template under test mentions it.
fn template_id(variables: &Variables) -> Option<VarId> {
    variables.by_name.get("odd").copied()
}

#[test]
fn every_prefix_of_a_template_parses_or_is_refused() {
    let text = "a$remote_addr ${bytes_sent}b$1$ $x";
    for end in 0..text.len() {
        let _ = Template::parse(&text.as_bytes()[..end], &mut Variables::new(), Captures::Allowed);
        let _ = Template::parse(&text.as_bytes()[..end], &mut Variables::new(), Captures::Plain);
    }
}

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::files::Memory;
use crate::source::Sources;

/// Every item as text, `name|arg;` or `name {` or `}`, each with the parser's line; then how it ended.
fn walk(source: &Source) -> Vec<String> {
    let mut out = Vec::new();
    let mut parser = Parser::new(source);
    let mut directive = Directive::default();
    loop {
        match parser.next(&mut directive) {
            Ok(Item::Directive) => {
                let words: Vec<_> = directive.words.iter().collect();
                let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(&word.text).into_owned()).collect();
                let end = match directive.end {
                    End::Semicolon => ";",
                    End::Open => " {",
                };
                out.push(format!("{}{end} {}", words.join("|"), directive.line));
            }
            Ok(Item::Close) => out.push(format!("}} {}", parser.line)),
            Ok(Item::End) => return out,
            Err(error) => {
                out.push(error.to_string());
                return out;
            }
        }
    }
}

fn file(text: &[u8]) -> std::sync::Arc<Source> {
    let files = Memory::from([("f", text)]);
    Sources::new().open(Path::new("f"), &files, None).unwrap()
}

fn parse(text: &str) -> Vec<String> {
    walk(&file(text.as_bytes()))
}

fn parameter(text: &str) -> Vec<String> {
    walk(&Sources::new().command_line(text.as_bytes()))
}

fn last(text: &str) -> String {
    parse(text).pop().unwrap_or_default()
}

#[test]
fn directives_blocks_and_lines() {
    assert_eq!(
        parse("user a b\n;\n\nstream{server {\n listen 1;}\n}"),
        ["user|a|b; 2", "stream { 4", "server { 4", "listen|1; 5", "} 5", "} 6"]
    );
    assert_eq!(parse(""), [""; 0]);
    assert_eq!(parse(" \t\r\n# only"), [""; 0]);
}

#[test]
fn words() {
    for (text, words) in [
        ("a#b # c;\n;", "a#b"),
        ("a \"b c\" 'd \"e';", "a|b c|d \"e"),
        ("a \"\" '';", "a||"),
        ("a foo\"bar\" it's;", "a|foo\"bar\"|it's"),
        ("a b\\;c\\ d\\{;", "a|b\\;c\\ d\\{"),
        ("a \\\"b\\\" \\t\\d \\\\;", "a|\"b\"|\t\\d|\\"),
        ("a \"\\\"\\d\\n\";", "a|\"\\d\n"),
        ("a ${b}c$d ${{x $;", "a|${b}c$d|${{x|$"),
        ("a b}c};", "a|b}c}"),
        ("a \"b\"){};", "a|b|)"),
        ("a (\"b\");", "a|(\"b\")"),
        ("a\0b \u{feff}\u{e9};", "a\0b|\u{feff}\u{e9}"),
        ("\"a\";", "a"),
    ] {
        let end = parse(text).first().cloned().unwrap_or_default();
        let (found, _) = end.rsplit_once(' ').unwrap();
        let found = found.strip_suffix(" {").or(found.strip_suffix(';')).unwrap();
        assert_eq!(found, words, "{text}");
    }
}

#[test]
fn a_dollar_keeps_only_the_brace_right_after_it() {
    assert_eq!(parse("a $b{}"), ["a|$b { 1", "} 1"]);
    assert_eq!(parse("a \"$\"{}"), ["a|$ { 1", "} 1"]);
    assert_eq!(last("a $\\{;"), "a|$\\{; 1");
}

#[test]
fn words_borrow_unless_escaped_and_know_where_they_are() {
    let source = file(b"ab \"c\\\"d\" 'e';");
    let mut directive = Directive::default();
    let item = Parser::new(&source).next(&mut directive);
    assert_eq!(item, Ok(Item::Directive));
    let found: Vec<_> = directive
        .words
        .iter()
        .map(|w| (matches!(w.text, Cow::Borrowed(_)), w.span.start, w.span.end, w.quoted))
        .collect();
    assert_eq!(found, [(true, 0, 2, false), (false, 3, 9, true), (true, 10, 13, true)]);
    assert_eq!(directive.name(), b"ab");
    assert_eq!(directive.args().len(), 2);
    let span = directive.span().unwrap();
    assert_eq!((span.start, span.end), (0, 13));
}

#[test]
fn lines_are_counted_in_quotes_escapes_and_comments() {
    assert_eq!(parse("a \"\n\n\" b\\\nc # \n;"), ["a|\n\n|b\\\nc; 5"]);
    assert_eq!(last("\"\n\\\n\"x"), "unexpected \"x\" in f:3");
}

#[test]
fn unexpected_bytes() {
    for (text, error) in [
        (";", "unexpected \";\" in f:1"),
        ("a;\n;", "unexpected \";\" in f:2"),
        ("{", "unexpected \"{\" in f:1"),
        ("}", "unexpected \"}\" in f:1"),
        ("a {}\n}", "unexpected \"}\" in f:2"),
        ("a {\n b }", "unexpected \"}\" in f:2"),
        ("a \"b\"c;", "unexpected \"c\" in f:1"),
        ("a 'b'\"c\";", "unexpected \"\"\" in f:1"),
        ("a 'b'}", "unexpected \"}\" in f:1"),
        ("a 'b'#", "unexpected \"#\" in f:1"),
    ] {
        assert_eq!(last(text), error, "{text}");
    }
}

#[test]
fn ends_of_files() {
    let directive = "unexpected end of file, expecting \";\" or \"}\" in f:";
    let block = "unexpected end of file, expecting \"}\" in f:";
    for (text, error, line) in [
        ("a", directive, 1),
        ("a\n\n", directive, 3),
        ("a # b\n", directive, 2),
        ("a {\nb\n", directive, 3),
        ("a\\\n", directive, 2),
        ("a\\", directive, 1),
        ("a \"b\n;", directive, 2),
        ("a \"b\"", directive, 1),
        ("a '", directive, 1),
        ("a {", block, 1),
        ("a {\n b {}\n", block, 3),
        ("a { #", block, 1),
    ] {
        assert_eq!(last(text), format!("{error}{line}"), "{text}");
    }
}

#[test]
fn the_command_line_has_words_of_its_own() {
    assert_eq!(parameter("a b; c\n;"), ["a|b; 1", "c; 2"]);
    for (text, error) in [
        ("a", "unexpected end of parameter, expecting \";\" in command line"),
        ("a 'b", "unexpected end of parameter, expecting \";\" in command line"),
        ("a {", "block directives are not supported in -g option in command line"),
        ("}", "unexpected \"}\" in command line"),
        (";", "unexpected \";\" in command line"),
    ] {
        assert_eq!(parameter(text), [error]);
    }
    let long = "a".repeat(9000);
    assert_eq!(parameter(&format!("{long};")), [format!("{long}; 1")]);
}

#[test]
fn the_longest_words_and_comments() {
    let a = |count: usize| "a".repeat(count);
    let started = |head: &str| format!("too long parameter \"{head}...\" started in f:2");
    let unclosed =
        |quote: char| format!("too long parameter, probably missing terminating \"{quote}\" character in f:2");
    for (text, error) in [
        (format!("\n{};", a(4095)), None),
        (format!("\n{};", a(4096)), Some(started("aaaaaaaaaa"))),
        (format!("\n{}{{}}", a(4095)), None),
        (format!("\n{} ;", a(4094)), None),
        (format!("\n{}\n;", a(4095)), Some(started("aaaaaaaaaa"))),
        (format!("\n\"{}\";", a(4094)), None),
        (format!("\n\"{}\";", a(4095)), Some(started("aaaaaaaaaa"))),
        (format!("\n\"{}\";", a(4096)), Some(unclosed('"'))),
        (format!("\n'\n{}", a(5000)), Some(unclosed('\''))),
        (format!("\n\"{}\" ;", a(4093)), None),
        (format!("\n\"{}\"\n;", a(4094)), Some(started("aaaaaaaaaa"))),
        (format!("\n\"\n{}\"\n;", a(4093)), Some(started("\naaaaaaaaa"))),
        (format!("\n#{}\nx;", a(4094)), None),
        (format!("\n#{}\nx;", a(4095)), Some(started("#aaaaaaaaa"))),
        (format!("\n\\{}\\;;", a(4092)), None),
        (format!("\n{}\\;;", a(4094)), Some(started("aaaaaaaaaa"))),
    ] {
        let found = last(&text);
        match error {
            Some(error) => assert_eq!(found, error, "{} bytes", text.len()),
            None => assert!(!found.contains("too long"), "{} bytes: {found}", text.len()),
        }
    }
    let end = "unexpected end of file, expecting \";\" or \"}\" in f:1";
    assert_eq!(last(&a(4096)), end);
    assert_eq!(parse(&format!("#{}", a(4095))), [""; 0]);
}

const SAMPLE: &str = "user a 'b c';\n# note\nstream { map $x $y { \"a\\\"b\" 1; ~^x$ ${z}{q; }\n }\nset \\$a \"\";}\n";

#[test]
fn every_prefix_is_whole_or_cut_off() {
    let whole = walk(&file(SAMPLE.as_bytes()));
    for end in 0..SAMPLE.len() {
        let found = walk(&file(&SAMPLE.as_bytes()[..end]));
        let Some((last, before)) = found.split_last() else {
            continue;
        };
        assert!(whole.starts_with(before), "{end}");
        let cut_off = last.starts_with("unexpected end of file");
        assert!(cut_off || whole.starts_with(&found), "{end}: {last}");
    }
}

#[test]
fn a_big_map_streams_through_one_buffer() {
    let mut text = String::from("map $ssl_preread_server_name $up {\n");
    for i in 0..100_000 {
        let line = format!("    host{i}.example.com \"10.0.{}.{}:443\";\n", i / 256 % 256, i % 256);
        text.push_str(&line);
    }
    text.push_str("}\n");
    let source = file(text.as_bytes());
    let mut parser = Parser::new(&source);
    let mut directive = Directive::default();
    let (mut count, mut capacity) = (0, 0);
    while parser.next(&mut directive).unwrap() != Item::End {
        count += directive.words.len();
        assert!(directive.words.iter().all(|w| matches!(w.text, Cow::Borrowed(_))));
        capacity = capacity.max(directive.words.capacity());
    }
    // The name and its two arguments, then two words each; the `}` leaves the buffer empty.
    assert_eq!(count, 3 + 200_000);
    assert_eq!(parser.line, 100_003);
    assert!(capacity <= 4, "{capacity}");
}

/// A way to write a word so that it reads back the same.
fn written(word: &[u8], style: u8) -> Vec<u8> {
    let quote = if style == 0 { b'"' } else { b'\'' };
    let mut out = vec![quote];
    for &byte in word {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' if style == 0 => out.extend_from_slice(b"\\n"),
            _ if byte == quote => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
    out.push(quote);
    out
}

/// A directive, with the directives of its block.
#[derive(Debug, Clone, PartialEq)]
struct Tree {
    words: Vec<Vec<u8>>,
    block: Option<Vec<Tree>>,
}

fn tree() -> impl Strategy<Value = Tree> {
    let words = || {
        let odd = prop::sample::select(&b"a$\\\"'{}; #\n()"[..]);
        prop::collection::vec(prop::collection::vec(odd, 0..6), 1..4)
    };
    let leaf = words().prop_map(|words| Tree { words, block: None });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (words(), prop::option::of(prop::collection::vec(inner, 0..4))).prop_map(|(words, block)| Tree { words, block })
    })
}

fn write_tree(trees: &[Tree], gap: &[u8], text: &mut Vec<u8>) {
    for tree in trees {
        for (word, style) in tree.words.iter().zip([0, 1].into_iter().cycle()) {
            text.extend_from_slice(&written(word, style));
            text.extend_from_slice(gap);
        }
        let Some(block) = &tree.block else {
            text.push(b';');
            continue;
        };
        text.push(b'{');
        write_tree(block, gap, text);
        text.push(b'}');
        text.extend_from_slice(gap);
    }
}

/// What stands before the end of the block or the text.
fn read_tree<'s>(parser: &mut Parser<'s>) -> Vec<Tree> {
    let mut found = Vec::new();
    let mut directive: Directive<'s> = Directive::default();
    while parser.next(&mut directive).unwrap() == Item::Directive {
        let words = directive.words.iter().map(|word| word.text.to_vec()).collect();
        let block = match directive.end {
            End::Open => Some(read_tree(parser)),
            End::Semicolon => None,
        };
        found.push(Tree { words, block });
    }
    found
}

proptest! {
    #[test]
    fn written_words_read_back(
        directives in prop::collection::vec(
            prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), 0..2u8), 1..5),
            0..8,
        )
    ) {
        let mut text = Vec::new();
        for words in &directives {
            for (word, style) in words {
                text.extend_from_slice(&written(word, *style));
                text.push(b' ');
            }
            text.push(b';');
        }
        let source = file(&text);
        let mut parser = Parser::new(&source);
        let mut directive = Directive::default();
        for words in &directives {
            prop_assert_eq!(parser.next(&mut directive), Ok(Item::Directive));
            let found: Vec<_> = directive.words.iter().map(|w| w.text.to_vec()).collect();
            let meant: Vec<_> = words.iter().map(|(word, _)| word.clone()).collect();
            prop_assert_eq!(found, meant);
        }
        prop_assert_eq!(parser.next(&mut directive), Ok(Item::End));
    }

    #[test]
    fn a_written_tree_reads_back(tree in prop::collection::vec(tree(), 0..6), gap in "[ \t\n](#[^\n]*\n)?") {
        let mut text = Vec::new();
        write_tree(&tree, gap.as_bytes(), &mut text);
        let source = file(&text);
        let mut parser = Parser::new(&source);
        prop_assert_eq!(read_tree(&mut parser), tree);
    }

    #[test]
    fn any_text_is_walked_to_an_end(text in "[ab \t\n;{}#\"'\\\\$)]{0,60}") {
        let found = parse(&text);
        let opened = found.iter().filter(|item| item.contains(" { ")).count();
        let line = |item: &&String| item.strip_prefix("} ").is_some_and(|line| line.parse::<u32>().is_ok());
        let closed = found.iter().filter(line).count();
        prop_assert!(closed <= opened);
        prop_assert_eq!(walk(&file(text.as_bytes())), found);
    }
}

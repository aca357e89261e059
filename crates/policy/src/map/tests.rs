use proptest::prelude::*;

use super::*;
use crate::cache::Cache;
use crate::variables::tests::{World, define_map, render_in};

/// What the map says of each name.
fn look_up(entries: &[&[&str]], names: &[&str]) -> Vec<String> {
    let mut variables = Variables::new();
    define_map(&mut variables, "m", "$ssl_preread_server_name", entries);
    let said = names.iter().map(|name| {
        let world = World::default();
        world.name.replace(name.as_bytes().to_vec());
        render_in(&world, &Cache::default(), &mut variables, &["$m"]).remove(0)
    });
    said.collect()
}

#[test]
fn exact_names_in_any_case() {
    let entries: &[&[&str]] = &[&["a.B", "1"], &["", "empty"], &["*.a", "star"], &["..", "dots"], &["DEFAULT", "word"]];
    let names = ["A.b", "", "*.A", "x.a", "..", "a.b.", "default"];
    assert_eq!(look_up(entries, &names), ["1", "empty", "star", "", "dots", "", "word"]);
}

#[test]
fn hostnames_hold_for_entries_after_the_word() {
    let entries: &[&[&str]] =
        &[&["*.a", "plain"], &["hostnames"], &["*.b", "wild"], &[".c", "both"], &["d.*", "tail"], &["x.", "dot"]];
    let names = ["q.a", "*.a", "q.b", "Q.B.", "c", "q.c.", "d.e", "d..", "x.", "x.."];
    let values = ["", "plain", "wild", "wild", "both", "both", "tail", "tail", "", "dot"];
    assert_eq!(look_up(entries, &names), values);
}

#[test]
fn words_and_what_a_backslash_makes_of_them() {
    let entries: &[&[&str]] = &[
        &["hostnames", "1"],
        &["volatile", "2"],
        &["\\default", "3"],
        &["\\~x", "4"],
        &["\\\\y", "5"],
        &["\\", "6"],
        &["default", "none"],
    ];
    let names = ["hostnames", "Volatile", "default", "~x", "\\y", "", "z"];
    assert_eq!(look_up(entries, &names), ["1", "2", "3", "4", "5", "6", "none"]);
}

#[test]
fn expressions_in_order_on_the_text_as_it_is() {
    let entries: &[&[&str]] = &[
        &["hostnames"],
        &["~^A(.)$", "cased $1"],
        &["~*^a(?<rest>.*)$", "caseless $rest"],
        &["~", "any"],
        &["ab", "exact"],
        &["default", "none"],
    ];
    let names = ["AB", "AC", "ac", "Acde.", "x", ""];
    assert_eq!(look_up(entries, &names), ["exact", "cased C", "caseless c", "caseless cde", "any", "none"]);
}

#[test]
fn values_vary_and_may_be_other_maps() {
    let mut variables = Variables::new();
    let name = "$ssl_preread_server_name";
    define_map(&mut variables, "inner", name, &[&["~^x(.)", "<$1>"], &["default", "$remote_addr"]]);
    define_map(&mut variables, "outer", name, &[&["~^(x)", "$inner$1"], &["y", "${inner}y"], &["z", "$1"]]);
    let mut say = |name: &str, text: &str| {
        let world = World::default();
        world.name.replace(name.as_bytes().to_vec());
        render_in(&world, &Cache::default(), &mut variables, &[text]).remove(0)
    };
    // The inner map matches last, so its capture is the one that counts.
    assert_eq!(say("xq", "[$outer]"), "[<q>q]");
    assert_eq!(say("y", "[$outer]"), "[1.2.3.4y]");
    assert_eq!(say("z", "[$outer][$inner]"), "[][1.2.3.4]");
    assert_eq!(say("?", "[$outer]"), "[]");
}

#[test]
fn equal_values_are_kept_once() {
    let (mut builder, mut variables) = (MapBuilder::new(), Variables::new());
    for number in 0..1000 {
        let value = ["same", "$same"][number % 2];
        builder.entry(&[format!("n{number}").as_bytes(), value.as_bytes()], &mut variables).unwrap();
    }
    assert_eq!(builder.templates.len(), 1);
    assert_eq!(builder.texts.intern(b"same"), Some(0));
    assert_eq!(builder.texts.intern(b"next"), Some(5), "right after the only one");
}

#[test]
fn refusals() {
    let (mut builder, mut variables) = (MapBuilder::new(), Variables::new());
    let mut entry = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        builder.entry(&words, &mut variables).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (words, said) in [
        (&["A", "1"][..], ""),
        (&["a", "2"], "conflicting parameter \"a\""),
        (&["B", "$"], "invalid variable name"),
        (&["b"], "invalid number of the map parameters"),
        (&["b", "c", "d"], "invalid number of the map parameters"),
        (&["default", "1"], ""),
        (&["default", "${x"], "the closing bracket in \"x\" variable is missing"),
        (&["default", "1"], "duplicate default map parameter"),
        (&["~(?<remote_addr>a)", "1"], "the duplicate \"remote_addr\" variable"),
        (&["~*a(", "1"], "pcre2_compile() failed: missing closing parenthesis in \"a(\""),
        (&["a..b", "1"], ""),
        (&["hostnames"], ""),
        (&["c..d", "1"], "invalid hostname or wildcard \"c..d\""),
        (&["*.A.*", "1"], "invalid hostname or wildcard \"*.A.*\""),
        (&[".A", "1"], "conflicting parameter \".a\""),
        (&["A.*", "1"], ""),
        (&["a.*", "1"], "conflicting parameter \"a.*\""),
    ] {
        assert_eq!(entry(words), said, "{words:?}");
    }
}

proptest! {
    #[test]
    fn as_by_trying_all(
        entries in prop::collection::btree_map("[ab.]{0,4}", "(\\$\\{remote_addr\\})?[xyz]{0,2}", 0..30),
        default in prop::option::of("[xyz]{0,2}"),
        asked in prop::collection::vec("[abAB.]{0,4}", 1..8),
    ) {
        let mut words: Vec<Vec<&str>> = entries.iter().map(|(name, value)| vec![&name[..], value]).collect();
        words.extend(default.iter().map(|value| vec!["default", value]));
        let words: Vec<&[&str]> = words.iter().map(|words| &words[..]).collect();
        let asked: Vec<&str> = asked.iter().map(|name| &name[..]).collect();
        for (name, value) in asked.iter().zip(look_up(&words, &asked)) {
            let found = entries.get(&name.to_ascii_lowercase()).or(default.as_ref());
            let expected = found.map(|value| value.replace("${remote_addr}", "1.2.3.4")).unwrap_or_default();
            prop_assert_eq!(value, expected, "{}", name);
        }
    }
}

use super::*;
use crate::cache::Cache;
use crate::template::{self, Template};
use crate::variables::tests::World;

fn refused(pattern: &[u8]) -> String {
    Regex::new(pattern, false, &mut Variables::new()).unwrap_err().to_string()
}

#[test]
fn compile_errors_in_the_reference_s_words() {
    assert_eq!(refused(b"a("), "pcre2_compile() failed: missing closing parenthesis in \"a(\"");
    assert_eq!(
        refused(b"(?<n>x)+*++y"),
        "pcre2_compile() failed: quantifier does not follow a repeatable item in \"(?<n>x)+*++y\" at \"*++y\""
    );
    assert_eq!(refused(b"(?<pid>x)"), "the duplicate \"pid\" variable");
}

#[test]
fn bytes_that_are_no_text() {
    let world = World::default();
    let (mut variables, cache) = (Variables::new(), Cache::default());
    let regex = Regex::new(b"^\xe4[\xf6\xfc]$", false, &mut variables).unwrap();
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    assert!(regex.matches(b"\xe4\xfc", &scope) && !regex.matches("äü".as_bytes(), &scope));
    let regex = Regex::new("^ä.$".as_bytes(), false, &mut Variables::new()).unwrap();
    assert!(regex.is_match("äx".as_bytes()) && !regex.is_match("ää".as_bytes()), "a dot is a byte");
    assert!(refused(b"\xe4(").starts_with("pcre2_compile() failed: missing closing parenthesis in"));
}

#[test]
fn captures_are_those_of_the_last_match() {
    let mut variables = Variables::new();
    let mut regex = |pattern: &str, caseless| Regex::new(pattern.as_bytes(), caseless, &mut variables).unwrap();
    let grouped = regex("(?<Head>x)(?<none>q)?(.)", false);
    let single = regex("^(Y)", true);
    let plain = regex("z", false);
    let text = Template::parse(b"$1|$2|$3|$head|$none", &mut variables, template::Captures::Allowed).unwrap();
    let (world, cache) = (World::default(), Cache::default());
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    let said = || {
        let mut out = Vec::new();
        text.render(&scope, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(said(), "||||");
    assert!(grouped.matches(b"-xb-", &scope));
    assert_eq!(said(), "x||b|x|");
    assert_eq!(scope.value(variables_id(&variables, "none")), crate::variables::Value::Found(Vec::new()));
    assert!(!single.matches(b"z", &scope));
    assert_eq!(said(), "x||b|x|", "no match, no change");
    assert!(single.matches(b"yz", &scope));
    assert_eq!(said(), "y|||x|", "named ones stay");
    assert!(plain.matches(b"z", &scope));
    assert_eq!(said(), "|||x|");
    assert!(grouped.matches(b"xc", &scope));
    assert_eq!(said(), "x||c|x|");
}

fn variables_id(variables: &Variables, name: &str) -> VarId {
    crate::variables::tests::id(variables, name)
}

#[test]
fn what_no_text_mentions_is_not_kept() {
    let mut variables = Variables::new();
    let regex = Regex::new(b"(?<a>x)(.)", false, &mut variables).unwrap();
    let (world, cache) = (World::default(), Cache::default());
    assert!(regex.matches(b"xy", &Scope { variables: &variables, values: &world, cache: &cache }));
    assert_eq!(format!("{cache:?}"), format!("{:?}", Cache::default()));
}

#[test]
fn an_expression_that_takes_too_long_is_told() {
    let mut variables = Variables::new();
    let regex = Regex::new(b"^(a|aa)+$", false, &mut variables).unwrap();
    let (world, cache) = (World::default(), Cache::default());
    let mut text = vec![b'a'; 64];
    text.push(b'c');
    assert!(!regex.matches(&text, &Scope { variables: &variables, values: &world, cache: &cache }));
    assert!(world.said.borrow().iter().all(|line| line.starts_with("pcre2_match() failed: -")));
    assert_eq!(world.said.borrow().len(), 1);
}

use proptest::prelude::*;

use super::*;

fn names(words: &[&str]) -> Names {
    let mut names = Names::default();
    for (number, word) in (0..).zip(words) {
        assert_eq!(names.add_host(word.as_bytes(), number), Ok(()), "{word}");
    }
    names
}

#[test]
fn the_longest_wildcard_and_the_leading_one_first() {
    let words = [
        "a.com", "*.com", "*.a.com", ".b.com", "www.*", "www.b.*", "", "*.c.", ".*", "net.", ".x.*", "mail.*",
        "mail.x.*",
    ];
    let mut names = names(&words);
    for (name, form) in [
        ("a.com", "a.com"),
        ("A.COM", "a.com"),
        ("c.com", "*.com"),
        (".com", "*.com"),
        ("..com", "*.com"),
        ("x.a.com", "*.a.com"),
        ("x..a.com", "*.a.com"),
        ("b.com", ".b.com"),
        ("x.y.b.com", ".b.com"),
        ("www.de", "www.*"),
        ("www.", "www.*"),
        ("www.b.de", "www.b.*"),
        ("www.b", "www.*"),
        ("www.com", "*.com"),
        ("mail.x.", "mail.x.*"),
        ("", ""),
        ("q.c.", "*.c."),
        ("*", ".*"),
        ("a.*", ".*"),
        ("q.x.*", ".x.*"),
        ("net.", "net."),
        ("com", "none"),
        ("www", "none"),
        ("net", "none"),
        ("q.c", "none"),
        (".", "none"),
    ] {
        let expected = words.iter().position(|word| *word == form).map(|number| number as u32);
        assert_eq!(names.find(name.as_bytes()), expected, "{name}");
    }
    names.finish();
    assert_eq!(names.find(b"x.a.com"), Some(2));
}

#[test]
fn what_is_no_name() {
    for word in ["*", "*.", "x*", "*x", "a.*.b", "*.a.*", "a..b", "..", "*..a", "a\0b", "**", "x.a*"] {
        assert_eq!(Names::default().add_host(word.as_bytes(), 0), Err(Refused::Malformed), "{word}");
        assert_eq!(Names::default().add(word.as_bytes(), 0), Ok(()), "as plain text it is one: {word}");
    }
}

#[test]
fn forms_that_include_one_another_conflict() {
    for (first, second) in
        [(".a.c", "a.c"), ("a.c", ".A.c"), ("*.a.c", ".a.c"), (".a.c", "*.A.C"), ("a.*", "A.*"), ("", ""), ("x", "X")]
    {
        let mut names = names(&[first]);
        assert_eq!(names.add_host(second.as_bytes(), 1), Err(Refused::Taken), "{first} {second}");
    }
    names(&["a.c", "*.a.c", "a.c.*", "c", "a"]);
}

#[test]
fn a_refused_wildcard_still_takes_the_exact_name() {
    let mut names = names(&["*.a"]);
    assert_eq!(names.add_host(b".a", 1), Err(Refused::Taken));
    assert_eq!(names.add_host(b"a", 2), Err(Refused::Taken));
    assert_eq!(names.find(b"a"), None);
    assert_eq!(names.find(b"x.a"), Some(0));
}

/// Whether `form` matches `name`, and how well: exact names best, then leading stars, then length.
fn rank(form: &str, name: &str) -> Option<(u8, usize)> {
    if let Some(rest) = form.strip_suffix(".*") {
        return name.starts_with(&format!("{rest}.")).then_some((0, rest.len()));
    }
    if let Some(rest) = form.strip_prefix("*.") {
        return name.ends_with(&format!(".{rest}")).then_some((1, rest.len()));
    }
    if let Some(rest) = form.strip_prefix('.') {
        return if name == rest { Some((2, 0)) } else { name.ends_with(form).then_some((1, rest.len())) };
    }
    (name == form).then_some((2, 0))
}

proptest! {
    #[test]
    fn as_by_trying_all(
        words in prop::collection::vec("(\\*\\.|\\.)?[ab](\\.[ab]){0,3}|[ab](\\.[ab]){0,2}\\.\\*", 0..12),
        asked in prop::collection::vec("[abAB](\\.[abAB]){0,4}", 1..12),
    ) {
        let mut names = Names::default();
        let mut taken = Vec::new();
        for word in words {
            // Dots that a star was refused to are not modelled here.
            let exists = taken.contains(&format!("*{word}"));
            if !exists && names.add_host(word.as_bytes(), taken.len() as u32).is_ok() {
                taken.push(word);
            }
        }
        let all = |names: &Names| -> Vec<_> { asked.iter().map(|name| names.find(name.as_bytes())).collect() };
        let found = all(&names);
        names.finish();
        prop_assert_eq!(&found, &all(&names));
        for (name, found) in asked.iter().zip(found) {
            let name = name.to_ascii_lowercase();
            let ranked = taken.iter().enumerate().filter_map(|(at, form)| Some((rank(form, &name)?, at)));
            prop_assert_eq!(found, ranked.max().map(|(_, at)| at as u32), "{}", name);
        }
    }
}

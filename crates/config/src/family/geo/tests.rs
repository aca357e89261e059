use crate::family::proxy::sample::{refused, said};

#[test]
fn every_kind_of_entry() {
    assert!(said("geo $b { volatile; default a; 192.0.2.1 b; ::1 c; 10.0.0.0/8 ''; include entries.geo; }").is_empty());
    assert!(said("geo $remote_addr $b { volatile; ranges; default a; 192.0.2.1-192.0.2.9 b; }").is_empty());
}

#[test]
fn repetition_is_told_and_the_last_counts() {
    for (entries, warnings) in [
        ("192.0.2.1 a; 192.0.2.1 b;", vec!["duplicate network \"192.0.2.1\", value: \"b\", old value: \"a\""]),
        (
            "::1 a; 0::1/128 b; ::/0 c; default d;",
            vec![
                "duplicate network \"0::1/128\", value: \"b\", old value: \"a\"",
                "duplicate network \"default\", value: \"d\", old value: \"c\"",
            ],
        ),
        ("default a; default b;", vec!["duplicate network \"default\", value: \"b\", old value: \"a\""; 2]),
        ("delete 192.0.2.1;", vec!["no network \"192.0.2.1\" to delete"]),
        ("192.0.2.1/24 a;", vec!["low address bits of 192.0.2.1/24 are meaningless"]),
        ("ranges; default a; default b;", vec!["duplicate default geo range value: \"b\", old value: \"a\""]),
        (
            "ranges; 192.0.2.1-192.0.2.5 a; 192.0.2.1-192.0.2.5 b;",
            vec!["duplicate range \"192.0.2.1-192.0.2.5\", value: \"b\", old value: \"a\""],
        ),
        (
            "ranges; 192.0.2.1-192.0.2.5 a; delete 192.0.2.1-192.0.2.5; delete 192.0.2.2-192.0.2.3;",
            vec!["no address range \"192.0.2.2-192.0.2.3\" to delete"],
        ),
    ] {
        let warnings: Vec<_> = warnings.iter().map(|text| format!("warn: {text} in FILE:1")).collect();
        assert_eq!(said(&format!("geo $b {{ {entries} }}")), warnings, "{entries}");
    }
}

#[test]
fn wrong_words() {
    refused(&[
        ("geo b { }", "invalid variable name \"b\" in FILE:1"),
        ("geo x $b { }", "invalid variable name \"x\" in FILE:1"),
        ("geo $none $b { default a; }", "unknown \"none\" variable"),
        ("geo $remote_port { }", "the duplicate \"remote_port\" variable in FILE:1"),
    ]);
    for (entries, error) in [
        ("192.0.2.1;", "invalid number of the geo parameters"),
        ("192.0.2.1 a b;", "invalid number of the geo parameters"),
        ("include a b;", "invalid number of the geo parameters"),
        ("x a;", "invalid network \"x\""),
        ("ranges x;", "invalid network \"ranges\""),
        ("proxy 192.0.2.1;", "invalid network \"proxy\""),
        ("delete default;", "invalid network \"default\""),
        ("192.0.2.0/33 a;", "invalid network \"192.0.2.0/33\""),
        ("192.0.2.1 a { }", "unexpected \"{\""),
        ("default a; ranges;", "the \"ranges\" directive must be the first directive inside \"geo\" block"),
        ("ranges; 192.0.2.1 a;", "invalid range \"192.0.2.1\""),
        ("ranges; 192.0.2.0/24 a;", "invalid range \"192.0.2.0/24\""),
        ("ranges; ::1 a;", "invalid range \"::1\""),
        ("ranges; 192.0.2.9-192.0.2.1 a;", "invalid range \"192.0.2.9-192.0.2.1\""),
        ("ranges; delete x;", "invalid range \"x\""),
        (
            "ranges; 192.0.2.1-192.0.2.5 a; 192.0.2.3-192.0.2.9 b;",
            "range \"192.0.2.3-192.0.2.9\" overlaps \"192.0.2.1-192.0.2.5\"",
        ),
    ] {
        refused(&[(&format!("geo $b {{ {entries} }}"), &format!("{error} in FILE:1"))]);
    }
}

use super::percent;
use crate::family::proxy::sample::{refused, said};

#[test]
fn percents() {
    for (word, hundredths) in [
        ("10%", Some(1000)),
        ("0.5%", Some(50)),
        (".5%", Some(50)),
        ("10.%", Some(1000)),
        ("33.33%", Some(3333)),
        ("0%", Some(0)),
        ("1.234%", None),
        ("10", None),
        ("%", None),
        ("x%", None),
        ("1.2.3%", None),
        ("99999999999%", None),
    ] {
        assert_eq!(percent(word.as_bytes()), hundredths, "{word}");
    }
}

#[test]
fn words() {
    assert!(said("split_clients $remote_addr $b { 33.33% a; 0.5% b; * c; }").is_empty());
    assert!(said("split_clients a $b { 100% a; * b; }").is_empty());
    refused(&[
        ("split_clients a b { }", "invalid variable name \"b\" in FILE:1"),
        ("split_clients a $b { 60% a; 50% b; }", "percent total is greater than 100% in FILE:1"),
        ("split_clients a $b { 0% a; }", "invalid percent value \"0%\" in FILE:1"),
        ("split_clients a $b { 10 a; }", "invalid percent value \"10\" in FILE:1"),
        ("split_clients a $b { include x; }", "invalid percent value \"include\" in FILE:1"),
        ("split_clients a $b { 10%; }", "no value for \"10%\" in FILE:1"),
        ("split_clients a $b { 10% a { } }", "unexpected \"{\" in FILE:1"),
        ("split_clients $none $b { * a; }", "unknown \"none\" variable"),
        ("split_clients a $remote_port { * a; }", "the duplicate \"remote_port\" variable in FILE:1"),
    ]);
}

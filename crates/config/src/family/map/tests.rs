use crate::family::proxy::sample::{refused, said};

#[test]
fn every_kind_of_entry() {
    let text = "map $remote_addr $b { hostnames; volatile; default 0; \\default 1; \\hostnames 2; \\~x 3; \"\" 4;
        *.x.test 5; x.* 6; .y.test 7; ~*y $1; include entries.map; include *.none; }
        map a $b { volatile x; hostnames x; }
        server { listen 1; return $b; }";
    assert!(said(text).is_empty());
}

#[test]
fn wrong_words() {
    refused(&[
        ("map a b { }", "invalid variable name \"b\" in FILE:1"),
        ("map a $ { }", "invalid variable name \"$\" in FILE:1"),
        ("map a$ $b { }", "invalid variable name in FILE:1"),
        ("map a $b { a; }", "invalid number of the map parameters in FILE:1"),
        ("map a $b { include; }", "invalid number of the map parameters in FILE:1"),
        ("map a $b { a b c; }", "invalid number of the map parameters in FILE:1"),
        ("map a $b { default a; default b; }", "duplicate default map parameter in FILE:1"),
        ("map a $b { a 1; A 2; }", "conflicting parameter \"a\" in FILE:1"),
        ("map a $b { \\include 1; \\include 2; }", "conflicting parameter \"include\" in FILE:1"),
        ("map a $b { hostnames; *.a.* 1; }", "invalid hostname or wildcard \"*.a.*\" in FILE:1"),
        ("map a $b { hostnames; a..b 1; }", "invalid hostname or wildcard \"a..b\" in FILE:1"),
        ("map a $b { hostnames; .a.com 1; *.a.com 1; }", "conflicting parameter \"*.a.com\" in FILE:1"),
        ("map a $b { a { } }", "unexpected \"{\" in FILE:1"),
        ("map a $b { ~( 1; }", "pcre2_compile() failed: missing closing parenthesis in \"(\" in FILE:1"),
        ("map a $b { include none; }", "open() \"/etc/gate/none\" failed (2: No such file or directory) in FILE:1"),
        ("map a $remote_port { }", "the duplicate \"remote_port\" variable in FILE:1"),
        ("map $none $b { }", "unknown \"none\" variable"),
        ("map a $b { a $none; }", "unknown \"none\" variable"),
    ]);
}

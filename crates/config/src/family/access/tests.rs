use std::sync::Arc;

use policy::access::Verdict;
use policy::address::Address;

use crate::family::proxy::sample::{refused_in_server, said_in_server, stream};

#[test]
fn the_first_rule_that_matches_counts_and_lists_replace_each_other() {
    let stream = stream(
        "deny 192.0.2.0/24; allow all;
         server { listen 1; allow 192.0.2.1; deny all; }
         server { listen 2; }
         server { listen 3; }",
    );
    let decide = |server: usize, ip: &str| {
        stream.servers[server].access.decide(&Address::Inet((ip.parse::<std::net::IpAddr>().unwrap(), 1).into()))
    };
    assert_eq!(decide(0, "192.0.2.1"), Verdict::Allow);
    assert_eq!(decide(0, "::1"), Verdict::Deny);
    assert_eq!(decide(1, "192.0.2.1"), Verdict::Deny);
    assert_eq!(decide(1, "::1"), Verdict::Allow);
    assert!(Arc::ptr_eq(&stream.servers[1].access, &stream.servers[2].access));
}

#[test]
fn words() {
    refused_in_server(&[
        ("allow x;", "invalid parameter \"x\" in FILE:1"),
        ("allow one.test;", "invalid parameter \"one.test\" in FILE:1"),
        ("deny 127.0.0.1/33;", "invalid parameter \"127.0.0.1/33\" in FILE:1"),
        ("deny '';", "invalid parameter \"\" in FILE:1"),
    ]);
    assert_eq!(
        said_in_server("allow unix:; allow ::1/0; deny fe80::/10;"),
        ["warn: low address bits of ::1/0 are meaningless in FILE:1"]
    );
}

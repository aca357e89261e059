//! `allow` and `deny`.

use testkit::{Gateway, Peer};

use crate::gateway;

fn with_rules(rules: &str) -> Gateway {
    gateway(&format!(
        "log_format f '$remote_addr $status'; access_log %dir/access.log f;\n\
         server {{ listen 127.0.0.1:%in; listen unix:%dir/s; {rules} return in; }}"
    ))
    .start()
}

/// Which of these clients are let in.
fn admitted(gw: &Gateway, hosts: &[&str]) -> Vec<bool> {
    hosts.iter().map(|host| Peer::connect_from(host, &gw.addr("in")).recv_all() == "in").collect()
}

#[test]
fn without_rules_all_are_let_in() {
    assert_eq!(admitted(&with_rules(""), &["127.0.0.1", "127.0.0.2"]), [true, true]);
}

#[test]
fn the_first_match_decides() {
    let hosts = ["127.0.0.1", "127.0.0.2", "127.0.1.1"];
    assert_eq!(admitted(&with_rules("allow 127.0.0.1; deny all;"), &hosts), [true, false, false]);
    assert_eq!(admitted(&with_rules("deny 127.0.0.1; allow all;"), &hosts), [false, true, true]);
    assert_eq!(admitted(&with_rules("deny all; allow 127.0.0.1;"), &hosts), [false, false, false]);
    assert_eq!(
        admitted(&with_rules("deny 127.0.0.2; allow 127.0.0.0/24; deny 127.0.0.0/8;"), &hosts),
        [true, false, false]
    );
}

#[test]
fn a_refusal_is_403_and_an_error() {
    let gw = with_rules("deny all;");
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("access forbidden by rule");
    assert_eq!(line.level, "error");
    let expected =
        format!("access forbidden by rule while initializing session, client: 127.0.0.1, server: {}", gw.addr("in"));
    assert_eq!(line.text, expected);
    assert_eq!(gw.access(1), ["127.0.0.1 403"]);
}

#[test]
fn masks_of_any_length() {
    let hosts = ["127.0.0.127", "127.0.0.128", "127.200.0.1"];
    assert_eq!(admitted(&with_rules("allow 127.0.0.0/25; deny all;"), &hosts), [true, false, false]);
    assert_eq!(admitted(&with_rules("allow 127.0.0.0/9; deny all;"), &hosts), [true, true, false]);
    assert_eq!(admitted(&with_rules("allow 0.0.0.0/0; deny all;"), &hosts), [true, true, true]);
}

#[test]
fn bits_beyond_the_mask_are_dropped() {
    assert_eq!(admitted(&with_rules("deny 127.0.0.99/24;"), &["127.0.0.1", "127.0.1.1"]), [false, true]);
}

#[test]
fn unix_clients() {
    let ask = |gw: &Gateway| Peer::connect(&format!("unix:{}", gw.path("s").display())).recv_all();
    assert_eq!(ask(&with_rules("allow unix:; deny all;")), "in");
    assert_eq!(ask(&with_rules("deny unix:;")), "");
    assert_eq!(ask(&with_rules("allow 127.0.0.1; deny all;")), "");
}

#[test]
fn rules_are_inherited_unless_there_are_own_ones() {
    let conf = "deny 127.0.0.2;\nserver { listen 127.0.0.1:%a; return in; }\nserver { listen 127.0.0.1:%b; deny 127.0.0.3; return in; }";
    let gw = gateway(conf).start();
    let ask = |host: &str, port: &str| Peer::connect_from(host, &gw.addr(port)).recv_all() == "in";
    assert_eq!([ask("127.0.0.2", "a"), ask("127.0.0.3", "a")], [false, true]);
    assert_eq!([ask("127.0.0.2", "b"), ask("127.0.0.3", "b")], [true, false]);
}

#[test]
fn refused_before_the_handshake() {
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; deny all; return x; }";
    let gw = gateway(conf).start();
    let done = gw.tls("in").run();
    assert!(!done.stdout.contains("BEGIN CERTIFICATE"), "{}", done.stdout);
}

//! `geo` and `split_clients`.

use testkit::{Gateway, Peer};

use crate::gateway;

fn with_geo(block: &str) -> Gateway {
    gateway(&format!("geo $out {{ {block} }}\nserver {{ listen 127.0.0.1:%in; return '<$out>'; }}")).start()
}

/// The values for clients at these addresses.
fn ask(gw: &Gateway, hosts: &[&str]) -> Vec<String> {
    hosts.iter().map(|host| Peer::connect_from(host, &gw.addr("in")).recv_all()).collect()
}

#[test]
fn the_longest_network_wins_whatever_the_order() {
    let gw = with_geo("127.0.0.0/8 wide; 127.0.0.5 host; 127.0.0.0/24 net; default none;");
    assert_eq!(ask(&gw, &["127.0.0.5", "127.0.0.6", "127.9.0.1"]), ["<host>", "<net>", "<wide>"]);
}

#[test]
fn default_and_nothing() {
    assert_eq!(ask(&with_geo("10.0.0.0/8 ten; default none;"), &["127.0.0.1"]), ["<none>"]);
    assert_eq!(ask(&with_geo("10.0.0.0/8 ten;"), &["127.0.0.1"]), ["<>"]);
}

#[test]
fn delete_takes_a_network_out() {
    let gw = with_geo("127.0.0.0/24 net; 127.0.0.1 host; delete 127.0.0.1;");
    assert_eq!(ask(&gw, &["127.0.0.1"]), ["<net>"]);
}

#[test]
fn the_last_value_of_a_network_wins() {
    assert_eq!(ask(&with_geo("127.0.0.1 a; 127.0.0.1 b;"), &["127.0.0.1"]), ["<b>"]);
}

#[test]
fn ranges() {
    let gw = with_geo(
        "ranges; default none; 127.0.0.1-127.0.0.10 low; 127.0.0.11-127.0.1.5 high; 127.0.0.3-127.0.0.4 inner;",
    );
    let hosts =
        ["127.0.0.1", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.10", "127.0.0.11", "127.0.1.5", "127.0.1.6"];
    assert_eq!(ask(&gw, &hosts), ["<low>", "<inner>", "<inner>", "<low>", "<low>", "<high>", "<high>", "<none>"]);
}

#[test]
fn an_address_from_a_variable() {
    let conf = "geo $proxy_protocol_addr $out { 192.0.2.0/24 doc; 2001:db8::/32 six; 255.255.255.255 odd; default none; }\n\
                server { listen 127.0.0.1:%in proxy_protocol; return '$out'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", "PROXY TCP4 192.0.2.7 1.1.1.1 1 2\r\n"), "doc");
    assert_eq!(gw.ask("in", "PROXY TCP6 2001:db8::5 ::1 1 2\r\n"), "six");
    assert_eq!(gw.ask("in", "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), "doc");
    assert_eq!(gw.ask("in", "PROXY UNKNOWN\r\n"), "odd");
}

#[test]
fn unix_clients_have_the_last_address() {
    let conf = "geo $out { 255.255.255.255 odd; default none; }\nserver { listen unix:%dir/s; return $out; }";
    let gw = gateway(conf).start();
    assert_eq!(Peer::connect(&format!("unix:{}", gw.path("s").display())).recv_all(), "odd");
}

#[test]
fn entries_from_a_file() {
    let conf = "geo $out { include %dir/nets; default none; }\nserver { listen 127.0.0.1:%in; return '<$out>'; }";
    let gw = gateway(conf).file("nets", "127.0.0.0/24 filed;\n").start();
    assert_eq!(ask(&gw, &["127.0.0.1", "127.1.0.1"]), ["<filed>", "<none>"]);
}

#[test]
fn values_hold_no_variables() {
    assert_eq!(ask(&with_geo("default '$server_port';"), &["127.0.0.1"]), ["<$server_port>"]);
}

/// Murmur hash 2 with seed zero, by which the shares are dealt.
fn murmur(text: &str) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let bytes = text.as_bytes();
    let mut hash = bytes.len() as u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k = (k ^ k >> 24).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    for (at, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * at);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

#[test]
fn split_clients_by_shares() {
    let conf =
        "split_clients $remote_addr $out { 25% a; 33.33% b; * c; }\nserver { listen 127.0.0.1:%in; return $out; }";
    let gw = gateway(conf).start();
    let share = |percent: u64| u32::try_from(percent * u64::from(u32::MAX) / 10_000).unwrap();
    for n in 1..=40 {
        let host = format!("127.0.0.{n}");
        let hash = murmur(&host);
        let expected = if hash < share(2500) {
            "a"
        } else if hash < share(2500) + share(3333) {
            "b"
        } else {
            "c"
        };
        assert_eq!(Peer::connect_from(&host, &gw.addr("in")).recv_all(), expected, "{host}");
    }
}

#[test]
fn split_clients_without_a_rest() {
    let conf = "split_clients $remote_addr $out { 0.01% a; }\nserver { listen 127.0.0.1:%in; return '<$out>'; }";
    let gw = gateway(conf).start();
    let empty =
        (1..=20).filter(|n| Peer::connect_from(&format!("127.0.0.{n}"), &gw.addr("in")).recv_all() == "<>").count();
    assert!(empty >= 19, "{empty}");
}

#[test]
fn a_full_hundred_percent_leaves_nobody_out() {
    let conf = "split_clients $remote_addr $out { 50% a; 50% b; }\nserver { listen 127.0.0.1:%in; return '$out'; }";
    let gw = gateway(conf).start();
    for n in 1..=20 {
        let got = Peer::connect_from(&format!("127.0.0.{n}"), &gw.addr("in")).recv_all();
        assert!(got == "a" || got == "b", "{got}");
    }
}

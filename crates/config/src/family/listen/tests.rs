use super::{Keepalive, Listener, Protocol, VirtualAddress};
use crate::ServerId;
use crate::family::proxy::sample::{refused, refused_in_server, said, stream};

/// Every socket as text: what is bound, then behind it each address with its servers, the default
/// one first.
fn sockets(text: &str) -> Vec<String> {
    let behind = |address: &VirtualAddress| {
        let mut ids = vec![address.default.0];
        ids.extend(address.servers.iter().map(|id| id.0).filter(|id| *id != address.default.0));
        let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
        format!("{}={}", address.address, ids.join(","))
    };
    let socket = |listener: &Listener| {
        let udp = if listener.protocol == Protocol::Udp { " udp" } else { "" };
        let behind: Vec<_> = listener.addresses.iter().map(behind).collect();
        assert_eq!(listener.fallback, listener.addresses.len() - 1);
        format!("{}{udp}: {}", listener.address, behind.join(" "))
    };
    stream(text).listeners.iter().map(socket).collect()
}

#[test]
fn a_wildcard_covers_the_addresses_of_its_port() {
    assert_eq!(
        sockets(
            "server { listen 192.0.2.1:80; } server { listen 80; } server { listen 192.0.2.2:80 bind; }
             server { listen 192.0.2.3:81; } server { listen [::]:80; listen [::1]:80; }"
        ),
        [
            "192.0.2.2:80: 192.0.2.2:80=2",
            "0.0.0.0:80: 192.0.2.1:80=0 0.0.0.0:80=1",
            "192.0.2.3:81: 192.0.2.3:81=3",
            "[::]:80: [::1]:80=4 [::]:80=4"
        ]
    );
}

#[test]
fn without_a_wildcard_each_address_is_bound() {
    assert_eq!(
        sockets("server { listen 192.0.2.1:80; listen 192.0.2.2:80 backlog=5; listen unix:/a; listen unix:/b; }"),
        ["192.0.2.2:80: 192.0.2.2:80=0", "192.0.2.1:80: 192.0.2.1:80=0", "unix:/a: unix:/a=0", "unix:/b: unix:/b=0"]
    );
}

#[test]
fn datagrams_and_streams_do_not_meet() {
    assert_eq!(
        sockets("server { listen 53; listen 53 udp; listen 192.0.2.1:53 udp; }"),
        ["0.0.0.0:53: 0.0.0.0:53=0", "0.0.0.0:53 udp: 192.0.2.1:53=0 0.0.0.0:53=0"]
    );
}

#[test]
fn the_first_server_is_the_default_unless_one_says_so() {
    assert_eq!(
        sockets("server { listen 1; server_name a; } server { listen 1 default_server; server_name b; }"),
        ["0.0.0.0:1: 0.0.0.0:1=1,0"]
    );
}

#[test]
fn a_word_may_stand_for_many_addresses() {
    assert_eq!(
        sockets("server { listen two.test:80-81; }"),
        [
            "192.0.2.1:80: 192.0.2.1:80=0",
            "192.0.2.1:81: 192.0.2.1:81=0",
            "[2001:db8::2]:80: [2001:db8::2]:80=0",
            "[2001:db8::2]:81: [2001:db8::2]:81=0"
        ]
    );
}

#[test]
fn protocols_add_up_and_options_are_those_of_the_one_that_has_some() {
    let stream = stream(
        "ssl_reject_handshake on;
         server { listen 1 ssl; server_name a; }
         server { listen 1 proxy_protocol backlog=7 rcvbuf=8k fastopen=3 deferred reuseport multipath; server_name b; }
         server { listen [::1]:1 ipv6only=off so_keepalive=1m::9; }
         server { listen 2 so_keepalive=off; }",
    );
    let [shared, v6, plain] = &stream.listeners[..] else { panic!("three sockets") };
    assert!(shared.addresses[0].ssl && shared.addresses[0].proxy_protocol);
    let options = &shared.options;
    assert_eq!((options.backlog, options.rcvbuf, options.sndbuf, options.fastopen), (7, Some(8192), None, Some(3)));
    assert!(options.deferred && options.reuseport && options.multipath && options.ipv6only);
    assert!(!v6.options.ipv6only);
    let keepalive = Keepalive::On { idle: Some(60), interval: None, count: Some(9) };
    assert_eq!((v6.options.keepalive, plain.options.keepalive), (Some(keepalive), Some(Keepalive::Off)));
    assert_eq!(plain.options.backlog, 511);
}

#[test]
fn names_lead_to_servers() {
    let stream = stream(
        "server { listen 1; server_name .a.test; }
         server { listen 1; server_name *.b.test $hostname; }
         server { listen 1; server_name ~^c(?<rest>.*)$ d.*; }
         server { listen 2; server_name alone; }
         server { listen 3; server_name ~^(.)$; }",
    );
    let names = stream.listeners[0].addresses[0].names.as_ref().unwrap();
    for (name, server) in [
        ("a.test", Some(0)),
        ("x.A.test", Some(0)),
        ("x.b.test", Some(1)),
        ("machine", Some(1)),
        ("cx", Some(2)),
        ("d.org", Some(2)),
        ("b.test", None),
    ] {
        assert_eq!(names.peek(name.as_bytes()), server.map(ServerId), "{name}");
    }
    assert!(stream.listeners[1].addresses[0].names.is_none(), "one server needs no table");
    assert!(stream.listeners[2].addresses[0].names.is_some(), "captures do");
    let first: Vec<_> = stream.servers.iter().map(|server| String::from_utf8_lossy(&server.name)).collect();
    assert_eq!(first, ["a.test", "*.b.test", "~^c(?<rest>.*)$", "alone", "~^(.)$"]);
}

#[test]
fn equal_names_are_told_and_the_first_counts() {
    assert_eq!(
        said("server { listen 1; server_name a b; } server { listen 1; server_name A c; } server { listen 1; }"),
        ["warn: conflicting server name \"a\" on 0.0.0.0:1, ignored"]
    );
    let stream = stream("server { listen 1; server_name a; } server { listen 1; server_name a; }");
    let names = stream.listeners[0].addresses[0].names.as_ref().unwrap();
    assert_eq!(names.peek(b"a"), Some(ServerId(0)));
}

/// Whether a warning comes of `listen`s of one port, each in a server of its own.
fn redefined(listens: &[&str]) -> usize {
    let server = |(at, words): (usize, &&str)| {
        format!("server {{ listen 1 {words}; server_name n{at}; ssl_reject_handshake on; }}\n")
    };
    let text: String = listens.iter().enumerate().map(server).collect();
    let said = said(&text);
    assert!(said.iter().all(|line| line.contains("protocol options redefined for 0.0.0.0:1 in")), "{said:?}");
    said.len()
}

#[test]
fn protocols_that_change_back_and_forth_are_told() {
    for quiet in [
        &["", "ssl"][..],
        &["ssl", ""],
        &["ssl", "ssl"],
        &["ssl", "", ""],
        &["", "ssl", ""],
        &["ssl bind", ""],
        &["", "ssl bind"],
        &["ssl", "ssl proxy_protocol"],
        &["default_server", "ssl"],
    ] {
        assert_eq!(redefined(quiet), 0, "{quiet:?}");
    }
    for told in [
        &["ssl", "proxy_protocol"][..],
        &["", "ssl", "ssl"],
        &["ssl", "", "ssl"],
        &["bind", "ssl"],
        &["ssl", "bind"],
        &["", "ssl", "ssl bind"],
        &["", "proxy_protocol", "ssl"],
        &["ssl proxy_protocol", "ssl", "proxy_protocol"],
    ] {
        assert_eq!(redefined(told), 1, "{told:?}");
    }
}

#[test]
fn certificates_are_needed_where_names_are_not_known() {
    let missing = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in FILE:1";
    refused(&[
        ("server { listen 1 ssl; }", missing),
        ("server { listen 1 ssl; ssl_reject_handshake on; } server { listen 1; server_name b; }", missing),
        ("server { listen 1; } server { listen 1 ssl; server_name b; ssl_reject_handshake on; }", missing),
    ]);
    let certificate = "ssl_certificate data:x; ssl_certificate_key data:x;";
    assert!(
        said(&format!("server {{ listen 1 ssl; {certificate} }} server {{ listen 1 ssl; server_name b; }}")).is_empty()
    );
}

#[test]
fn wrong_listens() {
    let incompatible =
        |name: &str| format!("\"listen\" directive \"{name}\" parameter is incompatible with \"udp\" in FILE:1");
    let duplicate = "a duplicate listen 0.0.0.0:2 in FILE:1";
    refused_in_server(&[
        ("listen 0;", "invalid port in \"0\" of the \"listen\" directive in FILE:1"),
        ("listen none.test:2;", "host not found in \"none.test:2\" of the \"listen\" directive in FILE:1"),
        ("listen 2 backlog=0;", "invalid backlog \"backlog=0\" in FILE:1"),
        ("listen 2 rcvbuf=1g;", "invalid rcvbuf \"rcvbuf=1g\" in FILE:1"),
        ("listen 2 fastopen=x;", "invalid fastopen \"fastopen=x\" in FILE:1"),
        ("listen 2 ipv6only=oo;", "invalid ipv6only flags \"oo\" in FILE:1"),
        ("listen 2 ipv6only=1;", "invalid parameter \"ipv6only=1\" in FILE:1"),
        ("listen 2 setfib=1;", "invalid parameter \"setfib=1\" in FILE:1"),
        ("listen 2 so_keepalive=::;", "invalid so_keepalive value: \"::\" in FILE:1"),
        ("listen 2 so_keepalive=1:2:3:4;", "invalid so_keepalive value: \"1:2:3:4\" in FILE:1"),
        ("listen 2 ssl fastopen=1 udp;", &incompatible("fastopen")),
        ("listen 2 udp ssl proxy_protocol;", &incompatible("ssl")),
        ("listen 2; listen *:2;", duplicate),
        ("listen 2-3; listen 2 bind;", duplicate),
    ]);
    refused(&[
        ("server { listen 2 bind; } server { listen 2 bind; }", "duplicate listen options for 0.0.0.0:2 in FILE:1"),
        (
            "server { listen 2 default_server; } server { listen 2 default_server; }",
            "a duplicate default server for 0.0.0.0:2 in FILE:1",
        ),
    ]);
}

#[test]
fn wrong_names() {
    refused_in_server(&[
        ("server_name *;", "server name \"*\" is invalid in FILE:1"),
        ("server_name *.;", "server name \"*.\" is invalid in FILE:1"),
        ("server_name *a.test;", "server name \"*a.test\" is invalid in FILE:1"),
        ("server_name .;", "server name \".\" is invalid in FILE:1"),
        ("server_name ~;", "empty regex in server name \"~\" in FILE:1"),
        ("server_name '~^(?<status>.)';", "the duplicate \"status\" variable in FILE:1"),
    ]);
    assert_eq!(
        said("server { listen 1; server_name a/b; }"),
        ["warn: server name \"a/b\" has suspicious symbols in FILE:1"]
    );
    refused(&[(
        "server { listen 1; server_name a.*.b; } server { listen 1; }",
        "invalid server name or wildcard \"a.*.b\" on 0.0.0.0:1",
    )]);
    assert!(said("server { listen 1; server_name a.*.b; }").is_empty(), "without a table nobody looks");
}

//! `upstream`: which peer is taken, in which order, and when one is left out.

use testkit::{Gateway, Peer, TcpBackend};

use crate::gateway;

/// Backends that say their letter.
fn letters(count: usize) -> Vec<TcpBackend> {
    ["a", "b", "c", "d"][..count].iter().map(|letter| TcpBackend::banner(letter)).collect()
}

/// A gateway with an upstream of these lines, in which `%a`, `%b`… are the backends.
fn group(backends: &[TcpBackend], lines: &str, more: &str) -> Gateway {
    let conf = format!(
        "log_format f '$status $upstream_addr'; access_log %dir/access.log f;\n\
         upstream u {{ {lines} }}\nserver {{ listen 127.0.0.1:%in; proxy_pass u; {more} }}"
    );
    let mut builder = gateway(&conf);
    for (name, backend) in ["a", "b", "c", "d"].iter().zip(backends) {
        builder = builder.with(name, backend.addr());
    }
    builder.start()
}

/// The letters of `count` sessions one after the other.
fn order(gw: &Gateway, count: usize) -> String {
    (0..count).map(|_| gw.ask("in", "")).collect()
}

#[test]
fn round_robin() {
    let backends = letters(3);
    let gw = group(&backends, "server %a; server %b; server %c;", "");
    assert_eq!(order(&gw, 7), "abcabca");
}

#[test]
fn weights_are_spread_smoothly() {
    let backends = letters(4);
    let gw = group(&backends, "server %a weight=1; server %b weight=2; server %c weight=1; server %d weight=3;", "");
    assert_eq!(order(&gw, 14), "dbadcbddbadcbd");
    let gw = group(&backends, "server %a weight=5; server %b; server %c;", "");
    assert_eq!(order(&gw, 7), "aabacaa");
}

#[test]
fn down_servers_are_left_out() {
    let backends = letters(3);
    let gw = group(&backends, "server %a; server %b down; server %c;", "");
    assert_eq!(order(&gw, 4), "acac");
}

#[test]
fn all_down() {
    let backends = letters(2);
    let gw = group(&backends, "server %a down; server %b down;", "");
    assert_eq!(order(&gw, 1), "");
    gw.wait_error("no live upstreams while connecting to upstream");
    assert_eq!(gw.access(1), ["502 u"]);
    let gw = group(&backends, "server %a down;", "");
    assert_eq!(order(&gw, 1), "");
    gw.wait_error("no live upstreams while connecting to upstream");
}

#[test]
fn backups_wait_for_the_others_to_fail() {
    let backends = letters(2);
    let gw = group(&backends, "server 127.0.0.1:%dead; server %a backup; server %b backup;", "");
    assert_eq!(order(&gw, 4), "abab");
    // The failed server is left out until its fail_timeout has passed.
    assert_eq!(gw.access(4)[1], format!("200 {}", backends[1].addr()));
}

#[test]
fn backups_rest_while_there_is_a_server() {
    let backends = letters(3);
    let gw = group(&backends, "server %a; server %b; server %c backup;", "");
    assert_eq!(order(&gw, 4), "abab");
}

#[test]
fn max_fails_counts_failures() {
    let backends = letters(1);
    let gw = group(&backends, "server 127.0.0.1:%dead max_fails=2; server %a;", "");
    assert_eq!(order(&gw, 6), "aaaaaa");
    let tried = gw.access(6).iter().filter(|line| line.contains(", ")).count();
    assert_eq!(tried, 2);
    assert_eq!(gw.wait_errors("temporarily disabled", 1).len(), 1);
}

#[test]
fn max_fails_0_never_disables() {
    let backends = letters(1);
    let gw = group(&backends, "server 127.0.0.1:%dead max_fails=0; server %a;", "");
    assert_eq!(order(&gw, 6), "aaaaaa");
    let tried = gw.access(6).iter().filter(|line| line.contains(", ")).count();
    assert_eq!(tried, 3);
    assert!(!gw.error_text().contains("temporarily disabled"), "{}", gw.error_text());
}

#[test]
fn fail_timeout_gives_another_chance() {
    let backends = letters(1);
    let gw = group(&backends, "server 127.0.0.1:%dead fail_timeout=1s; server %a;", "");
    assert_eq!(order(&gw, 1), "a");
    gw.wait_errors("temporarily disabled", 1);
    testkit::poll("another try", || {
        gw.ask("in", "");
        (gw.errors().iter().filter(|line| line.text.contains("temporarily disabled")).count() > 1).then_some(())
    });
}

#[test]
fn a_single_server_is_never_disabled() {
    let backends = letters(0);
    let gw = group(&backends, "server 127.0.0.1:%dead;", "");
    order(&gw, 3);
    assert_eq!(gw.wait_errors("connect() failed", 3).len(), 3);
    let dead = gw.addr("dead");
    assert_eq!(gw.access(3), [format!("502 {dead}"), format!("502 {dead}"), format!("502 {dead}")]);
    assert!(!gw.error_text().contains("temporarily disabled"), "{}", gw.error_text());
}

#[test]
fn max_conns() {
    let backends = [TcpBackend::echo(), TcpBackend::echo()];
    let gw = group(&backends, "server %a max_conns=1; server %b max_conns=1;", "");
    let mut first = gw.connect("in");
    first.send("x");
    first.recv(1);
    let mut second = gw.connect("in");
    second.send("x");
    second.recv(1);
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("no live upstreams while connecting to upstream");
    drop(first);
    gw.access(2);
    let mut third = gw.connect("in");
    third.send("y");
    assert_eq!(third.recv(1), b"y");
}

#[test]
fn hash_keeps_a_client_with_its_peer() {
    let backends = letters(3);
    let gw = group(&backends, "hash $remote_addr; server %a; server %b; server %c;", "");
    let ask = |host: &str| Peer::connect_from(host, &gw.addr("in")).recv_all();
    // crc32 of the key decides; the letters are those of the reference algorithm.
    let expected: String = (1..=9).map(|n| hashed(&format!("127.0.0.{n}"), 3)).collect();
    for _ in 0..2 {
        let got: String = (1..=9).map(|n| ask(&format!("127.0.0.{n}"))).collect();
        assert_eq!(got, expected);
    }
}

/// The peer of plain `hash` among `count` peers of weight one.
fn hashed(key: &str, count: u32) -> char {
    let mut crc = u32::MAX;
    for byte in key.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let index = ((!crc >> 16) & 0x7fff) % count;
    char::from(b'a' + index as u8)
}

#[test]
fn hash_with_weights_and_an_empty_key() {
    let backends = letters(2);
    let gw = group(&backends, "hash $ssl_cipher; server %a; server %b;", "");
    assert_eq!(order(&gw, 4), "abab");
}

#[test]
fn hash_moves_on_from_a_dead_peer() {
    let backends = letters(1);
    let gw = group(&backends, "hash $remote_addr; server %a; server 127.0.0.1:%dead;", "");
    for n in 1..=6 {
        assert_eq!(Peer::connect_from(&format!("127.0.0.{n}"), &gw.addr("in")).recv_all(), "a");
    }
}

#[test]
fn consistent_hash_moves_few_clients() {
    let backends = letters(3);
    let all = group(&backends, "hash $remote_addr consistent; server %a; server %b; server %c;", "");
    let less = group(&backends, "hash $remote_addr consistent; server %a; server %b;", "");
    for n in 1..=20 {
        let host = format!("127.0.0.{n}");
        let before = Peer::connect_from(&host, &all.addr("in")).recv_all();
        let after = Peer::connect_from(&host, &less.addr("in")).recv_all();
        assert!(before == "c" || before == after, "{host}: {before} {after}");
    }
}

#[test]
fn least_conn_prefers_the_idle() {
    let backends = [TcpBackend::echo(), TcpBackend::echo()];
    let gw = group(&backends, "least_conn; server %a; server %b;", "");
    let mut busy = gw.connect("in");
    busy.send("x");
    busy.recv(1);
    for n in 1..=3 {
        let mut client = gw.connect("in");
        client.send("y");
        client.recv(1);
        drop(client);
        // It is over.
        gw.access(n);
    }
    drop(busy);
    let lines = gw.access(4);
    assert!(lines[..3].iter().all(|line| line != &lines[3]), "{lines:?}");
}

#[test]
fn least_conn_ties_go_round() {
    let backends = letters(3);
    let gw = group(&backends, "least_conn; server %a; server %b; server %c;", "");
    // The session of the banner is over only when its line is in the log.
    let mut got = String::new();
    for n in 1..=6 {
        got += &gw.ask("in", "");
        gw.access(n);
    }
    assert_eq!(got, "abcabc");
}

#[test]
fn random_reaches_all() {
    let backends = letters(2);
    for method in ["random", "random two", "random two least_conn"] {
        let gw = group(&backends, &format!("{method}; server %a; server %b;"), "");
        let got = order(&gw, 40);
        assert!(got.contains('a') && got.contains('b') && got.len() == 40, "{method}: {got}");
    }
}

#[test]
fn least_time_is_accepted_and_serves() {
    let backends = letters(2);
    for method in ["connect", "first_byte", "last_byte", "first_byte inflight"] {
        let gw = group(&backends, &format!("least_time {method}; server %a; server %b;"), "");
        assert_eq!(order(&gw, 6).len(), 6, "{method}");
    }
}

#[test]
fn a_zone_is_shared_by_the_workers() {
    let backends = letters(2);
    let conf = "upstream u { zone z 64k; server %a; server %b; }\nserver { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(conf).with("a", backends[0].addr()).with("b", backends[1].addr()).workers(2).start();
    let got = order(&gw, 10);
    assert_eq!(got.matches('a').count(), 5, "{got}");
}

#[test]
fn a_name_with_two_addresses_makes_two_peers() {
    let backend = TcpBackend::banner("x");
    let port = backend.addr().rsplit(':').next().unwrap().to_owned();
    let gw = gateway("upstream u { server localhost:%port; }\nserver { listen 127.0.0.1:%in; proxy_pass u; }")
        .with("port", port)
        .start();
    assert_eq!(order(&gw, 3), "xxx");
}

#[test]
fn unix_sockets_are_peers() {
    let dir = testkit::Scratch::new();
    let up = TcpBackend::unix(&dir.path().join("s"), |peer| {
        peer.send("u");
        Vec::new()
    });
    let gw = group(std::slice::from_ref(&up), "server %a;", "");
    assert_eq!(order(&gw, 2), "uu");
}

#[test]
fn times_and_counters_of_each_attempt() {
    let backends = letters(1);
    let conf = "log_format f '$upstream_addr|$upstream_bytes_sent|$upstream_bytes_received|$upstream_connect_time|$upstream_first_byte_time|$upstream_session_time';\n\
                access_log %dir/access.log f;\nupstream u { server 127.0.0.1:%dead; server %a; }\nserver { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(conf).with("a", backends[0].addr()).start();
    gw.ask("in", "");
    let line = gw.access(1).remove(0);
    let fields: Vec<&str> = line.split('|').collect();
    assert_eq!(fields[0], format!("{}, {}", gw.addr("dead"), backends[0].addr()));
    assert_eq!(fields[1..3], ["0, 0", "0, 1"]);
    for field in &fields[3..5] {
        let (first, second) = field.split_once(", ").expect(field);
        assert_eq!(first, "-");
        assert!(is_time(second), "{line}");
    }
    assert!(fields[5].split(", ").all(is_time), "{line}");
}

/// Whether it is a number of seconds in the form of the logs, and no more than a test takes.
fn is_time(text: &str) -> bool {
    let is_short = text.parse::<f32>().is_ok_and(|seconds| seconds <= testkit::LIMIT.as_secs_f32());
    is_short && text.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 3)
}

#[test]
fn no_attempt_no_value() {
    let conf = "log_format f '$upstream_addr $upstream_bytes_sent $upstream_connect_time'; access_log %dir/access.log f;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).start();
    gw.ask("in", "");
    assert_eq!(gw.access(1), ["- - -"]);
}

#[test]
fn unix_sockets_are_told_as_they_are_written() {
    let gw = group(&[], "server UNIX:%dir/none max_fails=0; server Unix:%dir/gone max_fails=0;", "");
    let dir = gw.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.access(1), [format!("502 UNIX:{dir}/none, Unix:{dir}/gone")]);
    gw.wait_error(&format!("connect() to UNIX:{dir}/none failed (2: No such file or directory)"));
}

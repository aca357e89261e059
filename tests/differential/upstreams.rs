//! Groups of peers: who is chosen, who is left out, who comes next, and what is said of it.

use std::time::Duration;

use testkit::{FullListener, Gateway, Peer, TcpBackend, hold};

use super::side_by_side::{Comparison, compare};

/// All methods, those that admit backups first.
const METHODS: [&str; 5] = ["", "least_conn;", "least_time connect;", "hash k;", "hash k consistent;"];

/// Services that say their number, by the names `a` to `f`.
fn services() -> Vec<(&'static str, TcpBackend)> {
    let names = ["a", "b", "c", "d", "e", "f"];
    names.into_iter().zip(0..).map(|(name, number)| (name, TcpBackend::banner(&number.to_string()))).collect()
}

/// A group of `servers` behind `%in`.
fn group(servers: &str, more: &str, services: &[(&'static str, TcpBackend)]) -> Comparison<'static> {
    let stream = format!("upstream u {{ {servers} }}\nserver {{ listen 127.0.0.1:%in; {more} proxy_pass u; }}");
    let group = services.iter().fold(compare(&stream), |known, (name, up)| known.with(name, up.addr()));
    // Times that were measured choose there.
    if servers.contains("least_time") { group.racing() } else { group }
}

fn ask(gw: &Gateway, times: usize) -> String {
    (0..times).map(|_| gw.ask("in", "") + ",").collect()
}

#[test]
fn in_turn_by_weight() {
    let ups = services();
    for servers in [
        "server %a weight=4; server %b weight=7; server %c; server %d weight=2;",
        "server %a weight=3 down; server %b weight=2; server %c weight=5 max_fails=0; server %d;",
        "server %f weight=9; server %e weight=8;",
        "server %a; server %a; server %b weight=2;",
    ] {
        for zone in ["", "zone z 64k;"] {
            group(&format!("{zone} {servers}"), "", &ups).run(24, |gw| ask(gw, 24));
        }
    }
}

#[test]
fn failing_peers() {
    let ups = services();
    for method in METHODS {
        for (servers, more) in [
            ("server 127.0.0.1:%dead; server %a; server %b weight=2;", ""),
            ("server 127.0.0.1:%dead max_fails=2; server %a; server 127.0.0.1:%dead2 weight=3 max_fails=3;", ""),
            ("server 127.0.0.1:%dead weight=5 max_fails=0; server %a; server %b weight=2;", ""),
            ("server 127.0.0.1:%dead; server 127.0.0.1:%dead2 max_fails=2;", ""),
            ("server 127.0.0.1:%dead; server 127.0.0.1:%dead2 max_fails=2;", "proxy_next_upstream off;"),
            ("server 127.0.0.1:%dead max_fails=0; server 127.0.0.1:%dead2; server %a;", "proxy_next_upstream_tries 1;"),
            ("server 127.0.0.1:%dead max_fails=0; server 127.0.0.1:%dead2; server %a;", "proxy_next_upstream_tries 2;"),
            ("server %a down; server %b down;", ""),
            ("server %a down; server 127.0.0.1:%dead;", ""),
            ("server 127.0.0.1:%dead max_fails=1 fail_timeout=100;", ""),
            ("server unix:%dir/none; server [::1]:%dead; server %a;", ""),
        ] {
            // Their points on the ring differ with their ports.
            if method.ends_with("consistent;") && servers.contains("%dead") {
                continue;
            }
            let servers = format!("{method} {servers}");
            group(&servers, more, &ups).run(8, |gw| ask(gw, 8));
        }
    }
}

#[test]
fn backups() {
    let ups = services();
    for method in METHODS {
        for servers in [
            "server 127.0.0.1:%dead; server 127.0.0.1:%dead2 backup; server %a backup; server %b backup weight=2;",
            "server %a down; server %b backup; server %c backup weight=2;",
            "server %a; server %b backup;",
            "server 127.0.0.1:%dead; server %a backup down;",
        ] {
            // Methods that choose by a key refuse backups, but for those written before them.
            let servers = if method.starts_with("hash") {
                if servers.contains("%dead") && method.ends_with("consistent;") {
                    continue;
                }
                format!("{servers} {method}")
            } else {
                format!("{method} {servers}")
            };
            group(&servers, "", &ups).run(6, |gw| ask(gw, 6));
        }
    }
}

#[test]
fn keys() {
    let ups = services();
    for servers in [
        "server %a; server %b; server %c;",
        "server %a weight=3; server %b; server %c weight=5; server %d down;",
        "server %a max_fails=0; server %b weight=20; server %b; server %e weight=4;",
    ] {
        for how in ["", " consistent"] {
            for key in ["$proxy_protocol_addr", "$proxy_protocol_addr$proxy_protocol_port", "$binary_remote_addr"] {
                let stream = format!(
                    "upstream u {{ hash {key}{how}; {servers} }}\n\
                     server {{ listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; proxy_pass u; }}"
                );
                let known = ups.iter().fold(compare(&stream), |known, (name, up)| known.with(name, up.addr()));
                known.run(40, |gw| {
                    let one = |number: u32| {
                        let mut peer = gw.connect("in");
                        let ip = format!("10.{}.{}.{number}", number * 7 % 256, number * 31 % 256);
                        peer.send(format!("PROXY TCP4 {ip} 1.1.1.1 {number} 2\r\n"));
                        peer.recv_all()
                    };
                    (0..40).map(one).collect()
                });
            }
        }
    }
}

/// Opens sessions that stay, as long as peers take them: which ones were refused.
fn stay(gw: &Gateway, count: usize, held: &mut Vec<Peer>) -> String {
    let one = |_| {
        let mut peer = gw.connect("in");
        let _ = peer.try_send("x");
        let answered = peer.recv_some().is_ok_and(|part| !part.is_empty());
        held.push(peer);
        if answered { 'x' } else { '-' }
    };
    (0..count).map(one).collect()
}

#[test]
fn sessions_that_stay() {
    let ups: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|name| (name, TcpBackend::echo())).collect();
    for method in METHODS {
        for servers in [
            "server %a max_conns=1; server %b max_conns=2 weight=3; server %c max_conns=1;",
            "server %a weight=2; server %b; server %c weight=3; server %d;",
            "server %a weight=2 max_conns=2; server %b max_conns=1;",
            "server %a max_conns=2;",
        ] {
            let servers = format!("{method} {servers}");
            group(&servers, "", &ups).main("worker_shutdown_timeout 10ms;").unordered().run(0, |gw| {
                let mut held = Vec::new();
                let first = stay(gw, 7, &mut held);
                // Two of them leave, one after the other.
                for _ in 0..2 {
                    let before = gw.access(0).len();
                    drop(held.remove(0));
                    gw.access(before + 1);
                }
                let second = stay(gw, 4, &mut held);
                format!("{first} {second}")
            });
        }
    }
}

#[test]
fn peers_that_neither_take_nor_refuse() {
    let (full, up) = (FullListener::new(), TcpBackend::banner("up"));
    for (servers, more) in [
        ("server %full; server %up;", ""),
        ("server %full max_fails=3; server %up;", ""),
        ("server %full;", ""),
        ("server %full; server 127.0.0.1:%dead; server %up;", "proxy_next_upstream_timeout 200ms;"),
        ("server %full; server 127.0.0.1:%dead; server %up;", "proxy_next_upstream_timeout 5s;"),
    ] {
        let stream = format!(
            "upstream u {{ {servers} }}\n\
             server {{ listen 127.0.0.1:%in; {more} proxy_connect_timeout 300ms; proxy_pass u; }}"
        );
        compare(&stream).with("full", full.addr()).with("up", up.addr()).run(3, |gw| ask(gw, 3));
    }
}

#[test]
fn failures_are_forgotten_in_time() {
    let ups = services();
    for method in METHODS {
        let servers = format!("{method} server 127.0.0.1:%dead fail_timeout=1; server %a; server %b;");
        if method.ends_with("consistent;") {
            continue;
        }
        // On a busy machine the first six may take longer than the timeout.
        group(&servers, "", &ups).racing().run(12, |gw| {
            let first = ask(gw, 6);
            // Whole seconds count, and more than the timeout has to have passed.
            hold("the clock goes", Duration::from_millis(2_100), || true);
            format!("{first} {}", ask(gw, 6))
        });
    }
}

#[test]
fn what_variables_tell_of_attempts() {
    let up = TcpBackend::banner("up");
    for servers in [
        "server 127.0.0.1:%dead; server %up;",
        "server 127.0.0.1:%dead; server 127.0.0.1:%dead2;",
        "server %up down;",
        "server %up;",
    ] {
        let times = ["upstream_connect_time", "upstream_first_byte_time", "upstream_session_time"];
        // Times differ; whether there is one does not.
        let known = times.map(|name| {
            format!(
                "map ${name} $known_{name} {{ '~^[0-9.]+$' time; '~^[0-9.]+, [0-9.]+$' 'time, time'; \
                 '~^-, [0-9.]+$' '-, time'; default ${name}; }}\n"
            )
        });
        let told = times.map(|name| format!("$known_{name}")).join(" ");
        let stream = format!(
            "{}log_format told '$upstream_addr|$upstream_bytes_sent|$upstream_bytes_received|{told}';\n\
             access_log %dir/access.log compared; access_log %dir/told.log told;\n\
             upstream u {{ {servers} }}\nserver {{ listen 127.0.0.1:%in; proxy_protocol on; proxy_pass u; }}",
            known.concat()
        );
        compare(&stream).with("up", up.addr()).also("told.log").level("crit").run(2, |gw| ask(gw, 2));
    }
}

#[test]
fn what_is_read_before_a_peer_is_reached() {
    let up = TcpBackend::collect();
    for (listen, more, header) in [
        ("", "", ""),
        ("proxy_protocol", "", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        ("", "ssl_preread on;", ""),
        ("proxy_protocol", "ssl_preread on;", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    ] {
        for servers in [
            "server 127.0.0.1:%dead; server %up;",
            "server 127.0.0.1:%dead; server 127.0.0.1:%dead2;",
            "server unix:%dir/none; server %up;",
        ] {
            let stream =
                format!("upstream u {{ {servers} }}\nserver {{ listen 127.0.0.1:%in {listen}; {more} proxy_pass u; }}");
            compare(&stream).with("up", up.addr()).racing().run(1, |gw| {
                let mut peer = gw.connect("in");
                peer.send(format!("{header}hello world"));
                peer.finish_sending();
                peer.recv_end();
                String::new()
            });
        }
    }
}

#[test]
fn where_connections_come_from() {
    let up = TcpBackend::echo();
    for bind in ["127.0.0.3", "$remote_addr", "$remote_addr:0", "10.255.255.1", "$server_name", "::1", "off", "$bad"] {
        for servers in ["server %up;", "server 127.0.0.1:%dead; server %up;", "server unix:%dir/none; server %up;"] {
            let stream = format!(
                "map $remote_addr $bad {{ default abc; }}\nupstream u {{ {servers} }}\n\
                 server {{ listen 127.0.0.1:%in; proxy_bind {bind}; proxy_pass u; }}"
            );
            compare(&stream).with("up", up.addr()).run(2, |gw| {
                let ask = |done| {
                    let mut peer = gw.connect("in");
                    let _ = peer.try_send("x");
                    let got = peer.recv_some().unwrap_or_default().len().to_string();
                    drop(peer);
                    gw.access(done);
                    got
                };
                (1..3).map(ask).collect()
            });
        }
    }
}

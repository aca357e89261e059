//! Streams: who ends them and how, rates, deadlines, texts, connections that are passed on, limits, unix sockets.

use std::time::{Duration, Instant};

use testkit::{Gateway, Peer, TcpBackend, hold};

use super::side_by_side::compare;

/// Waits for the begin of a second, from which rates count.
fn second() {
    let passed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let left = Duration::from_millis(1_020 - u64::from(passed.subsec_millis()));
    hold("the clock goes", left, || true);
}

/// Whole seconds since `begun`. What the last bytes cost is waited for before the end is seen, or not.
fn seconds(begun: Instant) -> u64 {
    (begun.elapsed() + Duration::from_millis(50)).as_secs()
}

#[test]
fn ends() {
    let says_then_reads = TcpBackend::start(|peer| {
        peer.send("first");
        peer.finish_sending();
        peer.recv_end().0
    });
    let reads_then_says = TcpBackend::start(|peer| {
        let got = peer.recv_end().0;
        let _ = peer.try_send(format!("got {}", got.len()));
        got
    });
    let leaves = TcpBackend::start(|peer| peer.recv_some().unwrap_or_default());
    for (name, up) in [("says", &says_then_reads), ("reads", &reads_then_says), ("leaves", &leaves)] {
        for half_close in ["", "proxy_half_close on;"] {
            for size in ["", "proxy_buffer_size 100;"] {
                let stream =
                    format!("server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_timeout 2s; {half_close} {size} }}");
                compare(&stream).with("up", up.addr()).run(1, |gw| {
                    let mut peer = gw.connect("in");
                    let said = if name == "says" { peer.recv_all() } else { String::new() };
                    let _ = peer.try_send("hello");
                    if name != "leaves" {
                        peer.finish_sending();
                    }
                    format!("{said}{}", peer.recv_all())
                });
            }
        }
    }
}

#[test]
fn ends_in_the_packet_of_the_last_bytes() {
    let up = TcpBackend::echo();
    for more in ["", "ssl_preread on;", "proxy_half_close on;", "proxy_buffer_size 3;"] {
        let stream = format!("server {{ listen 127.0.0.1:%in; proxy_pass %up; {more} }}");
        compare(&stream).with("up", up.addr()).run(10, |gw| {
            let ask = |_| {
                let mut peer = gw.connect("in");
                peer.send_last("hello, and good bye");
                peer.recv_all() + ","
            };
            (0..10).map(ask).collect()
        });
    }
}

#[test]
fn writes_that_fail() {
    let slow = TcpBackend::start(|peer| {
        peer.recv_end();
        peer.finish_sending();
        Vec::new()
    });
    let stream = "server { listen 127.0.0.1:%in; proxy_pass %up; proxy_half_close on; }";
    let late = TcpBackend::start(|peer| {
        let got = peer.recv_end().0;
        let _ = peer.try_send("late");
        got
    });
    for up in [&slow, &late] {
        compare(stream).with("up", up.addr()).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send("x");
            gw.wait_error("proxy 127.0.0.1");
            peer.reset();
            String::new()
        });
    }
    let text = format!(
        "map $remote_addr $a {{ default '{}'; }}\nmap $remote_addr $b {{ default '{}'; }}\n",
        "x".repeat(3000),
        "$a".repeat(100)
    );
    // The other side neither reads nor stays: how much was taken until then is chance.
    let stream = format!(
        "log_format status $status;\n{text}server {{ listen 127.0.0.1:%in; access_log %dir/status.log status; return '{}'; }}",
        "$b".repeat(50)
    );
    compare(&stream).also("status.log").run(0, |gw| {
        let mut peer = gw.connect("in");
        peer.recv_some().unwrap();
        peer.reset();
        gw.access_in("status.log", 1);
        String::new()
    });
}

#[test]
fn rates() {
    let sized = TcpBackend::start(|peer| {
        let size = peer.recv_line().trim().parse().unwrap_or(0);
        let _ = peer.try_send("z".repeat(size));
        peer.finish_sending();
        peer.recv_end().0
    });
    for (rate, size) in [(1_000, 500), (1_000, 2_500), (100_000, 150_000), (3, 5)] {
        let stream = format!("server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_download_rate {rate}; }}");
        compare(&stream).with("up", sized.addr()).racing().run(1, |gw| {
            second();
            let begun = Instant::now();
            let mut peer = gw.connect("in");
            peer.send(format!("{size}\n"));
            format!("{} after {}", peer.recv_all().len(), seconds(begun))
        });
    }
    let counts = TcpBackend::start(|peer| {
        let got = peer.recv_end().0;
        let _ = peer.try_send(got.len().to_string());
        got
    });
    let stream = "server { listen 127.0.0.1:%in; proxy_pass %up; proxy_upload_rate 1k; proxy_half_close on; }";
    compare(stream).with("up", counts.addr()).racing().run(1, |gw| {
        second();
        let begun = Instant::now();
        let mut peer = gw.connect("in");
        peer.send("q".repeat(2_500));
        peer.finish_sending();
        format!("{} after {}", peer.recv_all(), seconds(begun))
    });
    for rate in ["$remote_addr", "x$server_name", "$server_name", "10m", "-1", "1g", "5K", "1.5"] {
        let stream = format!(
            "map $remote_port $rate {{ default '{rate}'; }}\n\
             server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_upload_rate $rate; proxy_half_close on; }}"
        );
        compare(&stream).with("up", counts.addr()).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send("q".repeat(100));
            peer.finish_sending();
            peer.recv_all()
        });
    }
}

#[test]
fn connections_passed_on() {
    let values = "$remote_addr $server_addr $connection $server_name $status $bytes_received $limit_conn_status";
    for (listen, target) in [
        ("127.0.0.1:%there", "127.0.0.1:%there"),
        ("0.0.0.0:%there", "127.0.0.9:%there"),
        ("0.0.0.0:%there", "$to"),
        ("[::]:%there", "[::1]:%there"),
        ("[::]:%there", "127.0.0.1:%there"),
        ("127.0.0.1:%there udp", "127.0.0.1:%there"),
        ("unix:%dir/there", "unix:%dir/there"),
        ("unix:%dir/there", "unix:%dir/nowhere"),
    ] {
        let stream = format!(
            "map $remote_addr $to {{ default 127.0.0.1:%there; }}\n\
             server {{ listen 127.0.0.1:%in; server_name a; set $kept 1; pass {target}; }}\n\
             server {{ listen {listen}; server_name b; set $kept \"$kept-\"; return '{values} [$kept]'; }}"
        );
        compare(&stream).run(1, |gw| gw.ask("in", ""));
    }
    for trust in ["", "set_real_ip_from 127.0.0.1;"] {
        for header in ["", "proxy_protocol"] {
            let stream = format!(
                "{trust}\nserver {{ listen 127.0.0.1:%in proxy_protocol; pass 127.0.0.1:%there; }}\n\
                 server {{ listen 127.0.0.1:%there {header}; \
                 return '$proxy_protocol_addr $proxy_protocol_server_port $remote_addr $realip_remote_addr'; }}"
            );
            let said = ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP6 ::1 ::2 3 4\r\n"];
            let said = if header.is_empty() { said[0].to_owned() } else { said.concat() };
            compare(&stream).run(1, |gw| gw.ask("in", &said));
        }
    }
    for target in ["", "abc", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "unix:", "name.test:80", ":80", "[::1]"] {
        let stream =
            format!("map $remote_addr $to {{ default '{target}'; }}\nserver {{ listen 127.0.0.1:%in; pass $to; }}");
        compare(&stream).run(1, |gw| gw.ask("in", ""));
    }
    for length in [9, 10, 11] {
        let hop = |number: usize| {
            let name = |number: usize| if number == 0 { "in".to_owned() } else { format!("hop{number}") };
            let next =
                if number < length { format!("pass 127.0.0.1:%{}", name(number + 1)) } else { "return end".to_owned() };
            format!("server {{ listen 127.0.0.1:%{}; {next}; }}\n", name(number))
        };
        let stream: String = (0..=length).map(hop).collect();
        compare(&stream).run(1, |gw| gw.ask("in", ""));
    }
    for most in [1, 2] {
        let stream = format!(
            "limit_conn_zone $remote_addr zone=z:64k;\n\
             server {{ listen 127.0.0.1:%in; limit_conn z {most}; pass 127.0.0.1:%there; }}\n\
             server {{ listen 127.0.0.1:%there; limit_conn z {most}; return '$limit_conn_status'; }}"
        );
        compare(&stream).run(2, |gw| gw.ask("in", "") + &gw.ask("in", ""));
    }
    let stream = "server { listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; pass 127.0.0.1:%there; }\n\
                  server { listen 127.0.0.1:%there proxy_protocol; set_real_ip_from 192.0.2.1;\n\
                  return '$remote_addr $proxy_protocol_addr $realip_remote_addr'; }";
    let headers = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPROXY TCP4 192.0.2.3 192.0.2.4 3 4\r\n";
    compare(stream).run(1, |gw| gw.ask("in", headers));
}

#[test]
fn limits() {
    let up = TcpBackend::echo();
    for limits in [
        "limit_conn z 1; limit_conn y 3;",
        "limit_conn y 3; limit_conn z 1;",
        "limit_conn z 1; limit_conn y 3; limit_conn_dry_run on;",
        "limit_conn y 2; limit_conn z 2; limit_conn_log_level warn;",
    ] {
        let stream = format!(
            "limit_conn_zone $remote_addr zone=z:64k; limit_conn_zone $server_addr zone=y:64k;\n\
             log_format told '$remote_addr $limit_conn_status';\n\
             access_log %dir/access.log compared; access_log %dir/told.log told;\n\
             server {{ listen 127.0.0.1:%in; {limits} proxy_pass %up; }}"
        );
        compare(&stream).with("up", up.addr()).also("told.log").unordered().run(6, |gw| {
            let one = |number: usize| {
                let mut peer = Peer::connect_from(&format!("127.0.0.{}", 1 + number % 2), &gw.addr("in"));
                let _ = peer.try_send("x");
                let answered = peer.recv_some().is_ok_and(|part| !part.is_empty());
                (peer, if answered { 'x' } else { '-' })
            };
            (0..6).map(one).collect::<Vec<_>>().iter().map(|(_, seen)| seen).collect()
        });
    }
    for key in ["", "$server_name", "$binary_remote_addr", &"x".repeat(255), &"x".repeat(256)] {
        let stream = format!(
            "limit_conn_zone '{key}' zone=z:64k; log_format told '$limit_conn_status';\n\
             access_log %dir/access.log compared; access_log %dir/told.log told;\n\
             server {{ listen 127.0.0.1:%in; limit_conn z 1; proxy_pass %up; }}"
        );
        compare(&stream).with("up", up.addr()).also("told.log").unordered().run(2, |gw| {
            let mut held = gw.connect("in");
            held.send("x");
            held.recv(1);
            let mut second = gw.connect("in");
            let _ = second.try_send("x");
            second.recv_some().unwrap_or_default().len().to_string()
        });
    }
    let stream = "limit_conn_zone $remote_addr zone=z:64k;\n\
                  server { listen 127.0.0.1:%in; limit_conn z 1; proxy_pass %up; }";
    compare(stream).with("up", up.addr()).unordered().run(2, |gw| {
        let mut held = gw.connect("in");
        held.send("x");
        held.recv(1);
        // What is counted outlives a change of the configuration.
        let text = std::fs::read_to_string(gw.path("gateway.conf")).unwrap();
        let inside = text.split_once("stream {\n").unwrap().1.trim_end().trim_end_matches('}').to_owned();
        gw.reload(&inside);
        gw.ask("in", "x")
    });
}

#[test]
fn unix_sockets() {
    let ask = |gw: &mut Gateway| Peer::connect(&format!("unix:{}", gw.path("s").display())).recv_all();
    for rules in ["", "allow unix:; deny all;", "deny unix:;", "deny all;", "allow 127.0.0.1; deny 0.0.0.0/0;"] {
        let stream = format!(
            "geo $place {{ default d; 255.255.0.0/16 none; }}\n\
             server {{ listen unix:%dir/s; {rules} return '$remote_addr|$remote_port|$server_addr|$server_port|\
             $binary_remote_addr|$place|$realip_remote_addr|$realip_remote_port'; }}"
        );
        compare(&stream).run(1, ask);
    }
    let up = TcpBackend::line();
    let stream = "server { listen unix:%dir/s; proxy_protocol on; proxy_pass %up; }";
    compare(stream).with("up", up.addr()).run(1, ask);
}

#[test]
fn shutdowns() {
    let up = TcpBackend::echo();
    let stream = "server { listen 127.0.0.1:%in; proxy_pass %up; }";
    for main in ["worker_shutdown_timeout 200ms;", ""] {
        compare(stream).with("up", up.addr()).main(main).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send("x");
            peer.recv(1);
            gw.signal(testkit::Signal::QUIT);
            gw.wait_error("gracefully shutting down");
            if main.is_empty() {
                peer.send("still");
                peer.recv(5);
                drop(peer);
                return String::new();
            }
            peer.recv_all()
        });
    }
}

//! Datagrams: sessions by client, how they end, and what is counted.

use std::net::UdpSocket;
use std::time::Duration;

use testkit::{Port, Signal, UdpBackend, UdpPeer, poll};

use crate::{gateway, is_nginx};

const LOG: &str = "log_format f '$protocol $status $bytes_received $bytes_sent $upstream_bytes_sent $upstream_bytes_received';\n\
                   access_log %dir/access.log f;\n";

fn to_backend(backend: &UdpBackend, more: &str) -> testkit::Gateway {
    gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in udp; proxy_pass %up; {more} }}"))
        .with("up", backend.addr())
        .start()
}

#[test]
fn one_question_one_answer() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "proxy_responses 1;");
    let client = UdpPeer::connect(&gw.addr("in"));
    assert_eq!(client.ask("hello"), "hello");
    assert_eq!(gw.access(1), ["UDP 200 5 5 5 5"]);
    let line = gw.wait_error("udp done");
    assert_eq!(line.level, "info");
    let expected = "udp done, packets from/to client:1/1, bytes from/to client:5/5, bytes from/to upstream:5/5";
    assert_eq!(line.text, expected);
    let first = gw.wait_error("udp client");
    let expected = format!("udp client 127.0.0.1:{} connected to {}", client.local_port(), gw.addr("in"));
    assert_eq!(first.text, expected);
    let proxy = gw.wait_error("udp proxy");
    assert!(proxy.text.starts_with("udp proxy 127.0.0.1:"), "{}", proxy.text);
    assert!(proxy.text.ends_with(&format!(" connected to {}", up.addr())), "{}", proxy.text);
}

#[test]
fn a_session_keeps_its_upstream_port() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "");
    let client = UdpPeer::connect(&gw.addr("in"));
    for text in ["a", "b", "c"] {
        assert_eq!(client.ask(text), text);
    }
    let from: Vec<_> = up.datagrams().into_iter().map(|(_, from)| from).collect();
    assert!(from.iter().all(|addr| *addr == from[0]), "{from:?}");
    let other = UdpPeer::connect(&gw.addr("in"));
    assert_eq!(other.ask("d"), "d");
    assert_ne!(up.datagrams()[3].1, from[0]);
    assert_eq!(gw.wait_errors("udp client", 2).len(), 2);
}

#[test]
fn datagrams_keep_their_bounds() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "");
    let client = UdpPeer::connect(&gw.addr("in"));
    for size in [1, 100, 1_400, 9_000] {
        let data = vec![b'x'; size];
        client.send(&data);
        assert_eq!(client.recv(), data);
    }
    client.send("");
    assert_eq!(client.recv(), b"");
}

#[test]
fn answers_may_be_many() {
    let up = UdpBackend::start(|bytes| (0..3).map(|n| [bytes, &[b'0' + n]].concat()).collect());
    let gw = to_backend(&up, "proxy_responses 3;");
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("a");
    for text in ["a0", "a1", "a2"] {
        assert_eq!(client.recv(), text.as_bytes());
    }
    assert_eq!(gw.access(1), ["UDP 200 1 6 1 6"]);
}

#[test]
fn answers_that_came_beside_the_last_one_are_passed_on() {
    let up = UdpSocket::bind("127.0.0.1:0").unwrap();
    let conf = format!(
        "{LOG}server {{ listen 127.0.0.1:%in udp; proxy_pass %up; proxy_responses 1; }}\n\
         server {{ listen 127.0.0.1:%pid; return $pid; access_log off; }}"
    );
    let gw = gateway(&conf).with("up", up.local_addr().unwrap().to_string()).start();
    let worker: u32 = gw.ask("pid", "").parse().unwrap();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("?");
    let (_, from) = up.recv_from(&mut [0; 8]).unwrap();
    gw.signal_to(worker, Signal::STOP);
    poll("a worker that has stopped", || has_stopped(worker).then_some(()));
    for answer in ["1", "2", "3"] {
        up.send_to(answer.as_bytes(), from).unwrap();
    }
    gw.signal_to(worker, Signal::CONT);
    for answer in ["1", "2", "3"] {
        assert_eq!(client.recv(), answer.as_bytes());
    }
    assert_eq!(gw.access(1), ["UDP 200 1 3 1 3"]);
}

/// Whether no thread of the process runs, as after `SIGSTOP`.
fn has_stopped(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .flatten()
        .all(|task| std::fs::read_to_string(task.path().join("stat")).is_ok_and(|stat| stat.contains(") T ")))
}

#[test]
fn no_answer_wanted() {
    let up = UdpBackend::silent();
    let gw = to_backend(&up, "proxy_responses 0;");
    UdpPeer::connect(&gw.addr("in")).send("log line");
    assert_eq!(up.wait_for(1)[0].0, b"log line");
    assert_eq!(gw.access(1), ["UDP 200 8 0 8 0"]);
    gw.wait_error("udp done, packets from/to client:1/0, bytes from/to client:8/0, bytes from/to upstream:0/8");
}

#[test]
fn a_missing_answer_is_502() {
    let up = UdpBackend::silent();
    let gw = to_backend(&up, "proxy_responses 1; proxy_timeout 300ms;");
    UdpPeer::connect(&gw.addr("in")).send("x");
    assert_eq!(gw.access(1), ["UDP 502 1 0 1 0"]);
    let line = gw.wait_error("upstream timed out");
    assert_eq!(line.level, "error");
    let expected = format!(
        "upstream timed out (110: Connection timed out) while proxying connection, udp client: 127.0.0.1, server: {}, \
         upstream: \"{}\", bytes from/to client:1/0, bytes from/to upstream:0/1",
        gw.addr("in"),
        up.addr()
    );
    assert_eq!(line.text, expected);
}

#[test]
fn without_a_count_the_timeout_ends_the_session() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "proxy_timeout 300ms;");
    assert_eq!(UdpPeer::connect(&gw.addr("in")).ask("abc"), "abc");
    assert_eq!(gw.access(1), ["UDP 200 3 3 3 3"]);
    let line = gw.wait_error("udp timed out");
    assert_eq!(line.level, "info");
    let expected = "udp timed out, packets from/to client:1/1, bytes from/to client:3/3, bytes from/to upstream:3/3";
    assert_eq!(line.text, expected);
}

#[test]
fn proxy_requests_opens_a_new_session() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "proxy_requests 1; proxy_responses 1;");
    let client = UdpPeer::connect(&gw.addr("in"));
    assert_eq!(client.ask("a"), "a");
    assert_eq!(client.ask("b"), "b");
    let seen = up.datagrams();
    assert_ne!(seen[0].1, seen[1].1);
    assert_eq!(gw.access(2), ["UDP 200 1 1 1 1", "UDP 200 1 1 1 1"]);
}

#[test]
fn requests_and_responses_of_several() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "proxy_requests 2; proxy_responses 1;");
    let client = UdpPeer::connect(&gw.addr("in"));
    assert_eq!(client.ask("a"), "a");
    assert_eq!(client.ask("b"), "b");
    assert_eq!(gw.access(1), ["UDP 200 2 2 2 2"]);
}

#[test]
fn a_dead_port_counts_as_an_answer() {
    let port = Port::lease();
    let gw =
        gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in udp; proxy_pass 127.0.0.1:%dead; proxy_responses 1; }}"))
            .with("dead", port.number().to_string())
            .start();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("x");
    let line = gw.wait_error("failed (111: Connection refused)");
    assert_eq!(line.level, "error");
    let expected = "recv() failed (111: Connection refused) while proxying and reading from upstream, udp client: 127.0.0.1, server: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert_eq!(gw.access(1), ["UDP 200 1 0 1 0"]);
    assert!(client.is_quiet_for(Duration::from_millis(50)));
}

#[test]
fn return_answers_with_one_datagram() {
    let gw = gateway("server { listen 127.0.0.1:%in udp; return '$protocol $remote_port'; }").start();
    let client = UdpPeer::connect(&gw.addr("in"));
    assert_eq!(client.ask("x"), format!("UDP {}", client.local_port()));
    assert_eq!(client.ask("y"), format!("UDP {}", client.local_port()));
}

#[test]
fn upstreams_take_turns() {
    let (a, b) = (UdpBackend::saying("a"), UdpBackend::saying("b"));
    let conf = "upstream u { server %a; server %b; }\nserver { listen 127.0.0.1:%in udp; proxy_pass u; proxy_requests 1; proxy_responses 1; }";
    let gw = gateway(conf).with("a", a.addr()).with("b", b.addr()).start();
    let client = UdpPeer::connect(&gw.addr("in"));
    let order: Vec<String> = (0..4).map(|_| client.ask("x")).collect();
    assert_eq!(order, ["a", "b", "a", "b"]);
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    let up = UdpBackend::echo();
    let gw = gateway("server { listen %in udp; proxy_pass %up; }").with("up", up.addr()).start();
    for host in ["127.0.0.1", "127.0.0.9"] {
        // A connected socket takes answers from that address only.
        let client = UdpPeer::connect(&format!("{host}:{}", gw.port("in")));
        assert_eq!(client.ask(host), host);
    }
    let conf = "server { listen %in udp; return $server_addr; }";
    let gw = gateway(conf).start();
    assert_eq!(UdpPeer::connect(&format!("127.0.0.9:{}", gw.port("in"))).ask("x"), "127.0.0.9");
}

#[test]
fn deny_drops_datagrams() {
    let conf = format!("{LOG}server {{ listen 127.0.0.1:%in udp; deny all; return x; }}");
    let gw = gateway(&conf).start();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("x");
    assert!(gw.access(1)[0].starts_with("UDP 403 "));
    assert!(client.is_quiet_for(Duration::from_millis(50)));
    gw.wait_error("access forbidden by rule while initializing session, udp client: 127.0.0.1, server: ");
}

#[test]
fn tls_towards_the_upstream_does_not_apply() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "proxy_ssl on; ssl_preread on;");
    assert_eq!(UdpPeer::connect(&gw.addr("in")).ask("plain"), "plain");
}

#[test]
fn a_graceful_end_closes_udp_sessions_at_their_next_event() {
    let up = UdpBackend::echo();
    let mut gw = to_backend(&up, "proxy_timeout 700ms;");
    let client = UdpPeer::connect(&gw.addr("in"));
    assert_eq!(client.ask("x"), "x");
    gw.signal(Signal::QUIT);
    assert_eq!(gw.wait(), Some(0));
    assert_eq!(gw.access(1).len(), 1);
}

#[test]
fn answers_under_way_outlive_a_reload() {
    if is_nginx() {
        return;
    }
    let (allow, allowed) = std::sync::mpsc::channel::<()>();
    let up = UdpBackend::start(move |bytes| allowed.recv().map(|()| vec![bytes.to_vec()]).unwrap_or_default());
    let conf = "server { listen 127.0.0.1:%in udp; proxy_pass %up; }\nserver { listen 127.0.0.1:%is; return old; }";
    let mut gw = gateway(conf).level("notice").with("up", up.addr()).start();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("a");
    client.send("b");
    up.wait_for(1);
    gw.reload(&conf.replace("old", "new"));
    poll("the new config", || (gw.ask("is", "") == "new").then_some(()));
    for text in ["a", "b"] {
        allow.send(()).unwrap();
        assert_eq!(client.recv(), text.as_bytes());
    }
}

#[test]
fn sessions_that_drain_do_not_keep_the_address() {
    let ways = [
        (Signal::QUIT, "root root"),
        (Signal::HUP, "root root"),
        (Signal::QUIT, "nobody nogroup"),
        (Signal::HUP, "nobody nogroup"),
    ];
    for (signal, user) in ways {
        let (allow, allowed) = std::sync::mpsc::channel::<()>();
        let up = UdpBackend::start(move |bytes| allowed.recv().map(|()| vec![bytes.to_vec()]).unwrap_or_default());
        let conf = "server { listen 127.0.0.1:%in udp; proxy_pass %up; }";
        let mut gw = gateway(conf).user(user).workers(2).with("up", up.addr()).start();
        let client = UdpPeer::connect(&gw.addr("in"));
        client.send("a");
        up.wait_for(1);
        gw.rewrite("server { listen 127.0.0.1:%is; return x; }");
        gw.signal(signal);
        let heir = poll("the address is free", || UdpSocket::bind(gw.addr("in")).ok());
        assert!(gw.is_running());
        allow.send(()).unwrap();
        gw.wait_error("disconnected on shutdown");
        drop(heir);
        assert_eq!(gw.stop(), Some(0));
        assert!(!gw.error_text().contains("failed"), "{}", gw.error_text());
    }
}

#[test]
fn listeners_share_the_room_for_datagrams() {
    let mut servers = vec!["server { listen 127.0.0.1:%is; return 0; }".to_owned()];
    servers.extend((0..50).map(|n| format!("server {{ listen 127.0.0.1:%u{n} udp; return x; }}")));
    let conf = servers.join("\n");
    let mut gw = gateway(&conf).level("notice").start();
    assert_eq!(gw.ask("is", ""), "0");
    let resident = |gw: &testkit::Gateway| {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", gw.pid())).unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() / 256
    };
    let before = resident(&gw);
    for round in 1..=8 {
        let round = round.to_string();
        gw.reload(&conf.replace("return 0", &format!("return {round}")));
        poll("the new config", || (gw.ask("is", "") == round).then_some(()));
    }
    let after = resident(&gw);
    assert!(after < before + 20, "{before} MiB before, {after} MiB after");
}

#[test]
fn many_clients() {
    let up = UdpBackend::echo();
    let gw = to_backend(&up, "proxy_responses 1;");
    let clients: Vec<UdpPeer> = (0..50).map(|_| UdpPeer::connect(&gw.addr("in"))).collect();
    for (n, client) in clients.iter().enumerate() {
        client.send(n.to_string());
    }
    for (n, client) in clients.iter().enumerate() {
        assert_eq!(client.recv(), n.to_string().as_bytes());
    }
    assert_eq!(gw.access(50).len(), 50);
}

#[test]
fn what_comes_late_reaches_no_other_session() {
    let up = UdpSocket::bind("127.0.0.1:0").unwrap();
    up.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let gw = gateway(&format!(
        "{LOG}server {{ listen 127.0.0.1:%in udp; proxy_pass %up; proxy_responses 1; proxy_timeout 5s; }}\n\
         server {{ listen 127.0.0.1:%is; access_log off; return x; }}"
    ))
    .with("up", up.local_addr().unwrap().to_string())
    .start();
    // Who serves has all it needs.
    assert_eq!(gw.ask("is", ""), "x");
    let before = descriptors(gw.pid());
    let mut past = Vec::new();
    for round in 1..=20 {
        let client = UdpPeer::connect(&gw.addr("in"));
        client.send("who");
        let (_, from) = up.recv_from(&mut [0; 8]).unwrap();
        // By chance a session has the port of an earlier one.
        for port in past.iter().filter(|port| **port != from) {
            let _ = up.send_to(b"late", port);
        }
        up.send_to(b"right", from).unwrap();
        up.send_to(b"surplus", from).unwrap();
        assert_eq!(client.recv(), b"right");
        assert_eq!(gw.access(round).len(), round);
        past.push(from);
    }
    past.sort_unstable();
    past.dedup();
    assert!(past.len() > 15, "sessions have ports of their own: {past:?}");
    poll("sockets are closed", || (descriptors(gw.pid()) <= before).then_some(()));
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn what_the_client_sends_puts_off_the_end() {
    let up = UdpBackend::silent();
    let gw = to_backend(&up, "proxy_timeout 2s;");
    let client = UdpPeer::connect(&gw.addr("in"));
    for _ in 0..8 {
        client.send("x");
        std::thread::sleep(Duration::from_millis(350));
    }
    let datagrams = up.wait_for(8);
    assert!(datagrams.iter().all(|(_, from)| *from == datagrams[0].1), "{datagrams:?}");
    assert_eq!(gw.access(1), ["UDP 200 8 0 8 0"]);
}

#[test]
fn a_datagram_that_the_upstreams_address_cannot_take_ends_the_session() {
    let up = UdpBackend::echo();
    let gw = gateway(&format!("{LOG}server {{ listen [::1]:%in udp; proxy_pass %up; proxy_buffer_size 64k; }}"))
        .with("up", up.addr())
        .start();
    let client = UdpPeer::connect(&format!("[::1]:{}", gw.port("in")));
    assert_eq!(client.ask("first"), "first");
    client.send(vec![b'x'; 65_520]);
    let line = gw.wait_error("sendmsg() failed (90: Message too ");
    assert_eq!(line.level, "alert");
    assert!(line.text.contains(" while proxying and sending to upstream, udp client: ::1, "), "{}", line.text);
    assert_eq!(gw.access(1), ["UDP 200 65525 5 5 5"]);
    assert_eq!(client.ask("second"), "second");
}

#[test]
fn an_answer_that_the_clients_address_cannot_take_ends_the_session() {
    let up = UdpSocket::bind("[::1]:0").unwrap();
    up.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in udp; proxy_pass %up; proxy_buffer_size 64k; }}"))
        .with("up", up.local_addr().unwrap().to_string())
        .start();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("who");
    let (_, from) = up.recv_from(&mut [0; 8]).unwrap();
    up.send_to(b"first", from).unwrap();
    assert_eq!(client.recv(), b"first");
    up.send_to(&vec![b'x'; 65_520], from).unwrap();
    let line = gw.wait_error("sendmsg() failed (90: Message too ");
    assert_eq!(line.level, "alert");
    assert!(line.text.contains(" while proxying and sending to client, udp client: 127.0.0.1, "), "{}", line.text);
    assert_eq!(gw.access(1), ["UDP 200 3 5 3 65525"]);
}

#[test]
fn what_comes_after_a_failure_begins_another_session() {
    after_a_failure("proxy_timeout 1s;", 200);
}

#[test]
fn what_waits_behind_a_failure_begins_another_session() {
    // Here the session takes datagrams itself, and has the third one when the second fails.
    after_a_failure("proxy_timeout 1s; proxy_responses 9;", 502);
}

/// Three datagrams for an upstream that is gone from a session that has had an answer, which ends at the second; the
/// session of the third ends with `status`.
fn after_a_failure(more: &str, status: u16) {
    let up = UdpSocket::bind("127.0.0.1:0").unwrap();
    up.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let conf = format!(
        "{LOG}server {{ listen 127.0.0.1:%in udp; proxy_pass %up; {more} }}\n\
         server {{ listen 127.0.0.1:%pid; return $pid; access_log off; }}"
    );
    let gw = gateway(&conf).with("up", up.local_addr().unwrap().to_string()).start();
    let worker: u32 = gw.ask("pid", "").parse().unwrap();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("first");
    let (_, from) = up.recv_from(&mut [0; 8]).unwrap();
    up.send_to(b"yes", from).unwrap();
    assert_eq!(client.recv(), b"yes");
    drop(up);
    gw.signal_to(worker, Signal::STOP);
    poll("a worker that has stopped", || has_stopped(worker).then_some(()));
    // The network refuses the first one, so that the second fails.
    for text in ["a", "bb", "cccc"] {
        client.send(text);
    }
    gw.signal_to(worker, Signal::CONT);
    let line = gw.wait_error("sendmsg() failed (111: Connection refused)");
    assert_eq!(line.level, "error");
    assert!(line.text.contains(", bytes from/to client:8/3, bytes from/to upstream:3/6"), "{}", line.text);
    assert_eq!(gw.access(2), ["UDP 200 8 3 6 3", &format!("UDP {status} 4 0 4 0")]);
}

#[test]
fn the_peers_failures_are_counted() {
    let dead = UdpBackend::silent();
    let live = UdpBackend::saying("live");
    let conf = format!(
        "{LOG}upstream u {{ server %dead; server %live; }}\n\
         server {{ listen 127.0.0.1:%in udp; proxy_pass u; proxy_responses 1; proxy_requests 1; proxy_timeout 2s; }}"
    );
    let gw = gateway(&conf).with("dead", dead.addr()).with("live", live.addr()).start();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("x");
    gw.wait_error("upstream server temporarily disabled while proxying connection, udp client: ");
    for _ in 0..3 {
        assert_eq!(client.ask("y"), "live");
    }
}

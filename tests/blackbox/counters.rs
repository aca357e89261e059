//! `$lockgate_counters`: what those read who watch a gateway.

use std::collections::BTreeMap;

use testkit::{End, Gateway, Hello, Peer, TcpBackend};

use super::ssl::{CERT, answer};
use crate::{gateway, is_nginx};

/// The counters by name, whoever asks for them counted.
fn counters(gw: &Gateway) -> BTreeMap<String, u64> {
    let text = gw.ask("counters", "");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
        .collect()
}

/// Waits until `name` has grown by `more`.
fn grows(gw: &Gateway, before: &BTreeMap<String, u64>, name: &str, more: u64) {
    let name = format!("lockgate_{name}");
    let known = *before.get(&name).unwrap_or_else(|| panic!("there is no {name} in {before:?}"));
    let mut last = 0;
    let begin = std::time::Instant::now();
    while begin.elapsed() < testkit::LIMIT {
        last = counters(gw)[&name];
        if last == known + more {
            return;
        }
    }
    panic!("{name} has grown from {known} to {last}, not by {more}");
}

#[test]
fn sessions_are_counted_over_all_workers_and_reloads() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::echo();
    let conf = "server { listen 127.0.0.1:%counters; return $lockgate_counters; }\n\
                server { listen 127.0.0.1:%in; proxy_pass %up; }\n\
                server { listen 127.0.0.1:%deny; deny all; return x; }\n\
                server { listen 127.0.0.1:%dead; proxy_pass 127.0.0.1:%nobody; }";
    let mut gw = gateway(conf).with("up", up.addr()).workers(2).start();
    let before = counters(&gw);
    let active = before["lockgate_sessions_active"];
    assert_eq!(active, 1, "the one that asks");
    let mut kept: Vec<Peer> = (0..20).map(|_| gw.connect("in")).collect();
    for client in &mut kept {
        client.send("hello");
        client.recv(5);
    }
    // The one that asked before may not quite be over.
    let are_active = |gw: &Gateway| (counters(gw)["lockgate_sessions_active"] == 21).then_some(());
    testkit::poll("all sessions", || are_active(&gw));
    gw.reload(conf);
    gw.set_workers(1);
    gw.reload(conf);
    testkit::poll("all sessions", || are_active(&gw));
    kept.clear();
    for _ in 0..3 {
        gw.ask("deny", "");
        gw.ask("dead", "");
    }
    grows(&gw, &before, "sessions_ended_total{status=\"403\"}", 3);
    grows(&gw, &before, "refused_total{by=\"access\"}", 3);
    grows(&gw, &before, "sessions_ended_total{status=\"502\"}", 3);
    grows(&gw, &before, "upstream_attempts_failed_total", 3);
    grows(&gw, &before, "bytes_total{from=\"client\"}", 100);
    testkit::poll("sessions end", || (counters(&gw)["lockgate_sessions_active"] == 1).then_some(()));
    testkit::poll("what has begun has ended", || {
        let after = counters(&gw);
        let more = |name: &str| after[name] - before[name];
        let begun = more("lockgate_sessions_total{protocol=\"tcp\"}");
        (begun == more("lockgate_sessions_ended_total{status=\"200\"}") + 6).then_some(())
    });
}

#[test]
fn handshakes_limits_and_hellos_are_counted() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{CERT}ssl_hello_limit 8k; preread_buffer_size 4k; client_connections 2;\n\
         server {{ listen 127.0.0.1:%counters; client_connections 0; return $lockgate_counters; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; return '<<<x>>>'; }}\n\
         server {{ listen 127.0.0.1:%mutual ssl; ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; return x; }}\n\
         server {{ listen 127.0.0.1:%slow; ssl_preread on; prelude_timeout 100ms; return x; }}\n\
         server {{ listen 127.0.0.1:%pre; ssl_preread on; preread_timeout 1h; return x; }}"
    );
    let gw = gateway(&conf).start();
    let before = counters(&gw);
    assert_eq!(answer(&gw.tls("tls").run()), Some("x"));
    gw.ask("tls", "GET / HTTP/1.0\r\n\r\n");
    grows(&gw, &before, "handshakes_total{with=\"client\"}", 2);
    grows(&gw, &before, "handshakes_failed_total{with=\"client\"}", 1);
    gw.tls("mutual").run();
    grows(&gw, &before, "client_certificates_refused_total", 1);
    let large = Hello::new().extension(0x5a5a, vec![0; 9000]).name("a.example.com").bytes();
    for port in ["tls", "pre"] {
        let mut client = gw.connect(port);
        let _ = client.try_send(&large);
        client.recv_end();
    }
    grows(&gw, &before, "hellos_too_large_total", 2);
    let mut silent = gw.connect("slow");
    silent.wait_for_end();
    grows(&gw, &before, "refused_total{by=\"prelude_timeout\"}", 1);
    let kept: Vec<Peer> = (0..2).map(|_| gw.connect("pre")).collect();
    testkit::poll("sessions", || (counters(&gw)["lockgate_sessions_active"] == 3).then_some(()));
    gw.ask("pre", "");
    grows(&gw, &before, "refused_total{by=\"client_connections\"}", 1);
    drop(kept);
}

#[test]
fn a_scraper_reads_them_over_http() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in; ssl_preread on;\n\
                return \"HTTP/1.0 200 OK\\r\\nContent-Type: text/plain; version=0.0.4\\r\\n\\r\\n$lockgate_counters\"; }";
    let gw = gateway(conf).start();
    for _ in 0..20 {
        let mut client = gw.connect("in");
        client.send("GET /metrics HTTP/1.1\r\nHost: gateway\r\nUser-Agent: x\r\n\r\n");
        let (said, end) = client.recv_end();
        let said = String::from_utf8(said).unwrap();
        assert!(
            said.starts_with("HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n# TYPE "),
            "{said}"
        );
        assert_eq!(end, End::Fin, "the end is no error");
    }
}

//! `ssl_preread`: what is read from a hello without ending TLS, and what becomes of odd ones.

use std::time::{Duration, Instant};

use testkit::{End, Gateway, Hello, TcpBackend};

use crate::gateway;

const LOG: &str = "log_format f '$status [$ssl_preread_server_name] [$ssl_preread_protocol] [$ssl_preread_alpn_protocols] $bytes_received';\n\
                   access_log %dir/access.log f;\n";
const VARS: &str = "[$ssl_preread_server_name] [$ssl_preread_protocol] [$ssl_preread_alpn_protocols]";

/// A server that prereads and answers what it found.
fn telling(more: &str) -> Gateway {
    gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; ssl_preread on; {more} return '{VARS}'; }}")).start()
}

fn ask(gw: &Gateway, bytes: &[u8]) -> String {
    gw.ask("in", bytes)
}

#[test]
fn name_protocol_and_alpn() {
    let gw = telling("");
    let hello = Hello::named("WWW.Example.test").alpn(&["h2", "http/1.1"]);
    assert_eq!(ask(&gw, &hello.bytes()), "[WWW.Example.test] [TLSv1.2] [h2,http/1.1]");
    assert_eq!(ask(&gw, &hello.tls13().bytes()), "[WWW.Example.test] [TLSv1.3] [h2,http/1.1]");
}

#[test]
fn versions() {
    let gw = telling("");
    let versions = [(0, "SSLv3"), (1, "TLSv1"), (2, "TLSv1.1"), (3, "TLSv1.2"), (4, "TLSv1.3"), (9, "")];
    for (minor, name) in versions {
        assert_eq!(ask(&gw, &Hello::new().version(3, minor).bytes()), format!("[] [{name}] []"), "{minor}");
    }
}

#[test]
fn a_hello_without_extensions() {
    let gw = telling("");
    assert_eq!(ask(&gw, &Hello::new().without_extensions().bytes()), "[] [TLSv1.2] []");
    assert_eq!(ask(&gw, &Hello::new().bytes()), "[] [TLSv1.2] []");
}

#[test]
fn only_the_first_name_and_list_count() {
    let gw = telling("");
    let hello = Hello::named("first.test").name("second.test").alpn(&["a"]).alpn(&["b"]);
    assert_eq!(ask(&gw, &hello.bytes()), "[first.test] [TLSv1.2] [a]");
}

#[test]
fn extensions_around_do_not_matter() {
    let gw = telling("");
    let hello =
        Hello::new().extension(0x3a3a, vec![]).extension(51, vec![1; 300]).name("a.test").extension(21, vec![0; 100]);
    assert_eq!(ask(&gw, &hello.bytes()), "[a.test] [TLSv1.2] []");
}

#[test]
fn every_byte_alone() {
    let gw = telling("");
    let mut client = gw.connect("in");
    client.send_bytewise(&Hello::named("a.test").alpn(&["h2"]).bytes());
    assert_eq!(client.recv_all(), "[a.test] [TLSv1.2] [h2]");
}

#[test]
fn no_prefix_is_enough() {
    let gw = telling("preread_timeout 60s;");
    let bytes = Hello::named("a.test").bytes();
    let mut clients: Vec<_> = (1..bytes.len())
        .map(|length| {
            let mut client = gw.connect("in");
            client.send(&bytes[..length]);
            (client, length)
        })
        .collect();
    for (client, length) in &mut clients {
        client.send(&bytes[*length..]);
        assert_eq!(client.recv_all(), "[a.test] [TLSv1.2] []", "split after {length}");
    }
}

#[test]
fn a_prefix_and_the_end_finish_the_session() {
    let gw = telling("preread_timeout 60s;");
    let bytes = Hello::named("a.test").bytes();
    for length in [1, 4, 5, 6, 40, bytes.len() - 1] {
        let mut client = gw.connect("in");
        client.send(&bytes[..length]);
        client.finish_sending();
        assert_eq!(client.recv_all(), "", "{length}");
    }
    for line in gw.access(6) {
        assert!(line.starts_with("200 "), "{line}");
    }
}

#[test]
fn several_records() {
    let gw = telling("");
    for size in [1, 4, 5, 17, 64] {
        let hello = Hello::named("a.test").alpn(&["h2"]).records_of(size);
        assert_eq!(ask(&gw, &hello.bytes()), "[a.test] [TLSv1.2] [h2]", "{size}");
    }
}

#[test]
fn sizes_up_to_the_buffer() {
    let gw = telling("");
    for padding in [1_000, 4_000, 8_000, 16_000] {
        let hello = Hello::new().extension(21, vec![0; padding]).name("big.test");
        assert_eq!(ask(&gw, &hello.bytes()), "[big.test] [TLSv1.2] []", "{padding}");
    }
}

#[test]
fn larger_than_the_buffer() {
    let gw = telling("preread_buffer_size 100;");
    let hello = Hello::new().extension(21, vec![0; 200]).name("big.test");
    assert_eq!(ask(&gw, &hello.bytes()), "");
    let line = gw.wait_error("preread buffer full");
    assert_eq!(line.level, "error");
    let expected =
        format!("preread buffer full while prereading client data, client: 127.0.0.1, server: {}", gw.addr("in"));
    assert_eq!(line.text, expected);
    assert!(gw.access(1)[0].starts_with("400 "));
}

#[test]
fn not_tls_goes_on_without_values() {
    let gw = telling("");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n", &[22, 2, 1, 0, 9, 9], &[0x17, 3, 3, 0, 1, 0]]
    {
        assert_eq!(ask(&gw, bytes), "[] [] []");
    }
    for line in gw.access(4) {
        assert!(line.starts_with("200 [-] [-] [-] "), "{line}");
    }
}

#[test]
fn broken_hellos_go_on_without_values() {
    let gw = telling("");
    let name_type = {
        let mut bytes = Hello::named("a.test").bytes();
        let at = bytes.windows(6).position(|part| part == b"a.test").unwrap();
        bytes[at - 3] = 1;
        bytes
    };
    let name_length = {
        let mut bytes = Hello::named("a.test").bytes();
        let at = bytes.windows(6).position(|part| part == b"a.test").unwrap();
        bytes[at - 1] = 200;
        bytes
    };
    let not_a_hello = {
        let mut bytes = Hello::named("a.test").bytes();
        bytes[5] = 2;
        bytes
    };
    let empty_protocol = Hello::new().extension(16, vec![0, 1, 0]).bytes();
    for bytes in [name_type, name_length, not_a_hello, empty_protocol] {
        assert_eq!(ask(&gw, &bytes), "[] [] []");
    }
    for line in gw.access(4) {
        assert!(line.starts_with("200 [-] [-] [-] "), "{line}");
    }
}

#[test]
fn the_hello_of_ssl_2() {
    let gw = telling("");
    let bytes = [0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 0];
    assert_eq!(ask(&gw, &bytes), "[] [TLSv1] []");
    assert_eq!(ask(&gw, &[0x80, 0x2e, 1, 0, 2, 0, 3, 0]), "[] [SSLv2] []");
}

#[test]
fn waits_for_five_bytes_and_gives_up_in_silence() {
    let up = TcpBackend::banner("never");
    let gw = gateway(&format!(
        "{LOG}server {{ listen 127.0.0.1:%in; ssl_preread on; preread_timeout 300ms; proxy_pass %up; }}"
    ))
    .with("up", up.addr())
    .start();
    let start = Instant::now();
    let mut client = gw.connect("in");
    client.send([22, 3, 1]);
    client.wait_for_end();
    assert!(start.elapsed() >= Duration::from_millis(290));
    assert!(gw.access(1)[0].starts_with("200 "), "{:?}", gw.access(1));
    assert_eq!(up.accepted(), 0);
    assert!(!gw.error_text().contains("timed out"), "{}", gw.error_text());
}

#[test]
fn the_timeout_is_not_restarted_by_data() {
    let gw = telling("preread_timeout 700ms;");
    let mut client = gw.connect("in");
    let start = Instant::now();
    for byte in Hello::named("a.test").bytes() {
        if client.try_send([byte]).is_err() || !client.is_quiet_for(Duration::from_millis(100)) {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(gw.access(1)[0].starts_with("200 "));
}

#[test]
fn the_bytes_reach_the_upstream_unchanged() {
    let up = TcpBackend::collect();
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; ssl_preread on; proxy_pass %up; }}"))
        .with("up", up.addr())
        .start();
    let mut sent = Hello::named("a.test").bytes();
    sent.extend(b"and more");
    let mut client = gw.connect("in");
    client.send(&sent);
    client.finish_sending();
    assert_eq!(up.received(0), sent);
    assert_eq!(
        gw.access(1),
        [format!("200 [a.test] [TLSv1.2] [-] {}", sent.len())].map(|line| line.replace("[-]", "[]"))
    );
}

#[test]
fn routes_by_name() {
    let (a, b) = (TcpBackend::banner("a"), TcpBackend::banner("b"));
    let conf = "map $ssl_preread_server_name $to { a.test %a; b.test %b; default 127.0.0.1:%dead; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $to; }";
    let gw = gateway(conf).with("a", a.addr()).with("b", b.addr()).start();
    assert_eq!(ask(&gw, &Hello::named("a.test").bytes()), "a");
    assert_eq!(ask(&gw, &Hello::named("B.test").bytes()), "b");
    assert_eq!(ask(&gw, &Hello::named("c.test").bytes()), "");
    gw.wait_error("connect() failed (111: Connection refused) while ");
}

#[test]
fn routes_a_real_client() {
    let conf = "map $ssl_preread_server_name $to { a.example.com 127.0.0.1:%tls; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $to; }\n\
                server { listen 127.0.0.1:%tls ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; return 'over here: $ssl_server_name'; }";
    let gw = gateway(conf).start();
    for version in ["-tls1_2", "-tls1_3"] {
        let done = gw.tls("in").args(&format!("-servername a.example.com {version} -CAfile %pki/ca1.crt")).run();
        assert!(done.stdout.contains("over here: a.example.com"), "{}", done.stdout);
        assert!(done.stdout.contains("Verification: OK"), "{}", done.stdout);
    }
}

#[test]
fn off_by_default() {
    let gw = gateway(&format!("server {{ listen 127.0.0.1:%in; return '{VARS}'; }}")).start();
    assert_eq!(gw.ask("in", Hello::named("a.test").bytes()), "[] [] []");
}

#[test]
fn a_value_taken_too_early_stays_empty() {
    let gw = telling("set $early $ssl_preread_server_name;");
    assert_eq!(ask(&gw, &Hello::named("a.test").bytes()), "[] [TLSv1.2] []");
}

#[test]
fn a_reset_while_waiting() {
    let gw = telling("");
    let mut client = gw.connect("in");
    client.send([22]);
    gw.wait_error("connected to");
    client.reset();
    assert!(gw.access(1)[0].starts_with("200 "), "{:?}", gw.access(1));
}

#[test]
fn what_goes_nowhere_ends_as_unread() {
    let conf = "preread_timeout 200ms; ssl_preread on;\n\
                server { listen 127.0.0.1:%silent; return ''; }\n\
                server { listen 127.0.0.1:%none; }\n\
                server { listen 127.0.0.1:%small; preread_buffer_size 20; return x; }";
    let gw = gateway(conf).start();
    let hello = Hello::named("a.test").bytes();
    for (port, said) in [("silent", &hello[..]), ("silent", &hello[..9]), ("none", &hello[..]), ("small", &hello[..])] {
        let mut client = gw.connect(port);
        client.send(said);
        assert_eq!(client.recv_end().1, End::Reset, "{port} {}", said.len());
    }
}

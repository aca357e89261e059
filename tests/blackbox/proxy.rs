//! `proxy_pass` and its kin: relay, ends, timeouts, next upstream, buffers, rates, sockets.

use std::time::{Duration, Instant};

use testkit::{End, Peer, Port, TcpBackend};

use crate::gateway;

const LOG: &str = "log_format f '$status $bytes_received $bytes_sent $upstream_bytes_sent $upstream_bytes_received $upstream_addr';\n\
                   access_log %dir/access.log f;\n";

/// A server that passes everything to `%up`, with more directives.
fn to_backend(backend: &TcpBackend, more: &str) -> testkit::Builder {
    gateway(&format!("{LOG} server {{ listen 127.0.0.1:%in; proxy_pass %up; {more} }}")).with("up", backend.addr())
}

#[test]
fn relays_both_ways() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "").start();
    let mut client = gw.connect("in");
    for text in ["hello", "again"] {
        client.send(text);
        assert_eq!(client.recv(5), text.as_bytes());
    }
    drop(client);
    assert_eq!(gw.access(1), [format!("200 10 10 10 10 {}", up.addr())]);
    assert_eq!(up.received(0), b"helloagain");
}

#[test]
fn logs_the_way_of_a_session_at_info() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "").start();
    let mut client = gw.connect("in");
    client.send("abc");
    client.recv(3);
    let port = client.local_port();
    drop(client);
    let line = gw.wait_error("client disconnected");
    assert_eq!(line.level, "info");
    assert_eq!(line.text, "client disconnected, bytes from/to client:3/3, bytes from/to upstream:3/3");
    let number = line.connection.expect("a connection number");
    let accepted = gw.wait_error("connected to 127.0.0.1:");
    assert_eq!(accepted.connection, Some(number));
    assert_eq!(accepted.text, format!("client 127.0.0.1:{port} connected to {}", gw.addr("in")));
    let proxied = gw.wait_error("proxy 127.0.0.1:");
    assert_eq!((proxied.level.as_str(), proxied.connection), ("info", Some(number)));
    assert!(proxied.text.ends_with(&format!(" connected to {}", up.addr())), "{}", proxied.text);
}

#[test]
fn says_when_the_upstream_ended() {
    let up = TcpBackend::banner("bye");
    let gw = to_backend(&up, "").start();
    assert_eq!(gw.ask("in", ""), "bye");
    let line = gw.wait_error("disconnected");
    assert_eq!(line.text, "upstream disconnected, bytes from/to client:0/3, bytes from/to upstream:3/0");
}

#[test]
fn client_numbers_count_upstream_connections_too() {
    let up = TcpBackend::banner("x");
    let gw = to_backend(&up, "").start();
    for _ in 0..3 {
        gw.ask("in", "");
    }
    let numbers: Vec<_> = gw.wait_errors("client 127.0.0.1:", 3).iter().map(|line| line.connection).collect();
    assert_eq!(numbers, [Some(1), Some(3), Some(5)]);
}

#[test]
fn moves_megabytes_unharmed_in_both_directions() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "").start();
    let data: Vec<u8> = (0..8_000_000_u32).flat_map(|n| (n / 3).to_le_bytes()[..1].to_vec()).collect();
    let mut client = gw.connect("in");
    let mut sender = Peer::from_socket(client.socket().try_clone().unwrap());
    let sent = data.clone();
    let thread = std::thread::spawn(move || sender.send(&sent));
    let got = client.recv(data.len());
    thread.join().unwrap();
    assert!(got == data, "what came back differs");
}

#[test]
fn carries_data_with_small_buffers() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "proxy_buffer_size 7;").start();
    let mut client = gw.connect("in");
    let data: Vec<u8> = (0..1000_u16).map(|n| n as u8).collect();
    client.send(&data);
    assert_eq!(client.recv(1000), data);
}

#[test]
fn the_upstreams_end_comes_after_its_data() {
    let text = "x".repeat(3_000_000);
    let up = TcpBackend::banner(&text);
    let gw = to_backend(&up, "").start();
    let (got, end) = gw.connect("in").recv_end();
    assert_eq!((got.len(), end), (text.len(), End::Fin));
}

#[test]
fn a_half_closed_client_ends_the_session() {
    let up = TcpBackend::start(|peer| {
        let got = peer.recv_end().0;
        let _ = peer.try_send("late answer");
        got
    });
    let gw = to_backend(&up, "").start();
    let mut client = gw.connect("in");
    client.send("all I have");
    client.finish_sending();
    assert_eq!(client.recv_all(), "");
    assert_eq!(up.received(0), b"all I have");
    assert!(gw.access(1)[0].starts_with("200 10 0 10 0 "));
}

#[test]
fn half_close_keeps_the_other_direction() {
    let up = TcpBackend::start(|peer| {
        let got = peer.recv_end().0;
        peer.send("late answer");
        got
    });
    let gw = to_backend(&up, "proxy_half_close on;").start();
    let mut client = gw.connect("in");
    client.send("all I have");
    client.finish_sending();
    assert_eq!(client.recv_all(), "late answer");
    assert_eq!(up.received(0), b"all I have");
    assert!(gw.access(1)[0].starts_with("200 10 11 10 11 "));
}

#[test]
fn half_close_from_the_upstream() {
    let up = TcpBackend::start(|peer| {
        peer.send("greeting");
        peer.finish_sending();
        peer.recv_end().0
    });
    let gw = to_backend(&up, "proxy_half_close on;").start();
    let mut client = gw.connect("in");
    assert_eq!(client.recv_all(), "greeting");
    client.send("still here");
    drop(client);
    assert_eq!(up.received(0), b"still here");
}

#[test]
fn a_reset_client_is_logged_at_info() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "").start();
    let mut client = gw.connect("in");
    client.send("a");
    client.recv(1);
    client.reset();
    let line = gw.wait_error("recv() failed");
    assert_eq!(line.level, "info");
    let server = gw.addr("in");
    let expected = format!(
        "recv() failed (104: Connection reset by peer) while proxying and reading from client, client: 127.0.0.1, \
         server: {server}, upstream: \"{}\", bytes from/to client:1/1, bytes from/to upstream:1/1",
        up.addr()
    );
    assert_eq!(line.text, expected);
    assert!(gw.access(1)[0].starts_with("200 1 1 "));
}

#[test]
fn a_reset_upstream_is_logged_at_error() {
    let up = TcpBackend::start(|peer| {
        let got = peer.recv(1);
        peer.reset_on_drop();
        got
    });
    let gw = to_backend(&up, "").start();
    gw.connect("in").ask("a");
    let line = gw.wait_error("recv() failed");
    assert_eq!(line.level, "error");
    let expected = "recv() failed (104: Connection reset by peer) while proxying and reading from upstream, client: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert!(gw.access(1)[0].starts_with("200 1 0 "));
}

#[test]
fn an_idle_session_ends_by_proxy_timeout() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "proxy_timeout 1s;").start();
    let mut client = gw.connect("in");
    let start = Instant::now();
    client.send("a");
    client.recv(1);
    assert_eq!(client.wait_for_end(), End::Fin);
    assert!(start.elapsed() >= Duration::from_millis(990), "{:?}", start.elapsed());
    let line = gw.wait_error("timed out");
    assert_eq!(line.level, "info");
    let expected =
        "connection timed out (110: Connection timed out) while proxying connection, client: 127.0.0.1, server: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert!(line.text.ends_with("bytes from/to client:1/1, bytes from/to upstream:1/1"), "{}", line.text);
    assert!(gw.access(1)[0].starts_with("200 1 1 1 1 "));
}

#[test]
fn activity_restarts_proxy_timeout() {
    let up = TcpBackend::echo();
    let gw = to_backend(&up, "proxy_timeout 2500ms;").start();
    let mut client = gw.connect("in");
    for _ in 0..4 {
        assert!(client.is_quiet_for(Duration::from_millis(700)));
        client.send("a");
        assert_eq!(client.recv(1), b"a");
    }
}

#[test]
fn a_refused_connection() {
    let port = Port::lease();
    let up = format!("127.0.0.1:{}", port.number());
    let gw = gateway(&format!("{LOG} server {{ listen 127.0.0.1:%in; proxy_pass %up; }}")).with("up", &up).start();
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("connect() failed");
    assert_eq!(line.level, "error");
    let expected = format!(
        "connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: {}, \
         upstream: \"{up}\", bytes from/to client:0/0, bytes from/to upstream:0/0",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    assert_eq!(gw.access(1), [format!("502 0 0 0 0 {up}")]);
}

#[test]
fn a_missing_unix_socket_is_critical() {
    let gw = gateway(&format!("{LOG} server {{ listen 127.0.0.1:%in; proxy_pass unix:%dir/none; }}")).start();
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("connect() to");
    let path = gw.path("none").display().to_string();
    assert_eq!(line.level, "crit");
    let expected = format!(
        "connect() to unix:{path} failed (2: No such file or directory) while connecting to upstream, client: "
    );
    assert!(line.text.starts_with(&expected), "{}", line.text);
    assert_eq!(gw.access(1), [format!("502 0 0 0 0 unix:{path}")]);
}

#[test]
fn passes_to_a_unix_socket() {
    let dir = testkit::Scratch::new();
    let up = TcpBackend::unix(&dir.path().join("s"), |peer| {
        let line = peer.recv_line();
        peer.send(&line);
        line.into_bytes()
    });
    let gw = to_backend(&up, "").start();
    assert_eq!(gw.ask("in", "over there\n"), "over there\n");
    assert_eq!(gw.access(1), [format!("200 11 11 11 11 {}", up.addr())]);
}

#[test]
fn connect_timeout() {
    // A listener with a full queue answers nothing to further connections.
    let full = testkit::FullListener::new();
    let gw = gateway(&format!("{LOG} server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_connect_timeout 300ms; }}"))
        .with("up", full.addr())
        .start();
    let start = Instant::now();
    assert_eq!(gw.ask("in", ""), "");
    assert!(start.elapsed() >= Duration::from_millis(290));
    let line = gw.wait_error("upstream timed out");
    assert_eq!(line.level, "error");
    let expected =
        "upstream timed out (110: Connection timed out) while connecting to upstream, client: 127.0.0.1, server: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert!(gw.access(1)[0].starts_with("502 "));
}

#[test]
fn what_the_client_said_before_the_connection_is_kept() {
    let up = TcpBackend::line();
    let gw = to_backend(&up, "").start();
    let mut client = gw.connect("in");
    client.send("early");
    client.send("\n");
    assert_eq!(client.recv_all(), "got:early\n");
}

const TWO: &str = "upstream u { server 127.0.0.1:%dead; server %up; }\n";

#[test]
fn the_next_upstream_is_tried() {
    let up = TcpBackend::banner("second");
    let gw =
        gateway(&format!("{LOG} {TWO} server {{ listen 127.0.0.1:%in; proxy_pass u; }}")).with("up", up.addr()).start();
    assert_eq!(gw.ask("in", ""), "second");
    assert_eq!(gw.access(1), [format!("200 0 6 0, 0 0, 6 {}, {}", gw.addr("dead"), up.addr())]);
    let warn = gw.wait_error("temporarily disabled");
    assert_eq!(warn.level, "warn");
    let expected = "upstream server temporarily disabled while connecting to upstream, client: 127.0.0.1, server: ";
    assert!(warn.text.starts_with(expected), "{}", warn.text);
}

#[test]
fn next_upstream_off() {
    let up = TcpBackend::banner("second");
    let gw = gateway(&format!("{LOG} {TWO} server {{ listen 127.0.0.1:%in; proxy_pass u; proxy_next_upstream off; }}"))
        .with("up", up.addr())
        .start();
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.access(1), [format!("502 0 0 0 0 {}", gw.addr("dead"))]);
    assert_eq!(up.accepted(), 0);
}

#[test]
fn next_upstream_tries() {
    let up = TcpBackend::banner("third");
    let conf = "upstream u { server 127.0.0.1:%dead; server 127.0.0.1:%dead2; server %up; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; proxy_next_upstream_tries 2; }";
    let gw = gateway(&format!("{LOG} {conf}")).with("up", up.addr()).start();
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.access(1), [format!("502 0 0 0, 0 0, 0 {}, {}", gw.addr("dead"), gw.addr("dead2"))]);
}

#[test]
fn all_upstreams_dead() {
    let conf = "upstream u { server 127.0.0.1:%dead; server 127.0.0.1:%dead2; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(&format!("{LOG} {conf}")).start();
    gw.ask("in", "");
    gw.ask("in", "");
    let line = gw.wait_error("no live upstreams");
    assert_eq!(line.level, "error");
    let expected = format!(
        "no live upstreams while connecting to upstream, client: 127.0.0.1, server: {}, upstream: \"u\", \
         bytes from/to client:0/0, bytes from/to upstream:0/0",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    let expected = [format!("502 0 0 0, 0 0, 0 {}, {}", gw.addr("dead"), gw.addr("dead2")), "502 0 0 0 0 u".to_owned()];
    assert_eq!(gw.access(2), expected);
}

#[test]
fn next_upstream_timeout() {
    let full = testkit::FullListener::new();
    let up = TcpBackend::banner("late");
    let conf = "upstream u { server %full; server %up; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; proxy_connect_timeout 400ms; proxy_next_upstream_timeout 200ms; }";
    let gw = gateway(&format!("{LOG} {conf}")).with("up", up.addr()).with("full", full.addr()).start();
    assert_eq!(gw.ask("in", ""), "");
    assert!(gw.access(1)[0].starts_with("502 "));
    assert_eq!(up.accepted(), 0);
}

#[test]
fn download_rate_allows_the_first_second_at_once() {
    let up = TcpBackend::banner(&"x".repeat(300));
    let gw = to_backend(&up, "proxy_download_rate 100;").start();
    let start = Instant::now();
    let mut client = gw.connect("in");
    client.recv(300);
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!(client.recv_all(), "");
}

#[test]
fn upload_rate_from_a_variable() {
    let up = TcpBackend::collect();
    let conf = "map $server_port $rate { default 100; } server { listen 127.0.0.1:%in; proxy_pass %up; proxy_upload_rate $rate; }";
    let gw = gateway(&format!("{LOG} {conf}")).with("up", up.addr()).start();
    let start = Instant::now();
    let mut client = gw.connect("in");
    client.send("x".repeat(250));
    client.finish_sending();
    assert_eq!(up.received(0).len(), 250);
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn a_rate_that_is_no_number_is_none() {
    let up = TcpBackend::banner("x");
    let conf = "map $server_port $rate { default fast; } server { listen 127.0.0.1:%in; proxy_pass %up; proxy_download_rate $rate; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    assert_eq!(gw.ask("in", ""), "x");
    let line = gw.wait_error("invalid size");
    assert_eq!(line.level, "error");
    assert!(line.text.starts_with("invalid size \"fast\""), "{}", line.text);
}

#[test]
fn proxy_bind_chooses_the_local_address() {
    let up = TcpBackend::start(|peer| {
        let from = peer.socket().peer_addr().unwrap().ip().to_string();
        peer.send(&from);
        Vec::new()
    });
    let gw = to_backend(&up, "proxy_bind 127.0.0.7;").start();
    assert_eq!(gw.ask("in", ""), "127.0.0.7");
    let gw = to_backend(&up, "proxy_bind $remote_addr;").start();
    assert_eq!(Peer::connect_from("127.0.0.9", &gw.addr("in")).recv_all(), "127.0.0.9");
}

#[test]
fn proxy_bind_to_a_foreign_address() {
    let up = TcpBackend::banner("x");
    let gw = to_backend(&up, "proxy_bind 192.0.2.1;").start();
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("bind(");
    assert_eq!(line.level, "crit");
    let expected =
        "bind(192.0.2.1) failed (99: Cannot assign requested address) while connecting to upstream, client: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert!(gw.access(1)[0].starts_with("500 "));
}

#[test]
fn proxy_bind_off_and_bad_variables() {
    let up = TcpBackend::banner("x");
    let conf = "map $server_port $local { default junk; }\n\
                proxy_bind 192.0.2.1;\n\
                server { listen 127.0.0.1:%in; proxy_pass %up; proxy_bind off; }\n\
                server { listen 127.0.0.1:%junk; proxy_pass %up; proxy_bind $local; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    assert_eq!(gw.ask("in", ""), "x");
    assert_eq!(gw.ask("junk", ""), "x");
    let line = gw.wait_error("invalid local address");
    assert_eq!(line.level, "error");
    assert!(line.text.starts_with("invalid local address \"junk\""), "{}", line.text);
}

#[test]
fn a_server_without_content_ends_with_500() {
    let gw = gateway(&format!("{LOG} server {{ listen 127.0.0.1:%in; }}")).start();
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.access(1), ["500 0 0 - - -"]);
    assert!(gw.errors().iter().all(|line| line.level != "error"), "{}", gw.error_text());
}

#[test]
fn the_last_content_directive_wins() {
    let up = TcpBackend::banner("proxied");
    let conf = "server { listen 127.0.0.1:%a; return returned; proxy_pass %up; }\n\
                server { listen 127.0.0.1:%b; proxy_pass %up; return returned; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    assert_eq!(gw.ask("a", ""), "proxied");
    assert_eq!(gw.ask("b", ""), "returned");
}

#[test]
fn settings_are_inherited_from_stream_also_when_written_later() {
    let up = TcpBackend::echo();
    let conf = "server { listen 127.0.0.1:%in; proxy_pass %up; }\n\
                server { listen 127.0.0.1:%own; proxy_pass %up; proxy_timeout 10s; }\n\
                proxy_timeout 300ms;";
    let gw = gateway(conf).with("up", up.addr()).start();
    let mut own = gw.connect("own");
    assert_eq!(gw.connect("in").wait_for_end(), End::Fin);
    own.send("a");
    assert_eq!(own.recv(1), b"a");
}

#[test]
fn a_name_with_several_addresses_is_a_group() {
    let up = TcpBackend::banner("v4");
    let port = up.addr().rsplit(':').next().unwrap().to_owned();
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass localhost:%up; }").with("up", port).start();
    assert_eq!(gw.ask("in", ""), "v4");
}

#[test]
fn variables_name_the_upstream() {
    let a = TcpBackend::banner("a");
    let b = TcpBackend::banner("b");
    let conf = "upstream groupa { server %a; }\n\
                map $server_port $to { %one groupa; %two %b; %three GROUPA; %four unix:%dir/none; %five 127.0.0.1; %six ''; }\n\
                server { listen 127.0.0.1:%one; listen 127.0.0.1:%two; listen 127.0.0.1:%three; listen 127.0.0.1:%four;\n\
                listen 127.0.0.1:%five; listen 127.0.0.1:%six; proxy_pass $to; }";
    let gw = gateway(&format!("{LOG} {conf}")).with("a", a.addr()).with("b", b.addr()).start();
    assert_eq!(gw.ask("one", ""), "a");
    assert_eq!(gw.ask("two", ""), "b");
    assert_eq!(gw.ask("three", ""), "a");
    assert_eq!(gw.ask("four", ""), "");
    gw.wait_error("connect() to unix:");
    assert_eq!(gw.ask("five", ""), "");
    let line = gw.wait_error("no port in upstream \"127.0.0.1\", client: 127.0.0.1, server: ");
    assert_eq!(line.level, "error");
    assert_eq!(gw.ask("six", ""), "");
    let line = gw.wait_error("no host in upstream \"\", client: 127.0.0.1, server: ");
    assert_eq!(line.level, "error");
    let statuses: Vec<String> = gw.access(6).iter().map(|line| line[..3].to_owned()).collect();
    assert_eq!(statuses, ["200", "200", "200", "502", "500", "500"]);
}

//! Limits on what comes before the relay, and what happens when something runs out.

use std::time::{Duration, Instant};

use testkit::{End, FullListener, Gateway, Hello, Peer, Signal, TcpBackend};

use super::ssl::{CERT, answer};
use crate::{gateway, is_nginx};

const LOG: &str = "log_format f '$status'; access_log %dir/access.log f;\n";

/// Sends a byte every now and then until the gateway ends the session, and says how long that took.
fn trickle(client: &mut Peer, bytes: &[u8]) -> Duration {
    let begin = Instant::now();
    for byte in bytes.iter().cycle() {
        if client.try_send([*byte]).is_err() || !client.is_quiet_for(Duration::from_millis(20)) {
            break;
        }
        assert!(begin.elapsed() < testkit::LIMIT, "the session goes on and on");
    }
    begin.elapsed()
}

#[test]
fn a_slow_hello_is_cut_off_however_often_a_byte_comes() {
    if is_nginx() {
        return;
    }
    let conf = format!("{LOG}{CERT}prelude_timeout 400ms;\nserver {{ listen 127.0.0.1:%in ssl; return x; }}");
    let gw = gateway(&conf).start();
    let hello = Hello::named("a.test").extension(21, vec![0; 8000]).bytes();
    let took = trickle(&mut gw.connect("in"), &hello);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let line = gw.wait_error("prelude timed out");
    assert_eq!(line.level, "info");
    let expected = format!(
        "prelude timed out (110: Connection timed out) while SSL handshaking, client: 127.0.0.1, server: {}",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    assert_eq!(gw.access(1), ["400"]);
}

/// CVE-2026-25949: each step had its own time, and each byte gave it back.
#[test]
fn one_deadline_for_every_step_before_the_relay() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{LOG}prelude_timeout 600ms; preread_timeout 30s; proxy_connect_timeout 30s;\n\
         server {{ listen 127.0.0.1:%pp proxy_protocol; return x; }}\n\
         server {{ listen 127.0.0.1:%pre; ssl_preread on; return x; }}\n\
         server {{ listen 127.0.0.1:%full; proxy_pass %up; }}"
    );
    let full = FullListener::new();
    let gw = gateway(&conf).with("up", full.addr()).start();
    let silent = |port: &str| {
        let begin = Instant::now();
        gw.connect(port).wait_for_end();
        begin.elapsed()
    };
    let took = ["pp", "pre", "full"].map(silent);
    for took in took {
        assert!((Duration::from_millis(500)..Duration::from_secs(8)).contains(&took), "{took:?}");
    }
    let steps = ["reading PROXY protocol", "prereading client data", "connecting to upstream"];
    for (line, step) in gw.wait_errors("prelude timed out", 3).iter().zip(steps) {
        assert!(line.text.contains(&format!(" while {step}, ")), "{}", line.text);
    }
    assert_eq!(gw.access(3), ["400", "400", "502"]);
}

/// CVE-2026-25949, too: no step gives back what another one took.
#[test]
fn the_deadline_is_counted_from_the_beginning_through_all_steps() {
    if is_nginx() {
        return;
    }
    let full = FullListener::new();
    let conf = format!(
        "{LOG}prelude_timeout 4s; preread_timeout 30s; proxy_connect_timeout 30s;\n\
         server {{ listen 127.0.0.1:%in proxy_protocol; ssl_preread on; proxy_pass %up; }}"
    );
    let gw = gateway(&conf).with("up", full.addr()).start();
    let begin = Instant::now();
    let mut client = gw.connect("in");
    assert!(client.is_quiet_for(Duration::from_secs(1)));
    client.send("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    assert!(client.is_quiet_for(Duration::from_secs(1)));
    let last = Instant::now();
    client.send(Hello::named("a.example.com").bytes());
    client.wait_for_end();
    let (whole, rest) = (begin.elapsed(), last.elapsed());
    // What nginx calls connecting with a hello that has been waited for.
    let line = gw.wait_error("prelude timed out");
    assert!(line.text.contains(" while proxying connection, ") && line.text.contains(", upstream: "), "{}", line.text);
    let limit = Duration::from_millis(3950);
    assert!(whole >= limit && rest < limit, "{whole:?} in all, {rest:?} since it last said something");
    assert_eq!(gw.access(1), ["502"]);
}

#[test]
fn a_connection_that_is_passed_on_brings_its_age_along() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in proxy_protocol; pass 127.0.0.1:%next; }\n\
                server { listen 127.0.0.1:%next; ssl_preread on; prelude_timeout 4s; return x; }";
    let gw = gateway(conf).start();
    let mut client = gw.connect("in");
    assert!(client.is_quiet_for(Duration::from_secs(2)));
    let passed = Instant::now();
    client.send("PROXY UNKNOWN\r\n");
    client.wait_for_end();
    assert!(passed.elapsed() < Duration::from_millis(3950), "{:?}", passed.elapsed());
    gw.wait_error("prelude timed out (110: Connection timed out) while prereading client data, ");
}

#[test]
fn a_session_that_relays_is_not_hurried() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::echo();
    let conf = "prelude_timeout 2s;\nserver { listen 127.0.0.1:%in; ssl_preread on; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("plain text");
    client.recv(10);
    assert!(client.is_quiet_for(Duration::from_millis(2500)));
    client.send("x");
    assert_eq!(client.recv(1), b"x");
}

#[test]
fn handshakes_over_the_limit_are_refused_with_one_line_a_second() {
    if is_nginx() {
        return;
    }
    let conf = format!("{LOG}{CERT}ssl_handshakes_limit 3;\nserver {{ listen 127.0.0.1:%in ssl; return '<<<x>>>'; }}");
    let gw = gateway(&conf).start();
    let begin = Instant::now();
    let held: Vec<Peer> = (0..3).map(|_| gw.connect("in")).collect();
    gw.wait_errors("connected to", 3);
    for _ in 0..20 {
        assert_eq!(gw.ask("in", ""), "");
    }
    assert_eq!(gw.access(20), vec!["503"; 20]);
    let line = gw.wait_error("handshakes under way are the limit");
    assert_eq!(line.level, "warn");
    assert!(line.text.starts_with("3 handshakes under way are the limit, 1 refused while SSL handshaking, client: "));
    let told = gw.errors().iter().filter(|line| line.text.contains("are the limit")).count() as u64;
    assert!(told <= 1 + begin.elapsed().as_secs() + 1, "{told} lines in {:?}", begin.elapsed());
    drop(held);
    testkit::poll("room for a handshake", || answer(&gw.tls("in").run()).map(|text| assert_eq!(text, "x")));
}

/// A session that is known to be established.
fn held(gw: &Gateway, host: &str, port: &str) -> Peer {
    let mut client = Peer::connect_from(host, &gw.addr(port));
    client.send("x");
    client.recv(1);
    client
}

#[test]
fn sessions_of_one_address_are_limited_over_servers_and_workers() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{LOG}client_connections 3; limit_conn_log_level notice;\n\
         server {{ listen 127.0.0.1:%a; proxy_pass %up; }}\n\
         server {{ listen 127.0.0.1:%b; proxy_pass %up; }}\n\
         server {{ listen 127.0.0.1:%free; client_connections 0; proxy_pass %up; }}"
    );
    let up = TcpBackend::echo();
    let mut gw = gateway(&conf).with("up", up.addr()).workers(2).start();
    let mut kept = vec![held(&gw, "127.0.0.1", "a"), held(&gw, "127.0.0.1", "b"), held(&gw, "127.0.0.1", "b")];
    assert_eq!(gw.ask("a", ""), "");
    let line = gw.wait_error("limiting connections of a client");
    let expected = format!(
        "limiting connections of a client to 3 while initializing session, client: 127.0.0.1, server: {}",
        gw.addr("a")
    );
    assert_eq!((line.level.as_str(), line.text), ("notice", expected));
    assert_eq!(gw.access(1), ["503"]);
    kept.push(held(&gw, "127.0.0.2", "a"));
    kept.push(held(&gw, "127.0.0.1", "free"));
    // Sessions of an older configuration count.
    gw.reload(&format!("{conf}\nserver {{ listen 127.0.0.1:%new; return x; }}"));
    assert_eq!(gw.ask("a", ""), "");
    kept.clear();
    testkit::poll("room for a session", || {
        let mut client = gw.connect("a");
        client.try_send("x").ok()?;
        (client.recv_some().ok()? == b"x").then_some(())
    });
}

#[test]
fn sessions_of_datagrams_count_too() {
    if is_nginx() {
        return;
    }
    let up = testkit::UdpBackend::echo();
    let conf = "client_connections 1;\nserver { listen 127.0.0.1:%in udp; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    let (first, second) = (testkit::UdpPeer::connect(&gw.addr("in")), testkit::UdpPeer::connect(&gw.addr("in")));
    first.send("one");
    assert_eq!(first.recv(), b"one");
    second.send("two");
    gw.wait_error("limiting connections of a client to 1");
    first.send("three");
    assert_eq!(first.recv(), b"three");
}

#[test]
fn behind_a_trusted_proxy_the_address_it_tells_counts() {
    if is_nginx() {
        return;
    }
    let conf = "client_connections 1; set_real_ip_from 127.0.0.1;\n\
                server { listen 127.0.0.1:%in proxy_protocol; proxy_pass %up; }";
    let up = TcpBackend::echo();
    let gw = gateway(conf).with("up", up.addr()).start();
    let told = |ip: &str| {
        let mut client = gw.connect("in");
        client.send(format!("PROXY TCP4 {ip} 192.0.2.9 1 2\r\nx"));
        client
    };
    let mut kept: Vec<Peer> = ["192.0.2.1", "192.0.2.2"].into_iter().map(told).collect();
    for client in &mut kept {
        assert_eq!(client.recv(1), b"x");
    }
    assert_eq!(told("192.0.2.2").recv_all(), "");
    gw.wait_error("limiting connections of a client to 1");
}

#[test]
fn worker_connections_run_out_and_come_back() {
    let up = TcpBackend::echo();
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).connections(12).start();
    let begin = Instant::now();
    let mut kept: Vec<Peer> = (0..12).map(|_| gw.connect("in")).collect();
    gw.wait_error("12 worker_connections are not enough");
    if !is_nginx() {
        for _ in 0..50 {
            kept.push(gw.connect("in"));
        }
        for client in kept.iter_mut().skip(12) {
            client.wait_for_end();
        }
        let told = gw.errors().iter().filter(|line| line.text.contains("are not enough")).count() as u64;
        assert!(told <= 2 + begin.elapsed().as_secs(), "{told} lines in {:?}", begin.elapsed());
    }
    drop(kept);
    testkit::poll("a session again", || {
        let mut client = gw.connect("in");
        client.try_send("x").ok()?;
        (client.recv_some().ok()? == b"x").then_some(())
    });
}

#[test]
fn without_descriptors_accepting_pauses_without_a_busy_loop_and_goes_on_after() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::echo();
    // Sessions that wait for a hello have one descriptor each, so that it is accepting that runs out of them.
    let conf = "server { listen 127.0.0.1:%in; ssl_preread on; preread_timeout 1h; proxy_pass %up; }\n\
                server { listen 127.0.0.1:%other; return x; }";
    let gw = gateway(conf).with("up", up.addr()).main("worker_rlimit_nofile 40;").start();
    let begin = Instant::now();
    let kept: Vec<Peer> = (0..60).map(|_| gw.connect("in")).collect();
    let line = gw.wait_error("accept4() failed");
    assert_eq!((line.level.as_str(), line.text.as_str()), ("crit", "accept4() failed (24: Too many open files)"));
    let time = testkit::ProcessorTime::of(gw.pid());
    testkit::hold("accepting pauses", Duration::from_millis(2500), || true);
    let used = time.used();
    assert!(used < Duration::from_millis(500), "{used:?} of processor time while there was nothing to do");
    let told = gw.errors().iter().filter(|line| line.text.starts_with("accept4() failed")).count() as u64;
    assert!(told >= 2 && told <= 2 + begin.elapsed().as_secs(), "{told} lines in {:?}", begin.elapsed());
    drop(kept);
    testkit::poll("a session again", || {
        let mut client = gw.connect("in");
        client.try_send("no TLS").ok()?;
        (client.recv_some().ok()? == b"no TLS").then_some(())
    });
    assert_eq!(gw.ask("other", ""), "x");
}

#[test]
fn without_descriptors_a_graceful_end_waits_for_sessions() {
    let up = TcpBackend::echo();
    let conf = "server { listen 127.0.0.1:%in; ssl_preread on; preread_timeout 1h; proxy_pass %up; }";
    let mut gw = gateway(conf).with("up", up.addr()).main("worker_rlimit_nofile 40;").start();
    let mut client = gw.connect("in");
    client.send("no TLS");
    assert_eq!(client.recv_some().unwrap(), b"no TLS");
    let kept: Vec<Peer> = (0..60).map(|_| gw.connect("in")).collect();
    gw.wait_error(" failed (24: ");
    gw.signal(Signal::QUIT);
    gw.wait_error("gracefully shutting down");
    testkit::hold("the session goes on", Duration::from_millis(300), || {
        client.send("more");
        client.recv_some().is_ok_and(|bytes| bytes == b"more")
    });
    drop((kept, client));
    assert_eq!(gw.wait(), Some(0));
}

#[test]
fn an_honest_client_gets_through_a_flood_of_half_open_hellos() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{LOG}{CERT}ssl_handshake_timeout 60s; client_connections 600;\n\
         server {{ listen 127.0.0.1:%in ssl; return '<<<served>>>'; }}"
    );
    let gw = gateway(&conf).connections(2000).start();
    let hello = Hello::named("a.example.com").bytes();
    let half = hello.split_at(hello.len() / 2).0;
    let open: Vec<Peer> = (0..500)
        .map(|_| {
            let mut client = Peer::connect_from("127.0.0.2", &gw.addr("in"));
            client.send(half);
            client
        })
        .collect();
    for n in 0..50 {
        let mut failing = Peer::connect_from("127.0.0.3", &gw.addr("in"));
        let _ = failing.try_send("GET / HTTP/1.0\r\n\r\n");
        if n % 10 == 0 {
            let begin = Instant::now();
            assert_eq!(answer(&gw.tls("in").run()), Some("served"));
            assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        }
        assert!(matches!(failing.recv_end().1, End::Fin | End::Reset));
    }
    drop(open);
    assert_eq!(answer(&gw.tls("in").run()), Some("served"));
}

#[test]
fn clients_are_turned_away_while_memory_is_scarce() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::echo();
    for user in ["root root", "nobody nogroup"] {
        let conf = |limit: &str| {
            format!(
                "memory_limit {limit};\nserver {{ listen 127.0.0.1:%in; proxy_pass %up; }}\nserver {{ listen 127.0.0.1:%udp udp; return x; }}"
            )
        };
        let mut gw = gateway(&conf("2000m")).with("up", up.addr()).user(user).start();
        let mut kept = held(&gw, "127.0.0.1", "in");
        gw.reload(&conf("1"));
        let begin = Instant::now();
        for _ in 0..50 {
            assert_eq!(gw.connect("in").recv_end().0, b"", "turned away");
        }
        testkit::UdpPeer::connect(&gw.addr("udp")).send("x");
        let line = gw.wait_error("of memory are in use");
        assert_eq!(
            (line.level.as_str(), line.text.as_str()),
            ("alert", "more than 1 bytes of memory are in use, 1 clients refused")
        );
        let told = gw.errors().iter().filter(|line| line.text.contains("of memory are in use")).count() as u64;
        assert!(told <= 2 + begin.elapsed().as_secs(), "{told} lines in {:?}", begin.elapsed());
        kept.send("still");
        assert_eq!(kept.recv(5), b"still");
        gw.reload(&conf("0"));
        drop(held(&gw, "127.0.0.1", "in"));
    }
}

#[test]
fn without_a_descriptor_for_the_upstream_a_session_ends_and_others_go_on() {
    const MOST: usize = 64;
    if is_nginx() {
        return;
    }
    let up = TcpBackend::echo();
    let conf = format!(
        "{LOG}server {{ listen 127.0.0.1:%hold; ssl_preread on; preread_timeout 1h; return x; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass %up; }}"
    );
    let gw = gateway(&conf).with("up", up.addr()).main(&format!("worker_rlimit_nofile {MOST};")).start();
    let mut kept = held(&gw, "127.0.0.1", "in");
    // One is left, for the client.
    let mut waiting = take_descriptors(&gw, MOST);
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("socket() failed");
    assert_eq!(line.level, "alert");
    let expected = "socket() failed (24: Too many open files) while connecting to upstream, client: 127.0.0.1, ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert_eq!(gw.access(1), ["500"]);
    kept.send("still");
    assert_eq!(kept.recv(5), b"still");
    waiting.truncate(5);
    testkit::poll("there is room again", || (open_below(&gw, MOST) < MOST - 8).then_some(()));
    drop(held(&gw, "127.0.0.1", "in"));
}

#[test]
fn without_descriptors_who_asks_for_a_reload_is_told_that_it_failed() {
    const MOST: usize = 64;
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%hold; ssl_preread on; preread_timeout 1h; return x; }";
    let gw = gateway(conf).main(&format!("worker_rlimit_nofile {MOST};")).start();
    let mut waiting = take_descriptors(&gw, MOST);
    waiting.push(gw.connect("hold"));
    testkit::poll("none is left", || (open_below(&gw, MOST) == MOST).then_some(()));
    let words = ["-p", ".", "-c", "gateway.conf", "-e", "start.log", "-s", "reload"];
    let dir = gw.path("").display().to_string();
    let done = crate::binary().run(words.map(|word| if word == "." { dir.clone() } else { word.to_owned() }));
    let expected = format!("nginx: [emerg] open() \"{dir}gateway.conf\" failed (24: Too many open files)\n");
    assert_eq!((done.code, done.stderr), (Some(1), expected));
    assert_eq!(gw.errors().iter().filter(|line| line.level == "emerg").count(), 1);
}

/// How many descriptors below a limit are in use. Who started the test may have left some open that are beyond it.
fn open_below(gw: &Gateway, most: usize) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", gw.pid())).unwrap();
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok());
    numbers.filter(|number| *number < most).count()
}

/// Clients of `hold`, which take all descriptors below the limit but one.
fn take_descriptors(gw: &Gateway, most: usize) -> Vec<Peer> {
    let mut waiting = Vec::new();
    while open_below(gw, most) < most - 1 {
        let before = open_below(gw, most);
        waiting.push(gw.connect("hold"));
        testkit::poll("it is accepted", || (open_below(gw, most) > before).then_some(()));
    }
    waiting
}

#[test]
fn without_a_descriptor_for_a_question_no_name_server_is_blamed() {
    const MOST: usize = 64;
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("found");
    let dns = testkit::Dns::host("some-name-of-length.test", &["127.0.0.1"]);
    let port = up.addr().rsplit_once(':').unwrap().1.to_owned();
    let conf = format!(
        "{LOG}resolver %dns ipv6=off; resolver_timeout 1s; map x $name {{ default some-name-of-length.test:{port}; }}\n\
         server {{ listen 127.0.0.1:%hold; ssl_preread on; preread_timeout 1h; return x; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass $name; }}"
    );
    let gw = gateway(&conf).with("dns", dns.addr()).main(&format!("worker_rlimit_nofile {MOST};")).start();
    let mut waiting = take_descriptors(&gw, MOST);
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("(24: Too many open files) while resolving");
    assert_eq!(gw.access(1), ["500"]);
    waiting.truncate(5);
    testkit::poll("there is room again", || (open_below(&gw, MOST) < MOST - 8).then_some(()));
    assert_eq!(gw.ask("in", ""), "found");
    let asked = dns.asked();
    assert!(asked.len() == 1 && asked[0].written != asked[0].name, "letters are in mixed case: {asked:?}");
}

//! Upstreams that misbehave: what each does to a session has a defined end, told to the right side, costs no processor
//! time meanwhile, and leaves nothing open.

use std::time::Duration;

use testkit::{End, FullListener, Gateway, Peer, ProcessorTime, TcpBackend, descriptors, hold, poll};

use crate::gateway;

const LOG: &str = "log_format f '$status $bytes_sent $bytes_received'; access_log %dir/access.log f;\n";

/// How many sessions each upstream gets at a time.
const SESSIONS: usize = 20;

/// A gateway in front of `up`, its descriptors counted after the first session.
fn before(up: &str, more: &str) -> (Gateway, usize) {
    let conf = format!("{LOG}{more} server {{ listen 127.0.0.1:%in; proxy_pass {up}; }}");
    let gw = gateway(&conf).start();
    let mut first = gw.connect("in");
    first.send("x");
    first.finish_sending();
    first.wait_for_end();
    poll("the first session ends", || (!gw.access(1).is_empty()).then_some(()));
    let open = descriptors(gw.pid());
    (gw, open)
}

/// Nothing is left of any session.
fn nothing_is_left(gw: &Gateway, open: usize) {
    /// A thread keeps a pipe for bulk, once it had any.
    const PIPE: usize = 2;
    poll("descriptors are given back", || (descriptors(gw.pid()) <= open + PIPE).then_some(()));
}

/// What the sessions of `clients` cost within a second in which nothing is to be done.
fn costs_nothing(gw: &Gateway, clients: &mut [Peer]) {
    let time = ProcessorTime::of(gw.pid());
    hold("sessions stay", Duration::from_secs(1), || clients.iter_mut().all(|client| client.local_port() > 0));
    let used = time.used();
    assert!(used < Duration::from_millis(200), "{used:?} of processor time for nothing");
}

#[test]
fn one_that_accepts_and_says_nothing() {
    let up = TcpBackend::start(|peer| peer.recv_end().0);
    let (gw, open) = before(up.addr(), "proxy_timeout 2s;");
    let mut clients: Vec<Peer> = (0..SESSIONS).map(|_| gw.connect("in")).collect();
    for client in &mut clients {
        client.send("question");
    }
    costs_nothing(&gw, &mut clients);
    for client in &mut clients {
        assert_eq!(client.recv_end(), (Vec::new(), End::Fin));
    }
    gw.wait_errors("connection timed out (110: Connection timed out) while proxying connection", SESSIONS);
    assert!(gw.access(SESSIONS + 1)[1..].iter().all(|line| line == "200 0 8"), "{:?}", gw.access(1));
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_neither_accepts_nor_refuses() {
    let full = FullListener::new();
    let (gw, open) = before(&full.addr(), "proxy_connect_timeout 1500ms;");
    let mut clients: Vec<Peer> = (0..SESSIONS).map(|_| gw.connect("in")).collect();
    costs_nothing(&gw, &mut clients);
    for client in &mut clients {
        assert_eq!(client.recv_end(), (Vec::new(), End::Fin));
    }
    gw.wait_errors("upstream timed out (110: Connection timed out) while connecting to upstream", SESSIONS);
    assert!(gw.access(SESSIONS + 1).iter().all(|line| line == "502 0 0"));
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_refuses() {
    let (gw, open) = before("127.0.0.1:%dead", "");
    for _ in 0..SESSIONS {
        assert_eq!(gw.connect("in").recv_end().0, b"");
    }
    gw.wait_errors("connect() failed (111: Connection refused) while connecting to upstream", SESSIONS);
    assert!(gw.access(SESSIONS + 1).iter().all(|line| line == "502 0 0"));
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_resets_in_the_middle() {
    let up = TcpBackend::start(|peer| {
        let _ = peer.try_send("half of an ans");
        if !peer.recv_some().unwrap_or_default().is_empty() {
            peer.reset_on_drop();
        }
        Vec::new()
    });
    let (gw, open) = before(up.addr(), "proxy_timeout 1h;");
    for _ in 0..SESSIONS {
        let mut client = gw.connect("in");
        assert_eq!(client.recv(14), b"half of an ans");
        client.send("x");
        client.wait_for_end();
    }
    let lines = gw.wait_errors("recv() failed (104: Connection reset by peer)", SESSIONS);
    assert!(lines.iter().all(|line| line.level == "error"), "it is the upstream's");
    assert!(gw.access(SESSIONS + 1)[1..].iter().all(|line| line == "200 14 1"), "{:?}", gw.access(1));
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_trickles_a_byte_now_and_then() {
    let up = TcpBackend::start(|peer| {
        for byte in b"ever so slowly" {
            // Every byte comes within the time that silence has, and all of them take longer.
            if !peer.is_quiet_for(Duration::from_millis(300)) || peer.try_send([*byte]).is_err() {
                break;
            }
        }
        Vec::new()
    });
    let (gw, open) = before(up.addr(), "proxy_timeout 3s;");
    let time = ProcessorTime::of(gw.pid());
    let mut clients: Vec<Peer> = (0..SESSIONS).map(|_| gw.connect("in")).collect();
    for client in &mut clients {
        assert_eq!(client.recv_end(), (b"ever so slowly".to_vec(), End::Fin));
    }
    let used = time.used();
    assert!(used < Duration::from_millis(600), "{used:?} of processor time for {SESSIONS} times 14 bytes");
    assert!(gw.access(SESSIONS + 1)[1..].iter().all(|line| line == "200 14 0"), "{:?}", gw.access(1));
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_closes_half() {
    let up = TcpBackend::start(|peer| {
        let _ = peer.try_send("said");
        peer.finish_sending();
        peer.recv_end().0
    });
    let (gw, open) = before(up.addr(), "proxy_half_close on; proxy_timeout 1h;");
    let mut clients: Vec<Peer> = (0..SESSIONS).map(|_| gw.connect("in")).collect();
    for client in &mut clients {
        assert_eq!(client.recv_end(), (b"said".to_vec(), End::Fin));
    }
    costs_nothing(&gw, &mut clients);
    for client in &mut clients {
        client.send("heard");
    }
    drop(clients);
    for nth in 1..=SESSIONS {
        assert_eq!(up.received(nth), b"heard");
    }
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_ends_while_the_client_goes_on() {
    let up = TcpBackend::banner("enough");
    let (gw, open) = before(up.addr(), "proxy_timeout 1h;");
    for _ in 0..SESSIONS {
        let mut client = gw.connect("in");
        client.send("x");
        assert_eq!(String::from_utf8(client.recv_end().0).unwrap(), "enough");
    }
    nothing_is_left(&gw, open);
}

#[test]
fn one_that_does_not_read() {
    let (may_read, reads) = std::sync::mpsc::channel::<()>();
    let reads = std::sync::Mutex::new(reads);
    let up = TcpBackend::start(move |peer| {
        // The first session is no more than counted.
        if peer.recv(1) == [7] {
            let _ = reads.lock().unwrap().recv();
        }
        peer.recv_end().0
    });
    let (gw, open) = before(up.addr(), "proxy_timeout 10s;");
    let mut client = gw.connect("in");
    let size = 64 << 20;
    let sender = std::thread::spawn(move || {
        client.send(vec![7; size]);
        client.finish_sending();
        client.wait_for_end()
    });
    let time = ProcessorTime::of(gw.pid());
    hold("it waits", Duration::from_secs(1), || true);
    let used = time.used();
    assert!(used < Duration::from_millis(600), "{used:?} of processor time for what nobody reads");
    may_read.send(()).unwrap();
    assert_eq!(up.received(1).len(), size - 1, "and all of it arrives");
    sender.join().unwrap();
    nothing_is_left(&gw, open);
}

#[test]
fn one_whose_tls_says_nothing() {
    let silent = TcpBackend::start(|peer| peer.recv_end().0);
    let (gw, open) = before(silent.addr(), "proxy_connect_timeout 1500ms; proxy_ssl on;");
    let mut clients: Vec<Peer> = (0..SESSIONS).map(|_| gw.connect("in")).collect();
    costs_nothing(&gw, &mut clients);
    for client in &mut clients {
        assert_eq!(client.recv_end(), (Vec::new(), End::Fin));
    }
    assert!(gw.access(SESSIONS + 1).iter().all(|line| line == "502 0 0"));
    nothing_is_left(&gw, open);
}

#[test]
fn a_name_server_that_says_nothing() {
    let dns = testkit::Dns::start(|_| testkit::Reply::Nothing);
    let more =
        format!("resolver {} ipv6=off; resolver_timeout 2s; map $remote_addr $name {{ default a.test; }}", dns.addr());
    let (gw, open) = before("$name:1", &more);
    let mut clients: Vec<Peer> = (0..SESSIONS).map(|_| gw.connect("in")).collect();
    costs_nothing(&gw, &mut clients);
    for client in &mut clients {
        assert_eq!(client.recv_end(), (Vec::new(), End::Fin));
    }
    gw.wait_errors("a.test could not be resolved (110: Operation timed out)", SESSIONS + 1);
    assert!(gw.access(SESSIONS + 1).iter().all(|line| line.starts_with("500 0 ")), "{:?}", gw.access(1));
    nothing_is_left(&gw, open);
}

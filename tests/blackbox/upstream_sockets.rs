//! Sockets towards upstreams, which may serve one session after another: no session finds anything of an earlier one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use testkit::{Gateway, TcpBackend, descriptors, poll};

use crate::{gateway, is_nginx};

/// Sessions of one kind in a row.
const ROUNDS: usize = 60;
/// Descriptors that may be opened once it listens.
const FEW: usize = 5;

/// A session with an upstream that says back what it hears; the client ends it one way or the other.
fn echoed(gw: &Gateway, round: usize, who: usize) {
    let text = format!("{who}/{round} ").repeat(1 + round * 7 % 50);
    let mut client = gw.connect("echo");
    client.send(&text);
    assert_eq!(client.recv(text.len()), text.as_bytes(), "round {round} of {who}");
    if round.is_multiple_of(3) {
        client.reset();
    }
}

/// One that the upstream ends.
fn answered(gw: &Gateway, round: usize, who: usize) {
    let line = format!("{who}/{round}\n");
    assert_eq!(gw.ask("line", &line), format!("got:{line}"));
}

/// One in which more is left to read than the client wants.
fn unwanted(gw: &Gateway) {
    let mut client = gw.connect("much");
    client.recv(1);
}

#[test]
fn each_session_hears_its_own_upstream_alone() {
    let (echo, line, much) = (TcpBackend::echo(), TcpBackend::line(), TcpBackend::banner(&"m".repeat(50_000)));
    let gw = gateway(
        "server { listen 127.0.0.1:%echo; proxy_pass %e; }\n\
         server { listen 127.0.0.1:%line; proxy_pass %l; }\n\
         server { listen 127.0.0.1:%much; proxy_pass %m; }",
    )
    .with("e", echo.addr())
    .with("l", line.addr())
    .with("m", much.addr())
    .start();
    std::thread::scope(|scope| {
        for who in 0..3 {
            let gw = &gw;
            scope.spawn(move || (0..ROUNDS).for_each(|round| echoed(gw, round, who)));
            scope.spawn(move || (0..ROUNDS).for_each(|round| answered(gw, round, who)));
            scope.spawn(move || (0..ROUNDS).for_each(|_| unwanted(gw)));
        }
    });
    let all = 3 * ROUNDS;
    poll("each upstream has heard the end of each session", || {
        [&echo, &line, &much].iter().all(|up| up.accepted() == all && up.finished() == all).then_some(())
    });
}

/// The sockets of a process, by numbers that no other ever has.
fn sockets(pid: u32) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).collect()
}

/// Whether any of some sessions in a row, of so many bytes each way, has a socket of the one before.
fn are_reused(more: &str, bytes: usize) -> bool {
    let up = TcpBackend::echo();
    let gw = gateway(&format!("server {{ listen 127.0.0.1:%in; proxy_pass %up; {more} }}")).with("up", up.addr());
    let gw = gw.start();
    let listening = sockets(gw.pid());
    let text = vec![b'x'; bytes];
    let mut before = BTreeSet::new();
    (0..10).any(|session| {
        let mut client = gw.connect("in");
        client.send(&text);
        assert_eq!(client.recv(bytes), text);
        let now: BTreeSet<_> = sockets(gw.pid()).difference(&listening).cloned().collect();
        drop(client);
        assert_eq!(up.received(session), text);
        let is_same = now.intersection(&before).next().is_some();
        before = now;
        is_same
    })
}

#[test]
fn only_sockets_that_are_like_new_are_used_again() {
    if is_nginx() {
        return;
    }
    assert!(are_reused("", 100));
    assert!(!are_reused("", 20_000), "their buffers may have grown");
    for own in ["proxy_socket_keepalive on;", "proxy_bind 127.0.0.1;", "tcp_nodelay off;"] {
        assert!(!are_reused(own, 100), "{own}");
    }
}

#[test]
fn an_upstream_that_goes_on_learns_that_nobody_reads() {
    let up = TcpBackend::start(|peer| {
        assert_eq!(peer.recv(5), b"hello");
        assert_eq!(peer.recv_some().unwrap(), b"", "the session has ended");
        // What is sent first is answered by a reset, which the next call tells of.
        poll("a reset", || peer.try_send("more").is_err().then_some(b"reset".to_vec()))
    });
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).start();
    for session in 0..3 {
        let mut client = gw.connect("in");
        client.send("hello");
        drop(client);
        assert_eq!(up.received(session), b"reset");
    }
}

#[test]
fn an_upstream_that_stays_silent_keeps_no_descriptor() {
    let up = TcpBackend::start(|peer| {
        peer.recv_end();
        testkit::hold("the upstream does not end", Duration::from_secs(4), || true);
        Vec::new()
    });
    let ends_at_once = TcpBackend::echo();
    if is_nginx() {
        // The sessions are another process's.
        return;
    }
    let gw =
        gateway("server { listen 127.0.0.1:%in; proxy_pass %up; } server { listen 127.0.0.1:%other; proxy_pass %e; }")
            .with("up", up.addr())
            .with("e", ends_at_once.addr())
            .start();
    let before = descriptors(gw.pid());
    for name in ["in", "other"] {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let mut client = gw.connect(name);
                client.send("x");
                client
            })
            .collect();
        poll("all sessions are there", || (descriptors(gw.pid()) >= before + 40).then_some(()));
        drop(clients);
        poll("what they had is closed", || (descriptors(gw.pid()) < before + FEW).then_some(()));
    }
}

//! `limit_conn`: so many sessions for a key at once.

use testkit::{Gateway, Peer, TcpBackend};

use crate::gateway;

/// A gateway to an echo service with a zone by client address.
fn limited(up: &TcpBackend, more: &str) -> Gateway {
    let conf = format!(
        "log_format f '$status $limit_conn_status'; access_log %dir/access.log f;\n\
         limit_conn_zone $binary_remote_addr zone=z:64k;\n\
         server {{ listen 127.0.0.1:%in; proxy_pass %up; {more} }}"
    );
    gateway(&conf).with("up", up.addr()).start()
}

/// A session that is known to be established.
fn held(gw: &Gateway, host: &str) -> Peer {
    let mut client = Peer::connect_from(host, &gw.addr("in"));
    client.send("x");
    client.recv(1);
    client
}

#[test]
fn the_limit_holds_per_key() {
    let up = TcpBackend::echo();
    let gw = limited(&up, "limit_conn z 2;");
    let kept = [held(&gw, "127.0.0.1"), held(&gw, "127.0.0.1"), held(&gw, "127.0.0.2")];
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.access(1), ["503 REJECTED"]);
    let line = gw.wait_error("limiting connections");
    assert_eq!(line.level, "error");
    let expected = format!(
        "limiting connections by zone \"z\" while initializing session, client: 127.0.0.1, server: {}",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    drop(kept);
    assert_eq!(gw.access(4)[1..], ["200 PASSED", "200 PASSED", "200 PASSED"]);
}

#[test]
fn a_slot_is_free_again_after_the_session() {
    let up = TcpBackend::echo();
    let gw = limited(&up, "limit_conn z 1;");
    for n in 1..=3 {
        drop(held(&gw, "127.0.0.1"));
        gw.access(n);
    }
    // The slot is given back after the line is written.
    testkit::poll("a free slot", || {
        let mut client = gw.connect("in");
        client.try_send("x").ok()?;
        (client.recv_some().ok()? == b"x").then_some(())
    });
}

#[test]
fn a_dry_run_only_tells() {
    let up = TcpBackend::echo();
    let gw = limited(&up, "limit_conn z 1; limit_conn_dry_run on;");
    let first = held(&gw, "127.0.0.1");
    drop(held(&gw, "127.0.0.1"));
    assert_eq!(gw.access(1), ["200 REJECTED_DRY_RUN"]);
    drop(first);
    let line = gw.wait_error("limiting connections, dry run, by zone \"z\" while initializing session, client: ");
    assert_eq!(line.level, "error");
}

#[test]
fn the_level_can_be_chosen() {
    let up = TcpBackend::echo();
    let gw = limited(&up, "limit_conn z 1; limit_conn_log_level warn;");
    let first = held(&gw, "127.0.0.1");
    gw.ask("in", "");
    assert_eq!(gw.wait_error("limiting connections").level, "warn");
    drop(first);
}

#[test]
fn an_empty_key_is_not_counted() {
    let conf = "log_format f '$status $limit_conn_status'; access_log %dir/access.log f;\n\
                map $remote_addr $key { 127.0.0.1 ''; default $remote_addr; }\nlimit_conn_zone $key zone=z:64k;\n\
                server { listen 127.0.0.1:%in; limit_conn z 1; proxy_pass %up; }";
    let up = TcpBackend::echo();
    let gw = gateway(conf).with("up", up.addr()).start();
    let clients = [held(&gw, "127.0.0.1"), held(&gw, "127.0.0.1")];
    drop(clients);
    assert_eq!(gw.access(2), ["200 -", "200 -"]);
}

#[test]
fn several_limits() {
    let conf = "limit_conn_zone $binary_remote_addr zone=client:64k; limit_conn_zone $server_port zone=server:64k;\n\
                server { listen 127.0.0.1:%in; limit_conn client 2; limit_conn server 3; proxy_pass %up; }";
    let up = TcpBackend::echo();
    let gw = gateway(conf).with("up", up.addr()).start();
    let kept = [held(&gw, "127.0.0.1"), held(&gw, "127.0.0.1"), held(&gw, "127.0.0.2")];
    gw.ask("in", "");
    gw.wait_error("limiting connections by zone \"client\"");
    Peer::connect_from("127.0.0.3", &gw.addr("in")).recv_all();
    gw.wait_error("limiting connections by zone \"server\"");
    drop(kept);
}

#[test]
fn counted_over_all_workers() {
    let conf = "limit_conn_zone $binary_remote_addr zone=z:64k;\nserver { listen 127.0.0.1:%in; limit_conn z 3; proxy_pass %up; }";
    let up = TcpBackend::echo();
    let gw = gateway(conf).with("up", up.addr()).workers(2).start();
    let kept: Vec<Peer> = (0..3).map(|_| held(&gw, "127.0.0.1")).collect();
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("limiting connections by zone \"z\"");
    drop(kept);
}

#[test]
fn counted_over_a_reload() {
    let conf = "limit_conn_zone $binary_remote_addr zone=z:64k;\nserver { listen 127.0.0.1:%in; limit_conn z 1; proxy_pass %up; }\n";
    let up = TcpBackend::echo();
    let mut gw = gateway(conf).with("up", up.addr()).start();
    let kept = held(&gw, "127.0.0.1");
    gw.reload(&format!("{conf}server {{ listen 127.0.0.1:%new; return x; }}"));
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("limiting connections by zone \"z\"");
    drop(kept);
}

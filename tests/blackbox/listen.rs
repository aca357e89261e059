//! `listen`: its forms and parameters, and which server a connection comes to.

use std::net::{Ipv6Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use testkit::{Peer, Port, Signal};

use crate::gateway;

#[test]
fn a_port_alone_is_the_ipv4_wildcard() {
    let gw = gateway("server { listen %in; return '$server_addr:$server_port'; }").start();
    for host in ["127.0.0.1", "127.0.0.5"] {
        let addr = format!("{host}:{}", gw.port("in"));
        assert_eq!(Peer::connect(&addr).recv_all(), addr);
    }
    let line = gw.wait_error("connected to");
    assert!(line.text.ends_with(&format!(" connected to 0.0.0.0:{}", gw.port("in"))), "{}", line.text);
}

#[test]
fn a_star_is_the_wildcard_too() {
    let gw = gateway("server { listen *:%in; return hi; }").start();
    assert_eq!(gw.ask("in", ""), "hi");
}

#[test]
fn one_address_only() {
    let gw = gateway("server { listen 127.0.0.3:%in; return hi; }").start();
    assert_eq!(Peer::connect(&format!("127.0.0.3:{}", gw.port("in"))).recv_all(), "hi");
    assert!(Peer::try_connect(&gw.addr("in")).is_err());
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn ipv6_addresses() {
    if !has_ipv6() {
        return;
    }
    let gw = gateway("server { listen [::1]:%in; return '$server_addr $remote_addr'; }").start();
    assert_eq!(Peer::connect(&format!("[::1]:{}", gw.port("in"))).recv_all(), "::1 ::1");
    let line = gw.wait_error("connected to");
    assert!(line.text.starts_with("client [::1]:"), "{}", line.text);
    assert!(line.text.ends_with(&format!(" connected to [::1]:{}", gw.port("in"))), "{}", line.text);
}

#[test]
fn the_ipv6_wildcard_leaves_ipv4_alone_unless_told() {
    if !has_ipv6() {
        return;
    }
    let conf =
        "server { listen [::]:%in; return six; }\nserver { listen [::]:%both ipv6only=off; return '$remote_addr'; }";
    let gw = gateway(conf).start();
    assert_eq!(Peer::connect(&format!("[::1]:{}", gw.port("in"))).recv_all(), "six");
    assert!(Peer::try_connect(&gw.addr("in")).is_err());
    assert_eq!(gw.ask("both", ""), "::ffff:127.0.0.1");
}

#[test]
fn a_name_listens_on_its_addresses() {
    let gw = gateway("server { listen localhost:%in; return hi; }").start();
    assert_eq!(gw.ask("in", ""), "hi");
}

#[test]
fn a_range_of_ports() {
    let ports = Port::lease_range(3);
    let (first, last) = (ports[0].number(), ports[2].number());
    let gw = gateway("server { listen 127.0.0.1:%first-%last; return $server_port; }")
        .with("first", first.to_string())
        .with("last", last.to_string())
        .start();
    for port in first..=last {
        assert_eq!(Peer::connect(&format!("127.0.0.1:{port}")).recv_all(), port.to_string());
    }
    drop(gw);
}

#[test]
fn several_listens_in_one_server() {
    let gw = gateway(
        "server { listen 127.0.0.1:%a; listen 127.0.0.1:%b; listen unix:%dir/s; return '$server_addr $server_port'; }",
    )
    .start();
    assert_eq!(gw.ask("a", ""), format!("127.0.0.1 {}", gw.port("a")));
    assert_eq!(gw.ask("b", ""), format!("127.0.0.1 {}", gw.port("b")));
    let socket = format!("unix:{}", gw.path("s").display());
    assert_eq!(Peer::connect(&socket).recv_all(), format!("{socket} "));
}

#[test]
fn unix_sockets_come_and_go() {
    let mut gw =
        gateway("server { listen unix:%dir/s; return '$remote_addr|$remote_port|$binary_remote_addr'; }").start();
    let path = gw.path("s");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    assert_eq!(Peer::connect(&format!("unix:{}", path.display())).recv_all(), "unix:||unix:");
    let line = gw.wait_error("connected to");
    assert_eq!(line.text, format!("client unix: connected to unix:{}", path.display()));
    gw.signal(Signal::QUIT);
    assert_eq!(gw.wait(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_that_somebody_has_removed_is_told_of() {
    for signal in [Signal::QUIT, Signal::TERM, Signal::HUP] {
        let mut gw = gateway("server { listen unix:%dir/s; listen 127.0.0.1:%in; return hi; }").start();
        let path = gw.path("s");
        std::fs::remove_file(&path).unwrap();
        gw.rewrite("server { listen 127.0.0.1:%in; return hi; }");
        gw.signal(signal);
        let line = gw.wait_error("unlink()");
        let expected = format!("unlink() {} failed (2: No such file or directory)", path.display());
        assert_eq!((line.level.as_str(), line.text), ("emerg", expected));
        if signal == Signal::HUP {
            gw.wait_error(&format!("deleting socket {}", path.display()));
        }
        gw.stop();
    }
}

#[test]
fn the_name_unix_may_be_in_capitals() {
    let gw = gateway("server { listen UNIX:%dir/s; return hi; }").start();
    assert_eq!(Peer::connect(&format!("unix:{}", gw.path("s").display())).recv_all(), "hi");
}

#[test]
fn a_specific_address_beside_the_wildcard() {
    let conf = "server { listen %in; return any; }\nserver { listen 127.0.0.2:%in; return two; }";
    let gw = gateway(conf).start();
    let ask = |host: &str| Peer::connect(&format!("{host}:{}", gw.port("in"))).recv_all();
    assert_eq!(ask("127.0.0.1"), "any");
    assert_eq!(ask("127.0.0.2"), "two");
    assert_eq!(ask("127.0.0.3"), "any");
}

#[test]
fn the_first_server_of_an_address_is_the_default() {
    let gw = gateway("server { listen 127.0.0.1:%in; server_name a; return first; }\nserver { listen 127.0.0.1:%in; server_name b; return second; }").start();
    assert_eq!(gw.ask("in", ""), "first");
}

#[test]
fn default_server_makes_another_one_so() {
    let gw = gateway("server { listen 127.0.0.1:%in; server_name a; return first; }\nserver { listen 127.0.0.1:%in default_server; server_name b; return second; }").start();
    assert_eq!(gw.ask("in", ""), "second");
}

#[test]
fn socket_parameters_are_accepted_together() {
    let conf = "server { listen 127.0.0.1:%in bind backlog=64 rcvbuf=64k sndbuf=64k fastopen=16 so_keepalive=30:5:3 reuseport; return hi; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "hi");
}

#[test]
fn deferred_waits_for_the_first_bytes() {
    let gw = gateway("server { listen 127.0.0.1:%in deferred; return hi; }").start();
    let mut client = gw.connect("in");
    assert!(client.is_quiet_for(Duration::from_millis(200)));
    client.send("x");
    assert_eq!(client.recv_all(), "hi");
}

#[test]
fn reuseport_with_several_workers() {
    let gw = gateway("server { listen 127.0.0.1:%in reuseport; return hi; }").workers(2).start();
    for _ in 0..20 {
        assert_eq!(gw.ask("in", ""), "hi");
    }
}

#[test]
fn tcp_and_udp_share_a_port_number() {
    let conf =
        "server { listen 127.0.0.1:%in; return $protocol; }\nserver { listen 127.0.0.1:%in udp; return $protocol; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "TCP");
    assert_eq!(testkit::UdpPeer::connect(&gw.addr("in")).ask("x"), "UDP");
}

#[test]
fn an_address_without_a_port_lets_the_kernel_choose() {
    let gw = gateway("server { listen 127.0.0.1; listen 127.0.0.1:%in; return hi; }").start();
    assert_eq!(gw.ask("in", ""), "hi");
}

#[test]
fn many_clients_at_once() {
    let gw = gateway("server { listen 127.0.0.1:%in; return $remote_port; }").start();
    let mut clients: Vec<Peer> = (0..100).map(|_| gw.connect("in")).collect();
    for client in &mut clients {
        let port = client.local_port();
        assert_eq!(client.recv_all(), port.to_string());
    }
}

#[test]
fn a_foreign_address_cannot_be_listened_on() {
    let done = gateway("server { listen 192.0.2.1:%in; return x; }").test();
    assert_eq!(done.code, Some(1));
    let line = done.messages().into_iter().find(|line| line.contains("bind()")).unwrap_or_default();
    assert!(line.starts_with("[emerg] bind() to 192.0.2.1:"), "{line}");
    assert!(line.ends_with(" failed (99: Cannot assign requested address)"), "{line}");
}

#[test]
fn running_out_of_connections() {
    let up = testkit::TcpBackend::echo();
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).connections(12).start();
    let clients: Vec<Peer> = (0..12).map(|_| gw.connect("in")).collect();
    let line = gw.wait_error("worker_connections are not enough");
    assert_eq!((line.level.as_str(), line.text.as_str()), ("alert", "12 worker_connections are not enough"));
    drop(clients);
}

#[test]
fn options_that_a_unix_socket_has_not_are_told_of_and_ignored() {
    let gw = gateway("server { listen unix:%dir/s deferred fastopen=3; return ok; }").start();
    for call in ["setsockopt(TCP_FASTOPEN, 3) unix:", "setsockopt(TCP_DEFER_ACCEPT, 1) for unix:"] {
        let line = gw.wait_error(call);
        assert!(line.level == "alert" && line.text.contains("/s failed, ignored (95: "), "{}", line.text);
    }
}

//! `proxy_guard`: names that clients choose do not lead to this machine or its neighbours.

use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{Dns, Gateway, Hello, Reply, TcpBackend};

use crate::{gateway, is_nginx};

const LOG: &str = "log_format f '$status $upstream_addr'; access_log %dir/access.log f;\n";

/// A gateway that passes to whatever a client names, at the port of `up`.
fn relaying(dns: &Dns, up: &TcpBackend, more: &str) -> Gateway {
    let port = up.addr().rsplit(':').next().unwrap();
    let conf = format!(
        "{LOG}resolver %dns valid=1s; {more}\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:%port; }}"
    );
    gateway(&conf).with("dns", dns.addr()).with("port", port).start()
}

fn ask(gw: &Gateway, name: &str) -> String {
    let mut client = gw.connect("in");
    client.send(Hello::named(name).bytes());
    client.recv_all()
}

#[test]
fn special_addresses_are_refused_and_said_to_be() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("inside");
    let dns = Dns::start(|question| {
        let (addr, _) = question.name.split_once(".ip.").unwrap_or_default();
        Reply::addrs(question, 60, &[&addr.replace('x', ":")])
    });
    let gw = relaying(&dns, &up, "proxy_guard on;");
    let port = up.addr().rsplit(':').next().unwrap();
    let cases = [
        ("127.0.0.1.ip.test", "127.0.0.1 is loopback"),
        ("169.254.169.254.ip.test", "169.254.169.254 is metadata"),
        ("10.0.0.1.ip.test", "10.0.0.1 is private"),
        ("100.64.0.1.ip.test", "100.64.0.1 is shared"),
        ("0.0.0.0.ip.test", "0.0.0.0 is unspecified"),
        ("xx1.ip.test", "::1 is loopback"),
        ("xxffffx127.0.0.1.ip.test", "::ffff:127.0.0.1 is loopback"),
        ("64xff9bxx7f00x1.ip.test", "64:ff9b::7f00:1 is loopback"),
        ("127.0.0.1", "127.0.0.1 is loopback"),
    ];
    for (name, why) in cases {
        assert_eq!(ask(&gw, name), "", "{name}");
        let text = format!("\"{name}:{port}\" is refused by proxy_guard: {why}");
        assert_eq!(gw.wait_error(&text).level, "error");
    }
    assert!(gw.access(cases.len()).iter().all(|line| line.starts_with("403 ")), "{:?}", gw.access(1));
    assert_eq!(up.accepted(), 0);
}

#[test]
fn a_path_is_no_name() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{LOG}proxy_guard on;\nserver {{ listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name; }}"
    );
    let gw = gateway(&conf).start();
    let up = TcpBackend::unix(&gw.path("up.sock"), |_| Vec::new());
    let name = format!("unix:{}", gw.path("up.sock").display());
    assert_eq!(ask(&gw, &name), "");
    gw.wait_error("up.sock is a local socket");
    assert_eq!(gw.access(1), ["403 -"]);
    assert_eq!(up.accepted(), 0);
}

#[test]
fn each_answer_is_judged_anew() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("outside");
    let asked = AtomicUsize::new(0);
    let dns = Dns::start(move |question| match question.kind.as_str() {
        "A" => {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            Reply::addrs(question, 1, &[if first { "127.0.0.1" } else { "127.0.0.2" }])
        }
        _ => Reply::Records(Vec::new()),
    });
    let gw = relaying(&dns, &up, "proxy_guard on; proxy_guard_allow 127.0.0.1/32;");
    assert_eq!(ask(&gw, "rebound.test"), "outside");
    testkit::poll("the second address is refused", || {
        ask(&gw, "rebound.test");
        gw.error_text().contains("is refused by proxy_guard: 127.0.0.2 is loopback").then_some(())
    });
}

#[test]
fn the_addresses_that_are_left_are_used() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("outside");
    let dns = Dns::start(|question| Reply::addrs(question, 60, &["10.0.0.1", "127.0.0.1", "::1"]));
    let gw = relaying(&dns, &up, "proxy_guard on; proxy_guard_allow 192.0.2.0/24 127.0.0.0/8;");
    for _ in 0..3 {
        assert_eq!(ask(&gw, "mixed.test"), "outside");
    }
    gw.wait_error("\" is refused in part by proxy_guard: 10.0.0.1 is private");
    assert_eq!(gw.access(3), vec![format!("200 {}", up.addr()); 3]);
}

#[test]
fn its_own_listeners_are_refused_even_where_their_network_is_allowed() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{LOG}proxy_guard on; proxy_guard_allow 127.0.0.0/8; \n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:%in; }}\n\
         server {{ listen 127.0.0.1:%via; ssl_preread on; proxy_pass $ssl_preread_server_name:%any; }}\n\
         server {{ listen %any; return inside; }}\n"
    );
    let gw = gateway(&conf).start();
    assert_eq!(ask(&gw, "127.0.0.1"), "");
    let own = format!("{} is the gateway's own", gw.addr("in"));
    gw.wait_error(&own);
    let mut client = gw.connect("via");
    client.send(Hello::named("127.0.0.7").bytes());
    assert_eq!(client.recv_all(), "");
    gw.wait_error(&format!("127.0.0.7:{} is the gateway's own", gw.port("any")));
}

#[test]
fn groups_and_literals_are_the_administrators_own_choice() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("inside");
    let conf = "proxy_guard on;\nupstream known.test { server %up; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name; }\n\
                server { listen 127.0.0.1:%fixed; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    assert_eq!(ask(&gw, "known.test"), "inside");
    assert_eq!(gw.ask("fixed", ""), "inside");
}

#[test]
fn the_literal_address_of_another_server_is_no_way_around() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("inside");
    let conf = format!(
        "{LOG}proxy_guard on;\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:%port; }}\n\
         server {{ listen 127.0.0.1:%fixed; proxy_pass 127.0.0.1:%port; }}"
    );
    let gw = gateway(&conf).with("port", up.addr().rsplit(':').next().unwrap()).start();
    assert_eq!(gw.ask("fixed", ""), "inside");
    assert_eq!(ask(&gw, "127.0.0.1"), "");
    gw.wait_error("is refused by proxy_guard: 127.0.0.1 is loopback, client: ");
    assert_eq!(up.accepted(), 1);
}

#[test]
fn an_open_relay_is_warned_of_at_start_and_not_by_a_test() {
    if is_nginx() {
        return;
    }
    let conf = "resolver 127.0.0.1;\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:443; }";
    let tested = gateway(conf).test();
    assert!(!tested.stderr.contains("[warn]"), "{}", tested.stderr);
    let gw = gateway(conf).start();
    let line = gw.wait_error("see \"proxy_guard\" in ");
    assert_eq!(line.level, "warn");
    let expected = "clients choose where \"proxy_pass\" leads, see \"proxy_guard\" in ";
    assert!(line.text.starts_with(expected) && line.text.contains("gateway.conf:"), "{}", line.text);
    let guarded = gateway(&format!("proxy_guard on; {conf}")).level("notice").start();
    guarded.wait_error("start worker process ");
    assert!(!guarded.error_text().contains("[warn]"), "{}", guarded.error_text());
}

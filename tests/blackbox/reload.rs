//! Reloads under load: no connection is refused or broken, whatever changes; and what outlives a configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use testkit::{Builder, End, Peer, TcpBackend, poll};

use super::ssl::CERT;
use crate::{gateway, is_nginx};

/// Clients that connect again and again and count; one that is not served ends the test.
struct Clients {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(count: usize, addr: &str, ask: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let (stop, served, ask) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(ask));
        let threads = (0..count).map(|_| {
            let (stop, served, ask, addr) = (Arc::clone(&stop), Arc::clone(&served), Arc::clone(&ask), addr.to_owned());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    ask(&mut Peer::connect(&addr));
                    served.fetch_add(1, Ordering::SeqCst);
                    // Others run on this machine, too.
                    std::thread::yield_now();
                }
            })
        });
        let threads = threads.collect();
        Self { stop, served, threads }
    }

    /// How many were served.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.served.load(Ordering::SeqCst)
    }

    /// Waits until so many more were served.
    fn wait_for(&self, more: usize) {
        let before = self.served.load(Ordering::SeqCst);
        poll("clients are served", || (self.served.load(Ordering::SeqCst) >= before + more).then_some(()));
    }
}

fn expect_ok(client: &mut Peer) {
    let (said, end) = client.recv_end();
    assert_eq!((said.as_slice(), end), (&b"ok"[..], End::Fin));
}

/// Fifty reloads with other numbers of workers, while clients come and sessions go on.
fn fifty_reloads(builder: Builder, conf: &str, workers: &[usize]) {
    let up = TcpBackend::echo();
    let mut gw = builder.level("notice").with("up", up.addr()).workers(workers[0]).start();
    let mut kept = gw.connect("echo");
    kept.send("first");
    assert_eq!(kept.recv(5), b"first");
    let clients = Clients::start(4, &gw.addr("in"), expect_ok);
    for round in 0..50 {
        gw.set_workers(workers[round % workers.len()]);
        gw.reload(conf);
        clients.wait_for(4);
        kept.send("still");
        assert_eq!(kept.recv(5), b"still");
    }
    assert!(clients.end() >= 200);
    kept.send("last");
    assert_eq!(kept.recv(4), b"last");
}

const CONF: &str = "server { listen 127.0.0.1:%in; return ok; }\nserver { listen 127.0.0.1:%echo; proxy_pass %up; }";

#[test]
fn no_connection_is_refused_or_broken_by_fifty_reloads() {
    fifty_reloads(gateway(CONF), CONF, &[3]);
}

#[test]
fn nor_where_the_number_of_workers_changes() {
    fifty_reloads(gateway(CONF), CONF, &[3, 1, 2, 4]);
}

#[test]
fn nor_with_a_socket_for_each_worker() {
    if is_nginx() {
        // What waits in the queue of a worker that goes is lost there.
        return;
    }
    let conf = CONF.replace("%in;", "%in reuseport;");
    fifty_reloads(gateway(&conf), &conf, &[3]);
    fifty_reloads(gateway(&conf), &conf, &[3, 1, 4, 2]);
}

#[test]
fn nor_under_a_process_that_keeps_roots_rights() {
    if is_nginx() {
        return;
    }
    let conf = CONF.replace("%in;", "%in reuseport;");
    fifty_reloads(gateway(&conf).user("nobody nogroup"), &conf, &[2, 3, 1]);
}

#[test]
fn a_socket_for_each_worker_may_be_asked_for_later_and_given_up() {
    if is_nginx() {
        // As above.
        return;
    }
    let mut gw = gateway(CONF).with("up", "127.0.0.1:1").workers(3).start();
    let shared = CONF.to_owned();
    let own = CONF.replace("%in;", "%in reuseport;");
    for conf in [&own, &shared, &own] {
        gw.reload(conf);
        for _ in 0..30 {
            expect_ok(&mut gw.connect("in"));
        }
    }
}

#[test]
fn a_server_that_was_out_of_use_stays_so_where_its_group_has_the_same_zone() {
    if is_nginx() {
        // It forgets.
        return;
    }
    let up = TcpBackend::banner("live");
    let conf = |zone: &str| {
        format!(
            "log_format f '$upstream_addr'; access_log %dir/access.log f;\n\
             upstream u {{ {zone} server 127.0.0.1:%dead fail_timeout=1h; server %up; }}\n\
             server {{ listen 127.0.0.1:%in; proxy_pass u; }}"
        )
    };
    let mut gw = gateway(&conf("zone z 1m;")).with("up", up.addr()).start();
    let both = format!("{}, {}", gw.addr("dead"), up.addr());
    let asked = |gw: &testkit::Gateway, already: usize| {
        for _ in 0..4 {
            assert_eq!(gw.ask("in", ""), "live");
        }
        gw.access(already + 4)[already..].to_vec()
    };
    assert_eq!(asked(&gw, 0).iter().filter(|line| **line == both).count(), 1);
    gw.reload(&conf("zone z 1m;"));
    assert!(asked(&gw, 4).iter().all(|line| line == up.addr()), "{:?}", gw.access(8));
    gw.reload(&conf("zone other 1m;"));
    assert_eq!(asked(&gw, 8).iter().filter(|line| **line == both).count(), 1, "{:?}", gw.access(12));
}

#[test]
fn addresses_that_were_found_outlive_a_reload() {
    let port = testkit::Port::lease();
    let up = TcpBackend::banner_at(&format!("127.0.0.4:{}", port.number()), "found");
    let dns = testkit::Dns::host("up.test", &["127.0.0.4"]);
    let conf = format!(
        "upstream u {{ zone z 64k; resolver %dns ipv6=off; server up.test:{} resolve; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass u; }}",
        port.number()
    );
    let mut gw = gateway(&conf).with("dns", dns.addr()).start();
    poll("the address is found", || (gw.ask("in", "") == "found").then_some(()));
    // Nobody answers any more.
    drop(dns);
    gw.reload(&conf);
    for _ in 0..3 {
        assert_eq!(gw.ask("in", ""), "found");
    }
    drop(up);
}

#[test]
fn tls_sessions_with_upstreams_are_resumed_under_the_same_settings() {
    if is_nginx() {
        // It begins anew.
        return;
    }
    let far = gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; return '$ssl_session_reused'; }}")).start();
    let conf = |more: &str| {
        format!(
            "upstream u {{ server %far; }}\n\
             server {{ listen 127.0.0.1:%in; proxy_pass u; proxy_ssl on; proxy_ssl_name a.example.com; {more} }}"
        )
    };
    let verified = "proxy_ssl_verify on; proxy_ssl_trusted_certificate %pki/ca1.crt;";
    for (user, version) in [("root root", "TLSv1.2"), ("nobody nogroup", "TLSv1.3")] {
        let verified = format!("{verified} proxy_ssl_protocols {version};");
        let mut near = gateway(&conf(&verified)).user(user).level("notice").with("far", far.addr("in")).start();
        assert_eq!([near.ask("in", ""), near.ask("in", "")], [".", "r"], "{version}");
        near.reload(&conf(&verified));
        assert_eq!(near.ask("in", ""), "r", "{user} {version}");
        // Who is trusted has changed.
        let other = verified.replace("ca1", "ca2");
        near.reload(&conf(&other));
        assert_eq!(near.ask("in", ""), "");
        near.reload(&conf(&format!("{verified} proxy_ssl_verify_depth 2;")));
        assert_eq!(near.ask("in", ""), ".", "{version}");
        near.reload(&conf(&verified));
        assert_eq!(near.ask("in", ""), "r", "{version}");
    }
}

#[test]
fn a_reload_that_fails_says_why_once() {
    let conf = "server { listen 127.0.0.1:%in; return old; }";
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    for user in ["root root", "nobody nogroup"] {
        for (bad, why) in [
            ("bogus;".to_owned(), "unknown directive \"bogus\" in "),
            (
                "server { listen 127.0.0.1:%tls ssl; ssl_certificate none; ssl_certificate_key none; }".to_owned(),
                "cannot load certificate ",
            ),
            ("log_format f x; access_log /none/such/log f;".to_owned(), "open() \"/none/such/log\" failed "),
            (format!("server {{ listen {addr}; return x; }}"), "still could not bind()"),
        ] {
            let mut gw = gateway(conf).user(user).start();
            gw.wait_error("start worker process ");
            gw.rewrite(&format!("{conf}\n{bad}"));
            gw.signal(testkit::Signal::HUP);
            gw.wait_error(why);
            gw.reload(conf);
            let said = gw.errors().iter().filter(|line| line.level == "emerg" && line.text.contains(why)).count();
            assert_eq!((said, gw.ask("in", "").as_str()), (1, "old"), "{why}");
        }
    }
}

#[test]
fn sessions_from_before_a_reload_end_by_worker_shutdown_timeout() {
    let up = TcpBackend::echo();
    let conf = "server { listen 127.0.0.1:%in; proxy_pass %up; }";
    let mut gw = gateway(conf).main("worker_shutdown_timeout 300ms;").with("up", up.addr()).start();
    let open = |gw: &testkit::Gateway, port: &str| {
        let mut client = gw.connect(port);
        client.send("x");
        client.recv(1);
        client
    };
    let mut old = open(&gw, "in");
    gw.reload(&format!("{conf}\nserver {{ listen 127.0.0.1:%new; proxy_pass %up; }}"));
    let mut new = open(&gw, "new");
    old.wait_for_end();
    assert_eq!(gw.wait_error("shutdown timeout").level, "info");
    assert!(new.is_quiet_for(std::time::Duration::from_millis(500)), "it is not of those");
}

#[test]
fn sessions_that_outlive_a_reload_take_no_room_from_those_after_it() {
    let up = TcpBackend::echo();
    let conf = "server { listen 127.0.0.1:%in; proxy_pass %up; }";
    let mut gw = gateway(conf).with("up", up.addr()).connections(8).start();
    let talk = |gw: &testkit::Gateway| {
        let mut peer = gw.connect("in");
        let _ = peer.try_send("x");
        (peer.recv_some().unwrap_or_default() == b"x").then_some(peer)
    };
    let old: Vec<_> = (0..3).map(|_| talk(&gw).unwrap()).collect();
    gw.reload(conf);
    let new: Vec<_> = (0..3).map(|_| poll("a session", || talk(&gw))).collect();
    assert!(talk(&gw).is_none());
    drop((old, new));
}

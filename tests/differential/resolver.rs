//! Names at run time: what is asked, what answers are made of, how long they hold, and groups that follow names.

use std::time::Duration;

use testkit::{Data, Dns, Gateway, Hello, Port, Question, Reply, TcpBackend, UdpBackend, UdpPeer, hold};

use super::side_by_side::compare;

/// The services that the names lead to: they say the last byte of their address.
struct Services {
    /// They end before the port is given back.
    _running: Vec<TcpBackend>,
    port: Port,
}

fn services() -> Services {
    let port = Port::lease();
    let at = |last: u8| TcpBackend::banner_at(&format!("127.0.0.{last}:{}", port.number()), &last.to_string());
    let running = (1..6).map(at).collect();
    Services { _running: running, port }
}

/// Questions by kind and name, sorted. Those about names that are known tell how often they came; what a server refuses
/// is asked for anew here.
fn asked(dns: &Dns, before: usize) -> String {
    let mut asked: Vec<String> =
        dns.asked()[before..].iter().map(|question| format!("{} {}", question.kind, question.name)).collect();
    asked.sort();
    if !asked.iter().any(|question| question.ends_with("name.test")) {
        asked.dedup();
    }
    asked.join(", ")
}

fn passed(more: &str, name: &str) -> String {
    format!(
        "resolver %dns {more}; resolver_timeout 3s; map $remote_addr $to {{ default '{name}:%port'; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
    )
}

/// Sessions for `name` with pauses of so many milliseconds between them, and what they had asked.
fn visits(answer: impl Fn(&Question) -> Reply + Send + Sync + 'static, more: &str, name: &str, pauses: &[u64]) {
    let (dns, services) = (Dns::start(answer), services());
    let comparison =
        compare(&passed(more, name)).with("dns", dns.addr()).with("port", services.port.number().to_string());
    comparison.run(pauses.len() + 1, |gw| {
        let before = dns.asked().len();
        let mut said = gw.ask("in", "");
        for pause in pauses {
            hold("the clock goes", Duration::from_millis(*pause), || true);
            said += &gw.ask("in", "");
        }
        format!("{said}; {}", asked(&dns, before))
    });
}

fn host(addrs: &'static [&'static str], ttl: u32) -> impl Fn(&Question) -> Reply {
    move |question| if question.name == "name.test" { Reply::addrs(question, ttl, addrs) } else { Reply::Code(3) }
}

#[test]
fn names_as_they_are_written() {
    for name in ["name.test", "NAME.Test", "name.test.", "other.test", "a..b", ".a", "127.1", "a b", "a_b-c.test"] {
        visits(host(&["127.0.0.1"], 60), "", name, &[0]);
    }
}

#[test]
fn families() {
    for (addrs, more) in [
        (&["127.0.0.1", "127.0.0.2", "127.0.0.3"][..], ""),
        (&["127.0.0.9", "127.0.0.8", "127.0.0.2"], ""),
        (&["127.0.0.9", "::1"], ""),
        (&["::1"], ""),
        (&["127.0.0.1", "::1"], "ipv6=off"),
        (&["127.0.0.1", "::1"], "ipv4=off"),
        (&[], ""),
    ] {
        visits(host(addrs, 60), more, "name.test", &[]);
    }
}

#[test]
fn codes() {
    for code in 2..6 {
        for kinds in [&["A", "AAAA"][..], &["A"], &["AAAA"]] {
            let answer = move |question: &Question| {
                if kinds.contains(&question.kind.as_str()) {
                    Reply::Code(code)
                } else {
                    Reply::addrs(question, 60, &["127.0.0.1", "::1"])
                }
            };
            let services = services();
            let dns = Dns::start(answer);
            let comparison = compare(&passed("", "name.test")).with("dns", dns.addr());
            comparison.with("port", services.port.number().to_string()).run(1, |gw| gw.ask("in", ""));
        }
    }
    // These are no answers: the question stays open.
    for code in [1, 6, 9] {
        let dns = Dns::start(move |_| Reply::Code(code));
        let stream = passed("", "name.test").replace("3s", "300ms");
        compare(&stream).with("dns", dns.addr()).with("port", "1").level("crit").run(1, |gw| gw.ask("in", ""));
    }
}

#[test]
fn silence() {
    for quiet in ["A", "AAAA", "both"] {
        let dns = Dns::start(move |question| {
            if quiet == "both" || question.kind == quiet {
                Reply::Nothing
            } else {
                Reply::addrs(question, 60, &["127.0.0.1"])
            }
        });
        let stream = passed("", "name.test").replace("3s", "300ms");
        compare(&stream).with("dns", dns.addr()).with("port", "1").run(1, |gw| gw.ask("in", ""));
    }
    let stream = "map $remote_addr $to { default name.test:1; } server { listen 127.0.0.1:%in; proxy_pass $to; }";
    compare(stream).run(1, |gw| gw.ask("in", ""));
}

#[test]
fn aliases() {
    let alias = |from: &str, to: &str| (from.to_owned(), 60, Data::Cname(to.to_owned()));
    let address = |name: &str, text: &str| (name.to_owned(), 60, Data::Addr(text.parse().unwrap()));
    let alone = move |question: &Question| match question.name.as_str() {
        "name.test" => Reply::Records(vec![alias("name.test", "b.test")]),
        _ => Reply::addrs(question, 60, &["127.0.0.2"]),
    };
    visits(alone, "", "name.test", &[0]);
    let whole = move |question: &Question| match (question.name.as_str(), question.kind.as_str()) {
        ("name.test", "A") => Reply::Records(vec![alias("name.test", "b.test"), address("b.test", "127.0.0.3")]),
        ("name.test", _) => Reply::Records(vec![alias("name.test", "b.test")]),
        _ => Reply::Code(3),
    };
    visits(whole, "", "name.test", &[]);
    for target in ["name.test", "none.test", "empty.test"] {
        let answer = move |question: &Question| match question.name.as_str() {
            "name.test" => Reply::Records(vec![("name.test".into(), 60, Data::Cname(target.into()))]),
            "empty.test" => Reply::Records(Vec::new()),
            _ => Reply::Code(3),
        };
        visits(answer, "ipv6=off", "name.test", &[]);
    }
    for length in [49, 50, 51] {
        let answer = move |question: &Question| {
            let number: usize = question.name.trim_start_matches('c').trim_end_matches(".test").parse().unwrap_or(0);
            if number == length {
                return Reply::addrs(question, 60, &["127.0.0.1"]);
            }
            Reply::Records(vec![(question.name.clone(), 60, Data::Cname(format!("c{}.test", number + 1)))])
        };
        visits(answer, "ipv6=off", "c0.test", &[]);
    }
}

#[test]
fn how_long_answers_hold() {
    visits(host(&["127.0.0.1"], 0), "ipv6=off", "name.test", &[1_100, 1_100]);
    visits(host(&["127.0.0.1"], 1), "ipv6=off", "name.test", &[2_100]);
    visits(host(&["127.0.0.1"], 60), "ipv6=off", "name.test", &[2_100]);
    visits(host(&["127.0.0.1"], 1), "ipv6=off valid=30s", "name.test", &[2_100]);
    visits(host(&["127.0.0.1"], 60), "ipv6=off valid=1s", "name.test", &[2_100]);
}

#[test]
fn answers_that_do_not_fit() {
    for then in [3, 0] {
        let answer = move |question: &Question| match (question.tcp, then) {
            (false, _) => Reply::Truncated,
            (true, 0) => Reply::addrs(question, 60, &["127.0.0.2"]),
            (true, code) => Reply::Code(code),
        };
        let (dns, services) = (Dns::start(answer), services());
        let comparison = compare(&passed("ipv6=off", "name.test")).with("dns", dns.addr());
        comparison.with("port", services.port.number().to_string()).run(1, |gw| gw.ask("in", ""));
    }
}

#[test]
fn datagrams_wait_for_the_name() {
    let echo = UdpBackend::echo();
    let port = echo.addr().rsplit(':').next().unwrap().to_owned();
    for more in ["", "proxy_requests 2;", "proxy_requests 1; proxy_responses 1;", "proxy_buffer_size 13;"] {
        let dns = Dns::start(|question| {
            hold("a slow name server", Duration::from_millis(150), || true);
            Reply::addrs(question, 60, &["127.0.0.1"])
        });
        let stream = format!(
            "resolver %dns; map $remote_addr $to {{ default name.test:{port}; }}\n\
             server {{ listen 127.0.0.1:%in udp; proxy_pass $to; proxy_timeout 900ms; {more} }}"
        );
        compare(&stream).with("dns", dns.addr()).unordered().racing().run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            (0..5).for_each(|number| client.send(format!("q{number}").repeat(3)));
            // The first one waits for the name server, too.
            let heard = |number| {
                let most = Duration::from_millis(if number == 0 { 10_000 } else { 500 });
                client.recv_within(most).unwrap_or_default()
            };
            let mut all: Vec<String> = (0..5).map(heard).map(|bytes| String::from_utf8_lossy(&bytes).into()).collect();
            all.sort();
            all.join(",")
        });
    }
}

/// Who answers in the next sessions, sorted: a group's peers begin their turns anywhere.
fn answers(gw: &Gateway, count: usize) -> String {
    testkit::poll("the group has peers", || (!gw.ask("in", "").is_empty()).then_some(()));
    let mut all: Vec<String> = (0..count).map(|_| gw.ask("in", "")).collect();
    all.sort();
    all.concat()
}

fn following(server: &str, dns: &Dns, services: &Services, client: impl Fn(&mut Gateway) -> String) {
    let stream = format!(
        "resolver %dns ipv6=off; upstream u {{ zone z 256k; {server} }}\n\
         server {{ listen 127.0.0.1:%in; access_log off; proxy_pass u; }}"
    );
    let comparison = compare(&stream).with("dns", dns.addr()).with("port", services.port.number().to_string());
    comparison.level("crit").run(0, client);
}

#[test]
fn groups_that_follow_a_name() {
    let services = services();
    let dns = Dns::start(host(&["127.0.0.1", "127.0.0.2"], 60));
    following("server name.test:%port resolve;", &dns, &services, |gw| answers(gw, 12));
    following("server name.test:%port resolve weight=2; server 127.0.0.3:%port;", &dns, &services, |gw| {
        // All peers are there before it is counted who answers.
        testkit::poll("a peer by name", || (gw.ask("in", "") == "2").then_some(()));
        answers(gw, 15)
    });
    following("server 127.0.0.9:%port; server name.test:%port resolve backup;", &dns, &services, |gw| answers(gw, 12));
}

#[test]
fn groups_that_follow_a_service() {
    let services = services();
    let port = services.port.number();
    let offers = |records: &'static [(u16, u16, &'static str)]| {
        move |question: &Question| {
            let target = |name: &str| match name {
                "a.test" => Reply::addrs(question, 60, &["127.0.0.1"]),
                "b.test" => Reply::addrs(question, 60, &["127.0.0.2"]),
                "two.test" => Reply::addrs(question, 60, &["127.0.0.3", "127.0.0.4"]),
                _ => Reply::Code(3),
            };
            if question.kind != "SRV" {
                return target(&question.name);
            }
            if !matches!(question.name.as_str(), "_s._tcp.name.test" | "x._udp.name.test") {
                return Reply::Code(3);
            }
            let record = |(priority, weight, name): &(u16, u16, &str)| {
                (question.name.clone(), 60, Data::Srv(*priority, *weight, port, (*name).to_owned()))
            };
            Reply::Records(records.iter().map(record).collect())
        }
    };
    for (records, server) in [
        (&[(1, 5, "a.test"), (1, 1, "b.test")][..], "server name.test service=s resolve;"),
        (&[(1, 5, "a.test"), (1, 1, "b.test")], "server name.test service=s resolve weight=3;"),
        (&[(1, 0, "a.test"), (1, 0, "b.test")], "server name.test service=x._udp resolve;"),
        (&[(1, 1, "two.test"), (1, 4, "b.test")], "server name.test service=s resolve;"),
        (&[(1, 1, "a.test"), (2, 1, "b.test")], "server name.test service=s resolve; server 127.0.0.5:%port backup;"),
        (&[(1, 1, "a.test"), (2, 1, "b.test")], "server name.test service=s resolve;"),
    ] {
        let dns = Dns::start(offers(records));
        following(server, &dns, &services, |gw| {
            // The backup of the configuration serves until the name is known.
            testkit::poll("a peer by name", || (!matches!(gw.ask("in", "").as_str(), "" | "5")).then_some(()));
            answers(gw, 12)
        });
    }
}

/// Who had to say something first is read already while the name is asked for. (Of a hello without `deferred` that
/// holds for nginx only where it comes later than the connection is accepted.)
#[test]
fn clients_that_spoke_before_the_name_is_known() {
    let dns = Dns::start(|question: &Question| match question.name.as_str() {
        "silent.test" => Reply::Nothing,
        "dead.test" => Reply::addrs(question, 60, &["127.0.0.9"]),
        _ => Reply::Code(3),
    });
    let proxied = |more: &str| format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{more}").into_bytes();
    let hello = Hello::named("a.test").bytes();
    for name in ["none.test", "silent.test", "dead.test", "a..b"] {
        for (listen, said) in [
            ("proxy_protocol;", proxied("")),
            ("proxy_protocol;", proxied("abc")),
            ("proxy_protocol; ssl_preread on;", proxied("no TLS")),
            ("deferred;", b"abc".to_vec()),
            ("deferred; ssl_preread on;", hello.clone()),
            ("deferred; ssl_preread on;", [&hello[..], b"and more"].concat()),
        ] {
            let stream = format!(
                "resolver %dns ipv6=off; resolver_timeout 300ms;\n\
                 server {{ listen 127.0.0.1:%in {listen} set $to {name}:%dead; proxy_pass $to; }}"
            );
            compare(&stream).with("dns", dns.addr()).run(2, |gw| {
                let ask = || {
                    let mut client = gw.connect("in");
                    client.send(&said);
                    client.recv_all()
                };
                format!("{}{}", ask(), ask())
            });
        }
    }
}

//! `resolver`: names in variables of `proxy_pass`, looked up while the session waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::{Data, Dns, Gateway, Port, Question, Reply, TcpBackend};

use crate::gateway;

const LOG: &str = "log_format f '$status $upstream_addr'; access_log %dir/access.log f;\n";

/// A gateway that passes to `NAME:PORT` by way of a variable.
fn passing(name: &str, port: &str, dns: &Dns, more: &str) -> Gateway {
    let conf = format!(
        "{LOG}resolver %dns {more};\nmap $server_addr $to {{ default {name}:%port; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
    );
    gateway(&conf).with("dns", dns.addr()).with("port", port).start()
}

fn port_of(backend: &TcpBackend) -> String {
    backend.addr().rsplit(':').next().unwrap().to_owned()
}

#[test]
fn a_name_is_looked_up() {
    let up = TcpBackend::banner("found");
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let gw = passing("up.test", &port_of(&up), &dns, "");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(gw.access(1), [format!("200 {}", up.addr())]);
    assert_eq!((dns.count("up.test", "A"), dns.count("up.test", "AAAA")), (1, 1));
}

#[test]
fn the_name_goes_out_in_lower_case_without_its_last_dot() {
    let up = TcpBackend::banner("found");
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let gw = passing("UP.Test.", &port_of(&up), &dns, "");
    assert_eq!(gw.ask("in", ""), "found");
}

#[test]
fn client_data_waits_for_the_answer() {
    let up = TcpBackend::line();
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let gw = passing("up.test", &port_of(&up), &dns, "");
    assert_eq!(gw.ask("in", "early\n"), "got:early\n");
}

#[test]
fn answers_are_kept() {
    let up = TcpBackend::banner("found");
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let gw = passing("up.test", &port_of(&up), &dns, "");
    for _ in 0..5 {
        assert_eq!(gw.ask("in", ""), "found");
    }
    assert_eq!(dns.count("up.test", "A"), 1);
}

#[test]
fn valid_takes_the_place_of_the_ttl() {
    let up = TcpBackend::banner("found");
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let gw = passing("up.test", &port_of(&up), &dns, "valid=1s");
    assert_eq!(gw.ask("in", ""), "found");
    testkit::poll("a second question", || {
        assert_eq!(gw.ask("in", ""), "found");
        (dns.count("up.test", "A") >= 2).then_some(())
    });
}

#[test]
fn a_short_ttl_expires() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| Reply::addrs(question, 1, &["127.0.0.1"]));
    let gw = passing("up.test", &port_of(&up), &dns, "");
    testkit::poll("a second question", || {
        assert_eq!(gw.ask("in", ""), "found");
        (dns.count("up.test", "A") >= 2).then_some(())
    });
}

#[test]
fn families_can_be_switched_off() {
    let up = TcpBackend::banner("found");
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let gw = passing("up.test", &port_of(&up), &dns, "ipv6=off");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!((dns.count("up.test", "A"), dns.count("up.test", "AAAA")), (1, 0));
    let gw = passing("up.test", &port_of(&up), &dns, "ipv4=off");
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!((dns.count("up.test", "A"), dns.count("up.test", "AAAA")), (1, 1));
}

#[test]
fn an_unknown_name() {
    let dns = Dns::start(|_| Reply::Code(3));
    let gw = passing("none.test", "80", &dns, "");
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("could not be resolved");
    assert_eq!(line.level, "error");
    let expected = format!(
        "none.test could not be resolved (3: Host not found), client: 127.0.0.1, server: {}, bytes from/to client:0/0, \
         bytes from/to upstream:0/0",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    assert!(gw.access(1)[0].starts_with("500 "), "{:?}", gw.access(1));
}

#[test]
fn each_error_has_its_text() {
    let codes = [(2, "Server failure"), (3, "Host not found"), (4, "Unimplemented"), (5, "Operation refused")];
    for (code, text) in codes {
        let dns = Dns::start(move |_| Reply::Code(code));
        let gw = passing("x.test", "80", &dns, "");
        gw.ask("in", "");
        gw.wait_error(&format!("x.test could not be resolved ({code}: {text}), client: "));
    }
}

#[test]
fn a_format_error_is_no_answer() {
    let dns = Dns::start(|_| Reply::Code(1));
    let gw = passing("x.test", "80", &dns, "; resolver_timeout 400ms");
    gw.ask("in", "");
    let line = gw.wait_error("DNS error (1: Format error), query id:");
    assert_eq!((line.level.as_str(), line.connection), ("error", None));
    assert!(line.text.ends_with(", name:\"x.test\""), "{}", line.text);
    gw.wait_error("x.test could not be resolved (110: Operation timed out), client: ");
}

#[test]
fn no_records_at_all_is_host_not_found() {
    let dns = Dns::start(|_| Reply::Records(Vec::new()));
    let gw = passing("x.test", "80", &dns, "");
    gw.ask("in", "");
    gw.wait_error("x.test could not be resolved (3: Host not found), client: ");
}

#[test]
fn an_error_for_one_family_fails_the_name() {
    let dns =
        Dns::start(
            |question| {
                if question.kind == "A" { Reply::addrs(question, 60, &["127.0.0.1"]) } else { Reply::Code(2) }
            },
        );
    let gw = passing("x.test", "80", &dns, "");
    gw.ask("in", "");
    gw.wait_error("x.test could not be resolved (2: Server failure), client: ");
}

#[test]
fn errors_are_asked_again() {
    let dns = Dns::start(|_| Reply::Code(3));
    let gw = passing("x.test", "80", &dns, "");
    gw.ask("in", "");
    gw.ask("in", "");
    assert_eq!(dns.count("x.test", "A"), 2);
}

#[test]
fn a_silent_server_runs_into_resolver_timeout() {
    let dns = Dns::start(|_| Reply::Nothing);
    let gw = passing("x.test", "80", &dns, "; resolver_timeout 400ms");
    let start = Instant::now();
    assert_eq!(gw.ask("in", ""), "");
    assert!(start.elapsed() >= Duration::from_millis(390));
    gw.wait_error("x.test could not be resolved (110: Operation timed out), client: ");
    assert!(gw.access(1)[0].starts_with("500 "));
}

#[test]
fn a_truncated_answer_is_asked_again_over_tcp() {
    let up = TcpBackend::banner("found");
    let dns =
        Dns::start(|question| if question.tcp { Reply::addrs(question, 60, &["127.0.0.1"]) } else { Reply::Truncated });
    let gw = passing("up.test", &port_of(&up), &dns, "ipv6=off");
    assert_eq!(gw.ask("in", ""), "found");
    let over_tcp = Question { name: "up.test".into(), kind: "A".into(), tcp: true };
    assert!(dns.asked().contains(&over_tcp), "{:?}", dns.asked());
}

#[test]
fn an_alias_without_addresses_is_followed() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| match question.name.as_str() {
        "alias.test" => Reply::Records(vec![("alias.test".into(), 60, Data::Cname("real.test".into()))]),
        "real.test" => Reply::addrs(question, 60, &["127.0.0.1"]),
        _ => Reply::Code(3),
    });
    let gw = passing("alias.test", &port_of(&up), &dns, "");
    assert_eq!(gw.ask("in", ""), "found");
}

#[test]
fn an_alias_with_its_addresses() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| {
        let mut records = vec![("alias.test".to_owned(), 60, Data::Cname("real.test".into()))];
        if question.kind == "A" {
            records.push(("real.test".to_owned(), 60, Data::Addr("127.0.0.1".parse().unwrap())));
        }
        Reply::Records(records)
    });
    let gw = passing("alias.test", &port_of(&up), &dns, "ipv6=off");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(dns.count("real.test", "A"), 0);
}

#[test]
fn every_address_is_tried() {
    let port = Port::lease();
    let up = TcpBackend::banner_at(&format!("127.0.0.3:{}", port.number()), "found");
    let dns = Dns::host("up.test", &["127.0.0.2", "127.0.0.3"]);
    let gw = passing("up.test", &port.number().to_string(), &dns, "");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(gw.access(1), [format!("200 127.0.0.2:{}, {}", port.number(), up.addr())]);
}

#[test]
fn a_second_server_takes_over() {
    let up = TcpBackend::banner("found");
    let dead = Port::lease();
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let conf = format!(
        "{LOG}resolver 127.0.0.1:%dead %dns ipv6=off;\nmap $server_addr $to {{ default up.test:%port; }}\nserver {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
    );
    let gw = gateway(&conf)
        .with("dead", dead.number().to_string())
        .with("dns", dns.addr())
        .with("port", port_of(&up))
        .start();
    assert_eq!(gw.ask("in", ""), "found");
}

#[test]
fn waiting_sessions_share_one_question() {
    let up = TcpBackend::banner("found");
    let asked = AtomicUsize::new(0);
    let dns = Dns::start(move |question| {
        // Long enough for all of them to be waiting.
        if question.kind == "A" && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(300));
        }
        Reply::addrs(question, 60, &["127.0.0.1"])
    });
    let gw = passing("up.test", &port_of(&up), &dns, "ipv6=off");
    let mut clients: Vec<_> = (0..10).map(|_| gw.connect("in")).collect();
    for client in &mut clients {
        assert_eq!(client.recv_all(), "found");
    }
    assert_eq!(dns.count("up.test", "A"), 1);
}

#[test]
fn without_a_resolver() {
    let conf = format!(
        "{LOG}map $server_addr $to {{ default up.test:80; }}\nserver {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
    );
    let gw = gateway(&conf).start();
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("no resolver defined");
    assert_eq!(line.level, "error");
    let expected = format!(
        "no resolver defined to resolve up.test, client: 127.0.0.1, server: {}, bytes from/to client:0/0, bytes from/to upstream:0/0",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    assert!(gw.access(1)[0].starts_with("500 "));
}

#[test]
fn a_name_needs_a_port() {
    let dns = Dns::host("up.test", &["127.0.0.1"]);
    let conf = format!(
        "{LOG}resolver %dns;\nmap $server_addr $to {{ default up.test; }}\nserver {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
    );
    let gw = gateway(&conf).with("dns", dns.addr()).start();
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("no port in upstream \"up.test\", client: ");
    assert_eq!(dns.asked(), []);
}

#[test]
fn the_server_level_resolver_wins() {
    let up = TcpBackend::banner("found");
    let wrong = Dns::start(|_| Reply::Code(3));
    let right = Dns::host("up.test", &["127.0.0.1"]);
    let conf = "resolver %wrong;\nmap $server_addr $to { default up.test:%port; }\nserver { listen 127.0.0.1:%in; resolver %right; proxy_pass $to; }";
    let gw = gateway(conf).with("wrong", wrong.addr()).with("right", right.addr()).with("port", port_of(&up)).start();
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(wrong.asked(), []);
}

#[test]
fn upstreams_resolve_at_run_time_and_follow_changes() {
    let port = Port::lease();
    let one = TcpBackend::banner_at(&format!("127.0.0.2:{}", port.number()), "one");
    let two = TcpBackend::banner_at(&format!("127.0.0.3:{}", port.number()), "two");
    let changed = std::sync::Arc::new(AtomicUsize::new(2));
    let dns = Dns::start({
        let changed = std::sync::Arc::clone(&changed);
        move |question| Reply::addrs(question, 1, &[&format!("127.0.0.{}", changed.load(Ordering::SeqCst))])
    });
    let conf = format!(
        "upstream u {{ zone z 64k; resolver %dns ipv6=off; server up.test:{} resolve; }}\nserver {{ listen 127.0.0.1:%in; proxy_pass u; }}",
        port.number()
    );
    let gw = gateway(&conf).with("dns", dns.addr()).start();
    testkit::poll("the first address", || (gw.ask("in", "") == "one").then_some(()));
    changed.store(3, Ordering::SeqCst);
    testkit::poll("the second address", || (gw.ask("in", "") == "two").then_some(()));
    drop((one, two));
}

#[test]
fn services_resolve_by_srv() {
    let up = TcpBackend::banner("found");
    let port: u16 = port_of(&up).parse().unwrap();
    let dns = Dns::start(move |question| match (question.name.as_str(), question.kind.as_str()) {
        ("_http._tcp.up.test", "SRV") => {
            Reply::Records(vec![(question.name.clone(), 60, Data::Srv(1, 1, port, "node.test".into()))])
        }
        ("node.test", _) => Reply::addrs(question, 60, &["127.0.0.1"]),
        _ => Reply::Code(3),
    });
    let conf = "upstream u { zone z 64k; resolver %dns; server up.test service=http resolve; }\nserver { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(conf).with("dns", dns.addr()).start();
    testkit::poll("the service", || (gw.ask("in", "") == "found").then_some(()));
}

#[test]
fn a_target_that_is_not_found_leaves_the_others_of_its_service() {
    let up = TcpBackend::banner("found");
    let port: u16 = port_of(&up).parse().unwrap();
    let dns = Dns::start(move |question| match (question.name.as_str(), question.kind.as_str()) {
        ("_http._tcp.up.test", "SRV") => Reply::Records(vec![
            (question.name.clone(), 60, Data::Srv(1, 1, port, "gone.test".into())),
            (question.name.clone(), 60, Data::Srv(2, 1, port, "node.test".into())),
        ]),
        ("node.test", _) => Reply::addrs(question, 60, &["127.0.0.1"]),
        _ => Reply::Code(3),
    });
    let conf = "upstream u { zone z 64k; resolver %dns; server up.test service=http resolve; }\nserver { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(conf).with("dns", dns.addr()).start();
    testkit::poll("the service", || (gw.ask("in", "") == "found").then_some(()));
    let line = gw.wait_error("could not be resolved");
    assert_eq!(line.level, "error");
    let expected = "gone.test could not be resolved (3: Host not found) while resolving service http of up.test";
    assert_eq!(line.text, expected);
}

#[test]
fn a_service_without_any_target_is_not_found() {
    let dns = Dns::start(move |question| match (question.name.as_str(), question.kind.as_str()) {
        ("_http._tcp.up.test", "SRV") => {
            Reply::Records(vec![(question.name.clone(), 60, Data::Srv(1, 1, 1, "gone.test".into()))])
        }
        _ => Reply::Code(3),
    });
    let conf = "upstream u { zone z 64k; resolver %dns; server up.test service=http resolve; }\nserver { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(conf).with("dns", dns.addr()).start();
    let lines = gw.wait_errors("could not be resolved", 2);
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    let expected = [
        "gone.test could not be resolved (3: Host not found) while resolving service http of up.test",
        "service http of up.test could not be resolved (3: Host not found)",
    ];
    assert_eq!(texts, expected);
}

//! `resolver`: names in variables of `proxy_pass`, looked up while the session waits.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::{Data, Dns, Gateway, Port, Reply, TcpBackend};

use crate::{gateway, is_nginx};

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
fn names_are_the_same_in_any_case_and_with_a_last_dot() {
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
    let gw = passing("x.test", "80", &dns, "; resolver_timeout 2s");
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
    // Lockgate asks in mixed case first, and does not take the word of a server that may know one case only.
    assert!(dns.count("x.test", "A") >= 2);
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
fn a_question_that_was_lost_is_put_anew_for_the_next_session() {
    let up = TcpBackend::banner("found");
    let asked = AtomicUsize::new(0);
    let dns = Dns::start(move |question| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Nothing,
        _ => Reply::addrs(question, 60, &["127.0.0.1"]),
    });
    let gw = passing("up.test", &port_of(&up), &dns, "ipv6=off; resolver_timeout 2s");
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(dns.count("up.test", "A"), 2);
}

#[test]
fn a_truncated_answer_is_asked_again_over_tcp() {
    let up = TcpBackend::banner("found");
    let dns =
        Dns::start(|question| if question.tcp { Reply::addrs(question, 60, &["127.0.0.1"]) } else { Reply::Truncated });
    let gw = passing("up.test", &port_of(&up), &dns, "ipv6=off");
    assert_eq!(gw.ask("in", ""), "found");
    assert!(dns.asked().iter().any(|question| question.tcp && question.kind == "A"), "{:?}", dns.asked());
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
fn peers_found_come_after_those_of_the_configuration() {
    let up = TcpBackend::banner("known");
    let dns = Dns::host("up.test", &["127.0.0.2", "127.0.0.3"]);
    let by = |key: &str| {
        let conf = format!(
            "{LOG}upstream u {{ zone z 64k; hash {key}; resolver %dns ipv6=off; server up.test:%port resolve max_fails=0; server %up; }}\n\
             server {{ listen 127.0.0.1:%in; proxy_pass u; proxy_next_upstream off; }}"
        );
        gateway(&conf).with("dns", dns.addr()).with("up", up.addr()).with("port", port_of(&up)).start()
    };
    // These keys lead to the first, second and third of three peers.
    let (first, second, third) = (by("b"), by("h"), by("a"));
    for (gw, address) in [(&second, "127.0.0.2"), (&third, "127.0.0.3")] {
        let expected = format!("502 {address}:{}", port_of(&up));
        testkit::poll(address, || {
            gw.ask("in", "");
            gw.access(1).contains(&expected).then_some(())
        });
    }
    assert_eq!(first.ask("in", ""), "known");
}

#[test]
fn messages_give_names_as_they_are_asked_for() {
    let dns = Dns::start(|_| Reply::Code(3));
    let gw = passing("Up.Test.", "1", &dns, "");
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("up.test could not be resolved (3: Host not found), client: ");
    let gw = passing("Up.Test..", "1", &dns, "");
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("up.test. could not be resolved (3: Host not found), client: ");
    let conf = "resolver %dns;\nupstream u { zone z 64k; server Up.Test.:1 resolve; server Up.Test. service=Sv resolve; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; }";
    let gw = gateway(conf).with("dns", dns.addr()).start();
    gw.wait_error("service Sv of Up.Test could not be resolved (3: Host not found)");
    let texts: Vec<_> = gw.wait_errors("could not be resolved", 2).into_iter().map(|line| line.text).collect();
    assert!(texts.iter().any(|text| text == "up.test could not be resolved (3: Host not found)"), "{texts:?}");
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

/// A gateway to `up` by names of two servers, with more parameters of `resolver`.
fn with_servers(servers: &str, up: &TcpBackend, more: &str) -> Gateway {
    let conf = format!(
        "{LOG}resolver {servers} ipv6=off {more};\nmap $remote_port $name {{ default up.test; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass $name:%port; }}"
    );
    gateway(&conf).with("port", port_of(up)).start()
}

#[test]
fn each_query_has_a_port_and_an_id_of_its_own() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| Reply::addrs(question, 0, &["127.0.0.1"]));
    let conf = "resolver %dns;\nmap $server_port $port { default %port; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:$port; }";
    let gw = gateway(conf).with("dns", dns.addr()).with("port", port_of(&up)).start();
    for n in 0..12 {
        let mut client = gw.connect("in");
        client.send(testkit::Hello::named(&format!("a-name-of-some-length-{n}.test")).bytes());
        assert_eq!(client.recv_all(), "found");
    }
    let asked = dns.asked();
    assert_eq!(asked.len(), 24);
    let distinct =
        |of: &dyn Fn(&testkit::Question) -> u16| asked.iter().map(of).collect::<std::collections::HashSet<u16>>().len();
    assert!(distinct(&|question| question.id) >= 22, "{asked:?}");
    if !is_nginx() {
        assert!(distinct(&|question| question.port) >= 20, "{asked:?}");
        let mixed = asked.iter().filter(|question| question.written != question.name).count();
        assert!(mixed >= 22, "{asked:?}");
    }
    let steps: std::collections::HashSet<u16> = asked.windows(2).map(|two| two[1].id.wrapping_sub(two[0].id)).collect();
    assert!(steps.len() >= 20, "ids can be foretold: {asked:?}");
}

#[test]
fn records_of_other_types_take_nothing_from_the_other_family() {
    let up = TcpBackend::banner("found");
    let text = |name: &str| Reply::Records(vec![(name.to_owned(), 60, Data::Text("an address".to_owned()))]);
    let dns = Dns::start(move |question| match question.kind.as_str() {
        "A" => Reply::addrs(question, 60, &["127.0.0.1"]),
        _ => text(&question.name),
    });
    let gw = passing("up.test", &port_of(&up), &dns, "");
    assert_eq!(gw.ask("in", ""), "found");
    let dns = Dns::start(move |question| text(&question.name));
    let gw = passing("up.test", &port_of(&up), &dns, "; resolver_timeout 2s");
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("no A or CNAME types in DNS response");
    gw.wait_error("up.test could not be resolved (110: Operation timed out)");
}

#[test]
fn forged_answers_are_passed_over_and_the_true_one_is_waited_for() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| {
        let truth = Reply::addrs(question, 60, &["127.0.0.1"]);
        Reply::Forged("127.9.9.9".parse().unwrap(), Box::new(truth))
    });
    let gw = with_servers(&dns.addr(), &up, "");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(gw.access(1), [format!("200 {}", up.addr())]);
    let line = gw.wait_error("wrong ident ");
    assert_eq!(line.level, "error");
    assert!(line.text.contains(" in DNS response for up.test, expect "), "{}", line.text);
    for odd in ["unexpected DNS response for ", "invalid UDP DNS response 28271 fl:7420", "short DNS response"] {
        gw.wait_error(odd);
    }
    assert_eq!(dns.count("up.test", "A"), 1, "no forged answer ends the wait");
}

#[test]
fn what_is_wrong_with_an_answer_is_told() {
    /// Answers the next question after `change` has been made to the answer.
    fn answered(dns: &UdpSocket, change: impl Fn(&mut Vec<u8>)) {
        let mut bytes = vec![0; 512];
        let (count, from) = dns.recv_from(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes[2..4].copy_from_slice(&[0x81, 0x80]);
        bytes[7] = 1;
        // The name asked for, A, IN, a minute, four bytes.
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        change(&mut bytes);
        dns.send_to(&bytes, from).unwrap();
    }
    type Change = fn(&mut Vec<u8>);
    let cases: [(Change, &str); 6] = [
        (|bytes| bytes[2] = 0x91, " fl:9180"),
        (|bytes| bytes[5] = 2, "invalid number of questions in DNS response"),
        (|bytes| bytes.truncate(40), "short DNS response"),
        (|bytes| *bytes.iter_mut().nth_back(4).unwrap() = 3, "invalid A record in DNS response"),
        (|bytes| *bytes.iter_mut().nth_back(10).unwrap() = 3, "unexpected RR class 3 in DNS response"),
        (
            |bytes| {
                *bytes.iter_mut().nth_back(12).unwrap() = 16;
                *bytes.iter_mut().nth_back(3).unwrap() = 3;
            },
            "no A or CNAME types in DNS response",
        ),
    ];
    let up = TcpBackend::banner("found");
    for (change, text) in cases {
        let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
        let gw = with_servers(&dns.local_addr().unwrap().to_string(), &up, "");
        let _client = gw.connect("in");
        answered(&dns, change);
        let line = gw.wait_error(text);
        assert_eq!(line.level, "error");
        let invalid = line.text.starts_with("invalid UDP DNS response ");
        assert!(line.text == text || invalid, "{}", line.text);
    }
}

#[test]
fn a_server_that_does_not_keep_case_is_believed_over_tcp() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| {
        let address = if question.tcp { "127.0.0.1" } else { "127.9.9.9" };
        Reply::Lowered(Box::new(Reply::addrs(question, 60, &[address])))
    });
    // So long that chance does not leave all of its letters in lower case.
    let gw = passing("an-upstream-with-a-rather-long-name.test", &port_of(&up), &dns, " ipv6=off");
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(gw.access(1), [format!("200 {}", up.addr())]);
    assert!(dns.asked().iter().any(|question| question.tcp), "{:?}", dns.asked());
}

#[test]
fn a_server_that_knows_lower_case_only_is_asked_again_in_it() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| {
        let known = question.written == question.name;
        if known { Reply::addrs(question, 60, &["127.0.0.1"]) } else { Reply::Code(3) }
    });
    let gw = with_servers(&dns.addr(), &up, "");
    assert_eq!(gw.ask("in", ""), "found");
}

#[test]
fn a_server_that_has_known_a_name_in_mixed_case_is_believed_about_others() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("found");
    // So long that chance does not leave all of its letters in lower case.
    let dns = Dns::host("an-upstream-with-a-rather-long-name.test", &["127.0.0.1"]);
    let gw = gateway(
        "resolver %dns ipv6=off;\nserver { listen 127.0.0.1:%in; set $host an-upstream-with-a-rather-long-name.test; proxy_pass $host:%up; }\n\
         server { listen 127.0.0.1:%other; set $host none.test; proxy_pass $host:%up; }",
    )
    .with("dns", dns.addr())
    .with("up", port_of(&up))
    .start();
    assert_eq!(gw.ask("in", ""), "found");
    assert_eq!(gw.ask("other", ""), "");
    gw.wait_error("none.test could not be resolved (3: Host not found)");
    assert_eq!(dns.count("none.test", "A"), 1, "{:?}", dns.asked());
}

#[test]
fn aliases_in_a_circle_come_to_an_end() {
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| {
        let other = if question.name == "up.test" { "down.test" } else { "up.test" };
        Reply::Records(vec![(question.name.clone(), 60, Data::Cname(other.into()))])
    });
    let gw = with_servers(&dns.addr(), &up, "");
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("up.test could not be resolved (");
    assert!(dns.asked().len() <= 60, "{} questions", dns.asked().len());
}

#[test]
fn an_alias_of_itself_comes_to_an_end() {
    let up = TcpBackend::banner("found");
    let dns =
        Dns::start(|question| Reply::Records(vec![(question.name.clone(), 60, Data::Cname(question.name.clone()))]));
    let gw = with_servers(&dns.addr(), &up, "");
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("up.test could not be resolved (");
    assert!(dns.asked().len() <= 60, "{} questions", dns.asked().len());
}

#[test]
fn an_answer_of_64_kilobytes_over_tcp() {
    let up = TcpBackend::banner("found");
    let dns =
        Dns::start(
            |question| {
                if question.tcp { Reply::addrs(question, 60, &vec!["127.0.0.1"; 2840]) } else { Reply::Truncated }
            },
        );
    let gw = with_servers(&dns.addr(), &up, "");
    assert_eq!(gw.ask("in", ""), "found");
}

#[test]
fn a_silent_server_is_skipped_after_its_first_silence() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("found");
    let silent = Dns::start(|_| Reply::Nothing);
    let dns = Dns::start(|question| Reply::addrs(question, 0, &["127.0.0.1"]));
    let conf = "resolver %silent %dns ipv6=off;\nmap $server_port $port { default %port; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:$port; }";
    let gw = gateway(conf).with("silent", silent.addr()).with("dns", dns.addr()).with("port", port_of(&up)).start();
    let begin = Instant::now();
    for n in 0..12 {
        let mut client = gw.connect("in");
        client.send(testkit::Hello::named(&format!("{n}.test")).bytes());
        assert_eq!(client.recv_all(), "found");
    }
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    assert!(silent.asked().len() <= 2, "{:?}", silent.asked());
}

#[test]
fn old_answers_are_served_while_all_servers_fail() {
    if is_nginx() {
        return;
    }
    for broken in [Reply::Code(2), Reply::Nothing] {
        let up = TcpBackend::banner("found");
        let works = std::sync::Arc::new(AtomicUsize::new(1));
        let dns = Dns::start({
            let works = std::sync::Arc::clone(&works);
            move |question| match works.load(Ordering::SeqCst) {
                1 => Reply::addrs(question, 1, &["127.0.0.1"]),
                2 => Reply::Code(3),
                _ => broken.clone(),
            }
        });
        let gw = with_servers(&dns.addr(), &up, "stale=1h");
        assert_eq!(gw.ask("in", ""), "found");
        works.store(0, Ordering::SeqCst);
        gw_until(&gw, || gw.error_text().contains("using its old addresses"));
        let line = gw.wait_error("using its old addresses");
        assert_eq!(line.level, "warn");
        assert!(line.text.starts_with("up.test could not be resolved ("), "{}", line.text);
        let begin = Instant::now();
        for _ in 0..20 {
            assert_eq!(gw.ask("in", ""), "found");
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        // That there is no such name any more is an answer.
        works.store(2, Ordering::SeqCst);
        testkit::poll("the name is gone", || (gw.ask("in", "").is_empty()).then_some(()));
    }
}

/// Opens sessions, each of which has to work, until `done`.
fn gw_until(gw: &Gateway, done: impl Fn() -> bool) {
    testkit::poll("what sessions lead to", || {
        assert_eq!(gw.ask("in", ""), "found");
        done().then_some(())
    });
}

#[test]
fn old_answers_have_an_end() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("found");
    let asked = AtomicUsize::new(0);
    let dns = Dns::start(move |question| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::addrs(question, 1, &["127.0.0.1"]),
        _ => Reply::Code(2),
    });
    let gw = with_servers(&dns.addr(), &up, "stale=1s");
    assert_eq!(gw.ask("in", ""), "found");
    testkit::poll("the old answer is not used any more", || gw.ask("in", "").is_empty().then_some(()));
    gw.wait_error("up.test could not be resolved (2: Server failure), client: ");
}

/// `NPMplus`' issue 3511: 1.2 million questions a day.
#[test]
fn a_ttl_of_zero_does_not_cost_a_query_for_each_session() {
    if is_nginx() {
        return;
    }
    let up = TcpBackend::banner("found");
    let dns = Dns::start(|question| Reply::addrs(question, 0, &["127.0.0.1"]));
    let gw = with_servers(&dns.addr(), &up, "min_ttl=1m");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2300) {
        assert_eq!(gw.ask("in", ""), "found");
    }
    assert_eq!(dns.count("up.test", "A"), 1);
}

#[test]
fn a_name_that_does_not_exist_does_not_cost_a_query_for_each_session() {
    if is_nginx() {
        return;
    }
    let dns = Dns::start(|_| Reply::Code(3));
    let conf = "resolver %dns ipv6=off min_ttl=1h;\n\
                server { listen 127.0.0.1:%in; set $name none.test; proxy_pass $name:1; }";
    let gw = gateway(conf).with("dns", dns.addr()).start();
    for _ in 0..20 {
        assert_eq!(gw.ask("in", ""), "");
    }
    gw.wait_errors("none.test could not be resolved (3: Host not found)", 20);
    // In mixed case, and once more in lower case.
    assert!(dns.count("none.test", "A") <= 2);
}

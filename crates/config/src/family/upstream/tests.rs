use super::{Method, TimeMetric};
use crate::Content;
use crate::family::proxy::Pass;
use crate::family::proxy::sample::{refused, said, stream};

#[test]
fn servers_with_their_parameters_and_all_addresses_of_a_name() {
    let stream = stream(
        "upstream u {
            server two.test:80;
            server unix:/a weight=2 max_conns=3 max_fails=0 fail_timeout=1M backup down;
         }",
    );
    let [group] = &stream.upstreams[..] else { panic!("one group") };
    assert!(group.explicit && group.port.is_none() && group.zone.is_none());
    assert!(matches!(group.method, Method::RoundRobin));
    let texts: Vec<_> = group.servers[0].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["192.0.2.1:80", "[2001:db8::2]:80"]);
    assert_eq!(group.servers[0].text, "two.test:80");
    let plain = &group.servers[0];
    assert_eq!((plain.weight, plain.max_conns, plain.max_fails, plain.fail_timeout), (1, 0, 1, 10));
    let odd = &group.servers[1];
    assert_eq!((odd.weight, odd.max_conns, odd.max_fails, odd.fail_timeout), (2, 3, 0, 2_592_000));
    assert!(odd.backup && odd.down && odd.resolve.is_none());
}

#[test]
fn literals_with_one_host_and_port_share_a_group_and_blocks_may_come_later() {
    let stream = stream(
        "server { listen 1; proxy_pass one.test:80; }
         server { listen 2; proxy_pass ONE.test:80; }
         server { listen 3; proxy_pass one.test:81; }
         server { listen 4; proxy_pass Later; }
         upstream later { server 127.0.0.1:1; }",
    );
    let ids: Vec<_> = stream
        .servers
        .iter()
        .map(|server| match &server.content {
            Content::Proxy(Pass::Group(id)) => id.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [0, 0, 1, 2]);
    let ports: Vec<_> = stream.upstreams.iter().map(|group| (group.port, group.explicit)).collect();
    assert_eq!(ports, [(Some(80), false), (Some(81), false), (None, true)]);
    assert_eq!(stream.upstreams[0].servers[0].addresses.len(), 1);
}

#[test]
fn methods() {
    let method =
        |text: &str| stream(&format!("upstream u {{ {text} server 127.0.0.1:1; }}")).upstreams.remove(0).method;
    assert!(matches!(method("hash $remote_addr consistent;"), Method::Hash { consistent: true, .. }));
    assert!(matches!(method("hash a;"), Method::Hash { consistent: false, .. }));
    assert!(matches!(method("least_conn;"), Method::LeastConn));
    assert!(matches!(
        method("least_time first_byte inflight;"),
        Method::LeastTime { metric: TimeMetric::FirstByte, inflight: true }
    ));
    assert!(matches!(method("random;"), Method::Random { two: false }));
    assert!(matches!(method("random two least_conn;"), Method::Random { two: true }));
    let redefined = "warn: load balancing method redefined in FILE:1";
    assert_eq!(said("upstream u { hash a; least_conn; server 127.0.0.1:1; }"), [redefined]);
    assert_eq!(
        said("upstream u { least_time connect; least_time foo; }"),
        [redefined, "emerg: \"least_time\" directive is duplicate in FILE:1"]
    );
}

#[test]
fn methods_without_backups_refuse_those_that_follow() {
    let error = "balancing method does not support parameter \"backup\" in FILE:1";
    for method in ["hash a;", "random;"] {
        refused(&[(&format!("upstream u {{ {method} server 127.0.0.1:1; server 127.0.0.1:2 backup; }}"), error)]);
        assert!(said(&format!("upstream u {{ server 127.0.0.1:1; server 127.0.0.1:2 backup; {method} }}")).is_empty());
    }
}

#[test]
fn wrong_servers() {
    for (words, error) in [
        ("127.0.0.1", "no port in upstream \"127.0.0.1\""),
        ("none.test:80", "host not found in upstream \"none.test:80\""),
        ("none.test", "host not found in upstream \"none.test\""),
        ("one.test", "no port in upstream \"one.test\""),
        ("127.0.0.1:1 weight=0", "invalid parameter \"weight=0\""),
        ("127.0.0.1:1 max_conns=x", "invalid parameter \"max_conns=x\""),
        ("127.0.0.1:1 fail_timeout=1ms", "invalid parameter \"fail_timeout=1ms\""),
        ("127.0.0.1:1 drain", "invalid parameter \"drain\""),
        ("a.test service=", "service is empty"),
        ("a.test service=x", "service upstream \"a.test\" requires \"resolve\" parameter"),
        ("a.test:1 service=x resolve", "service upstream \"a.test:1\" may not have port"),
        ("unix:/a service=x resolve", "service upstream \"unix:/a\" may not have port"),
        ("127.0.0.1 service=x resolve", "service upstream \"127.0.0.1\" requires domain name"),
        ("a.test resolve", "no port in upstream \"a.test\""),
    ] {
        refused(&[(&format!("upstream u {{ server {words}; }}"), &format!("{error} in FILE:1"))]);
    }
}

#[test]
fn wrong_groups() {
    refused(&[
        ("upstream u { }", "no servers are inside upstream in FILE:1"),
        ("upstream u { server 127.0.0.1:1 backup; }", "no servers in upstream \"u\" in FILE:1"),
        (
            "server { listen 1; proxy_pass u; }\n\nupstream u { server 127.0.0.1:1 backup; }",
            "no servers in upstream \"u\" in FILE:1",
        ),
        ("upstream u { server 127.0.0.1:1; } upstream U { server 127.0.0.1:1; }", "duplicate upstream \"U\" in FILE:1"),
        (
            "upstream u { server 127.0.0.1:1; } server { listen 1; proxy_pass U:80; }",
            "upstream \"U\" may not have port 80 in FILE:1",
        ),
        (
            "server { listen 1; proxy_pass u:80; }\nupstream U { server 127.0.0.1:1; }",
            "upstream \"U\" may not have port 80 in FILE:1",
        ),
        ("upstream u { random three; }", "invalid parameter \"three\" in FILE:1"),
        ("upstream u { random two least_time; }", "invalid parameter \"least_time\" in FILE:1"),
        ("upstream u { hash a b; }", "invalid parameter \"b\" in FILE:1"),
        ("upstream u { least_time x; }", "invalid value \"x\" in FILE:1"),
    ]);
}

#[test]
fn names_asked_for_at_run_time() {
    let found = stream("upstream u { zone z 64k; resolver 127.0.0.1; server a.test service=http resolve; }");
    let server = &found.upstreams[0].servers[0];
    assert!(server.addresses.is_empty());
    let asked = server.resolve.as_ref().map(|asked| (asked.host.as_str(), asked.port, asked.service.as_deref()));
    assert_eq!(asked, Some(("a.test", 0, Some("http"))));
    assert!(found.upstreams[0].resolver.is_some());
    refused(&[
        (
            "upstream u { server a.test:1 resolve; }",
            "resolving names at run time requires upstream \"u\" in FILE:1 to be in shared memory",
        ),
        (
            "upstream u { zone z 64k; server a.test:1 resolve; }",
            "no resolver defined to resolve names at run time in upstream \"u\" in FILE:1",
        ),
    ]);
}

#[test]
fn zones() {
    let found = stream("upstream a { zone z; server 127.0.0.1:1; } upstream b { zone z 64k; server 127.0.0.1:1; }");
    assert!(found.upstreams.iter().all(|group| group.zone == Some(("z".to_owned(), 65536))));
    refused(&[
        ("upstream u { zone z; server 127.0.0.1:1; }", "zero size shared memory zone \"z\""),
        ("upstream u { zone z x; }", "invalid zone size \"x\" in FILE:1"),
        ("upstream u { zone z 1k; }", "zone \"z\" is too small in FILE:1"),
        ("upstream u { zone '' 64k; }", "invalid zone name \"\" in FILE:1"),
        (
            "upstream u { zone z 64k; zone z 128k; }",
            "the size 131072 of shared memory zone \"z\" conflicts with already declared size 65536 in FILE:1",
        ),
        (
            "limit_conn_zone $remote_addr zone=z:64k; upstream u { zone z; }",
            "the shared memory zone \"z\" is already declared for a different use in FILE:1",
        ),
    ]);
}

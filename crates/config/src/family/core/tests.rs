use crate::family::proxy::sample::{refused, refused_in_server, said, stream};

#[test]
fn defaults() {
    let stream = stream("server { listen 1; }");
    let core = &stream.servers[0].core;
    assert!(core.resolver.is_none() && core.tcp_nodelay);
    assert_eq!((core.resolver_timeout, core.preread_timeout, core.proxy_protocol_timeout), (30_000, 30_000, 30_000));
    assert_eq!(core.preread_buffer_size, 16 * 1024);
}

#[test]
fn servers_inherit_what_they_do_not_say() {
    let stream = stream(
        "resolver 192.0.2.1; resolver_timeout 1s; preread_buffer_size 1k;
         server { listen 1; resolver one.test:54 [::1] valid=1d ipv6=off min_ttl=5s stale=1h; tcp_nodelay off; preread_timeout 2ms; }
         server { listen 2; proxy_protocol_timeout 3; }",
    );
    let [own, inherited] = &stream.servers[..] else { panic!("two servers") };
    assert_eq!((own.core.resolver_timeout, own.core.preread_timeout, own.core.tcp_nodelay), (1_000, 2, false));
    assert_eq!((inherited.core.preread_buffer_size, inherited.core.proxy_protocol_timeout), (1024, 3_000));
    let resolver = |server: &crate::Server| &stream.resolvers[server.core.resolver.unwrap().0 as usize];
    let servers: Vec<_> = resolver(own).servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["192.0.2.1:54", "[::1]:53"]);
    assert_eq!((resolver(own).valid, resolver(own).ipv4, resolver(own).ipv6), (Some(86_400), true, false));
    assert_eq!((resolver(own).min_ttl, resolver(own).stale), (5, Some(3_600)));
    assert_eq!((resolver(inherited).min_ttl, resolver(inherited).stale), (0, None));
    assert_eq!(resolver(inherited).servers, ["192.0.2.1:53".parse().unwrap()]);
}

#[test]
fn wrong_words() {
    refused(&[
        ("resolver valid=1s;", "no name servers defined in FILE:1"),
        ("resolver 192.0.2.1 valid=x;", "invalid parameter: valid=x in FILE:1"),
        ("resolver 192.0.2.1 stale=x;", "invalid parameter: stale=x in FILE:1"),
        ("resolver 192.0.2.1 min_ttl=;", "invalid parameter: min_ttl= in FILE:1"),
        ("resolver 192.0.2.1 ipv4=no;", "invalid parameter: ipv4=no in FILE:1"),
        ("resolver 192.0.2.1 ipv4=off ipv6=off;", "\"ipv4\" and \"ipv6\" cannot both be \"off\" in FILE:1"),
        ("resolver 192.0.2.1; resolver 192.0.2.1;", "\"resolver\" directive is duplicate in FILE:1"),
        ("resolver none.test;", "host not found in resolver \"none.test\" in FILE:1"),
        ("resolver 192.0.2.1:x;", "invalid port in resolver \"192.0.2.1:x\" in FILE:1"),
        (
            "upstream u { resolver_timeout 1; resolver_timeout 1; }",
            "\"resolver_timeout\" directive is duplicate in FILE:1",
        ),
        (
            "variables_hash_max_size 0;",
            "could not build variables_hash, you should increase variables_hash_max_size: 0",
        ),
        ("map_hash_bucket_size x;", "\"map_hash_bucket_size\" directive invalid number in FILE:1"),
        ("server { return x; }", "no \"listen\" is defined for server in FILE:1"),
        ("server { server { } }", "\"server\" directive is not allowed here in FILE:1"),
    ]);
    refused_in_server(&[("preread_buffer_size 1g;", "\"preread_buffer_size\" directive invalid value in FILE:1")]);
}

#[test]
fn a_resolver_may_stand_below_the_upstream_that_needs_it() {
    assert!(said("upstream u { zone z 64k; server a.test:1 resolve; } resolver 192.0.2.1;").is_empty());
}

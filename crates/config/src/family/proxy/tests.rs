use super::sample::{refused_in_server, said_in_server, stream};
use super::{HeaderVersion, Pass, Rate};
use crate::Content;

#[test]
fn defaults() {
    let stream = stream("server { listen 1; }");
    let proxy = &stream.servers[0].proxy;
    assert!(proxy.bind.is_none() && proxy.upload_rate.is_none() && proxy.download_rate.is_none());
    assert_eq!((proxy.connect_timeout, proxy.timeout), (60_000, 600_000));
    assert_eq!((proxy.buffer_size, proxy.responses), (None, None));
    assert!(proxy.next_upstream && !proxy.half_close && !proxy.socket_keepalive);
    assert_eq!((proxy.next_upstream_tries, proxy.next_upstream_timeout), (0, 0));
    assert_eq!((proxy.requests, proxy.socket_rcvbuf, proxy.socket_sndbuf), (0, 0, 0));
    assert_eq!(proxy.protocol, HeaderVersion::Off);
}

#[test]
fn a_server_inherits_what_it_does_not_say_even_from_below() {
    let stream = stream(
        "server { listen 1; proxy_timeout 5; proxy_bind off; proxy_upload_rate 0; }
         server { listen 2; }
         proxy_timeout 10; proxy_half_close on; proxy_bind 127.0.0.1 transparent; proxy_upload_rate 4k;
         proxy_protocol V2; proxy_next_upstream OFF;",
    );
    let [own, inherited] = &stream.servers[..] else { panic!("two servers") };
    assert_eq!((own.proxy.timeout, inherited.proxy.timeout), (5_000, 10_000));
    assert!(own.proxy.half_close && inherited.proxy.half_close);
    assert!(own.proxy.bind.is_none());
    assert!(inherited.proxy.bind.as_ref().is_some_and(|bind| bind.transparent));
    assert!(own.proxy.upload_rate.is_none());
    assert!(matches!(inherited.proxy.upload_rate, Some(Rate::Fixed(4096))));
    assert_eq!(own.proxy.protocol, HeaderVersion::V2);
    assert!(!own.proxy.next_upstream);
}

#[test]
fn the_old_names_of_the_buffer_share_its_slot() {
    let deprecated = "warn: the \"proxy_downstream_buffer\" directive is deprecated, use the \
                      \"proxy_buffer_size\" directive instead in FILE:1";
    assert_eq!(said_in_server("proxy_downstream_buffer 4k;"), [deprecated]);
    assert_eq!(
        said_in_server("proxy_downstream_buffer 4k; proxy_upstream_buffer 4k;"),
        [deprecated, "emerg: \"proxy_upstream_buffer\" directive is duplicate in FILE:1"]
    );
}

#[test]
fn wrong_words() {
    refused_in_server(&[
        ("proxy_bind x;", "invalid address \"x\" in FILE:1"),
        ("proxy_bind off x;", "invalid address \"off\" in FILE:1"),
        ("proxy_bind 127.0.0.1 x;", "invalid parameter \"x\" in FILE:1"),
        ("proxy_bind $remote_addr x;", "invalid parameter \"x\" in FILE:1"),
        ("proxy_bind off; proxy_bind off;", "\"proxy_bind\" directive is duplicate in FILE:1"),
        ("proxy_upload_rate 1g;", "\"proxy_upload_rate\" directive invalid value in FILE:1"),
        ("proxy_upload_rate 1; proxy_upload_rate x;", "\"proxy_upload_rate\" directive is duplicate in FILE:1"),
        ("proxy_requests -1;", "\"proxy_requests\" directive invalid number in FILE:1"),
        ("proxy_protocol v3;", "invalid value \"v3\" in FILE:1"),
        ("proxy_pass a/b;", "invalid host in upstream \"a/b\" in FILE:1"),
        ("proxy_pass :80;", "no host in upstream \":80\" in FILE:1"),
        ("proxy_pass a:x;", "invalid port in upstream \"a:x\" in FILE:1"),
        ("proxy_pass 127.0.0.1;", "no port in upstream \"127.0.0.1\" in FILE:1"),
        ("proxy_pass [::1];", "no port in upstream \"[::1]\" in FILE:1"),
        ("proxy_pass none.test;", "no port in upstream \"none.test\" in FILE:1"),
        ("proxy_pass none.test:80;", "host not found in upstream \"none.test\" in FILE:1"),
        ("proxy_pass unix:;", "no path in the unix domain socket in upstream \"unix:\" in FILE:1"),
        ("proxy_pass 127.0.0.1:1; proxy_pass $x;", "\"proxy_pass\" directive is duplicate in FILE:1"),
        ("proxy_pass $none:1;", "unknown \"none\" variable"),
    ]);
}

#[test]
fn the_last_content_directive_counts() {
    let stream = stream(
        "server { listen 1; proxy_pass 127.0.0.1:1; return x; }
         server { listen 2; return x; pass 127.0.0.1:1; proxy_pass $remote_addr:80; }
         server { listen 3; proxy_pass 127.0.0.1:1; pass 127.0.0.1:1; }
         server { listen 4; }",
    );
    let contents: Vec<_> = stream.servers.iter().map(|server| &server.content).collect();
    assert!(matches!(
        contents[..],
        [Content::Return(_), Content::Proxy(Pass::Evaluated(_)), Content::Pass(_), Content::None]
    ));
}

use std::sync::Arc;

use crate::family::proxy::sample::{refused_in_server, said_in_server, stream};
use crate::family::ssl::{Pem, Protocols};

#[test]
fn only_where_it_is_on_and_shared_by_servers_that_say_nothing_of_a_context() {
    let stream = stream(
        "proxy_ssl on; proxy_ssl_ciphers x;
         server { listen 1; proxy_ssl off; }
         server { listen 2; }
         server { listen 3; proxy_ssl_name $remote_addr; proxy_ssl_server_name on; proxy_ssl_alpn a $pid; }
         server { listen 4; proxy_ssl_verify_depth 3; }",
    );
    assert!(stream.servers[0].proxy_ssl.is_none());
    let [plain, named, own] = [1, 2, 3].map(|at: usize| stream.servers[at].proxy_ssl.as_ref().unwrap());
    assert!(plain.name.is_none() && !plain.server_name && plain.alpn.is_empty());
    assert!(named.name.is_some() && named.server_name && named.alpn.len() == 2);
    assert!(Arc::ptr_eq(&plain.context, &named.context));
    assert!(!Arc::ptr_eq(&plain.context, &own.context));
    assert_eq!((plain.context.verify_depth, own.context.verify_depth), (1, 3));
    assert_eq!((own.context.ciphers.as_str(), own.context.protocols), ("x", Protocols::DEFAULT));
    assert!(own.context.session_reuse && !own.context.verify && own.context.certificate.is_none());
}

#[test]
fn an_empty_certificate_is_none() {
    let stream = stream(
        "proxy_ssl on; proxy_ssl_certificate a.crt; proxy_ssl_certificate_key a.key;
         server { listen 1; proxy_ssl_certificate ''; }
         server { listen 2; proxy_ssl_certificate data:x; }",
    );
    let of = |at: usize| stream.servers[at].proxy_ssl.as_ref().unwrap().context.certificate.as_ref();
    assert!(of(0).is_none());
    assert!(of(1).is_some_and(|one| matches!((&one.chain, &one.key), (Pem::Data(_), Pem::File(_)))));
}

#[test]
fn wrong_words() {
    refused_in_server(&[
        (
            "proxy_ssl on; proxy_ssl_certificate $pid;",
            "no \"proxy_ssl_certificate_key\" is defined for certificate \"$pid\"",
        ),
        ("proxy_ssl on; proxy_ssl_verify on;", "no proxy_ssl_trusted_certificate for proxy_ssl_verify"),
        (
            "proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate '';",
            "no proxy_ssl_trusted_certificate for proxy_ssl_verify",
        ),
        ("proxy_ssl_name a; proxy_ssl_name b;", "\"proxy_ssl_name\" directive is duplicate in FILE:1"),
        ("proxy_ssl_alpn a; proxy_ssl_alpn b;", "\"proxy_ssl_alpn\" directive is duplicate in FILE:1"),
        (
            "proxy_ssl_certificate_key a; proxy_ssl_certificate_key b;",
            "\"proxy_ssl_certificate_key\" directive is duplicate in FILE:1",
        ),
        (
            "proxy_ssl_certificate_cache inactive=1;",
            "\"proxy_ssl_certificate_cache\" must have the \"max\" parameter in FILE:1",
        ),
        (&format!("proxy_ssl_alpn {};", "a".repeat(256)), "\"proxy_ssl_alpn\" directive protocol too long in FILE:1"),
    ]);
    assert!(said_in_server("proxy_ssl_verify on; proxy_ssl_certificate a;").is_empty());
}

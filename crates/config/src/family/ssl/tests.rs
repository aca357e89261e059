use std::path::Path;
use std::sync::Arc;

use super::{Ocsp, Pem, Protocols, SessionCache, VerifyClient};
use crate::family::proxy::sample::{refused, refused_in_server, said_in_server, stream};

const PAIR: &str = "ssl_certificate a.crt; ssl_certificate_key a.key;";

#[test]
fn without_a_certificate_there_is_no_context() {
    let stream = stream(&format!(
        "server {{ listen 1; ssl_verify_client on; ssl_certificate_key a.key; }}
         server {{ listen 2; ssl_reject_handshake on; ssl_handshake_timeout 5; }}
         server {{ listen 3; {PAIR} }}"
    ));
    assert!(stream.servers[0].ssl.is_none());
    assert!(stream.servers[1].ssl.as_ref().is_some_and(|ssl| ssl.reject_handshake && ssl.certificates.is_empty()));
    assert_eq!((stream.servers[0].ssl_handshake_timeout, stream.servers[1].ssl_handshake_timeout), (60_000, 5_000));
    let ssl = stream.servers[2].ssl.as_ref().unwrap();
    assert_eq!((ssl.protocols, ssl.ciphers.as_str()), (Protocols::DEFAULT, "HIGH:!aNULL:!MD5"));
    assert_eq!((ssl.ecdh_curve.as_str(), ssl.session_timeout, ssl.verify_depth), ("auto", 300, 1));
    assert_eq!((&ssl.session_cache, ssl.session_tickets), (&SessionCache::None, true));
    assert_eq!((ssl.verify_client, ssl.ocsp), (VerifyClient::Off, Ocsp::Off));
}

#[test]
fn servers_that_say_nothing_share_one_context() {
    let stream = stream(&format!(
        "{PAIR} ssl_protocols TLSv1.2;
         server {{ listen 1; }}
         server {{ listen 2; ssl_handshake_timeout 1; }}
         server {{ listen 3; ssl_ciphers x; }}"
    ));
    let [first, second, third] = &stream.servers[..] else { panic!("three servers") };
    let of = |server: &crate::Server| Arc::clone(server.ssl.as_ref().unwrap());
    assert!(Arc::ptr_eq(&of(first), &of(second)));
    assert!(!Arc::ptr_eq(&of(first), &of(third)));
    assert_eq!((of(third).protocols, of(third).ciphers.as_str()), (Protocols::TLS1_2, "x"));
}

#[test]
fn certificates_pair_with_keys_by_number() {
    let stream = stream(
        "server { listen 1; ssl_certificate a.crt; ssl_certificate data:PEM; ssl_certificate $pid.crt;
            ssl_certificate_key /a.key; ssl_certificate_key engine:e:id; ssl_certificate_key store:file; }",
    );
    let certificates = &stream.servers[0].ssl.as_ref().unwrap().certificates;
    let [first, second, third] = &certificates[..] else { panic!("three certificates") };
    assert!(matches!(&first.chain, Pem::File(path) if path == Path::new("/etc/gate/a.crt")));
    assert!(matches!(&first.key, Pem::File(path) if path == Path::new("/a.key")));
    assert!(matches!(&second.chain, Pem::Data(text) if **text == *b"PEM"));
    assert!(matches!(&second.key, Pem::Provider(name) if name == "engine:e:id"));
    assert!(matches!(&third.chain, Pem::Evaluated(_)));
    refused_in_server(&[
        ("ssl_certificate a;", "no \"ssl_certificate_key\" is defined for certificate \"a\""),
        (
            "ssl_certificate a; ssl_certificate_key a; ssl_certificate b;",
            "no \"ssl_certificate_key\" is defined for certificate \"b\"",
        ),
    ]);
}

#[test]
fn the_session_cache_inherits_its_zone_apart() {
    let cache = |own: &str| {
        let stream = stream(&format!("{PAIR} ssl_session_cache shared:a:1m; server {{ listen 1; {own} }}"));
        stream.servers[0].ssl.as_ref().unwrap().session_cache.clone()
    };
    let shared = Some(("a".to_owned(), 1 << 20));
    assert_eq!(cache(""), SessionCache::Kept { builtin: None, shared: shared.clone() });
    assert_eq!(cache("ssl_session_cache builtin:5;"), SessionCache::Kept { builtin: Some(5), shared });
    assert_eq!(cache("ssl_session_cache off;"), SessionCache::Off);
    assert_eq!(cache("ssl_session_cache none;"), SessionCache::None);
}

#[test]
fn protocols_add_up_and_repetition_is_told() {
    let text = format!("{PAIR} server {{ listen 1; ssl_protocols tlsv1; ssl_protocols TLSv1.3; }}");
    let protocols = stream(&text).servers[0].ssl.as_ref().unwrap().protocols;
    assert_eq!(protocols, Protocols(Protocols::TLS1.0 | Protocols::TLS1_3.0));
    assert_eq!(said_in_server("ssl_protocols TLSv1.2 tlsv1.2;"), ["warn: duplicate value \"tlsv1.2\" in FILE:1"]);
}

#[test]
fn wrong_words() {
    let long = "a".repeat(256);
    refused_in_server(&[
        ("ssl_protocols TLSv9;", "invalid value \"TLSv9\" in FILE:1"),
        ("ssl_session_cache x;", "invalid session cache \"x\" in FILE:1"),
        ("ssl_session_cache shared:a;", "invalid session cache \"shared:a\" in FILE:1"),
        ("ssl_session_cache shared::1m;", "invalid session cache \"shared::1m\" in FILE:1"),
        ("ssl_session_cache shared:a:b:1m;", "invalid session cache \"shared:a:b:1m\" in FILE:1"),
        ("ssl_session_cache builtin:x;", "invalid session cache \"builtin:x\" in FILE:1"),
        ("ssl_session_cache shared:a:1k;", "session cache \"shared:a:1k\" is too small in FILE:1"),
        ("ssl_ocsp_cache x;", "invalid OCSP cache \"x\" in FILE:1"),
        ("ssl_ocsp_cache shared:a:1k;", "OCSP cache \"shared:a:1k\" is too small in FILE:1"),
        ("ssl_ocsp_cache off; ssl_ocsp_cache off;", "\"ssl_ocsp_cache\" directive is duplicate in FILE:1"),
        ("ssl_verify_client x;", "invalid value \"x\" in FILE:1"),
        ("ssl_alpn a; ssl_alpn b;", "\"ssl_alpn\" directive is duplicate in FILE:1"),
        (&format!("ssl_alpn {long};"), "\"ssl_alpn\" directive protocol too long in FILE:1"),
        ("ssl_certificate_cache max=0;", "invalid parameter \"max=0\" in FILE:1"),
        ("ssl_certificate_cache off max=0;", "invalid parameter \"max=0\" in FILE:1"),
        ("ssl_certificate_cache valid=1;", "\"ssl_certificate_cache\" must have the \"max\" parameter in FILE:1"),
        (
            "ssl_certificate_cache off; ssl_certificate_cache off;",
            "\"ssl_certificate_cache\" directive is duplicate in FILE:1",
        ),
        ("ssl_password_file none;", "open() \"/etc/gate/none\" failed (2: No such file or directory) in FILE:1"),
        ("ssl_password_file long;", "too long line in \"/etc/gate/long\" in FILE:1"),
        (
            "ssl_password_file passwords; ssl_password_file passwords;",
            "\"ssl_password_file\" directive is duplicate in FILE:1",
        ),
        (
            "ssl_session_cache shared:a:1m; ssl_ocsp_cache shared:a:1m;",
            "the shared memory zone \"a\" is already declared for a different use in FILE:1",
        ),
    ]);
}

#[test]
fn contradictions() {
    for (words, error) in [
        ("ssl_verify_client optional;", "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"),
        (
            "ssl_verify_client on; ssl_trusted_certificate '';",
            "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client",
        ),
        (
            "ssl_ocsp on; ssl_verify_client optional_no_ca;",
            "\"ssl_ocsp\" is incompatible with \"ssl_verify_client optional_no_ca\"",
        ),
        (
            "ssl_stapling on; ssl_certificate_compression on;",
            "\"ssl_stapling\" is incompatible with \"ssl_certificate_compression\"",
        ),
    ] {
        refused(&[(&format!("server {{ listen 1; ssl_reject_handshake on; {words} }}"), error)]);
    }
    let fine = "ssl_ocsp off; ssl_ocsp_responder ftp://x; ssl_reject_handshake on; ssl_verify_client optional_no_ca;";
    assert!(said_in_server(fine).is_empty());
}

use super::{Limits, Overload};
use crate::family::proxy::sample::{refused, refused_in_server, stream};

const NONE: Limits = Limits { handshakes: None, hello: 128 << 10, memory: None };

#[test]
fn nothing_is_limited_unless_it_is_said() {
    let none = stream("server { listen 1; }");
    assert_eq!((&none.servers[0].overload, none.limits), (&Overload::default(), NONE));
    let off = stream(
        "ssl_handshakes_limit 0; prelude_timeout 0; client_connections 0; memory_limit 0; ssl_hello_limit 0; server { listen 1; }",
    );
    assert_eq!((&off.servers[0].overload, off.limits), (&Overload::default(), NONE));
}

#[test]
fn a_server_says_otherwise_than_the_stream() {
    let stream = stream(
        "prelude_timeout 20s; client_connections 7; ssl_handshakes_limit 100; memory_limit 1m; ssl_hello_limit 4k;
         server { listen 1; }
         server { listen 2; prelude_timeout 0; client_connections 9; }",
    );
    assert_eq!(stream.limits, Limits { handshakes: Some(100), hello: 4096, memory: Some(1 << 20) });
    assert_eq!(stream.servers[0].overload, Overload { prelude_timeout: Some(20_000), client_connections: Some(7) });
    assert_eq!(stream.servers[1].overload, Overload { prelude_timeout: None, client_connections: Some(9) });
}

#[test]
fn wrong_words() {
    refused(&[
        ("prelude_timeout x;", "\"prelude_timeout\" directive invalid value in FILE:1"),
        ("client_connections 1; client_connections 1;", "\"client_connections\" directive is duplicate in FILE:1"),
        ("ssl_handshakes_limit -1;", "\"ssl_handshakes_limit\" directive invalid number in FILE:1"),
    ]);
    refused_in_server(&[(
        "ssl_handshakes_limit 1;",
        "\"ssl_handshakes_limit\" directive is not allowed here in FILE:1",
    )]);
}

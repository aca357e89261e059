//! Messages at the start of a connection and from name servers, as bytes.

use std::hint::black_box;
use std::net::SocketAddr;

use gungraun::{library_benchmark, library_benchmark_group, main};
use lockgate_micro::message;
use wire::client_hello::{Hello, Progress};
use wire::dns::{Answer, Asked, Kind, Response};
use wire::proxy_protocol::{Header, SslInfo, V2, parse, v1, v2};

fn hello() -> Vec<u8> {
    message::client_hello("www.bench.example")
}

#[library_benchmark(setup = hello)]
#[bench::whole()]
fn client_hello(bytes: Vec<u8>) -> (Vec<u8>, Hello) {
    let mut hello = Hello::new();
    assert_eq!(hello.feed(black_box(&bytes)), Progress::Done);
    (bytes, hello)
}

fn ends() -> (SocketAddr, SocketAddr) {
    (([203, 0, 113, 7], 51234).into(), ([192, 0, 2, 1], 443).into())
}

fn told() -> V2 {
    let ssl = SslInfo {
        sni: Some(b"www.bench.example".to_vec()),
        alpn: Some(b"h2".to_vec()),
        version: "TLSv1.3".into(),
        cipher: "TLS_AES_256_GCM_SHA384".into(),
        ..SslInfo::default()
    };
    V2 { source: Some(ends().0), destination: Some(ends().1), datagram: false, ssl: Some(ssl) }
}

fn line() -> Vec<u8> {
    v1(Some(ends().0), Some(ends().1))
}

fn binary() -> Vec<u8> {
    v2(&told())
}

#[library_benchmark]
#[bench::v1(args = (), setup = line)]
#[bench::v2_with_tls(args = (), setup = binary)]
fn proxy_header_read(bytes: Vec<u8>) -> (Vec<u8>, Header) {
    let (header, _) = parse(black_box(&bytes)).expect("a header");
    (bytes, header)
}

#[library_benchmark(setup = ends)]
#[bench::v1()]
fn proxy_header_write((source, destination): (SocketAddr, SocketAddr)) -> Vec<u8> {
    v1(black_box(Some(source)), black_box(Some(destination)))
}

#[library_benchmark(setup = told)]
#[bench::v2_with_tls()]
fn proxy_header_write_binary(told: V2) -> (V2, Vec<u8>) {
    let bytes = v2(black_box(&told));
    (told, bytes)
}

#[library_benchmark]
fn dns_query() -> Asked {
    Asked::new(black_box("www.bench.example"), Kind::A, 7, 0x5555).expect("a name")
}

fn answer() -> (Asked, Vec<u8>) {
    let asked = Asked::new("www.bench.example", Kind::A, 7, 0).expect("a name");
    (asked, message::dns_answer("www.bench.example", 7))
}

#[library_benchmark(setup = answer)]
#[bench::four_addresses()]
fn dns_answer((asked, bytes): (Asked, Vec<u8>)) -> (Vec<u8>, Response, Answer) {
    let response = Response::read(black_box(&bytes)).expect("a response");
    assert!(asked.is_answered_by(&response));
    let answer = asked.answer(&response);
    (bytes, response, answer)
}

library_benchmark_group!(
    name = messages,
    benchmarks =
        [client_hello, proxy_header_read, proxy_header_write, proxy_header_write_binary, dns_query, dns_answer]
);
main!(library_benchmark_groups = messages);

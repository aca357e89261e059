//! Look-ups in tables of any size: maps, server names, networks.

use std::hint::black_box;
use std::net::IpAddr;

use gungraun::{library_benchmark, library_benchmark_group, main};
use lockgate_micro::name;
use lockgate_micro::session::Text;
use policy::address::Network;
use policy::geo::{Geo, GeoBuilder};
use policy::map::MapBuilder;
use policy::server_name::{Name, ServerNames};
use policy::template::{Captures, Template};
use policy::variables::{Definition, Variables};

fn entries(count: usize) -> Vec<String> {
    (0..count).map(name).collect()
}

fn read(names: &[String]) -> (MapBuilder, Variables) {
    let (mut builder, mut variables) = (MapBuilder::new(), Variables::new());
    for (number, name) in names.iter().enumerate() {
        let value = [b'a' + (number % 8) as u8];
        builder.entry(&[name.as_bytes(), &value], &mut variables).expect("an entry");
    }
    (builder, variables)
}

#[library_benchmark(setup = entries)]
#[bench::thousand(1_000)]
#[bench::hundred_thousand(100_000)]
fn map_build(names: Vec<String>) -> (Vec<String>, MapBuilder) {
    let (builder, _) = read(black_box(&names));
    (names, builder)
}

/// A text of one variable, which is a map of so many names, for a session that asked for one of them.
fn map(count: usize) -> &'static Text {
    let (builder, mut variables) = read(&entries(count));
    let source = Template::parse(b"$ssl_preread_server_name", &mut variables, Captures::Plain).expect("a template");
    let map = Definition::Map { source, map: builder.finish(), volatile: false };
    variables.define(b"up", map).expect("a new name");
    Box::leak(Box::new(Text::new("$up", variables, name(count / 3))))
}

#[library_benchmark(setup = map)]
#[bench::thousand(1_000)]
#[bench::million(1_000_000)]
fn map_lookup(text: &'static Text) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    text.render(&mut out);
    assert_eq!(out.len(), 1);
    out
}

/// So many names, and one wildcard that names of another domain fall under.
fn server_names(count: usize) -> &'static ServerNames<u32> {
    let (mut table, mut variables) = (ServerNames::default(), Variables::new());
    for (number, name) in entries(count).iter().map(String::as_str).chain(["*.wild.example"]).enumerate() {
        let (name, _) = Name::parse(name.as_bytes()).expect("a name");
        table.add(&name, number as u32, &mut variables).expect("a new name");
    }
    Box::leak(Box::new(table))
}

fn server_exact(count: usize) -> (&'static ServerNames<u32>, String) {
    (server_names(count), name(count / 3))
}

fn server_wild(count: usize) -> (&'static ServerNames<u32>, String) {
    (server_names(count), "www.deep.wild.example".into())
}

#[library_benchmark]
#[bench::exact_of_ten(args = (10), setup = server_exact)]
#[bench::exact_of_10k(args = (10_000), setup = server_exact)]
#[bench::wildcard_of_10k(args = (10_000), setup = server_wild)]
fn server_name((table, host): (&'static ServerNames<u32>, String)) -> (String, Option<u32>) {
    let found = table.peek(black_box(host.as_bytes()));
    assert!(found.is_some());
    (host, found)
}

/// So many networks of 256 addresses each, all over IPv4.
fn networks(count: usize) -> &'static Geo {
    let mut builder = GeoBuilder::default();
    builder.default_networks(b"elsewhere");
    for number in 0..count as u32 {
        let address = number.wrapping_mul(0x9e37_79b1) & 0xffff_ff00;
        builder.insert(Network::new(IpAddr::V4(address.into()), 24), &[b'a' + (number % 8) as u8]);
    }
    Box::leak(Box::new(builder.build()))
}

#[library_benchmark(setup = networks)]
#[bench::ten(10)]
#[bench::hundred_thousand(100_000)]
fn geo(geo: &'static Geo) -> &'static [u8] {
    geo.lookup(black_box(Some(IpAddr::from([203, 0, 113, 7]))))
}

library_benchmark_group!(name = tables, benchmarks = [map_build, map_lookup, server_name, geo]);
main!(library_benchmark_groups = tables);

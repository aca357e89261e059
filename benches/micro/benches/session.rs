//! What each session or datagram asks for: texts with variables, the table of flows.

use std::hint::black_box;
use std::net::SocketAddr;

use gungraun::{library_benchmark, library_benchmark_group, main};
use lockgate_micro::session::Text;
use policy::flow::{Flow, Limits, State, Table};
use policy::template::{Captures, Template};
use policy::variables::Variables;

const LOG: &str = "$remote_addr [$time_iso8601] $protocol $status $bytes_sent $bytes_received $session_time";

fn text(text: &str) -> Text {
    Text::new(text, Variables::new(), "www.bench.example".into())
}

#[library_benchmark(setup = text)]
#[bench::literal("192.0.2.1:443")]
#[bench::name("$ssl_preread_server_name:443")]
#[bench::log_line(LOG)]
fn template(text: Text) -> (Text, Vec<u8>) {
    let mut out = Vec::with_capacity(256);
    text.render(&mut out);
    (text, out)
}

#[library_benchmark]
fn template_parse() -> (Variables, Template) {
    let mut variables = Variables::new();
    let template = Template::parse(black_box(LOG.as_bytes()), &mut variables, Captures::Plain).expect("a template");
    (variables, template)
}

fn client(number: u16) -> SocketAddr {
    ([203, 0, (number >> 8) as u8, number as u8], number).into()
}

fn flows(count: u16) -> &'static mut Table<SocketAddr, u16> {
    let mut table = Table::new(0x5eed);
    for number in 0..count {
        table.insert(client(number), number);
    }
    Box::leak(Box::new(table))
}

#[library_benchmark(setup = flows)]
#[bench::hundred(100)]
#[bench::fifty_thousand(50_000)]
fn flow_find(table: &'static mut Table<SocketAddr, u16>) -> Option<&'static u16> {
    table.find(black_box(&client(33)))
}

#[library_benchmark(setup = flows)]
#[bench::fifty_thousand(50_000)]
fn flow_insert_remove(table: &'static mut Table<SocketAddr, u16>) {
    let new = black_box(client(60_000));
    table.insert(new, 60_000);
    table.remove(&new, |session| *session == 60_000);
}

#[library_benchmark]
fn flow_round_trip() -> State {
    let mut flow = Flow::new(black_box(7));
    let limits = Limits { requests: 0, responses: Some(1), timeout: 1000 };
    assert_eq!(flow.take(), Some(7));
    flow.answer();
    flow.state(5, black_box(6), &limits)
}

library_benchmark_group!(
    name = sessions,
    benchmarks = [template, template_parse, flow_find, flow_insert_remove, flow_round_trip]
);
main!(library_benchmark_groups = sessions);

//! Each balancer's choice among sixteen peers with other choices behind it.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use policy::address::Address;
use policy::balance::{Method, Metric, PeerConf, PeerRef, Peers, Selection};

const PEERS: u16 = 16;
const LEAST_TIME: Method = Method::LeastTime { metric: Metric::Connect, inflight: false };

/// Numbers that are random enough, from 0 on.
fn chance(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    }
}

/// A group of which each peer has served some sessions.
fn group(method: Method) -> Peers {
    let conf = |number: u16| {
        let text = format!("192.0.2.1:{number}");
        let address = Address::Inet(text.parse().expect("an address"));
        PeerConf { weight: u32::from(1 + number % 4), ..PeerConf::new(text, address) }
    };
    let mut peers = Peers::new(method, (1..=PEERS).map(conf).collect());
    let mut random = chance(1);
    for number in 0..64 {
        let picked = peers.pick(&mut Selection::default(), 1, &mut random, format!("client {number}").as_bytes());
        let picked = picked.expect("a peer");
        peers.connected(picked, 1, number % 9);
        if number % 2 == 0 {
            peers.release(picked, 1, Some(number), Some(number));
        }
    }
    peers
}

#[library_benchmark(setup = group)]
#[bench::round_robin(Method::RoundRobin)]
#[bench::hash(Method::Hash)]
#[bench::consistent_hash(Method::ConsistentHash)]
#[bench::least_conn(Method::LeastConn)]
#[bench::least_time(LEAST_TIME)]
#[bench::random(Method::Random)]
#[bench::random_two(Method::RandomTwo)]
fn pick(mut peers: Peers) -> (Peers, Option<PeerRef>) {
    let picked = peers.pick(&mut Selection::default(), 1, &mut chance(7), black_box(b"203.0.113.7"));
    assert!(picked.is_some());
    (peers, picked)
}

library_benchmark_group!(name = balancers, benchmarks = pick);
main!(library_benchmark_groups = balancers);

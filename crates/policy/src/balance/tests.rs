mod model;

use super::*;
use crate::address::Address;

fn conf(port: u16) -> PeerConf {
    let text = format!("127.0.0.1:{port}");
    let address = Address::Inet(text.parse().unwrap());
    PeerConf::new(text, address)
}

/// The primary peer with this place among those that the group was made with.
fn primary(index: u32) -> PeerRef {
    PeerRef { id: index + 1, backup: false, index }
}

fn weights(weights: &[u32]) -> Vec<PeerConf> {
    weights.iter().zip(1..).map(|(weight, port)| PeerConf { weight: *weight, ..conf(port) }).collect()
}

/// A generator of numbers that look random enough.
fn chance(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    }
}

/// The peer a new session gets.
fn first(peers: &mut Peers, now: u64, key: &str) -> Option<PeerRef> {
    peers.pick(&mut Selection::default(), now, &mut chance(1), key.as_bytes())
}

/// The indices of all peers one session gets, `+ 100` for backups, each failing before the next.
fn all_of_session(peers: &mut Peers, now: u64, key: &str) -> Vec<u32> {
    let mut selection = Selection::default();
    let mut random = chance(1);
    let mut order = Vec::new();
    while let Some(peer) = peers.pick(&mut selection, now, &mut random, key.as_bytes()) {
        order.push(peer.index + if peer.backup { 100 } else { 0 });
    }
    order
}

fn indices(peers: &mut Peers, count: usize, key: &str) -> Vec<u32> {
    (0..count).map(|_| first(peers, 1, key).unwrap().index).collect()
}

#[test]
fn weighted_round_robin() {
    let mut peers = Peers::new(Method::RoundRobin, weights(&[1, 2, 1, 3]));
    assert_eq!(indices(&mut peers, 14, ""), [3, 1, 0, 3, 2, 1, 3, 3, 1, 0, 3, 2, 1, 3]);
    assert_eq!(peers.tries(), 4);
}

#[test]
fn a_session_gets_each_peer_once_then_backups() {
    let mut confs = weights(&[1, 1, 1, 1, 1]);
    confs[1].down = true;
    confs[3].backup = true;
    confs[4].backup = true;
    for method in [Method::RoundRobin, Method::LeastConn, Method::Hash, Method::Random, Method::RandomTwo] {
        let mut peers = Peers::new(method, confs.clone());
        assert_eq!(peers.tries(), 4);
        let mut order = all_of_session(&mut peers, 1, "key");
        order.sort_unstable();
        assert_eq!(order, [0, 2, 100, 101], "{method:?}");
    }
}

#[test]
fn more_peers_than_a_word_has_bits() {
    let mut peers = Peers::new(Method::RoundRobin, weights(&[1; 130]));
    assert_eq!(all_of_session(&mut peers, 1, ""), (0..130).collect::<Vec<_>>());
}

#[test]
fn failures_take_a_peer_out_of_use_until_a_probe() {
    let mut confs = weights(&[1, 1]);
    confs[0].max_fails = 2;
    let mut peers = Peers::new(Method::RoundRobin, confs);
    let bad = primary(0);
    assert!(!peers.fail(bad, 100));
    assert!(peers.fail(bad, 100));
    for _ in 0..5 {
        assert_eq!(first(&mut peers, 110, "").unwrap().index, 1);
    }
    // One probe after the timeout, then none for as long again.
    let probes = (0..10).filter(|_| first(&mut peers, 111, "") == Some(bad)).count();
    assert_eq!(probes, 1);
    peers.connected(bad, 111, 5);
    let picks = (0..10).filter(|_| first(&mut peers, 111, "") == Some(bad)).count();
    assert_eq!(picks, 5);
}

#[test]
fn a_release_forgets_failures_only_after_a_probe() {
    let mut peers = Peers::new(Method::RoundRobin, weights(&[1, 1]));
    let bad = primary(0);
    assert!(peers.fail(bad, 100));
    peers.release(bad, 100, None, Some(1));
    assert!((0..4).all(|_| first(&mut peers, 100, "") != Some(bad)));
    assert!((0..4).any(|_| first(&mut peers, 111, "") == Some(bad)));
    peers.release(bad, 111, None, Some(1));
    assert!((0..4).any(|_| first(&mut peers, 111, "") == Some(bad)));
}

#[test]
fn failures_cost_weight_that_comes_back() {
    let mut confs = weights(&[5, 1]);
    confs[0].max_fails = 2;
    let mut peers = Peers::new(Method::RoundRobin, confs);
    peers.fail(primary(0), 100);
    assert_eq!(peers.primary[0].effective_weight, 3);
    indices(&mut peers, 3, "");
    assert_eq!(peers.primary[0].effective_weight, 5);
}

#[test]
fn without_max_fails_a_peer_stays() {
    let confs = weights(&[1, 1]).into_iter().map(|conf| PeerConf { max_fails: 0, ..conf }).collect();
    let mut peers = Peers::new(Method::RoundRobin, confs);
    assert!(!peers.fail(primary(0), 1));
    assert_eq!(indices(&mut peers, 4, ""), [0, 1, 0, 1]);
}

#[test]
fn a_single_peer_never_fails_but_may_be_full_or_down() {
    let mut peers = Peers::new(Method::LeastConn, vec![PeerConf { max_conns: 1, ..conf(1) }]);
    let peer = first(&mut peers, 1, "").unwrap();
    assert_eq!(&**peers.peer(peer).unwrap().name(), "127.0.0.1:1");
    assert!(first(&mut peers, 1, "").is_none());
    assert!(!peers.fail(peer, 1));
    assert!(first(&mut peers, 1, "").is_some());
    let mut peers = Peers::new(Method::RoundRobin, vec![PeerConf { down: true, ..conf(1) }]);
    assert!(first(&mut peers, 1, "").is_none());
    assert_eq!(peers.tries(), 0);
}

#[test]
fn full_peers_are_passed_over() {
    let confs = weights(&[1, 1]).into_iter().map(|conf| PeerConf { max_conns: 1, ..conf }).collect();
    let mut peers = Peers::new(Method::Hash, confs);
    let one = first(&mut peers, 1, "k").unwrap();
    let two = first(&mut peers, 1, "k").unwrap();
    assert_ne!(one, two);
    assert!(first(&mut peers, 1, "k").is_none());
    peers.release(one, 1, None, None);
    assert_eq!(first(&mut peers, 1, "k"), Some(one));
}

#[test]
fn least_connections_by_weight_then_in_turn() {
    let mut peers = Peers::new(Method::LeastConn, weights(&[1, 2, 1]));
    // The tie of all goes to the heaviest; then the two without connections take turns.
    assert_eq!(indices(&mut peers, 4, ""), [1, 0, 2, 1]);
    peers.release(primary(2), 1, None, None);
    assert_eq!(indices(&mut peers, 1, ""), [2]);
}

#[test]
fn least_time_prefers_the_quick_and_idle() {
    let method = Method::LeastTime { metric: Metric::LastByte, inflight: false };
    let mut peers = Peers::new(method, weights(&[1, 1]));
    for (index, millis) in [(0, 100), (1, 10)] {
        peers.release(primary(index), 1, None, Some(millis));
    }
    // 120 against 20·(1 + conns), while averages count; a tie goes by round robin.
    assert_eq!(indices(&mut peers, 5, ""), [1; 5]);
    assert_eq!(peers.primary[0].average, 100);
    peers.release(primary(0), 1, None, Some(300));
    assert_eq!(peers.primary[0].average, 110);
}

#[test]
fn least_time_forgets_with_time() {
    let method = Method::LeastTime { metric: Metric::Connect, inflight: false };
    let mut peers = Peers::new(method, weights(&[1, 1]));
    peers.connected(primary(0), 1, 4000);
    peers.connected(primary(1), 1, 90);
    peers.primary[1].checked = 110;
    assert_eq!(first(&mut peers, 20, "").unwrap().index, 1);
    // 4000 >> (110 / 11) is 3.
    assert_eq!(first(&mut peers, 110, "").unwrap().index, 0);
}

#[test]
fn chance_goes_by_weight() {
    let mut peers = Peers::new(Method::Random, weights(&[1, 3]));
    let order: Vec<_> =
        (0..8).map(|at| peers.pick(&mut Selection::default(), 1, &mut || at, b"").unwrap().index).collect();
    assert_eq!(order, [0, 1, 1, 1, 0, 1, 1, 1]);
}

#[test]
fn the_better_of_two_draws() {
    let draws = |peers: &mut Peers, draws: &[u64]| {
        let mut draws = draws.iter().copied();
        peers.pick(&mut Selection::default(), 1, &mut || draws.next().unwrap(), b"").unwrap().index
    };
    let mut peers = Peers::new(Method::RandomTwo, weights(&[1, 1, 1]));
    assert_eq!(draws(&mut peers, &[0, 0, 1]), 1);
    assert_eq!(draws(&mut peers, &[0, 1]), 0);
    assert_eq!(draws(&mut peers, &[1, 0]), 0);
    assert_eq!(draws(&mut peers, &[0, 2]), 2);
    // Always the same draw: after too many misses it is round robin.
    assert_eq!(draws(&mut peers, &[2; 21]), 0);
}

/// Round robin written another way: weights by the history of picks, not by running sums.
#[test]
fn round_robin_agrees_with_a_model() {
    let mut random = chance(7);
    for _ in 0..300 {
        let count = 1 + (random() % 6) as usize;
        let given: Vec<u32> = (0..count).map(|_| 1 + (random() % 9) as u32).collect();
        let total: i64 = given.iter().map(|weight| i64::from(*weight)).sum();
        let mut peers = Peers::new(Method::RoundRobin, weights(&given));
        let mut picks = vec![0_i64; count];
        for round in 1..=total * 2 {
            let due = |index: usize| round * i64::from(given[index]) - picks[index] * total;
            let expected = (0..count).rev().max_by_key(|index| due(*index)).unwrap();
            let index = first(&mut peers, 1, "").unwrap().index as usize;
            assert_eq!(index, expected, "{given:?} round {round}");
            picks[index] += 1;
        }
        assert!(picks.iter().zip(&given).all(|(picks, weight)| *picks == 2 * i64::from(*weight)));
    }
}

#[test]
fn peers_that_stay_keep_their_state_and_old_choices_harm_nobody() {
    let conf = |port: u16| {
        let address = Address::Inet(([127, 0, 0, 1], port).into());
        PeerConf::new(address.to_string(), address)
    };
    let mut random = || 0;
    let mut group = Peers::new(Method::LeastConn, vec![conf(1), conf(2)]);
    let (mut first, mut second) = (Selection::default(), Selection::default());
    let one = group.pick(&mut first, 0, &mut random, b"").unwrap();
    let two = group.pick(&mut second, 0, &mut random, b"").unwrap();
    group.replace(vec![conf(3), conf(2)]);
    assert!(group.pick(&mut first, 0, &mut random, b"").is_none(), "a session that was choosing gets none");
    // The peer that is gone takes its end without harm; the one that stayed has moved and is still known.
    group.release(one, 0, None, None);
    assert!(group.peer(one).is_none());
    assert_eq!(group.peer(two).unwrap().address(), &conf(2).address);
    let third = group.pick(&mut Selection::default(), 0, &mut random, b"").unwrap();
    assert_eq!(group.peer(third).unwrap().address(), &conf(3).address, "the other still has its session");
    group.replace(Vec::new());
    assert!(group.pick(&mut Selection::default(), 0, &mut random, b"").is_none());
}

#[test]
fn backups_are_not_taken_for_the_servers_on_the_ring() {
    let one = |port: u16, backup| PeerConf { backup, ..conf(port) };
    let mut peers = Peers::new(Method::ConsistentHash, vec![one(1, false), one(2, true), one(3, true), one(4, true)]);
    assert_eq!(all_of_session(&mut peers, 1, "k"), [0, 100, 101, 102]);
    assert_eq!(all_of_session(&mut peers, 1, "k"), [0, 102, 101, 100], "in turn, as none is on the ring");
}

#[test]
fn what_is_known_of_a_peer_outlives_its_group() {
    let mut old = Peers::new(Method::RoundRobin, weights(&[1, 1]));
    let failed = first(&mut old, 100, "").unwrap();
    assert!(old.fail(failed, 100));
    let mut new = Peers::new(Method::RoundRobin, vec![conf(9), conf(1), conf(2)]);
    new.inherit(&old);
    assert_eq!(all_of_session(&mut new, 101, ""), [0, 2], "the one that failed is out of use, the new one is not");
    let mut later = Peers::new(Method::RoundRobin, weights(&[1, 1]));
    later.inherit(&new);
    assert_eq!(all_of_session(&mut later, 111, "").len(), 2, "until its time is over");
}

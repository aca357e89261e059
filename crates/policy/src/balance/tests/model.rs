//! The methods written a second time, as plainly as can be, and compared over histories of sessions.

use proptest::prelude::*;

use super::super::*;
use crate::address::Address;

#[derive(Debug, Clone)]
struct Known {
    conf: PeerConf,
    current: i64,
    effective: i64,
    conns: u32,
    fails: u32,
    accessed: u64,
    checked: u64,
}

impl Known {
    fn open(&self, now: u64) -> bool {
        let PeerConf { max_conns, max_fails, fail_timeout, down, .. } = self.conf;
        let out = max_fails > 0 && self.fails >= max_fails && now - self.checked <= fail_timeout;
        !down && !out && (max_conns == 0 || self.conns < max_conns)
    }
}

#[derive(Debug, Default, Clone)]
struct Choice {
    backup: bool,
    tried: Vec<usize>,
    misses: u32,
    rounds: u32,
    sum: u32,
    point: Option<usize>,
}

struct Model {
    method: Method,
    lists: [Vec<Known>; 2],
    now: u64,
}

fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    !bytes.into_iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

impl Model {
    fn eligible(&self, choice: &Choice) -> Vec<usize> {
        let list = &self.lists[usize::from(choice.backup)];
        (0..list.len()).filter(|at| !choice.tried.contains(at) && list[*at].open(self.now)).collect()
    }

    fn in_turn(&mut self, choice: &Choice, among: &[usize]) -> Option<usize> {
        let list = &mut self.lists[usize::from(choice.backup)];
        let total: i64 = among.iter().map(|at| list[*at].effective).sum();
        for at in among {
            let peer = &mut list[*at];
            peer.current += peer.effective;
            peer.effective = (peer.effective + 1).min(peer.conf.weight.into());
        }
        let best = among.iter().rev().max_by_key(|at| list[**at].current).copied()?;
        list[best].current -= total;
        Some(best)
    }

    fn least_conn(&mut self, choice: &Choice) -> Option<usize> {
        let eligible = self.eligible(choice);
        let list = &self.lists[usize::from(choice.backup)];
        let load = |at: &usize| f64::from(list[*at].conns) / f64::from(list[*at].conf.weight);
        let least = eligible.iter().map(load).min_by(f64::total_cmp)?;
        let tied: Vec<usize> = eligible.iter().copied().filter(|at| load(at).total_cmp(&least).is_eq()).collect();
        if let [only] = tied[..] { Some(only) } else { self.in_turn(choice, &tied) }
    }

    /// The peer whose slot it is when each has as many as its weight.
    fn by_slot(&self, choice: &Choice, number: u64) -> usize {
        let list = &self.lists[usize::from(choice.backup)];
        let slots: Vec<usize> =
            list.iter().enumerate().flat_map(|(at, peer)| vec![at; peer.conf.weight as usize]).collect();
        slots[(number % slots.len() as u64) as usize]
    }

    fn drawn(&mut self, choice: &mut Choice, mut number: impl FnMut(&mut Choice) -> u64) -> Option<usize> {
        while choice.misses <= 20 {
            let drawn = number(choice);
            let at = self.by_slot(choice, drawn);
            if self.eligible(choice).contains(&at) {
                return Some(at);
            }
            choice.misses += 1;
        }
        None
    }

    fn ring(&self) -> Vec<(u32, String)> {
        let mut points: Vec<(u32, String)> = Vec::new();
        for peer in &self.lists[0] {
            let text = &peer.conf.text;
            let (host, port) = match text.split_once(':') {
                Some(("unix", path)) => (path, ""),
                Some(parts) => parts,
                None => (&text[..], ""),
            };
            let mut previous = 0_u32;
            for _ in 0..peer.conf.weight * 160 {
                let base = host.bytes().chain([0]).chain(port.bytes());
                previous = crc32(base.chain(previous.to_le_bytes()));
                if points.iter().all(|(hash, _)| *hash != previous) {
                    points.push((previous, text.clone()));
                }
            }
        }
        points.sort();
        points
    }

    fn on_ring(&mut self, choice: &mut Choice, key: &str) -> Option<usize> {
        let ring = self.ring();
        let hash = crc32(key.bytes());
        while choice.misses <= 20 {
            let at = choice.point.unwrap_or_else(|| ring.iter().take_while(|(point, _)| *point < hash).count());
            choice.point = Some(at);
            let server = &ring[at % ring.len()].1;
            let list = &self.lists[usize::from(choice.backup)];
            let same = self.eligible(choice).into_iter().filter(|at| list[*at].conf.text == *server);
            let same: Vec<usize> = same.collect();
            if let Some(found) = self.in_turn(choice, &same) {
                return Some(found);
            }
            choice.point = Some(at + 1);
            choice.misses += 1;
        }
        None
    }

    fn pick(&mut self, choice: &mut Choice, key: &str, random: &mut impl FnMut() -> u64) -> Option<(bool, usize)> {
        let mut found = None;
        if self.lists[usize::from(choice.backup)].len() >= 2 && choice.misses <= 20 {
            found = match self.method {
                Method::Hash if !key.is_empty() => self.drawn(choice, |choice| {
                    let round = if choice.rounds > 0 { choice.rounds.to_string() } else { String::new() };
                    choice.sum += crc32(round.bytes().chain(key.bytes())) >> 16 & 0x7fff;
                    choice.rounds += 1;
                    choice.sum.into()
                }),
                Method::ConsistentHash if !key.is_empty() => self.on_ring(choice, key),
                Method::Random => self.drawn(choice, |_| random()),
                _ => None,
            };
        }
        while found.is_none() {
            found = match self.method {
                Method::LeastConn => self.least_conn(choice),
                _ => self.in_turn(choice, &self.eligible(choice)),
            };
            if found.is_none() {
                if choice.backup || self.lists[1].is_empty() {
                    return None;
                }
                choice.backup = true;
                choice.tried.clear();
            }
        }
        let at = found?;
        choice.tried.push(at);
        let peer = &mut self.lists[usize::from(choice.backup)][at];
        peer.conns += 1;
        if self.now - peer.checked > peer.conf.fail_timeout {
            peer.checked = self.now;
        }
        Some((choice.backup, at))
    }

    fn fail(&mut self, (backup, at): (bool, usize)) -> bool {
        let single = self.lists[0].len() == 1 && self.lists[1].is_empty();
        let peer = &mut self.lists[usize::from(backup)][at];
        peer.conns -= 1;
        if single {
            return false;
        }
        peer.fails += 1;
        (peer.accessed, peer.checked) = (self.now, self.now);
        let share = peer.conf.weight.checked_div(peer.conf.max_fails).unwrap_or(0);
        peer.effective = (peer.effective - i64::from(share)).max(0);
        peer.conf.max_fails > 0 && peer.fails >= peer.conf.max_fails
    }

    fn release(&mut self, (backup, at): (bool, usize)) {
        let peer = &mut self.lists[usize::from(backup)][at];
        peer.conns -= 1;
        if peer.accessed < peer.checked {
            peer.fails = 0;
        }
    }
}

fn some_peer(backup: bool) -> impl Strategy<Value = PeerConf> {
    let server = prop::sample::select(vec!["a:1", "a:2", "b", "unix:/c"]);
    let down = prop::bool::weighted(0.15);
    (server, 1..5_u32, 0..4_u32, 0..4_u32, 1..12_u64, down).prop_map(
        move |(text, weight, max_conns, max_fails, fail_timeout, down)| {
            let address = Address::Inet(([127, 0, 0, 1], 1).into());
            PeerConf { text: text.to_owned(), address, weight, max_conns, max_fails, fail_timeout, backup, down }
        },
    )
}

fn some_method() -> impl Strategy<Value = Method> {
    use Method::{ConsistentHash, Hash, LeastConn, Random, RoundRobin};
    prop::sample::select(vec![RoundRobin, Hash, ConsistentHash, LeastConn, Random])
}

#[derive(Debug, Clone)]
enum Event {
    /// A session with a key, and how it ends with each of the peers that it gets: failing until one is kept.
    Session(&'static str, u8),
    /// The end of a session that was kept.
    Release(usize),
    Wait(u64),
}

fn some_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (prop::sample::select(vec!["", "k", "key", "10.0.0.1"]), 0..8_u8)
            .prop_map(|(key, failures)| Event::Session(key, failures.saturating_sub(4))),
        3 => any::<usize>().prop_map(Event::Release),
        1 => (0..15_u64).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn every_choice_is_the_models(
        method in some_method(),
        primary in prop::collection::vec(some_peer(false), 1..6),
        backup in prop::collection::vec(some_peer(true), 0..3),
        events in prop::collection::vec(some_event(), 1..40),
    ) {
        let known = |conf: &PeerConf| Known {
            conf: conf.clone(), current: 0, effective: conf.weight.into(), conns: 0, fails: 0, accessed: 0, checked: 0,
        };
        let lists = [primary.iter().map(known).collect(), backup.iter().map(known).collect()];
        let mut model = Model { method, lists, now: 1000 };
        let mut peers = Peers::new(method, [primary, backup].concat());
        let (mut ours, mut theirs) = (super::chance(3), super::chance(3));
        let mut kept = Vec::new();
        for event in events {
            match event {
                Event::Session(key, failures) => {
                    let (mut selection, mut choice) = (Selection::default(), Choice::default());
                    for attempt in 0..=failures {
                        let picked = peers.pick(&mut selection, model.now, &mut ours, key.as_bytes());
                        let expected = model.pick(&mut choice, key, &mut theirs);
                        prop_assert_eq!(picked.map(|peer| (peer.backup, peer.index as usize)), expected);
                        let (Some(peer), Some(at)) = (picked, expected) else { break };
                        if attempt < failures {
                            prop_assert_eq!(peers.fail(peer, model.now), model.fail(at));
                        } else {
                            kept.push((peer, at));
                        }
                    }
                }
                Event::Release(which) if !kept.is_empty() => {
                    let (peer, at) = kept.swap_remove(which % kept.len());
                    peers.release(peer, model.now, None, None);
                    model.release(at);
                }
                Event::Release(_) => {}
                Event::Wait(time) => model.now += time,
            }
        }
    }
}

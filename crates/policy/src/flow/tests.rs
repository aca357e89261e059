use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

const ONE_EACH: Limits = Limits { requests: 0, responses: Some(1), timeout: 10 };

fn after(requests: usize, answers: usize) -> Flow<u8> {
    let mut flow = Flow::new(0);
    for _ in 1..requests {
        flow.arrive(|| 0, usize::MAX);
    }
    while flow.take().is_some() {}
    for _ in 0..answers {
        flow.answer();
    }
    flow
}

#[test]
fn what_does_not_wait_counts_at_once() {
    let mut flow = after(1, 1);
    flow.pass();
    assert_eq!((flow.requests(), flow.arrived()), (2, 2));
    assert_eq!(flow.state(0, 0, &ONE_EACH), State::Open);
    flow.answer();
    assert_eq!(flow.state(0, 0, &ONE_EACH), State::Done);
}

#[test]
fn ends_with_the_last_answer() {
    assert_eq!(Flow::new(0).state(0, 0, &ONE_EACH), State::Open, "nothing was asked yet");
    assert_eq!(after(2, 1).state(0, 0, &ONE_EACH), State::Open);
    assert_eq!(after(2, 2).state(0, 0, &ONE_EACH), State::Done);
    let three = Limits { requests: 3, ..ONE_EACH };
    assert_eq!(after(2, 2).state(0, 0, &three), State::Open, "another request may come");
    assert_eq!(after(3, 3).state(0, 0, &three), State::Done);
    assert!(after(3, 0).is_full(&three) && !after(2, 2).is_full(&three) && !after(3, 3).is_full(&ONE_EACH));
    let none = Limits { responses: Some(0), ..ONE_EACH };
    assert_eq!(after(1, 0).state(0, 0, &none), State::Done);
}

#[test]
fn does_not_end_while_something_waits() {
    let mut flow = after(1, 1);
    flow.arrive(|| 0, 1);
    assert_eq!(flow.state(0, 0, &ONE_EACH), State::Open);
}

#[test]
fn ends_by_silence() {
    assert_eq!(after(1, 0).state(5, 14, &ONE_EACH), State::Open);
    assert_eq!(after(1, 0).state(5, 15, &ONE_EACH), State::Silent { missing: true });
    assert_eq!(after(1, 0).state(15, 5, &ONE_EACH), State::Open, "a clock that is late");
    let any = Limits { responses: None, ..ONE_EACH };
    assert_eq!(after(1, 9).state(0, 9, &any), State::Open);
    assert_eq!(after(1, 0).state(0, 10, &any), State::Silent { missing: false });
}

#[test]
fn another_seed_is_another_order() {
    let pairs: Vec<(SocketAddr, Option<SocketAddr>)> =
        (1..200).map(|port| (SocketAddr::from(([192, 0, 2, 1], port)), None)).collect();
    let hashes = |seed| -> Vec<u64> { pairs.iter().map(|pair| Seed(seed).hash_one(pair)).collect() };
    assert_eq!(hashes(1), hashes(1));
    let mut both = [hashes(1), hashes(2)].concat();
    both.sort_unstable();
    both.dedup();
    assert_eq!(both.len(), 2 * pairs.len());
}

#[test]
fn bytes_of_any_length_count() {
    let mut seen = BTreeSet::new();
    for length in 0..20 {
        assert!(seen.insert(Seed(7).hash_one(&vec![0_u8; length][..])), "{length}");
    }
}

#[derive(Debug, Clone)]
enum Event {
    Arrive(u8),
    Answer(u8),
    Close(u8),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let client = 0..4_u8;
    prop_oneof![
        5 => client.clone().prop_map(Event::Arrive),
        4 => client.clone().prop_map(Event::Answer),
        1 => client.prop_map(Event::Close),
        2 => (0..8_u64).prop_map(Event::Wait),
    ]
}

/// A session as a list of what happened to it.
#[derive(Debug, Default)]
struct Model {
    arrived: usize,
    answered: usize,
    last: u64,
}

type Sessions = BTreeMap<(u8, usize), (Rc<RefCell<Flow<u64>>>, Model)>;

proptest! {
    /// The table with its flows as the engine drives them, against a map of plain counts in which
    /// every datagram is taken at once.
    #[test]
    fn as_a_naive_model(
        events in prop::collection::vec(event(), 0..80),
        (requests, responses, timeout) in (0..4_u64, prop::option::of(0..3_u64), 1..20_u64),
        seed: u64,
    ) {
        let limits = Limits { requests, responses, timeout };
        let mut table: Table<u8, Rc<RefCell<Flow<u64>>>> = Table::new(seed);
        let mut live: Sessions = BTreeMap::new();
        let mut known: BTreeMap<u8, usize> = BTreeMap::new();
        let (mut now, mut born) = (0, 0);
        for event in events {
            match event {
                Event::Arrive(client) => {
                    let found = table.find(&client).cloned();
                    prop_assert_eq!(found.is_some(), known.contains_key(&client));
                    let flow = if let Some(flow) = found {
                        flow.borrow_mut().arrive(|| now, 1);
                        flow
                    } else {
                        born += 1;
                        let flow = Rc::new(RefCell::new(Flow::new(now)));
                        table.insert(client, Rc::clone(&flow));
                        known.insert(client, born);
                        live.insert((client, born), (Rc::clone(&flow), Model::default()));
                        flow
                    };
                    flow.borrow_mut().arrive(|| unreachable!("there is no room"), 1);
                    prop_assert_eq!(flow.borrow_mut().take(), Some(now));
                    prop_assert_eq!(flow.borrow_mut().take(), None);
                    if flow.borrow().is_full(&limits) {
                        table.remove(&client, |it| Rc::ptr_eq(it, &flow));
                    }
                    let number = known[&client];
                    let model = &mut live.get_mut(&(client, number)).unwrap().1;
                    model.arrived += 1;
                    model.last = now;
                    if model.arrived as u64 == requests {
                        known.remove(&client);
                    }
                }
                Event::Answer(client) => {
                    if let Some((_, (flow, model))) = live.range_mut((client, 0)..=(client, usize::MAX)).next() {
                        flow.borrow_mut().answer();
                        model.answered += 1;
                        model.last = now;
                    }
                }
                Event::Close(client) => {
                    if let Some(number) = known.remove(&client) {
                        let (flow, _) = live.remove(&(client, number)).unwrap();
                        table.remove(&client, |it| Rc::ptr_eq(it, &flow));
                    }
                }
                Event::Wait(time) => now += time,
            }
            let mut over = Vec::new();
            for (id, (flow, model)) in &live {
                let asked_all = requests == 0 || model.arrived as u64 >= requests;
                let answered_all = responses.map(|each| model.answered as u64 >= each * model.arrived as u64);
                let expected = if asked_all && answered_all == Some(true) {
                    State::Done
                } else if now >= model.last + timeout {
                    State::Silent { missing: answered_all == Some(false) }
                } else {
                    State::Open
                };
                prop_assert_eq!(flow.borrow().state(model.last, now, &limits), expected);
                prop_assert_eq!(flow.borrow().requests(), model.arrived as u64);
                prop_assert_eq!(flow.borrow().responses(), model.answered as u64);
                if expected != State::Open {
                    over.push(*id);
                }
            }
            for (client, number) in over {
                let (flow, _) = live.remove(&(client, number)).unwrap();
                table.remove(&client, |it| Rc::ptr_eq(it, &flow));
                if known.get(&client) == Some(&number) {
                    known.remove(&client);
                }
            }
            prop_assert_eq!(table.0.len(), known.len());
        }
    }
}

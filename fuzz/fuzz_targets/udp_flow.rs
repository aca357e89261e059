//! Any bytes as a history of datagrams of four clients: a session ends only when it may, and the table knows exactly the sessions that take more.

#![no_main]

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use policy::flow::{Flow, Limits, State, Table};

/// Datagrams that may wait.
const ROOM: usize = 3;

fuzz_target!(|data: &[u8]| {
    let [requests, responses, timeout, events @ ..] = data else {
        return;
    };
    let limits = Limits {
        requests: (requests % 4).into(),
        responses: (responses % 4).checked_sub(1).map(u64::from),
        timeout: u64::from(timeout % 16) + 1,
    };
    let mut table: Table<u8, Rc<RefCell<Flow<usize>>>> = Table::new(u64::from(*timeout));
    let mut last = [0; 4];
    let mut now = 0;
    for (at, event) in events.iter().enumerate() {
        let client = event % 4;
        let moved = &mut last[usize::from(client)];
        let known = table.find(&client).cloned();
        match (event >> 2) % 4 {
            0 => match &known {
                Some(flow) => {
                    flow.borrow_mut().arrive(|| at, ROOM);
                }
                None => {
                    table.insert(client, Rc::new(RefCell::new(Flow::new(at))));
                    *moved = now;
                }
            },
            1 => {
                if let Some(flow) = &known {
                    let before = flow.borrow().requests();
                    let taken = flow.borrow_mut().take();
                    assert!(taken.is_none_or(|taken| taken < at), "a datagram of the future");
                    assert_eq!(flow.borrow().requests(), before + u64::from(taken.is_some()));
                    *moved = now;
                }
            }
            2 => {
                if let Some(flow) = &known {
                    flow.borrow_mut().answer();
                    *moved = now;
                }
            }
            _ => now += u64::from(event >> 4),
        }
        let Some(flow) = table.find(&client).cloned() else {
            continue;
        };
        let state = flow.borrow().state(*moved, now, &limits);
        match state {
            State::Open => assert!(now - *moved < limits.timeout),
            State::Done => assert!(flow.borrow().requests() > 0 && limits.responses.is_some()),
            State::Silent { missing } => {
                assert!(now - *moved >= limits.timeout && !(missing && limits.responses.is_none()));
            }
        }
        if state != State::Open || flow.borrow().is_full(&limits) {
            table.remove(&client, |_| false);
            assert!(table.find(&client).is_some(), "another one's session was removed");
            table.remove(&client, |it| Rc::ptr_eq(it, &flow));
            assert!(table.find(&client).is_none());
        }
    }
});

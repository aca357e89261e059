//! Questions under way on this thread: whoever asks the same meanwhile waits for the same answer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use config::ServerId;
use reactor::Event;
use tls::Answer;

/// Of which server, and the digest of the question: servers may trust different responders.
pub type Key = (ServerId, [u8; 20]);

/// What is under way.
#[derive(Debug, Default)]
pub struct Flights(RefCell<HashMap<Key, Rc<Flight>>>);

/// Nobody has told the status.
#[derive(Debug, Clone, Copy)]
struct Untold;

#[derive(Debug, Default)]
struct Flight {
    landed: Cell<Option<Result<Answer, Untold>>>,
    landing: Event,
}

impl Flights {
    /// What `ask` brings: the one that is under way for `key`, or else this one. It goes on when nobody waits any
    /// more, so it has to end by itself.
    pub async fn join(
        self: &Rc<Self>,
        key: Key,
        ask: impl Future<Output = Option<Answer>> + 'static,
    ) -> Option<Answer> {
        let known = self.0.borrow().get(&key).map(Rc::clone);
        let flight = known.unwrap_or_else(|| self.start(key, ask));
        loop {
            if let Some(answer) = flight.landed.get() {
                return answer.ok();
            }
            flight.landing.wait().await;
        }
    }

    fn start(self: &Rc<Self>, key: Key, ask: impl Future<Output = Option<Answer>> + 'static) -> Rc<Flight> {
        let flight = Rc::<Flight>::default();
        self.0.borrow_mut().insert(key, Rc::clone(&flight));
        let ending = Ending { flights: Rc::clone(self), key, flight: Rc::clone(&flight) };
        reactor::spawn(async move {
            let ending = ending;
            ending.flight.landed.set(Some(ask.await.ok_or(Untold)));
        });
        flight
    }
}

/// Ends a flight, also one whose task has come to grief.
struct Ending {
    flights: Rc<Flights>,
    key: Key,
    flight: Rc<Flight>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.flights.0.borrow_mut().remove(&self.key);
        if self.flight.landed.get().is_none() {
            self.flight.landed.set(Some(Err(Untold)));
        }
        self.flight.landing.notify_all();
    }
}

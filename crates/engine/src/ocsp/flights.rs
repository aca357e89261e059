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

#[cfg(test)]
mod tests {
    use reactor::{Runtime, spawn, yield_now};
    use tls::CertificateStatus;

    use super::*;

    const KEY: Key = (ServerId(0), [0; 20]);
    const GOOD: Answer = Answer { status: CertificateStatus::Good, holds: None };

    /// Joins a flight that ends with `landing`; where its answer comes to, and how often it asked.
    fn join(flights: &Rc<Flights>, key: Key, asked: &Rc<Cell<usize>>, landing: &Rc<Event>) -> Rc<Cell<Option<Answer>>> {
        let answer = Rc::new(Cell::new(None));
        let (flights, landing, asked, told) =
            (Rc::clone(flights), Rc::clone(landing), Rc::clone(asked), Rc::clone(&answer));
        spawn(async move {
            let ask = async move {
                asked.set(asked.get() + 1);
                landing.wait().await;
                Some(GOOD)
            };
            told.set(flights.join(key, ask).await);
        });
        answer
    }

    #[test]
    fn who_asks_the_same_gets_the_same_answer() {
        Runtime::new().unwrap().run(async {
            let (flights, asked, landing) = (Rc::default(), Rc::default(), Rc::<Event>::default());
            let answers = [KEY, KEY, (ServerId(1), KEY.1)].map(|key| join(&flights, key, &asked, &landing));
            yield_now().await;
            yield_now().await;
            assert_eq!((asked.get(), flights.0.borrow().len()), (2, 2), "another server's question is another one");
            landing.notify_all();
            for _ in 0..3 {
                yield_now().await;
            }
            assert!(answers.iter().all(|answer| answer.get() == Some(GOOD)));
            assert!(flights.0.borrow().is_empty());
            let again = join(&flights, KEY, &asked, &landing);
            yield_now().await;
            yield_now().await;
            assert_eq!((asked.get(), again.get()), (3, None), "what has landed is not kept");
        });
    }

    #[test]
    fn who_leaves_does_not_end_the_flight_of_others() {
        Runtime::new().unwrap().run(async {
            let (flights, asked, landing) = (Rc::<Flights>::default(), Rc::default(), Rc::<Event>::default());
            let first = reactor::timeout(
                1,
                flights.join(KEY, {
                    let landing = Rc::clone(&landing);
                    async move {
                        landing.wait().await;
                        Some(GOOD)
                    }
                }),
            );
            let second = join(&flights, KEY, &asked, &landing);
            assert!(first.await.is_err());
            landing.notify_all();
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!((second.get(), asked.get()), (Some(GOOD), 0));
        });
    }
}

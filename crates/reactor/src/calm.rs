//! Sockets in the midst of bulk, which can be let wait for a moment so that more of it gathers.
//!
//! They have an epoll instance of their own, which is one more descriptor in the loop's. While bulk gathers ([`crate::linger`])
//! it is taken no notice of: everybody else is still served at once.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;

use os::epoll::{Epoll, Events, Interest};

use crate::executor::with;

/// The event number of the second instance in the first.
pub(crate) const CALM: u64 = u64::MAX - 1;
/// What a look at them takes at most.
const EVENTS: usize = 256;
/// After so many microseconds they are looked at where the loop's instance cannot be made to tell of them.
const UNTOLD: u32 = 1000;

/// The sockets of a reactor that can be let wait.
pub(crate) struct Calm {
    epoll: Epoll,
    is_silent: Cell<bool>,
    /// What was asked for since the loop last waited, microseconds.
    asked: Cell<u32>,
    /// Until when bulk gathers, microseconds of the clock; 0 where it does not.
    until: Cell<u64>,
}

impl Calm {
    /// None yet, told of by `main`.
    pub(crate) fn new(main: &Epoll) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        main.add(&epoll, Interest::Reading, CALM)?;
        Ok(Self { epoll, is_silent: Cell::new(false), asked: Cell::new(0), until: Cell::new(0) })
    }

    /// Room for the events of one look.
    pub(crate) fn room() -> Events {
        Events::new(EVENTS)
    }

    /// Moves a socket here from `main`, or back. Where that fails it stays where it was.
    pub(crate) fn settle(&self, fd: impl AsFd, data: u64, main: &Epoll, is_calm: bool) -> io::Result<()> {
        let (from, to) = if is_calm { (main, &self.epoll) } else { (&self.epoll, main) };
        to.add(&fd, Interest::Stream, data)?;
        from.remove(&fd)
    }

    /// Forgets a socket that is here.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = self.epoll.remove(fd);
    }

    /// How much longer bulk gathers, microseconds; `None` where it does not, and `main` tells of it. The loop is about to
    /// look at `main`.
    pub(crate) fn rest(&self, main: &Epoll) -> Option<u32> {
        let asked = self.asked.take();
        if asked == 0 && self.until.get() == 0 {
            return if self.be_silent(false, main) { None } else { Some(UNTOLD) };
        }
        let now = os::time::monotonic_micros();
        if asked > 0 {
            self.until.set(now + u64::from(asked));
        }
        self.be_silent(true, main);
        Some(self.until.get().saturating_sub(now) as u32)
    }

    /// Looks at those here without waiting: what has gathered is to be worked on.
    pub(crate) fn look(&self, events: &mut Events) -> io::Result<()> {
        self.until.set(0);
        self.epoll.wait(events, 0)
    }

    /// Has `main` tell of them or not; whether it does as it is told now.
    fn be_silent(&self, silent: bool, main: &Epoll) -> bool {
        if self.is_silent.get() != silent {
            let interest = if silent { Interest::Nothing } else { Interest::Reading };
            if main.change(&self.epoll, interest, CALM).is_ok() {
                self.is_silent.set(silent);
            }
        }
        self.is_silent.get() == silent
    }
}

/// Lets bulk gather for `micros` microseconds once nothing else is left to do: for a task whose bytes come in portions too small
/// to be worth a look each, by a socket that is calm ([`crate::Socket::set_calm`]). The last word counts.
pub fn linger(micros: u32) {
    with(|reactor| reactor.calm.asked.set(micros));
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use super::linger;
    use crate::loopback::{pair, run};
    use crate::{Socket, spawn, timeout, yield_now};

    /// Longer than anything else takes here, microseconds.
    const LONG: u32 = 30_000;

    /// A connection whose second end is calm, which it can be once it has waited.
    async fn calm_pair() -> (Socket, Socket) {
        let (far, near) = pair().await;
        assert!(timeout(1, near.read(&mut [0])).await.is_err());
        near.set_calm(true);
        (far, near)
    }

    #[test]
    fn bulk_gathers_while_others_are_served_at_once() {
        run(async {
            let ((far, near), (other_far, other)) = (calm_pair().await, pair().await);
            let order = Rc::new(RefCell::new(Vec::new()));
            for (name, socket) in [("calm", near), ("other", other)] {
                let order = Rc::clone(&order);
                spawn(async move {
                    let start = Instant::now();
                    linger(LONG);
                    let bytes = socket.read(&mut [0; 8]).await.unwrap();
                    order.borrow_mut().push((name, bytes, start.elapsed()));
                });
            }
            yield_now().await;
            far.write_all(b"ab").await.unwrap();
            other_far.write_all(b"x").await.unwrap();
            while order.borrow().len() < 2 {
                yield_now().await;
            }
            let order = order.take();
            assert_eq!((order[0].0, order[0].1, order[1].0, order[1].1), ("other", 1, "calm", 2));
            assert!(order[1].2 >= Duration::from_micros(LONG.into()), "{order:?}");
        });
    }

    #[test]
    fn without_lingering_it_is_told_of_as_any_other() {
        run(async {
            let (far, near) = calm_pair().await;
            for calm in [true, false, true] {
                near.set_calm(calm);
                far.write_all(b"a").await.unwrap();
                assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 1);
                assert!(timeout(5, near.read(&mut [0; 8])).await.is_err());
            }
        });
    }

    #[test]
    fn who_is_always_busy_does_not_keep_bulk_waiting_for_ever() {
        run(async {
            let (far, near) = calm_pair().await;
            let is_done = Rc::new(Cell::new(false));
            let done = Rc::clone(&is_done);
            spawn(async move {
                linger(1000);
                assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 1);
                done.set(true);
            });
            yield_now().await;
            far.write_all(b"a").await.unwrap();
            while !is_done.get() {
                yield_now().await;
            }
        });
    }

    #[test]
    fn a_descriptor_that_leaves_is_not_heard_of_again() {
        run(async {
            let (far, near) = calm_pair().await;
            let fd = near.into_fd().unwrap();
            far.write_all(b"a").await.unwrap();
            assert!(timeout(5, std::future::pending::<()>()).await.is_err());
            assert_eq!(Socket::stream(fd).read(&mut [0; 8]).await.unwrap(), 1);
        });
    }
}

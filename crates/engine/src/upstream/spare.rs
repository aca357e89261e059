//! Sockets of datagrams that are used again. To make and to close one costs more than all the rest of a session of one
//! question and its answer.
//!
//! One that is given back forgets its peer and its port, so that the next session has a port of its own, and late answers
//! to the last one find nobody, as if it had been closed. Those that are not needed are closed after seconds, and kept are
//! only those that others have no need of ([`Socket::may_be_spare`]).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use os::SockAddr;
use reactor::Socket;

/// The most of each family that a thread keeps.
const KEPT: usize = 256;
/// Milliseconds after which those are closed that were not needed meanwhile.
const PERIOD: u64 = 1_000;

thread_local! {
    /// For IPv4 and for IPv6.
    static POOLS: RefCell<[Pool; 2]> = const { RefCell::new([Pool::new(), Pool::new()]) };
    static IS_TENDED: Cell<bool> = const { Cell::new(false) };
}

/// Sockets that wait for their next use.
struct Pool {
    /// Each with the loop time at which it came. The first has waited for the longest time.
    spare: VecDeque<(Rc<Socket>, u64)>,
    /// The fewest that there have been in this period.
    unneeded: usize,
}

impl Pool {
    const fn new() -> Self {
        Self { spare: VecDeque::new(), unneeded: 0 }
    }

    fn take(&mut self) -> Option<Rc<Socket>> {
        // What was on its way while the port was given up is of another session. It is known once the loop has looked.
        let (_, since) = self.spare.front()?;
        if *since == reactor::now() {
            return None;
        }
        let (socket, _) = self.spare.pop_front()?;
        self.unneeded = self.unneeded.min(self.spare.len());
        (!socket.has_come()).then_some(socket)
    }

    fn give_back(&mut self, socket: &Rc<Socket>) {
        if self.spare.len() < KEPT && socket.may_be_spare() && socket.disconnect().is_ok() {
            self.spare.push_back((Rc::clone(socket), reactor::now()));
        }
    }

    /// Closes what was not needed.
    fn trim(&mut self) {
        self.spare.drain(..self.unneeded.min(self.spare.len()));
        self.unneeded = self.spare.len();
    }
}

/// Closes what is not needed until there is nothing left.
async fn tend() {
    let mut are_left = true;
    while are_left {
        reactor::sleep(PERIOD).await;
        are_left = POOLS.with_borrow_mut(|pools| {
            pools.iter_mut().for_each(Pool::trim);
            pools.iter().any(|pool| !pool.spare.is_empty())
        });
    }
    IS_TENDED.set(false);
}

/// A socket for datagrams to a peer, of which nobody else has a descriptor.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: Rc<Socket>,
    /// Where it goes at the end, if anywhere.
    pool: Option<usize>,
}

impl Datagrams {
    /// A socket for peers of the family of `to`. One that is to be set up in a way of its own is `new`.
    pub(crate) fn to(to: &SockAddr, is_new: bool) -> io::Result<Self> {
        let pool = match to {
            SockAddr::Inet(to) if !is_new => Some(usize::from(to.is_ipv6())),
            _ => None,
        };
        let spare = POOLS.with_borrow_mut(|pools| pools.get_mut(pool?).and_then(Pool::take));
        let socket = match spare {
            Some(socket) => socket,
            None => Rc::new(Socket::datagram(os::socket::datagram(to)?)),
        };
        Ok(Self { socket, pool })
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.socket).as_fd()
    }
}

impl Deref for Datagrams {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let Some(pool) = self.pool else { return };
        POOLS.with_borrow_mut(|pools| {
            if let Some(pool) = pools.get_mut(pool) {
                pool.give_back(&self.socket);
            }
        });
        if !IS_TENDED.replace(true) {
            reactor::spawn(tend());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        POOLS.with_borrow(|pools| pools.iter().map(|pool| pool.spare.len()).sum())
    }

    fn trim() {
        POOLS.with_borrow_mut(|pools| pools.iter_mut().for_each(Pool::trim));
    }

    #[test]
    fn so_many_are_kept_for_as_long_as_they_are_needed() {
        let to = SockAddr::Inet("127.0.0.1:9".parse().unwrap());
        let socket = move |is_new| Datagrams::to(&to, is_new).unwrap();
        reactor::Runtime::new().unwrap().run(async move {
            drop(socket(true));
            assert_eq!(kept(), 0, "one that is set up in a way of its own");
            let all: Vec<_> = (0..KEPT + 10).map(|_| socket(false)).collect();
            let most = all.iter().filter(|socket| socket.may_be_spare()).count().min(KEPT);
            drop(all);
            assert_eq!(kept(), most);
            let at_once = socket(false);
            assert_eq!(kept(), most, "the loop has not looked at them yet");
            reactor::sleep(2).await;
            trim();
            let in_use: Vec<_> = (0..5).map(|_| socket(false)).collect();
            assert_eq!(kept(), most - 5);
            drop((at_once, in_use));
            trim();
            assert_eq!(kept(), 5, "those that were needed in this period");
            trim();
            assert_eq!(kept(), 0);
        });
    }
}

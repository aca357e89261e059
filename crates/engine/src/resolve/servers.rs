//! Name servers as they have shown themselves: whose turn it is, who rests after silence, who keeps the case of letters.

use std::cell::Cell;
use std::net::SocketAddr;

/// How long a server rests that was silent once, and at most, milliseconds.
const REST: u64 = 5_000;
const LONGEST_REST: u64 = 60_000;

/// The servers of a `resolver` on one thread.
#[derive(Debug)]
pub(super) struct Servers {
    list: Vec<Server>,
    turn: Cell<usize>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    failures: Cell<u32>,
    rests_until: Cell<u64>,
    /// Loop time of its last answer, milliseconds.
    heard: Cell<u64>,
    case: Cell<Case>,
    /// Whether it counts among the connections.
    counted: Cell<bool>,
}

/// What a server makes of a question in mixed case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Unknown,
    /// It knew the name of one.
    Kept,
    /// It did not answer the first one, or not as it was put.
    Lost,
}

impl Servers {
    /// Those at `addresses`; `turn` says who is first.
    pub(super) fn new(addresses: &[SocketAddr], turn: usize) -> Self {
        let list = addresses.iter().map(|address| Server {
            address: *address,
            failures: Cell::new(0),
            rests_until: Cell::new(0),
            heard: Cell::new(0),
            case: Cell::new(Case::Unknown),
            counted: Cell::new(false),
        });
        Self { list: list.collect(), turn: Cell::new(turn) }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The next one in turn that does not rest at loop time `now`; where all rest, the one in turn.
    pub(super) fn next(&self, now: u64) -> Option<&Server> {
        let begin = self.turn.get() % self.list.len().max(1);
        let mut order = (begin..self.list.len()).chain(0..begin);
        let at = order.find(|at| self.list.get(*at).is_some_and(|one| one.rests_until.get() <= now));
        let at = at.unwrap_or(begin);
        self.turn.set(at + 1);
        self.list.get(at)
    }
}

impl Server {
    /// It answered at loop time `now`; `mixed` where it knew a name in mixed case.
    pub(super) fn answered(&self, now: u64, mixed: bool) {
        self.heard.set(now);
        self.failures.set(0);
        self.rests_until.set(0);
        if mixed && self.case.get() == Case::Unknown {
            self.case.set(Case::Kept);
        }
    }

    /// It has not answered a question that was put at loop time `since`. Where it has answered others, that one was lost.
    pub(super) fn silent(&self, since: u64, now: u64) {
        if self.heard.get() < since {
            self.failed(now);
        }
    }

    /// It is asked. However many sockets that takes, they count as one connection until one fails.
    pub(super) fn asked(&self) {
        if !self.counted.replace(true) {
            crate::net::next_number();
        }
    }

    /// A socket to it failed.
    pub(super) fn broke(&self) {
        self.counted.set(false);
    }

    /// It was silent or refused at loop time `now`.
    pub(super) fn failed(&self, now: u64) {
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        self.rests_until.set(now + LONGEST_REST.min(REST << failures.min(8)));
        if self.case.get() == Case::Unknown {
            self.case.set(Case::Lost);
        }
    }

    /// Whether it knew a name in mixed case: its errors are meant, then.
    pub(super) fn keeps_case(&self) -> bool {
        self.case.get() == Case::Kept
    }

    /// It does not keep the case of letters and cannot be asked over TCP either, or knows names in lower case only.
    pub(super) fn loses_case(&self) {
        self.case.set(Case::Lost);
    }

    /// Which letters of the next question are in upper case, by chance.
    pub(super) fn mix(&self, chance: u64) -> u64 {
        if self.case.get() == Case::Lost { 0 } else { chance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: u16) -> Servers {
        let addresses: Vec<SocketAddr> = (1..=count).map(|port| ([192, 0, 2, 1], port).into()).collect();
        Servers::new(&addresses, 0)
    }

    fn ports(servers: &Servers, now: u64, count: usize) -> Vec<u16> {
        (0..count).map(|_| servers.next(now).unwrap().address.port()).collect()
    }

    #[test]
    fn servers_take_turns_and_those_that_fail_are_skipped_for_longer_and_longer() {
        let servers = servers(3);
        assert_eq!(ports(&servers, 0, 4), [1, 2, 3, 1]);
        let two = &servers.list[1];
        two.failed(1_000);
        assert_eq!(ports(&servers, 5_999, 3), [3, 1, 3]);
        assert_eq!(ports(&servers, 6_000, 3), [1, 2, 3]);
        two.failed(6_000);
        assert_eq!(ports(&servers, 15_999, 2), [1, 3]);
        (0..20).for_each(|_| two.failed(20_000));
        assert_eq!(ports(&servers, 79_999, 2), [1, 3]);
        two.answered(20_000, false);
        assert_eq!(ports(&servers, 20_000, 3), [1, 2, 3]);
        two.silent(19_999, 21_000);
        assert_eq!(ports(&servers, 21_000, 3), [1, 2, 3], "it has answered since");
        two.silent(20_001, 21_000);
        assert_eq!(ports(&servers, 21_000, 3), [1, 3, 1]);
    }

    #[test]
    fn where_all_rest_all_are_asked() {
        let servers = servers(2);
        servers.list.iter().for_each(|server| server.failed(0));
        assert_eq!(ports(&servers, 1, 3), [1, 2, 1]);
        assert!(Servers::new(&[], 7).next(0).is_none());
    }

    #[test]
    fn case_is_mixed_for_those_that_keep_it() {
        let servers = servers(1);
        let server = &servers.list[0];
        assert_eq!(server.mix(5), 5);
        assert!(!server.keeps_case());
        server.answered(0, true);
        assert!(server.keeps_case());
        server.failed(0);
        assert_eq!(server.mix(5), 5, "silence has other reasons");
        server.loses_case();
        assert_eq!(server.mix(5), 0);
        let servers = self::servers(1);
        servers.list[0].failed(0);
        assert_eq!(servers.list[0].mix(5), 0, "it may not understand");
    }
}

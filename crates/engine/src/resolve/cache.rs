//! Names that were asked for, with what is known of them. Names come from clients, so there is a bound.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use reactor::Event;

use super::ResolveError;

/// Seconds after its last use at which an entry that is out of date is dropped.
const UNUSED: u64 = 30;
/// Milliseconds for which a question that nobody waits for any more keeps another one from being put.
const YOUNG: u64 = 500;
/// The most names kept; beyond it those go that were not used for longest.
const MOST: usize = 4096;

/// The names of a resolver on one thread.
#[derive(Debug, Default)]
pub(super) struct Cache {
    names: RefCell<HashMap<Box<str>, Rc<Name>>>,
    /// Loop time of the last cleaning, seconds.
    cleaned: Cell<u64>,
}

/// A name that was asked for.
#[derive(Debug, Default)]
pub(super) struct Name {
    state: RefCell<State>,
    /// What was known last, with the loop time, in seconds, up to which it may still be used for want of better.
    old: RefCell<Option<(Rc<Found>, u64)>>,
    waiting: Cell<usize>,
    changed: Event,
    /// How many questions were put, and the loop time of the last one, milliseconds.
    questions: Cell<u64>,
    asked: Cell<u64>,
    /// Loop time of the last use, seconds.
    used: Cell<u64>,
    /// Loop time at which an old answer had to do last, seconds.
    pub(super) failed: Cell<u64>,
}

#[derive(Debug, Default, Clone)]
pub(super) enum State {
    #[default]
    Unknown,
    Asking,
    Known {
        found: Rc<Found>,
        /// Loop time, seconds, up to which it holds.
        until: u64,
        /// Loop time, seconds, up to which it may be used for want of better.
        stale: u64,
    },
    Failed {
        error: ResolveError,
        /// Loop time, seconds, from which on servers are asked again.
        until: u64,
    },
}

/// Addresses of a name, in received order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) v4: Vec<IpAddr>,
    pub(super) v6: Vec<IpAddr>,
    /// Seconds; the least of the records'.
    pub(super) ttl: u32,
}

impl Cache {
    /// The entry of `name`, used at loop time `now` (seconds).
    pub(super) fn entry(&self, name: &str, now: u64) -> Rc<Name> {
        self.clean(now);
        let mut names = self.names.borrow_mut();
        let entry = names.entry(name.into()).or_default();
        entry.used.set(now);
        Rc::clone(entry)
    }

    /// Drops what is of no use any more, and the older half of the rest where that is too much.
    fn clean(&self, now: u64) {
        let mut names = self.names.borrow_mut();
        if self.cleaned.replace(now) != now {
            names.retain(|_, entry| entry.is_of_use(now));
        }
        if names.len() < MOST {
            return;
        }
        let mut uses: Vec<u64> = names.values().map(|entry| entry.used.get()).collect();
        uses.sort_unstable();
        let middle = uses.get(uses.len() / 2).copied().unwrap_or(now);
        names.retain(|_, entry| entry.used.get() > middle || entry.is_waited_for());
    }
}

impl Name {
    /// What is known and holds.
    pub(super) fn fresh(&self, now: u64) -> Option<Rc<Found>> {
        match &*self.state.borrow() {
            State::Known { found, until, .. } if now <= *until => Some(Rc::clone(found)),
            _ => None,
        }
    }

    /// Why servers are not to be asked again yet.
    pub(super) fn refused(&self, now: u64) -> Option<ResolveError> {
        match &*self.state.borrow() {
            State::Failed { error, until } if now < *until => Some(*error),
            _ => None,
        }
    }

    /// What was known last and will do where nothing better is to be had.
    pub(super) fn stale(&self, now: u64) -> Option<Rc<Found>> {
        self.old.borrow().as_ref().filter(|(_, until)| now <= *until).map(|(found, _)| Rc::clone(found))
    }

    /// Whether servers are being asked.
    pub(super) fn is_asked_for(&self) -> bool {
        matches!(*self.state.borrow(), State::Asking)
    }

    /// Whether a question is to be put at loop time `now` (milliseconds): none is under way, or all who waited for the
    /// last one have given it up.
    pub(super) fn wants_question(&self, now: u64) -> bool {
        !self.is_asked_for() || !self.is_waited_for() && now >= self.asked.get() + YOUNG
    }

    /// Servers are asked from loop time `now` (milliseconds) on; the number of the question.
    pub(super) fn begin_question(&self, now: u64) -> u64 {
        self.asked.set(now);
        self.questions.set(self.questions.get() + 1);
        self.set(State::Asking);
        self.questions.get()
    }

    /// Whether no question was put after this one.
    pub(super) fn is_last_question(&self, number: u64) -> bool {
        self.questions.get() == number
    }

    /// Whether anybody waits for an answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Changes what is known, and tells those who wait.
    pub(super) fn set(&self, state: State) {
        match &state {
            State::Known { found, until, stale } if stale > until => {
                self.old.replace(Some((Rc::clone(found), *stale)));
            }
            State::Known { .. } | State::Failed { error: ResolveError::NOT_FOUND, .. } => drop(self.old.take()),
            _ => {}
        }
        self.state.replace(state);
        self.changed.notify_all();
    }

    /// Waits for the answer.
    pub(super) async fn settled(&self) -> Result<Rc<Found>, ResolveError> {
        self.waiting.set(self.waiting.get() + 1);
        let _waiting = Waiting(self);
        loop {
            self.changed.wait().await;
            match &*self.state.borrow() {
                State::Known { found, .. } => return Ok(Rc::clone(found)),
                State::Failed { error, .. } => return Err(*error),
                State::Unknown | State::Asking => {}
            }
        }
    }

    fn is_of_use(&self, now: u64) -> bool {
        match &*self.state.borrow() {
            State::Asking => true,
            State::Known { until, .. } if now <= *until || now <= self.used.get() + UNUSED => true,
            State::Failed { until, .. } if now < *until => true,
            _ => self.stale(now).is_some(),
        }
    }
}

impl Found {
    /// A records, then AAAA.
    pub(super) fn in_order(&self) -> Vec<IpAddr> {
        self.v4.iter().chain(&self.v6).copied().collect()
    }

    /// The same with each list begun at a random place, and both of them together.
    pub(super) fn rotated(&self) -> Vec<IpAddr> {
        let mut addresses = Vec::with_capacity(self.v4.len() + self.v6.len());
        for list in [&self.v4, &self.v6] {
            let at = if list.is_empty() { 0 } else { os::process::random() as usize % list.len() };
            let (before, after) = list.split_at(at);
            addresses.extend(after.iter().chain(before));
        }
        let at = if addresses.is_empty() { 0 } else { os::process::random() as usize % addresses.len() };
        addresses.rotate_right(at);
        addresses
    }
}

struct Waiting<'a>(&'a Name);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_however_many_clients_make_up() {
        let cache = Cache::default();
        for n in 0..20 * MOST {
            let now = (n / 100) as u64;
            let entry = cache.entry(&format!("{n}.test"), now);
            entry.set(State::Known { found: Rc::default(), until: now + 100_000, stale: 0 });
            assert!(cache.names.borrow().len() <= MOST);
        }
        assert!(cache.names.borrow().len() >= MOST / 4);
    }

    #[test]
    fn any_address_of_either_family_may_come_first() {
        let all: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|text| text.parse().unwrap()).into();
        let found = Found { v4: all[..2].to_vec(), v6: all[2..].to_vec(), ttl: 1 };
        let mut first = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut rotated = found.rotated();
            first.extend(rotated.first().copied());
            rotated.sort();
            assert_eq!(rotated, all);
        }
        assert_eq!(first.len(), all.len());
        assert!(Found::default().rotated().is_empty());
    }

    #[test]
    fn an_old_answer_is_kept_until_a_new_one_or_none_takes_its_place() {
        let (entry, found) = (Name::default(), Rc::<Found>::default());
        entry.set(State::Known { found, until: 10, stale: 20 });
        entry.set(State::Asking);
        assert!(entry.fresh(5).is_none() && entry.stale(20).is_some() && entry.stale(21).is_none());
        entry.set(State::Failed { error: ResolveError::TimedOut, until: 0 });
        assert!(entry.stale(20).is_some() && entry.is_of_use(20) && !entry.is_of_use(21));
        entry.set(State::Failed { error: ResolveError::NOT_FOUND, until: 0 });
        assert!(entry.stale(20).is_none());
    }

    #[test]
    fn a_failure_holds_for_as_long_as_it_is_told() {
        let entry = Name::default();
        entry.set(State::Failed { error: ResolveError::NOT_FOUND, until: 10 });
        assert_eq!((entry.refused(9), entry.refused(10)), (Some(ResolveError::NOT_FOUND), None));
        assert!(entry.is_of_use(9) && !entry.is_of_use(10));
    }
}

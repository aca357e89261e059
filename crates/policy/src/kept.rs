//! A bounded memory of things that cost something to make, such as open files: what is not used for a while is
//! forgotten, and now and then one is asked whether it still holds. It knows no files and no clock.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::rc::Rc;

/// How much is kept, and for how long. Times are seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// The most things.
    pub most: usize,
    /// Without use for longer, one is forgotten.
    pub inactive: u64,
    /// After that long one is asked whether it still holds.
    pub valid: u64,
    /// Uses from which on one is kept.
    pub uses: usize,
}

/// Things by what they are made from.
#[derive(Debug)]
pub struct Kept<K, V> {
    rules: Rules,
    entries: HashMap<Rc<K>, Entry<V>>,
    /// Keys by the turn of their last use.
    order: BTreeMap<u64, Rc<K>>,
    turn: u64,
}

#[derive(Debug)]
struct Entry<V> {
    /// None while it has not been used often enough.
    value: Option<V>,
    uses: usize,
    turn: u64,
    used: u64,
    checked: u64,
}

/// Those out of use that go at a time.
const FORGOTTEN: usize = 2;

impl<K: Hash + Eq, V> Kept<K, V> {
    /// An empty memory.
    pub fn new(rules: Rules) -> Self {
        Self { rules, entries: HashMap::new(), order: BTreeMap::new(), turn: 0 }
    }

    /// What is kept for `key`, if it is there at `now` and, where that is due to be asked, `holds`.
    pub fn get(&mut self, key: &K, now: u64, holds: impl FnOnce(&V) -> bool) -> Option<&V> {
        let entry = self.entries.get_mut(key)?;
        let due = now.saturating_sub(entry.checked) > self.rules.valid;
        if entry.value.as_ref().is_some_and(|value| due && !holds(value)) {
            self.remove(key);
            return None;
        }
        if due {
            entry.checked = now;
        }
        self.use_it(key, now);
        self.forget(now);
        self.entries.get(key)?.value.as_ref()
    }

    /// Keeps what was made for `key` at `now`, or counts its use. The one longest out of use makes room.
    pub fn put(&mut self, key: K, value: V, now: u64) {
        if !self.entries.contains_key(&key) && self.entries.len() >= self.rules.most {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.entries.remove(&oldest);
            }
            self.forget(now);
        }
        let key = Rc::new(key);
        let new = Entry { value: None, uses: 0, turn: 0, used: now, checked: now };
        let entry = self.entries.entry(Rc::clone(&key)).or_insert(new);
        entry.uses += 1;
        entry.checked = now;
        entry.value = (entry.uses >= self.rules.uses).then_some(value);
        self.use_it(&key, now);
        self.forget(now);
    }

    /// Has it be the last one used.
    fn use_it(&mut self, key: &K, now: u64) {
        let Some((known, _)) = self.entries.get_key_value(key) else { return };
        let known = Rc::clone(known);
        if let Some(entry) = self.entries.get_mut(key) {
            self.turn += 1;
            self.order.remove(&entry.turn);
            self.order.insert(self.turn, known);
            entry.turn = self.turn;
            entry.used = now;
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.turn);
        }
    }

    /// Forgets a few of those that are not used any more. One that is asked for before its turn comes is used again.
    fn forget(&mut self, now: u64) {
        for _ in 0..FORGOTTEN {
            let Some(oldest) = self.order.first_entry() else { return };
            let used = self.entries.get(oldest.get()).map_or(0, |entry| entry.used);
            if now.saturating_sub(used) <= self.rules.inactive {
                return;
            }
            self.entries.remove(&oldest.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { most: 2, inactive: 10, valid: 60, uses: 1 };

    #[test]
    fn what_is_not_used_is_forgotten_once_another_one_is() {
        let mut kept = Kept::new(Rules { most: 9, ..RULES });
        kept.put('a', 1, 100);
        assert_eq!(kept.get(&'a', 131, |_| true), Some(&1));
        kept.put('b', 2, 141);
        assert_eq!(kept.get(&'a', 141, |_| true), Some(&1));
        kept.put('c', 3, 141);
        kept.put('d', 4, 142);
        assert_eq!(kept.get(&'d', 152, |_| true), Some(&4));
        let there = ['b', 'a', 'c', 'd'].map(|key| kept.get(&key, 152, |_| true).copied());
        assert_eq!(there, [None, None, Some(3), Some(4)], "two at a time");
    }

    #[test]
    fn one_is_asked_only_when_it_is_due() {
        let mut kept = Kept::new(Rules { inactive: 1000, ..RULES });
        kept.put('a', 1, 100);
        assert_eq!(kept.get(&'a', 160, |_| panic!("not due")), Some(&1));
        assert_eq!(kept.get(&'a', 161, |_| true), Some(&1));
        assert_eq!(kept.get(&'a', 200, |_| panic!("not due")), Some(&1));
        assert_eq!(kept.get(&'a', 222, |_| false), None);
    }

    #[test]
    fn the_one_longest_out_of_use_makes_room() {
        let mut kept = Kept::new(RULES);
        kept.put('a', 1, 100);
        kept.put('b', 2, 100);
        assert_eq!(kept.get(&'a', 100, |_| true), Some(&1));
        kept.put('c', 3, 100);
        let there = ['a', 'b', 'c'].map(|key| kept.get(&key, 100, |_| true).copied());
        assert_eq!(there, [Some(1), None, Some(3)]);
    }

    #[test]
    fn one_is_kept_from_some_number_of_uses_on() {
        let mut kept = Kept::new(Rules { uses: 3, ..RULES });
        for (now, there) in [(1, false), (2, false), (3, false), (4, true)] {
            assert_eq!(kept.get(&'a', now, |_| true).is_some(), there, "{now}");
            kept.put('a', 1, now);
        }
    }
}

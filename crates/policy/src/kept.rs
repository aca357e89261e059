//! A bounded memory of things that cost something to make, such as open files: what is not used for a while is
//! forgotten, and now and then one is asked whether it still holds. It knows no files and no clock.

use std::collections::HashMap;
use std::hash::Hash;

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
    entries: HashMap<K, Entry<V>>,
}

#[derive(Debug)]
struct Entry<V> {
    /// None while it has not been used often enough.
    value: Option<V>,
    uses: usize,
    used: u64,
    checked: u64,
}

impl<K: Hash + Eq + Clone, V> Kept<K, V> {
    /// An empty memory.
    pub fn new(rules: Rules) -> Self {
        Self { rules, entries: HashMap::new() }
    }

    /// What is kept for `key`, if it is there at `now` and, where that is due to be asked, `holds`.
    pub fn get(&mut self, key: &K, now: u64, holds: impl FnOnce(&V) -> bool) -> Option<&V> {
        let Rules { inactive, valid, .. } = self.rules;
        let entry = self.entries.get(key)?;
        let due = now.saturating_sub(entry.checked) > valid;
        let forgotten = now.saturating_sub(entry.used) > inactive;
        if forgotten || entry.value.as_ref().is_some_and(|value| due && !holds(value)) {
            self.entries.remove(key);
            return None;
        }
        let entry = self.entries.get_mut(key)?;
        entry.used = now;
        if due {
            entry.checked = now;
        }
        entry.value.as_ref()
    }

    /// Keeps what was made for `key` at `now`, or counts its use. The one longest out of use makes room.
    pub fn put(&mut self, key: K, value: V, now: u64) {
        if !self.entries.contains_key(&key) {
            let inactive = self.rules.inactive;
            if self.entries.len() >= self.rules.most {
                self.entries.retain(|_, entry| now.saturating_sub(entry.used) <= inactive);
            }
            while self.entries.len() >= self.rules.most.max(1) {
                let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
                let Some(oldest) = oldest else { break };
                self.entries.remove(&oldest);
            }
        }
        let uses = self.rules.uses;
        let entry = self.entries.entry(key).or_insert(Entry { value: None, uses: 0, used: now, checked: now });
        entry.uses += 1;
        entry.used = now;
        entry.checked = now;
        entry.value = (entry.uses >= uses).then_some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { most: 2, inactive: 10, valid: 60, uses: 1 };

    #[test]
    fn what_is_not_used_is_forgotten() {
        let mut kept = Kept::new(RULES);
        kept.put('a', 1, 100);
        assert_eq!(kept.get(&'a', 110, |_| true), Some(&1));
        assert_eq!(kept.get(&'a', 120, |_| true), Some(&1));
        assert_eq!(kept.get(&'a', 131, |_| true), None);
        assert_eq!(kept.get(&'a', 131, |_| true), None);
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
        kept.put('b', 2, 101);
        assert_eq!(kept.get(&'a', 102, |_| true), Some(&1));
        kept.put('c', 3, 103);
        let there = ['a', 'b', 'c'].map(|key| kept.get(&key, 103, |_| true).copied());
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

//! What a session remembers of its variables: values once evaluated, values set, and the
//! captures of the last regular expression that matched. How values come about stands in
//! `variables`.

use std::cell::RefCell;

use crate::variables::VarId;

/// A session's memory of variables; two words until something is remembered.
#[derive(Debug, Default)]
pub struct Cache(RefCell<Option<Box<Memory>>>);

#[derive(Debug, Default)]
struct Memory {
    /// In the order of their variables.
    values: Vec<Entry>,
    captures: Option<Box<Captures>>,
    depth: u8,
}

#[derive(Debug)]
struct Entry {
    id: VarId,
    /// Whether it holds for one text only.
    fresh: bool,
    value: Kept,
}

/// A value as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// There is none.
    NotFound,
    /// A text of the configuration: its place in the definition of the variable.
    Constant(u32),
    /// Any other text.
    Text(Box<[u8]>),
}

/// The text that a regular expression matched and where its groups lie in it.
#[derive(Debug)]
pub(crate) struct Captures {
    pub(crate) text: Box<[u8]>,
    /// The groups from 1 on.
    pub(crate) groups: Box<[(usize, usize)]>,
}

/// Evaluations that may be nested in one another.
const DEEPEST: u8 = 100;

impl Cache {
    fn with<T>(&self, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        use_it(self.0.borrow_mut().get_or_insert_with(|| {
            // Most sessions ask for one or two.
            Box::new(Memory { values: Vec::with_capacity(2), ..Memory::default() })
        }))
    }

    /// Hands the value of a variable to `read`, if there is one in memory.
    pub(crate) fn read<T>(&self, id: VarId, read: impl FnOnce(&Kept) -> T) -> Option<T> {
        let memory = self.0.borrow();
        let values = &memory.as_ref()?.values;
        let at = values.binary_search_by_key(&id, |entry| entry.id).ok()?;
        values.get(at).map(|entry| read(&entry.value))
    }

    /// Remembers a value, `fresh` only until the next [`Cache::forget_fresh`].
    pub(crate) fn store(&self, id: VarId, fresh: bool, value: Kept) {
        let entry = Entry { id, fresh, value };
        self.with(|memory| match memory.values.binary_search_by_key(&id, |entry| entry.id) {
            Ok(at) => {
                if let Some(old) = memory.values.get_mut(at) {
                    *old = entry;
                }
            }
            Err(at) => {
                memory.values.reserve_exact(1);
                memory.values.insert(at, entry);
            }
        });
    }

    /// Forgets those of `ids` that hold for one text only.
    pub(crate) fn forget_fresh(&self, ids: impl Iterator<Item = VarId>) {
        let Some(memory) = &mut *self.0.borrow_mut() else { return };
        if !memory.values.iter().any(|entry| entry.fresh) {
            return;
        }
        for id in ids {
            memory.values.retain(|entry| entry.id != id || !entry.fresh);
        }
    }

    /// Replaces the captures by those of an expression that just matched.
    pub(crate) fn set_captures(&self, captures: Option<Captures>) {
        if captures.is_some() || self.0.borrow().is_some() {
            self.with(|memory| memory.captures = captures.map(Box::new));
        }
    }

    /// Appends a numbered capture; nothing where there is none.
    pub(crate) fn capture(&self, number: u8, out: &mut Vec<u8>) {
        if let Some(Captures { text, groups }) = self.0.borrow().as_ref().and_then(|memory| memory.captures.as_deref())
        {
            let group = usize::from(number).checked_sub(1).and_then(|at| groups.get(at));
            out.extend_from_slice(group.and_then(|(start, end)| text.get(*start..*end)).unwrap_or_default());
        }
    }

    /// Whether no further evaluation may be nested in those under way.
    pub(crate) fn is_deep(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|memory| memory.depth >= DEEPEST)
    }

    /// Evaluates something that may in turn need variables.
    pub(crate) fn nested<T>(&self, evaluate: impl FnOnce() -> T) -> T {
        self.with(|memory| memory.depth += 1);
        let value = evaluate();
        self.with(|memory| memory.depth -= 1);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_one_is_small() {
        assert!(size_of::<Cache>() <= 16);
        let cache = Cache::default();
        cache.set_captures(None);
        cache.capture(1, &mut Vec::new());
        cache.forget_fresh(std::iter::empty());
        assert!(cache.0.borrow().is_none(), "nothing to remember, nothing allocated");
    }

    #[test]
    fn a_used_one_is_not_large() {
        assert!(size_of::<Memory>() <= 72);
        assert!(size_of::<Entry>() <= 32);
    }
}

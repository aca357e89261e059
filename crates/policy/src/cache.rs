//! What a session remembers of its variables: values once evaluated, values set, and the
//! captures of the last regular expression that matched.

use std::cell::RefCell;
use std::rc::Rc;

use crate::variables::VarId;

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// There is none; texts show nothing, log lines a dash.
    NotFound,
    /// Bytes, perhaps none.
    Found(Rc<[u8]>),
}

impl Value {
    /// The bytes; nothing where there is no value.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::NotFound => &[],
            Self::Found(bytes) => bytes,
        }
    }
}

/// A session's memory of variables; a pointer wide until something is remembered.
#[derive(Debug, Default)]
pub struct Cache(RefCell<Option<Box<Memory>>>);

#[derive(Debug, Default)]
struct Memory {
    values: Vec<(VarId, Value)>,
    captures: Vec<Option<Box<[u8]>>>,
    depth: u32,
}

/// Evaluations that may be nested in one another.
const DEEPEST: u32 = 100;

impl Cache {
    fn with<T>(&self, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        use_it(self.0.borrow_mut().get_or_insert_default())
    }

    pub(crate) fn value(&self, id: VarId) -> Option<Value> {
        let memory = self.0.borrow();
        let values = &memory.as_ref()?.values;
        values.iter().find(|(known, _)| *known == id).map(|(_, value)| value.clone())
    }

    pub(crate) fn store(&self, id: VarId, value: Value) {
        self.with(|memory| match memory.values.iter_mut().find(|(known, _)| *known == id) {
            Some((_, old)) => *old = value,
            None => memory.values.push((id, value)),
        });
    }

    pub(crate) fn forget(&self, id: VarId) {
        if let Some(memory) = &mut *self.0.borrow_mut() {
            memory.values.retain(|(known, _)| *known != id);
        }
    }

    pub(crate) fn set_captures(&self, captures: Vec<Option<Box<[u8]>>>) {
        self.with(|memory| memory.captures = captures);
    }

    /// Appends a numbered capture; nothing where there is none.
    pub(crate) fn capture(&self, number: u8, out: &mut Vec<u8>) {
        if let Some(memory) = &*self.0.borrow()
            && let Some(Some(bytes)) = memory.captures.get(usize::from(number))
        {
            out.extend_from_slice(bytes);
        }
    }

    /// Goes one evaluation deeper; false when that is too deep.
    pub(crate) fn descend(&self) -> bool {
        self.with(|memory| {
            memory.depth += 1;
            memory.depth <= DEEPEST
        })
    }

    pub(crate) fn ascend(&self) {
        self.with(|memory| memory.depth -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_one_is_small() {
        assert!(size_of::<Cache>() <= 16);
    }
}

//! A context that may be replaced while it is in use: handshakes that begin later take the new one.

use std::sync::{Arc, PoisonError, RwLock};

/// The context in force, if there is one at all.
///
/// A handshake looks once; the lock is free but for the moment of a replacement.
#[derive(Debug)]
pub struct Rotating<T>(Option<RwLock<Arc<T>>>);

impl<T> Default for Rotating<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Rotating<T> {
    /// `context` until it is replaced.
    pub fn new(context: Arc<T>) -> Self {
        Self(Some(RwLock::new(context)))
    }

    /// The context in force.
    pub fn current(&self) -> Option<Arc<T>> {
        self.0.as_ref().map(|context| Arc::clone(&context.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Takes over what `fresh` has. Where one of the two has none, all stays as it is.
    pub fn replace(&self, fresh: &Self) {
        if let (Some(context), Some(fresh)) = (&self.0, fresh.current()) {
            *context.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_seen_by_those_who_look_later() {
        let rotating = Rotating::new(Arc::new(1));
        let before = rotating.current();
        rotating.replace(&Rotating::new(Arc::new(2)));
        assert_eq!((before.as_deref(), rotating.current().as_deref()), (Some(&1), Some(&2)));
        rotating.replace(&Rotating::default());
        assert_eq!(rotating.current().as_deref(), Some(&2));
        let none = Rotating::default();
        none.replace(&rotating);
        assert_eq!(none.current(), None);
    }
}

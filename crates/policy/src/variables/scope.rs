//! Evaluation: lazily, once per session unless said otherwise, and not endlessly.

use std::fmt;

use super::{Definition, Kind, Values, VarId, Variable, Variables};
use crate::cache::{Cache, Kept};

/// A session's view of the variables.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// What they are.
    pub variables: &'a Variables,
    /// Where values come from.
    pub values: &'a dyn Values,
    /// Where values are kept.
    pub cache: &'a Cache,
}

/// How an evaluation went.
enum Evaluated {
    /// The value is a text of the definition.
    Constant(u32),
    /// The value was appended.
    Appended,
    /// Values only come from elsewhere; without one the variable is empty, or else not found.
    Stored(bool),
}

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// There is none; texts show nothing, log lines a dash.
    NotFound,
    /// Bytes, perhaps none.
    Found(Vec<u8>),
}

impl Scope<'_> {
    /// The value of a variable.
    pub fn value(&self, id: VarId) -> Value {
        let mut out = Vec::new();
        if self.append(id, true, &mut out) { Value::Found(out) } else { Value::NotFound }
    }

    /// Stores a value for the rest of the session, whatever defines the variable.
    pub fn set(&self, id: VarId, value: Vec<u8>) {
        self.cache.store(id, false, Kept::Text(value.into()));
    }

    /// Appends the value of a variable; false where it has none. `again` tells that the text under
    /// way may ask once more.
    pub(crate) fn append(&self, id: VarId, again: bool, out: &mut Vec<u8>) -> bool {
        let Some(variable) = self.variables.variable(id) else { return false };
        if let Kind::Builtin(builtin, suffix) = &variable.kind
            && (builtin.is_constant() || (builtin.is_fresh() && !again))
        {
            return self.may_go_deeper(variable) && self.builtin(*builtin, suffix, out);
        }
        let known = self.cache.read(id, |value| append_kept(value, variable, out));
        if let Some(found) = known {
            return found;
        }
        if !self.may_go_deeper(variable) {
            return false;
        }
        let start = out.len();
        let (fresh, value) = match &variable.kind {
            Kind::Unknown => return false,
            Kind::Builtin(builtin, suffix) => {
                let found = self.builtin(*builtin, suffix, out);
                (builtin.is_fresh(), if found { text(out, start) } else { Kept::NotFound })
            }
            Kind::Defined(definition) => {
                let evaluated = self.cache.nested(|| self.evaluate(definition, out));
                let value = match evaluated {
                    Evaluated::Stored(found) => return found,
                    Evaluated::Appended => text(out, start),
                    Evaluated::Constant(place) => {
                        out.truncate(start);
                        out.extend_from_slice(definition.constant(place));
                        Kept::Constant(place)
                    }
                };
                (variable.volatile, value)
            }
        };
        let found = value != Kept::NotFound;
        self.cache.store(id, fresh, value);
        found
    }

    fn builtin(&self, which: crate::builtin::Builtin, suffix: &str, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let found = self.values.builtin(which, suffix, out);
        if !found {
            out.truncate(start);
        }
        found
    }

    fn evaluate(&self, definition: &Definition, out: &mut Vec<u8>) -> Evaluated {
        match definition {
            Definition::Map { source, map, .. } => match map.evaluate(source, self, out) {
                Some(place) => Evaluated::Constant(place),
                None => Evaluated::Appended,
            },
            Definition::Geo(geo) => Evaluated::Constant(geo.evaluate(self)),
            Definition::SplitClients(split) => Evaluated::Constant(split.evaluate(self)),
            Definition::Set => Evaluated::Stored(true),
            Definition::Capture => Evaluated::Stored(false),
        }
    }

    fn may_go_deeper(&self, variable: &Variable) -> bool {
        let deep = self.cache.is_deep();
        if deep {
            self.values.complain(&format!("cycle while evaluating variable \"{}\"", variable.name));
        }
        !deep
    }
}

fn append_kept(value: &Kept, variable: &Variable, out: &mut Vec<u8>) -> bool {
    match (value, &variable.kind) {
        (Kept::NotFound, _) => return false,
        (Kept::Text(text), _) => out.extend_from_slice(text),
        (Kept::Constant(place), Kind::Defined(definition)) => out.extend_from_slice(definition.constant(*place)),
        (Kept::Constant(_), _) => {}
    }
    true
}

fn text(out: &[u8], start: usize) -> Kept {
    Kept::Text(out.get(start..).unwrap_or_default().into())
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("cache", self.cache).finish_non_exhaustive()
    }
}

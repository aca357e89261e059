//! The registry of variables while a configuration loads, and their evaluation while it runs:
//! lazily, once per session unless said otherwise.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use crate::builtin::Builtin;
use crate::cache::{Cache, Value};
use crate::geo::Geo;
use crate::map::Map;
use crate::split_clients::SplitClients;
use crate::template::Template;

/// Which variable of a [`Variables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(u32);

/// Where values come from: a session, as evaluation sees it.
pub trait Values {
    /// Appends the value of a built-in; `suffix` is what follows a prefix variable's prefix.
    /// False where it has no value.
    fn builtin(&self, which: Builtin, suffix: &str, out: &mut Vec<u8>) -> bool;
    /// The client's IP address, for `geo` without a variable.
    fn client_ip(&self) -> Option<IpAddr>;
    /// A line for the error log, at level error.
    fn complain(&self, text: &str);
}

/// What a variable is.
#[derive(Debug)]
pub enum Definition {
    /// `map`.
    Map {
        /// What is looked up.
        source: Template,
        /// Where.
        map: Map,
        /// Whether it is evaluated anew for each text.
        volatile: bool,
    },
    /// `geo`.
    Geo(Geo),
    /// `split_clients`.
    SplitClients(SplitClients),
    /// `set`: empty until set.
    Set,
    /// A named capture of a regular expression.
    Capture,
}

#[derive(Debug)]
enum Kind {
    /// Mentioned, and not defined so far.
    Unknown,
    Builtin(Builtin, Box<str>),
    Defined(Box<Definition>),
}

#[derive(Debug)]
struct Variable {
    name: Box<str>,
    kind: Kind,
}

/// Every variable of a configuration.
#[derive(Debug, Default)]
pub struct Variables {
    list: Vec<Variable>,
    by_name: HashMap<Box<str>, VarId>,
}

/// A built-in variable cannot be defined: `the duplicate "name" variable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate(String);

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the duplicate \"{}\" variable", self.0)
    }
}

/// A variable that nothing defines: `unknown "name" variable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown \"{}\" variable", self.0)
    }
}

impl Variables {
    /// A registry that knows the built-in variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The variable of this name, without its dollar sign; it may be defined later.
    pub fn reference(&mut self, name: &[u8]) -> VarId {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if let Some(id) = self.by_name.get(name.as_str()) {
            return *id;
        }
        let kind = match Builtin::find(&name) {
            Some((builtin, suffix)) => Kind::Builtin(builtin, suffix.into()),
            None => Kind::Unknown,
        };
        let id = VarId(self.list.len() as u32);
        self.list.push(Variable { name: name.as_str().into(), kind });
        self.by_name.insert(name.into(), id);
        id
    }

    /// Defines a variable. The last `map`, `geo` or `split_clients` of a name holds; `set` and
    /// captures leave such a one in place, since they store values of their own.
    pub fn define(&mut self, name: &[u8], definition: Definition) -> Result<VarId, Duplicate> {
        let id = self.reference(name);
        let Some(variable) = self.list.get_mut(id.0 as usize) else { return Ok(id) };
        match &variable.kind {
            Kind::Builtin(builtin, _) if !builtin.is_redefinable() => Err(Duplicate(variable.name.to_string())),
            Kind::Builtin(..) | Kind::Defined(_) if matches!(definition, Definition::Set | Definition::Capture) => {
                Ok(id)
            }
            _ => {
                variable.kind = Kind::Defined(Box::new(definition));
                Ok(id)
            }
        }
    }

    /// Whether every variable mentioned is defined; the first that is not.
    pub fn check(&self) -> Result<(), Unknown> {
        match self.list.iter().find(|variable| matches!(variable.kind, Kind::Unknown)) {
            Some(unknown) => Err(Unknown(unknown.name.to_string())),
            None => Ok(()),
        }
    }

    /// Names of all that are defined, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let defined = self.list.iter().filter(|variable| matches!(variable.kind, Kind::Defined(_)));
        Builtin::ALL.iter().map(|builtin| builtin.name()).chain(defined.map(|variable| &*variable.name))
    }

    /// Whether the configuration mentions a built-in variable anywhere.
    pub fn mentions(&self, builtin: Builtin) -> bool {
        self.list.iter().any(|variable| matches!(variable.kind, Kind::Builtin(one, _) if one == builtin))
    }

    fn variable(&self, id: VarId) -> Option<&Variable> {
        self.list.get(id.0 as usize)
    }

    /// Whether it is evaluated anew for each text.
    pub(crate) fn is_fresh(&self, id: VarId) -> bool {
        match self.variable(id).map(|variable| &variable.kind) {
            Some(Kind::Builtin(builtin, _)) => builtin.is_fresh(),
            Some(Kind::Defined(definition)) => match &**definition {
                Definition::Map { volatile, .. } => *volatile,
                Definition::Geo(geo) => geo.is_volatile(),
                Definition::SplitClients(_) | Definition::Set | Definition::Capture => false,
            },
            _ => false,
        }
    }
}

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

impl Scope<'_> {
    /// The value of a variable.
    pub fn value(&self, id: VarId) -> Value {
        if let Some(known) = self.cache.value(id) {
            return known;
        }
        let Some(variable) = self.variables.variable(id) else { return Value::NotFound };
        let value = if self.cache.descend() {
            self.evaluate(variable)
        } else {
            self.values.complain(&format!("cycle while evaluating variable \"{}\"", variable.name));
            Value::NotFound
        };
        self.cache.ascend();
        self.cache.store(id, value.clone());
        value
    }

    fn evaluate(&self, variable: &Variable) -> Value {
        let mut out = Vec::new();
        match &variable.kind {
            Kind::Unknown => return Value::NotFound,
            Kind::Builtin(builtin, suffix) => {
                if !self.values.builtin(*builtin, suffix, &mut out) {
                    return Value::NotFound;
                }
            }
            Kind::Defined(definition) => match &**definition {
                Definition::Map { source, map, .. } => {
                    let mut text = Vec::new();
                    source.render(self, &mut text);
                    map.lookup(&text, self, &mut out);
                }
                Definition::Geo(geo) => out.extend_from_slice(geo.evaluate(self)),
                Definition::SplitClients(split) => out.extend_from_slice(split.evaluate(self)),
                Definition::Set | Definition::Capture => {}
            },
        }
        Value::Found(Rc::from(out))
    }

    /// Stores a value for the rest of the session.
    pub fn set(&self, id: VarId, value: Vec<u8>) {
        self.cache.store(id, Value::Found(Rc::from(value)));
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("cache", self.cache).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The registry of variables: it grows while a configuration loads, where names may be mentioned
//! before they are defined, and is shared by all threads then. `scope` evaluates them.

mod scope;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use crate::builtin::Builtin;
use crate::geo::Geo;
use crate::hash_size::{Misfit, Sizes};
use crate::map::Map;
use crate::split_clients::SplitClients;
use crate::template::Template;
pub use scope::{Scope, Value};

/// Which variable of a [`Variables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(u32);

/// Where values come from: a session, as evaluation sees it.
pub trait Values {
    /// Appends the value of a built-in; `suffix` is what follows a prefix variable's prefix, in
    /// lower case. False where it has no value; `out` is then put back as it was.
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
    /// Whether a `map` or `geo` of this name, be it one that another replaced, was `volatile`.
    volatile: bool,
    /// Whether some text mentions it. What does not need not be stored.
    mentioned: bool,
}

/// Every variable of a configuration.
#[derive(Debug, Default)]
pub struct Variables {
    list: Vec<Variable>,
    by_name: HashMap<Box<str>, VarId>,
    /// Whether some text mentions a numbered capture.
    captures: bool,
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
        let id = self.named(name);
        if let Some(variable) = self.list.get_mut(id.0 as usize) {
            variable.mentioned = true;
        }
        id
    }

    fn named(&mut self, name: &[u8]) -> VarId {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if let Some(id) = self.by_name.get(name.as_str()) {
            return *id;
        }
        let kind = match Builtin::find(&name) {
            Some((builtin, suffix)) => Kind::Builtin(builtin, suffix.into()),
            None => Kind::Unknown,
        };
        let id = VarId(self.list.len() as u32);
        self.list.push(Variable { name: name.as_str().into(), kind, volatile: false, mentioned: false });
        self.by_name.insert(name.into(), id);
        id
    }

    /// Defines a variable. The last definition of a name holds, but `set` leaves others in place,
    /// since it stores a value of its own; and what once was volatile stays so.
    pub fn define(&mut self, name: &[u8], definition: Definition) -> Result<VarId, Duplicate> {
        let id = self.named(name);
        let Some(variable) = self.list.get_mut(id.0 as usize) else { return Ok(id) };
        match (&variable.kind, &definition) {
            (Kind::Builtin(builtin, _), _) if !builtin.is_redefinable() && !builtin.is_prefix() => {
                return Err(Duplicate(String::from_utf8_lossy(name).into_owned()));
            }
            (Kind::Builtin(..) | Kind::Defined(_), Definition::Set) => return Ok(id),
            _ => {}
        }
        variable.volatile |= definition.is_volatile();
        variable.kind = Kind::Defined(Box::new(definition));
        Ok(id)
    }

    /// Whether every variable mentioned is defined; the first that is not.
    pub fn check(&self) -> Result<(), Unknown> {
        match self.list.iter().find(|variable| matches!(variable.kind, Kind::Unknown)) {
            Some(unknown) => Err(Unknown(unknown.name.to_string())),
            None => Ok(()),
        }
    }

    /// What is wrong with `sizes` for a table of all variables as nginx has it.
    pub fn misfits(&self, sizes: Sizes) -> Vec<Misfit> {
        let builtins = Builtin::ALL.iter().filter(|builtin| !builtin.is_prefix()).map(|builtin| builtin.name());
        let own = self.list.iter().filter(|variable| {
            let builtin = Builtin::ALL.iter().any(|builtin| !builtin.is_prefix() && builtin.name() == &*variable.name);
            matches!(variable.kind, Kind::Defined(_)) && !builtin
        });
        let names: Vec<&str> = builtins.chain(own.map(|variable| &*variable.name)).collect();
        sizes.misfits_of(names.iter().map(|name| name.as_bytes()))
    }

    /// Names of all that are defined, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let defined = self.list.iter().filter(|variable| matches!(variable.kind, Kind::Defined(_)));
        Builtin::ALL.iter().map(|builtin| builtin.name()).chain(defined.map(|variable| &*variable.name))
    }

    fn variable(&self, id: VarId) -> Option<&Variable> {
        self.list.get(id.0 as usize)
    }

    /// Some text mentions a numbered capture.
    pub(crate) fn mention_captures(&mut self) {
        self.captures = true;
    }

    /// Whether any text does.
    pub(crate) fn mentions_captures(&self) -> bool {
        self.captures
    }

    /// Whether any text mentions this variable.
    pub(crate) fn is_mentioned(&self, id: VarId) -> bool {
        self.variable(id).is_some_and(|variable| variable.mentioned)
    }

    /// Whether the configuration mentions a built-in variable anywhere.
    pub fn mentions(&self, builtin: Builtin) -> bool {
        self.list
            .iter()
            .any(|variable| variable.mentioned && matches!(variable.kind, Kind::Builtin(one, _) if one == builtin))
    }
}

impl Definition {
    fn is_volatile(&self) -> bool {
        match self {
            Self::Map { volatile, .. } => *volatile,
            Self::Geo(geo) => geo.is_volatile(),
            Self::SplitClients(_) | Self::Set | Self::Capture => false,
        }
    }

    /// The text that [`Kept::Constant`] stands for.
    fn constant(&self, place: u32) -> &[u8] {
        match self {
            Self::Map { map, .. } => map.constant(place),
            Self::Geo(geo) => geo.constant(place),
            Self::SplitClients(split) => split.constant(place),
            Self::Set | Self::Capture => &[],
        }
    }
}

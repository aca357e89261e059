//! The directive table: what each directive is called, where it may stand, what it takes,
//! and which function takes it. Documentation is part of the entry, so that none is without.

use std::collections::HashMap;
use std::sync::LazyLock;

use syntax::Parser;

use crate::family;
use crate::load::{Line, Loader, Refusal};

/// The blocks that a directive may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contexts(u8);

impl Contexts {
    /// The main context: outside of every block.
    pub const MAIN: Self = Self(1);
    /// `events { }`.
    pub const EVENTS: Self = Self(2);
    /// `stream { }`.
    pub const STREAM: Self = Self(4);
    /// `server { }` in `stream { }`.
    pub const SERVER: Self = Self(8);
    /// `upstream { }` in `stream { }`.
    pub const UPSTREAM: Self = Self(16);
    /// `stream` and `server`: the usual place of an inherited setting.
    pub const STREAM_SERVER: Self = Self(4 | 8);
    /// Every block, and outside of them.
    pub const ANY: Self = Self(1 | 2 | 4 | 8 | 16);

    /// Both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `other` is among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The blocks by name, outermost first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::MAIN, "main"),
            (Self::EVENTS, "events"),
            (Self::STREAM, "stream"),
            (Self::SERVER, "server"),
            (Self::UPSTREAM, "upstream"),
        ]
        .into_iter()
        .filter_map(move |(context, name)| self.has(context).then_some(name))
    }
}

/// How many words may follow the name, and what ends the directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Args {
    /// `name;` with this many words at least and at most. `usize::MAX` means any number.
    Simple(usize, usize),
    /// `name … { }` with this many words at least and at most.
    Block(usize, usize),
}

impl Args {
    /// Exactly one word.
    pub const ONE: Self = Self::Simple(1, 1);
    /// One word or more.
    pub const SOME: Self = Self::Simple(1, usize::MAX);
}

/// One entry of the table.
#[derive(Debug)]
pub struct Directive {
    /// Its name, case-sensitive.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: Contexts,
    /// What it takes.
    pub args: Args,
    /// Its words in the notation of the manual, without the name.
    pub syntax: &'static str,
    /// What holds where it is not given; `None` for those that have no default.
    pub default: Option<&'static str>,
    /// Meaning, in a sentence or a few.
    pub doc: &'static str,
    pub(crate) apply: Apply,
}

/// A directive's function: it reads the words of `line` and writes what they say into the loader.
pub(crate) type Apply = fn(&mut Loader<'_>, &Line<'_, '_>, &mut Parser<'_>) -> Result<(), Refusal>;

/// A family of directives.
#[derive(Debug)]
pub struct Family {
    /// Its name, on every floor of the house.
    pub name: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// Its directives.
    pub directives: &'static [Directive],
}

macro_rules! families {
    ($($name:ident: $title:literal),* $(,)?) => {
        &[$(Family { name: stringify!($name), title: $title, directives: family::$name::DIRECTIVES }),*]
    };
}

/// Every family, in the order of the manual.
pub const FAMILIES: &[Family] = families! {
    main_context: "Outside of all blocks",
    events: "Event loops",
    core: "Streams and servers",
    listen: "Where servers listen and how they are named",
    proxy: "Relaying to an upstream",
    guard: "Where clients may not lead a relay",
    proxy_ssl: "TLS towards the upstream",
    upstream: "Groups of servers",
    ssl: "TLS towards clients",
    ssl_preread: "Looking into TLS without ending it",
    access: "Access by address",
    limit_conn: "Limits by key",
    overload: "Limits on what comes before the relay",
    realip: "Addresses told by proxies",
    log: "Logs",
    map: "Variables by text",
    geo: "Variables by address",
    split_clients: "Variables by share",
    set: "Variables set by a server",
    return_text: "Answering with a text",
    pass: "Handing over to another listener",
};

/// Every directive of every family, in the order of the manual.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    FAMILIES.iter().flat_map(|family| family.directives)
}

/// The entries called `name`: more than one where it means different things in different blocks
/// (`server`).
pub(crate) fn named(name: &str) -> &'static [&'static Directive] {
    static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Directive>>> = LazyLock::new(|| {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for directive in directives() {
            by_name.entry(directive.name).or_default().push(directive);
        }
        by_name
    });
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

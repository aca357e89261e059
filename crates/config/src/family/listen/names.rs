//! `server_name`.

use policy::server_name::{Name, ServerNames};
use syntax::Place;

use crate::load::{Line, Loader, Refusal, text};

/// What a server says of where and by which names it is found.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// Where its `server` word stands.
    pub(crate) place: Option<Place>,
    /// Whether it has a `listen`.
    pub(crate) listens: bool,
    names: Vec<Name>,
    /// Whether a match leaves captures behind: it is then worth looking even for the only server.
    pub(super) captures: bool,
}

impl Draft {
    /// `$server_name`.
    pub(crate) fn name(&self) -> Box<[u8]> {
        self.names.first().map(Name::first).unwrap_or_default().into()
    }

    /// Every name; the empty one where there is none.
    pub(super) fn names(&self) -> Vec<&Name> {
        static EMPTY: std::sync::LazyLock<Name> = std::sync::LazyLock::new(|| Name::Plain(Box::default()));
        if self.names.is_empty() { vec![&EMPTY] } else { self.names.iter().collect() }
    }
}

pub(super) fn server_name(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    for (at, word) in line.args().enumerate() {
        let refuse = |message: String| Refusal::Word(at, message, None);
        let hostname;
        let meant = if word.eq_ignore_ascii_case(b"$hostname") {
            hostname = loader.world.hostname().into_bytes();
            &hostname
        } else {
            word
        };
        if let [b'*'] | [b'*', _] = meant {
            return Err(refuse(format!("server name \"{}\" is invalid", text(word))));
        }
        let (name, suspicious) = Name::parse(meant).map_err(|error| refuse(error.to_string()))?;
        if suspicious {
            loader.warn(line, format!("server name \"{}\" has suspicious symbols", text(word)));
        }
        if let Name::Regex(_) = name {
            // Compiled once more for each address; here it is only seen whether it can be.
            let mut alone = ServerNames::default();
            let variables = &mut loader.stream().variables;
            alone.add(&name, (), variables).map_err(|error| refuse(error.to_string()))?;
            loader.server().listen.captures = alone.has_captures();
        }
        loader.server().listen.names.push(name);
    }
    Ok(())
}

/// As messages show it.
pub(super) fn shown(name: &Name) -> String {
    match name {
        Name::Plain(name) => text(name),
        Name::Regex(pattern) => format!("~{}", text(pattern)),
    }
}

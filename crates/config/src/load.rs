//! Walking the sources: directive by directive, in nginx's order of checks, so that the first
//! error told is the one nginx tells. What a directive means is in its family's file.

mod line;
mod walk;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use policy::variables::Variables;
use syntax::{Diagnostic, Level, Parser, Sources, Span, include};

use crate::directive::Contexts;
use crate::family::{core, events, limit_conn, listen, log, main_context, upstream};
use crate::merge::{self, ServerDraft};
use crate::value::Mentions;
use crate::{Config, Settings, Stream, World};

pub(crate) use line::{Line, Refusal, spanned, text};

/// Where the configuration lies and what the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main file (`-c`), as messages show it. Its directory is what certificates and includes are relative to.
    pub conf: PathBuf,
    /// The prefix (`-p`), as it was given: what logs and the pid file are relative to.
    pub prefix: PathBuf,
    /// The start-up and default error log (`-e`); `stderr` is not a file.
    pub error_log: Vec<u8>,
    /// The pid file where the `pid` directive is not given.
    pub pid: PathBuf,
    /// Directives of `-g`, read before the file.
    pub globals: Option<String>,
}

impl Options {
    /// The directory of the main file, as it is written there.
    pub fn conf_dir(&self) -> &Path {
        let path = self.conf.as_os_str().as_bytes();
        let slash = path.iter().rposition(|byte| *byte == b'/').filter(|slash| *slash > 0);
        match slash.and_then(|slash| path.get(..=slash)) {
            Some(directory) => Path::new(OsStr::from_bytes(directory)),
            None => &self.prefix,
        }
    }
}

/// What came of loading, with everything there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or the first error in its files.
    pub config: Result<Config, Diagnostic>,
    /// Warnings about the files, in the order in which they arose.
    pub warnings: Vec<Diagnostic>,
    /// What is wrong with the whole, in the order in which it is to be told. An error among it makes the
    /// configuration useless.
    pub later: Vec<(Stage, Diagnostic)>,
    /// Every file read, in first-read order.
    pub sources: Sources,
}

/// When something about the whole is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// When the syntax of all files, and what `stream { }` names, is known to be right.
    Read,
    /// When the logs are open.
    Logs,
    /// When the listening sockets are there.
    Sockets,
}

/// Loads the configuration named by `options`.
pub fn load(options: &Options, world: &dyn World) -> Loaded {
    let mut loader = Loader::new(options, world);
    let config = loader.read().map(|()| merge::finish(&mut loader));
    let Loader { warnings, mut later, sources, .. } = loader;
    later.sort_by_key(|(stage, _)| *stage);
    Loaded { config, warnings, later, sources }
}

/// The state of a load: what has been read so far, before inheritance.
pub(crate) struct Loader<'w> {
    pub(crate) world: &'w dyn World,
    pub(crate) options: &'w Options,
    sources: Sources,
    warnings: Vec<Diagnostic>,
    later: Vec<(Stage, Diagnostic)>,
    pub(crate) context: Contexts,
    /// How many files are open inside each other.
    depth: usize,
    /// The directive being read, for what is found out later.
    pub(crate) current: Option<Span>,
    /// Log files, in the order in which they are named.
    pub(crate) log_files: Vec<PathBuf>,
    pub(crate) main: main_context::Draft,
    pub(crate) events: Option<events::Draft>,
    pub(crate) stream: Option<StreamDraft>,
    /// What `stream { }` came to, once it is closed.
    pub(crate) merged: Option<Stream>,
}

/// `stream { }` while it is read.
#[derive(Debug, Default)]
pub(crate) struct StreamDraft {
    pub(crate) settings: Settings,
    pub(crate) servers: Vec<ServerDraft>,
    pub(crate) ports: listen::Ports,
    pub(crate) upstreams: upstream::Draft,
    pub(crate) variables: Variables,
    pub(crate) mentions: Mentions,
    pub(crate) formats: log::Formats,
    pub(crate) zones: limit_conn::Zones,
    pub(crate) resolvers: Vec<core::Resolver>,
    pub(crate) hashes: core::HashSizes,
}

impl<'w> Loader<'w> {
    fn new(options: &'w Options, world: &'w dyn World) -> Self {
        Self {
            world,
            options,
            sources: Sources::new(),
            warnings: Vec::new(),
            later: Vec::new(),
            context: Contexts::MAIN,
            depth: 0,
            current: None,
            log_files: Vec::new(),
            main: main_context::Draft::default(),
            events: None,
            stream: None,
            merged: None,
        }
    }

    fn read(&mut self) -> Result<(), Diagnostic> {
        if let Some(globals) = &self.options.globals {
            let source = self.sources.command_line(globals.as_bytes());
            self.block(&mut Parser::new(&source))?;
        }
        let source = self.sources.open(&self.options.conf, self.world, None)?;
        self.block(&mut Parser::new(&source))
    }

    /// The directory that certificates, keys, lists and includes are relative to.
    pub(crate) fn conf_dir(&self) -> &Path {
        self.options.conf_dir()
    }

    /// A file beside the main configuration file: `name` against its directory.
    pub(crate) fn conf_path(&self, name: &[u8]) -> PathBuf {
        include::prefixed(name, self.conf_dir())
    }

    /// A file under the prefix.
    pub(crate) fn prefix_path(&self, name: &[u8]) -> PathBuf {
        include::prefixed(name, &self.options.prefix)
    }

    /// Warns of what `line` says: `TEXT in FILE:LINE`.
    pub(crate) fn warn(&mut self, line: &Line<'_, '_>, message: String) {
        self.say(line, Level::Warn, message);
    }

    /// The same at another level, for what is serious and yet no reason to stop.
    pub(crate) fn say(&mut self, line: &Line<'_, '_>, level: Level, message: String) {
        let told = Diagnostic::new(level, message).at(line.place.clone());
        self.warnings.push(spanned(told, line.whole()));
    }

    /// Warns without a place, as the reference does for what it finds at the end of a block.
    pub(crate) fn warn_bare(&mut self, message: String) {
        self.warnings.push(Diagnostic::warn(message));
    }

    /// Tells, without a place, what is wrong with the whole.
    pub(crate) fn tell_later(&mut self, stage: Stage, diagnostic: Diagnostic) {
        self.later.push((stage, diagnostic));
    }

    /// The settings of the `stream` or `server` block being read.
    ///
    /// The contexts of a directive that calls this must be among those two.
    pub(crate) fn here(&mut self) -> &mut Settings {
        let stream = self.stream.get_or_insert_default();
        match stream.servers.last_mut() {
            Some(server) if self.context == Contexts::SERVER => &mut server.settings,
            _ => &mut stream.settings,
        }
    }

    /// The `stream { }` being read.
    pub(crate) fn stream(&mut self) -> &mut StreamDraft {
        self.stream.get_or_insert_default()
    }

    /// The `server { }` being read.
    ///
    /// The contexts of a directive that calls this must be just that one.
    pub(crate) fn server(&mut self) -> &mut ServerDraft {
        let servers = &mut self.stream.get_or_insert_default().servers;
        if servers.is_empty() {
            servers.push(ServerDraft::default());
        }
        let last = servers.len() - 1;
        &mut servers[last]
    }
}

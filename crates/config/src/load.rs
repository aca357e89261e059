//! Walking the sources: directive by directive, in nginx's order of checks, so that the first
//! error told is the one nginx tells. What a directive means is in its family's file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy::variables::Variables;
use syntax::{Diagnostic, End, Item, Level, Parser, Place, Source, Sources, Span};

use crate::directive::{self, Args, Contexts, Directive};
use crate::family::{core, events, limit_conn, log, main_context, upstream};
use crate::merge::ServerDraft;
use crate::{Config, Settings, World, merge};

/// Where the configuration lies and what the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main file (`-c`), absolute. Its directory is what certificates and includes are relative to.
    pub conf: PathBuf,
    /// The prefix (`-p`), absolute: what logs and the pid file are relative to.
    pub prefix: PathBuf,
    /// The start-up and default error log (`-e`); `stderr` is not a file.
    pub error_log: Vec<u8>,
    /// The pid file where the `pid` directive is not given.
    pub pid: PathBuf,
    /// Directives of `-g`, read before the file.
    pub globals: Option<String>,
}

/// What came of loading, with everything there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or the first error. Warnings are not in it.
    pub config: Result<Config, Diagnostic>,
    /// Warnings, in the order in which they arose.
    pub warnings: Vec<Diagnostic>,
    /// Every file read, in first-read order.
    pub sources: Sources,
}

/// Loads the configuration named by `options`.
pub fn load(options: &Options, world: &dyn World) -> Loaded {
    let mut loader = Loader::new(options, world);
    let config = loader.everything();
    Loaded { config, warnings: loader.warnings, sources: loader.sources }
}

/// Why a directive is refused; the loader adds its name and place.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// `"name" directive PHRASE in FILE:LINE`.
    Phrase(String),
    /// `TEXT in FILE:LINE`.
    Text(String),
    /// `TEXT in FILE:LINE` about the argument with this index, with help.
    Word(usize, String, Option<String>),
    /// `TEXT` alone.
    Bare(String),
    /// An error that already has its place (from a block inside).
    Told(Box<Diagnostic>),
}

impl From<Diagnostic> for Refusal {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Told(Box::new(diagnostic))
    }
}

/// One directive as its function sees it.
#[derive(Debug)]
pub(crate) struct Line<'a, 's> {
    directive: &'a syntax::Directive<'s>,
    /// File and line where the parser stands.
    pub(crate) place: Place,
}

impl Line<'_, '_> {
    /// The words after the name.
    pub(crate) fn args(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.directive.words.iter().skip(1).map(|word| &*word.text)
    }

    /// The argument with this index; empty where there is none.
    pub(crate) fn arg(&self, index: usize) -> &[u8] {
        self.directive.words.get(index + 1).map_or(&[], |word| &*word.text)
    }

    /// The same as text for messages; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, index: usize) -> String {
        text(self.arg(index))
    }

    /// The name as written.
    pub(crate) fn name(&self) -> &str {
        self.directive.words.first().and_then(|word| std::str::from_utf8(&word.text).ok()).unwrap_or("")
    }

    fn span(&self, word: usize) -> Option<Span> {
        self.directive.words.get(word).map(|word| word.span)
    }
}

/// Bytes of the configuration as text for messages.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The state of a load: what has been read so far, before inheritance.
pub(crate) struct Loader<'w> {
    pub(crate) world: &'w dyn World,
    pub(crate) options: &'w Options,
    pub(crate) sources: Sources,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) context: Contexts,
    depth: usize,
    pub(crate) main: main_context::Draft,
    pub(crate) events: Option<events::Events>,
    pub(crate) stream: Option<StreamDraft>,
}

/// `stream { }` while it is read.
#[derive(Debug, Default)]
pub(crate) struct StreamDraft {
    pub(crate) settings: Settings,
    pub(crate) servers: Vec<ServerDraft>,
    pub(crate) upstreams: upstream::Draft,
    pub(crate) variables: Variables,
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
            sources: Sources::default(),
            warnings: Vec::new(),
            context: Contexts::MAIN,
            depth: 0,
            main: main_context::Draft::default(),
            events: None,
            stream: None,
        }
    }

    fn everything(&mut self) -> Result<Config, Diagnostic> {
        if let Some(globals) = &self.options.globals {
            let source = self.sources.command_line(globals.as_bytes());
            self.block(&mut Parser::new(&source))?;
        }
        self.file(&self.options.conf.clone(), None)?;
        merge::finish(self)
    }

    /// Reads one file in the context that holds now.
    fn file(&mut self, path: &Path, from: Option<&Line<'_, '_>>) -> Result<(), Diagnostic> {
        let source = self.open(path, from)?;
        self.block(&mut Parser::new(&source))
    }

    /// Opens a file of configuration text, to be told at `from` if it cannot be.
    fn open(&mut self, path: &Path, from: Option<&Line<'_, '_>>) -> Result<Arc<Source>, Diagnostic> {
        self.sources.open(self.world, path).map_err(|error| {
            let told = Diagnostic::emerg(error);
            match from {
                Some(line) => told.at(line.place.clone()).with_span(line.span(1)),
                None => told,
            }
        })
    }

    /// The directory that certificates, keys, lists and includes are relative to.
    pub(crate) fn conf_dir(&self) -> &Path {
        self.options.conf.parent().unwrap_or(Path::new("/"))
    }

    /// A file beside the main configuration file: `name` against its directory.
    pub(crate) fn conf_path(&self, name: &[u8]) -> PathBuf {
        self.conf_dir().join(path(name))
    }

    /// A file under the prefix.
    pub(crate) fn prefix_path(&self, name: &[u8]) -> PathBuf {
        self.options.prefix.join(path(name))
    }

    /// Takes directives from `parser` until its block or file ends.
    pub(crate) fn block(&mut self, parser: &mut Parser<'_>) -> Result<(), Diagnostic> {
        loop {
            match parser.next()? {
                Item::Directive(directive) => {
                    let line = Line { place: parser.place(&directive), directive: &directive };
                    self.directive(&line, parser)?;
                }
                Item::Close | Item::End => return Ok(()),
            }
        }
    }

    /// The same, in a block of another kind.
    pub(crate) fn block_in(&mut self, context: Contexts, parser: &mut Parser<'_>) -> Result<(), Refusal> {
        let outer = std::mem::replace(&mut self.context, context);
        let done = self.block(parser);
        self.context = outer;
        Ok(done?)
    }

    /// Feeds a block of data (`map`, `geo`, `split_clients`) to `entry`, line by line; `include`
    /// is left to `entry`, which may call [`Loader::include_entries`].
    pub(crate) fn entries(
        &mut self,
        parser: &mut Parser<'_>,
        entry: &mut dyn FnMut(&mut Self, &Line<'_, '_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        loop {
            match parser.next()? {
                Item::Directive(directive) => {
                    let line = Line { place: parser.place(&directive), directive: &directive };
                    if directive.end == End::Open {
                        return Err(Refusal::Text("unexpected \"{\"".to_owned()));
                    }
                    let taken = entry(self, &line);
                    taken.map_err(|refusal| self.tell(refusal, &line))?;
                }
                Item::Close | Item::End => return Ok(()),
            }
        }
    }

    /// Feeds the files that an `include` in a block of data names to `entry`.
    pub(crate) fn include_entries(
        &mut self,
        line: &Line<'_, '_>,
        entry: &mut dyn FnMut(&mut Self, &Line<'_, '_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.each_included(line, &mut |loader, parser| {
            loader.entries(parser, entry).map_err(|refusal| loader.tell(refusal, line))
        })
    }

    fn each_included(
        &mut self,
        line: &Line<'_, '_>,
        read: &mut dyn FnMut(&mut Self, &mut Parser<'_>) -> Result<(), Diagnostic>,
    ) -> Result<(), Refusal> {
        if self.depth >= syntax::include::DEPTH_LIMIT {
            return Err(Refusal::Word(
                0,
                format!("more than {} levels of include", syntax::include::DEPTH_LIMIT),
                Some("a file includes itself, directly or through others".to_owned()),
            ));
        }
        let paths = syntax::include::resolve(line.arg(0), self.conf_dir(), self.world)
            .map_err(|error| Refusal::Word(0, error, None))?;
        self.depth += 1;
        for path in paths {
            let source = self.open(&path, Some(line))?;
            read(self, &mut Parser::new(&source))?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn directive(&mut self, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Diagnostic> {
        self.checked(line, parser).map_err(|refusal| self.tell(refusal, line))
    }

    fn checked(&mut self, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
        if line.name() == "include" {
            Self::shape(line, Args::ONE)?;
            return self.each_included(line, &mut Self::block);
        }
        let found = self.lookup(line)?;
        Self::shape(line, found.args)?;
        (found.apply)(self, line, parser)
    }

    /// The directive of this name that may stand here.
    fn lookup(&self, line: &Line<'_, '_>) -> Result<&'static Directive, Refusal> {
        let name = line.name();
        let known = directive::named(name);
        if let Some(here) = known.iter().find(|directive| directive.contexts.has(self.context)) {
            return Ok(here);
        }
        let written = text(line.directive.words.first().map_or(&[], |word| &*word.text));
        if known.is_empty() && !directive::elsewhere(name) {
            let here = directive::directives().filter(|directive| directive.contexts.has(self.context));
            let help = syntax::closest(name, here.map(|directive| directive.name))
                .map(|close| format!("did you mean \"{close}\"?"));
            return Err(self.at_name(line, format!("unknown directive \"{written}\""), help));
        }
        let help = if known.is_empty() {
            directive::elsewhere_help(name).map(str::to_owned)
        } else {
            let places: Vec<_> = known.iter().flat_map(|directive| directive.contexts.names()).collect();
            Some(format!("it belongs in: {}", places.join(", ")))
        };
        Err(self.at_name(line, format!("\"{written}\" directive is not allowed here"), help))
    }

    fn at_name(&self, line: &Line<'_, '_>, message: String, help: Option<String>) -> Refusal {
        let told = Diagnostic::emerg(message).at(line.place.clone()).with_span(line.span(0));
        match help {
            Some(help) => told.with_help(help),
            None => told,
        }
        .into()
    }

    /// `;` versus `{`, then the number of words.
    fn shape(line: &Line<'_, '_>, args: Args) -> Result<(), Refusal> {
        let name = line.name();
        let (least, most) = match (args, line.directive.end) {
            (Args::Simple(least, most), End::Semicolon) | (Args::Block(least, most), End::Open) => (least, most),
            (Args::Simple(..), End::Open) => {
                return Err(Refusal::Text(format!("directive \"{name}\" is not terminated by \";\"")));
            }
            (Args::Block(..), End::Semicolon) => {
                return Err(Refusal::Text(format!("directive \"{name}\" has no opening \"{{\"")));
            }
        };
        let count = line.args().len();
        // The reference takes seven words at the most where the number is not left open.
        if count < least || count > most || (most != usize::MAX && count > 7) {
            return Err(Refusal::Text(format!("invalid number of arguments in \"{name}\" directive")));
        }
        Ok(())
    }

    fn tell(&self, refusal: Refusal, line: &Line<'_, '_>) -> Diagnostic {
        match refusal {
            Refusal::Told(diagnostic) => *diagnostic,
            Refusal::Bare(message) => Diagnostic::emerg(message),
            Refusal::Phrase(phrase) => Diagnostic::emerg(format!("\"{}\" directive {phrase}", line.name()))
                .at(line.place.clone())
                .with_span(line.span(0)),
            Refusal::Text(message) => {
                Diagnostic::emerg(message).at(line.place.clone()).with_span(line.span(1).or(line.span(0)))
            }
            Refusal::Word(index, message, help) => {
                let told = Diagnostic::emerg(message).at(line.place.clone()).with_span(line.span(index + 1));
                match help {
                    Some(help) => told.with_help(help),
                    None => told,
                }
            }
        }
    }

    /// Warns of what `line` says: `TEXT in FILE:LINE`.
    pub(crate) fn warn(&mut self, line: &Line<'_, '_>, message: String) {
        self.warnings.push(Diagnostic::new(Level::Warn, message).at(line.place.clone()).with_span(line.span(0)));
    }

    /// Warns without a place, as the reference does for what it finds after reading.
    pub(crate) fn warn_bare(&mut self, message: String) {
        self.warnings.push(Diagnostic::new(Level::Warn, message));
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
    pub(crate) fn server(&mut self) -> &mut ServerDraft {
        let servers = &mut self.stream.get_or_insert_default().servers;
        if servers.is_empty() {
            servers.push(ServerDraft::default());
        }
        let last = servers.len() - 1;
        &mut servers[last]
    }
}

fn path(name: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(name))
}

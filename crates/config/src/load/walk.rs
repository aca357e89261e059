//! The walk itself: blocks, includes, and the checks that come before a directive's own.

use syntax::{Diagnostic, End, Item, Parser, Span, Word, include};

use super::line::{Line, Refusal, text};
use super::{Loader, line};
use crate::directive::{self, Args, Contexts, Directive};
use crate::foreign;
use crate::value::did_you_mean;

impl Loader<'_> {
    /// Takes directives from `parser` until its block or file ends.
    pub(crate) fn block(&mut self, parser: &mut Parser<'_>) -> Result<(), Diagnostic> {
        let mut directive = syntax::Directive::default();
        loop {
            match parser.next(&mut directive)? {
                Item::Directive => {
                    let line = Line::new(&directive, parser.place());
                    self.current = line.whole();
                    self.directive(&line, parser)
                        .map_err(|refusal| self.explain(refusal.tell(&line), &line, |word| self.is_directive(word)))?;
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
    pub(crate) fn entries<'s>(
        &mut self,
        parser: &mut Parser<'s>,
        entry: &mut dyn FnMut(&mut Self, &Line<'_, '_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut directive = syntax::Directive::default();
        loop {
            match parser.next(&mut directive)? {
                Item::Directive => {
                    let line = Line::new(&directive, parser.place());
                    self.current = line.whole();
                    let taken = match line.end() {
                        End::Open => Err(Refusal::Text("unexpected \"{\"".to_owned())),
                        End::Semicolon => entry(self, &line),
                    };
                    // Two words are a whole line.
                    let more = line.words().count() > 2;
                    taken.map_err(|refusal| self.explain(refusal.tell(&line), &line, |_| more))?;
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
            loader.entries(parser, entry).map_err(|refusal| refusal.tell(line))
        })
    }

    /// Reads the files that an `include` names in the context that holds now.
    pub(crate) fn include(&mut self, line: &Line<'_, '_>) -> Result<(), Refusal> {
        self.each_included(line, &mut |loader, parser| loader.block(parser))
    }

    fn each_included(
        &mut self,
        line: &Line<'_, '_>,
        read: &mut dyn FnMut(&mut Self, &mut Parser<'_>) -> Result<(), Diagnostic>,
    ) -> Result<(), Refusal> {
        let here = |told: Diagnostic| line::spanned(told.at(line.place.clone()), line.span(1));
        let paths = include::resolve(line.arg(0), self.conf_dir(), self.world).map_err(here)?;
        for path in paths {
            if self.depth >= include::MAX_DEPTH {
                return Err(here(include::too_deep(&path)).into());
            }
            let source = self.sources.open(&path, self.world, Some(line.place.clone()));
            let source = source.map_err(|told| line::spanned(told, line.span(1)))?;
            self.depth += 1;
            read(self, &mut Parser::new(&source))?;
            self.depth -= 1;
        }
        Ok(())
    }

    fn directive(&mut self, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
        let found = self.lookup(line)?;
        shape(line, found.args)?;
        (found.apply)(self, line, parser)
    }

    /// `told`; where it is about `line`, and a word that begins a line of the text within it `begins` another one, with where
    /// the `;` is missing.
    fn explain(&self, told: Diagnostic, line: &Line<'_, '_>, begins: impl Fn(&Word<'_>) -> bool) -> Diagnostic {
        let within = |(at, whole): (Span, Span)| at.file == whole.file && (whole.start..whole.end).contains(&at.start);
        if told.related.is_some() || !told.span.zip(line.whole()).is_some_and(within) {
            return told;
        }
        let mut pairs = line.words().zip(line.words().skip(1));
        match pairs.find(|(before, word)| self.line_ends(before.span, word.span) && begins(word)) {
            Some((before, _)) => told.related(before.span, syntax::NO_END),
            None => told,
        }
    }

    /// Whether a line of the text ends between two words.
    fn line_ends(&self, before: Span, after: Span) -> bool {
        let source = self.sources.find(after.file);
        let between = source.and_then(|one| one.text().get(before.end as usize..after.start as usize));
        between.is_some_and(|between| between.contains(&b'\n'))
    }

    /// Whether `word` is the name of a directive that may stand here.
    fn is_directive(&self, word: &Word<'_>) -> bool {
        let named = std::str::from_utf8(&word.text).map(directive::named).unwrap_or_default();
        !word.quoted && named.iter().any(|one| one.contexts.has(self.context))
    }

    /// The directive of this name that may stand here.
    fn lookup(&self, line: &Line<'_, '_>) -> Result<&'static Directive, Refusal> {
        let name = line.name();
        let known = directive::named(name);
        if let Some(here) = known.iter().find(|directive| directive.contexts.has(self.context)) {
            return Ok(here);
        }
        let refuse = |message: String, help: Option<String>| {
            let told = line::spanned(Diagnostic::emerg(message).at(line.place.clone()), line.span(0));
            Err(match help {
                Some(help) => told.help(help),
                None => told,
            }
            .into())
        };
        let written = text(line.word(0));
        let misplaced = || format!("\"{written}\" directive is not allowed here");
        if !known.is_empty() {
            let places: Vec<_> = known.iter().flat_map(|directive| directive.contexts.names()).collect();
            return refuse(misplaced(), Some(format!("it belongs in: {}", places.join(", "))));
        }
        if foreign::knows(name) {
            return refuse(misplaced(), Some(foreign::help(name)));
        }
        let here = directive::directives().filter(|directive| directive.contexts.has(self.context));
        let near = || did_you_mean(line.word(0), here.map(|directive| directive.name));
        let help = foreign::successor(name).map(str::to_owned).or_else(near);
        refuse(format!("unknown directive \"{written}\""), help)
    }
}

/// `;` versus `{`, then the number of words.
fn shape(line: &Line<'_, '_>, args: Args) -> Result<(), Refusal> {
    let name = line.name();
    let (least, most) = match (args, line.end()) {
        (Args::Simple(least, most), End::Semicolon) | (Args::Block(least, most), End::Open) => (least, most),
        (Args::Simple(..), End::Open) => {
            return Err(Refusal::Text(format!("directive \"{name}\" is not terminated by \";\"")));
        }
        (Args::Block(..), End::Semicolon) => {
            return Err(Refusal::Text(format!("directive \"{name}\" has no opening \"{{\"")));
        }
    };
    if (least..=most).contains(&line.args().len()) {
        return Ok(());
    }
    Err(Refusal::Text(format!("invalid number of arguments in \"{name}\" directive")))
}

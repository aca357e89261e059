//! `geo [$address] $variable { … }`.

mod entry;
#[cfg(test)]
mod tests;

use policy::variables::Definition;
use syntax::Parser;

use super::set::{define, variable_name};
use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal};
use crate::value::template;

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "geo",
    contexts: Contexts::STREAM,
    args: Args::Block(1, 2),
    syntax: "[$address] $variable { … }",
    default: None,
    doc: "A variable whose value depends on the client's address, or that in another variable. Each line is \
          `network value`, or `first-last value` after `ranges`; `default`, `delete`, `volatile` and `include` have \
          a meaning of their own.",
    apply: |loader, line, parser| geo(loader, line, parser),
}];

fn geo(loader: &mut Loader<'_>, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
    let mut block = if line.args().len() == 1 {
        entry::Block::default()
    } else {
        variable_name(line, 0)?;
        entry::Block::of(template(loader, line.arg(0))?)
    };
    let name = variable_name(line, line.args().len() - 1)?;
    loader.entries(parser, &mut |loader, line| block.add(loader, line))?;
    define(loader, name, Definition::Geo(block.finish()))?;
    Ok(())
}

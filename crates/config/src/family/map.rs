//! `map STRING $variable { … }`.

#[cfg(test)]
mod tests;

use policy::map::{MapBuilder, MapError};
use policy::variables::Definition;
use syntax::Parser;

use super::core::hashes;
use super::set::{define, reserve, variable_name};
use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal};
use crate::value::template;

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "map",
    contexts: Contexts::STREAM,
    args: Args::Block(2, 2),
    syntax: "string $variable { … }",
    default: None,
    doc: "A variable whose value depends on a string. Each line is `source value`, where a source is text, a host \
          name with a wildcard after `hostnames`, or `~` and a regular expression; `default`, `volatile` and \
          `include` have a meaning of their own. Case counts in regular expressions alone, and after `~*` not there either.",
    apply: |loader, line, parser| map(loader, line, parser),
}];

fn map(loader: &mut Loader<'_>, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
    let source = template(loader, line.arg(0))?;
    let name = variable_name(line, 1)?;
    reserve(loader, name)?;
    let mut builder = MapBuilder::new();
    loader.entries(parser, &mut |loader, entry| add(loader, &mut builder, entry))?;
    let sizes = loader.stream().hashes.of_maps();
    hashes::tell(loader, "map_hash", sizes, builder.misfits(sizes))?;
    let volatile = builder.is_volatile();
    define(loader, name, Definition::Map { source, map: builder.finish(), volatile })?;
    Ok(())
}

fn add(loader: &mut Loader<'_>, builder: &mut MapBuilder, entry: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = entry.word(0);
    let variables = &mut loader.stream().variables;
    let added = match entry.args().len() {
        0 => builder.entry(&[name], variables),
        1 if name == b"include" => {
            return loader.include_entries(entry, &mut |loader, entry| add(loader, builder, entry));
        }
        1 => builder.entry(&[name, entry.arg(0)], variables),
        _ => Err(MapError::WordCount),
    };
    added.map_err(|error| Refusal::Text(error.to_string()))
}

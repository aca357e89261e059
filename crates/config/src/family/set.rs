//! `set $variable value`.

#[cfg(test)]
mod tests;

use policy::template::Template;
use policy::variables::{Definition, VarId};

use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::template;

/// One `set`.
#[derive(Debug)]
pub struct Assignment {
    /// The variable.
    pub variable: VarId,
    /// What it becomes.
    pub value: Template,
}

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "set",
    contexts: Contexts::SERVER,
    args: Args::Simple(2, 2),
    syntax: "$variable value",
    default: None,
    doc: "Assigns to a variable at the start of each session. Later assignments see earlier ones.",
    apply: |loader, line, _| set(loader, line),
}];

fn set(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = variable_name(line, 0)?;
    let variable = reserve(loader, name)?;
    let value = template(loader, line.arg(1))?;
    loader.server().set.push(Assignment { variable, value });
    Ok(())
}

/// The name after `$` in the argument with this index.
pub(super) fn variable_name<'a>(line: &'a Line<'_, '_>, index: usize) -> Result<&'a [u8], Refusal> {
    match line.arg(index) {
        [b'$', name @ ..] if !name.is_empty() => Ok(name),
        word => Err(Refusal::Word(index, format!("invalid variable name \"{}\"", text(word)), None)),
    }
}

/// Makes `name` a variable, empty so far; those that are built in cannot be.
pub(super) fn reserve(loader: &mut Loader<'_>, name: &[u8]) -> Result<VarId, Refusal> {
    define(loader, name, Definition::Set)
}

/// Says what the variable is; the last `map`, `geo` or `split_clients` counts.
pub(super) fn define(loader: &mut Loader<'_>, name: &[u8], definition: Definition) -> Result<VarId, Refusal> {
    loader.stream().variables.define(name, definition).map_err(|error| Refusal::Text(error.to_string()))
}

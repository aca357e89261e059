//! `return TEXT`.

use crate::directive::{Args, Contexts, Directive};
use crate::value::{duplicate, template};

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "return",
    contexts: Contexts::SERVER,
    args: Args::ONE,
    syntax: "value",
    default: None,
    doc: "Sends a text, which may hold variables, and closes the connection.",
    apply: |loader, line, _| {
        if loader.server().content.text.is_some() {
            return Err(duplicate());
        }
        let text = template(loader, line.arg(0))?;
        loader.server().content.set_text(text);
        Ok(())
    },
}];

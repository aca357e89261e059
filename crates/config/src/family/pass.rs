//! `pass`: handing the accepted connection to another listener.

#[cfg(test)]
mod tests;

use policy::address::{self, Address, Host};
use policy::template::Template;

use crate::directive::{Args, Contexts, Directive};
use crate::family::proxy::words::has_variables;
use crate::load::{Line, Loader, Refusal};
use crate::value::{duplicate, template};

/// Where the connection goes.
#[derive(Debug)]
pub enum Pass {
    /// Addresses known at load; the first that is listened on takes it.
    Fixed(Vec<Address>),
    /// Text evaluated for each session.
    Evaluated(Template),
}

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "pass",
    contexts: Contexts::SERVER,
    args: Args::ONE,
    syntax: "address",
    default: None,
    doc: "Hands the connection over to the listener at this address, as if it had been accepted there. May hold \
          variables.",
    apply: |loader, line, _| pass(loader, line),
}];

fn pass(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.server().content.pass.is_some() {
        return Err(duplicate());
    }
    let pass = if has_variables(line.arg(0)) {
        Pass::Evaluated(template(loader, line.arg(0))?)
    } else {
        Pass::Fixed(vec![address(line)?])
    };
    loader.server().content.set_pass(pass);
    Ok(())
}

fn address(line: &Line<'_, '_>) -> Result<Address, Refusal> {
    let target = address::parse_upstream(line.arg(0)).map_err(|phrase| {
        Refusal::Word(0, format!("{phrase} in \"{}\" of the \"pass\" directive", line.text(0)), None)
    })?;
    match (target.host, target.port) {
        (Host::Unix(path), _) => Ok(Address::Unix(path)),
        (Host::Ip(ip), Some(port)) => Ok(Address::Inet((ip, port).into())),
        (Host::Ip(_), None) => Err(Refusal::Phrase("has no port".to_owned())),
        (Host::Name(_), _) => Err(Refusal::Phrase("has no addresses".to_owned())),
    }
}

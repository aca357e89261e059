//! `allow` and `deny`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use policy::access::AccessList;
use policy::access::{Verdict, Who};
use policy::address::Network;

use crate::directive::{Args, Contexts, Directive};
use crate::family::proxy::words::invalid_parameter;
use crate::load::{Line, Loader, Refusal, text};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    list: Option<Arc<AccessList>>,
}

/// What holds in a server that says `own` within `outer`: its own list, or else that of `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> Arc<AccessList> {
    own.list.as_ref().or(outer.list.as_ref()).cloned().unwrap_or_default()
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "allow",
        contexts: Contexts::STREAM_SERVER,
        args: Args::ONE,
        syntax: "address | CIDR | unix: | all",
        default: None,
        doc: "Lets these clients in. The first rule that matches counts; a client that none matches is let in.",
        apply: |loader, line, _| rule(loader, line, Verdict::Allow),
    },
    Directive {
        name: "deny",
        contexts: Contexts::STREAM_SERVER,
        args: Args::ONE,
        syntax: "address | CIDR | unix: | all",
        default: None,
        doc: "Keeps these clients out. The first rule that matches counts.",
        apply: |loader, line, _| rule(loader, line, Verdict::Deny),
    },
];

fn rule(loader: &mut Loader<'_>, line: &Line<'_, '_>, verdict: Verdict) -> Result<(), Refusal> {
    let who = match line.arg(0) {
        b"all" => Who::All,
        b"unix:" => Who::Unix,
        _ => Who::Network(network(loader, line, line.arg(0)).ok_or_else(|| invalid_parameter(line, 0))?),
    };
    let list = loader.here().access.list.get_or_insert_default();
    Arc::make_mut(list).push(who, verdict);
    Ok(())
}

/// The network that `word` of `line` names, with a warning where host bits are set; `None` where it
/// is none.
pub(super) fn network(loader: &mut Loader<'_>, line: &Line<'_, '_>, word: &[u8]) -> Option<Network> {
    let (network, host_bits) = Network::parse(word)?;
    if host_bits {
        loader.warn(line, format!("low address bits of {} are meaningless", text(word)));
    }
    Some(network)
}

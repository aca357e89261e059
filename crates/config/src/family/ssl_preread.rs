//! `ssl_preread`.

use crate::directive::{Args, Contexts, Directive};
use crate::value::{flag, once};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) on: Option<bool>,
}

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "ssl_preread",
    contexts: Contexts::STREAM_SERVER,
    args: Args::ONE,
    syntax: "on | off",
    default: Some("off"),
    doc: "Reads server name, ALPN protocols and version from the ClientHello, without decrypting anything.",
    apply: |loader, line, _| once(&mut loader.here().ssl_preread.on, line, flag),
}];

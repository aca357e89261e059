//! `ssl_preread`.

use crate::directive::Directive;
use crate::value::{flag, once};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    on: Option<bool>,
}

/// What holds in a server that says `own` within `outer`.
pub(crate) fn merge(own: &Settings, outer: &Settings) -> bool {
    own.on.or(outer.on).unwrap_or(false)
}

pub(crate) const DIRECTIVES: &[Directive] = &[Directive::setting(
    "ssl_preread",
    "on | off",
    Some("off"),
    "Reads server name, ALPN protocols and version from the ClientHello, without decrypting anything.",
    |loader, line, _| once(&mut loader.here().ssl_preread.on, line, flag),
)];

//! `set_real_ip_from`.

use crate::directive::Directive;

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {}

pub(crate) const DIRECTIVES: &[Directive] = &[];

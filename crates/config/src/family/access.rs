//! `allow` and `deny`.

pub use policy::access::AccessList;

use crate::directive::Directive;

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {}

pub(crate) const DIRECTIVES: &[Directive] = &[];

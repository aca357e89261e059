//! `return TEXT`.

use crate::directive::Directive;

pub(crate) const DIRECTIVES: &[Directive] = &[];

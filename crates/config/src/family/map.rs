//! `map STRING $variable { … }`.

use crate::directive::Directive;

pub(crate) const DIRECTIVES: &[Directive] = &[];

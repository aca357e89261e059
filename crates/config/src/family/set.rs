//! `set $variable value`.

use policy::template::Template;
use policy::variables::VarId;

use crate::directive::Directive;

/// One `set`.
#[derive(Debug)]
pub struct Assignment {
    /// The variable.
    pub variable: VarId,
    /// What it becomes.
    pub value: Template,
}

pub(crate) const DIRECTIVES: &[Directive] = &[];

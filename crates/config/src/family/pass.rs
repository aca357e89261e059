//! `pass`: handing the accepted connection to another listener.

use policy::address::Address;
use policy::template::Template;

use crate::directive::Directive;

/// Where the connection goes.
#[derive(Debug)]
pub enum Pass {
    /// Addresses known at load; the first that is listened on takes it.
    Fixed(Vec<Address>),
    /// Text evaluated for each session.
    Evaluated(Template),
}

pub(crate) const DIRECTIVES: &[Directive] = &[];

//! From what the blocks say to what holds: inheritance, then the checks that span blocks.

use policy::template::Template;
use syntax::{Diagnostic, Place};

use crate::family::{listen, pass, proxy, set};
use crate::load::Loader;
use crate::{Config, Settings};

/// One `server { }` while it is read.
#[derive(Debug, Default)]
pub(crate) struct ServerDraft {
    pub(crate) settings: Settings,
    /// Where its `server` word stands.
    pub(crate) place: Option<Place>,
    pub(crate) set: Vec<set::Assignment>,
    pub(crate) content: ContentDraft,
}

/// The content directives of a server, each at most once; the last one written counts.
#[derive(Debug, Default)]
pub(crate) struct ContentDraft {}

pub(crate) fn finish(loader: &mut Loader<'_>) -> Result<Config, Diagnostic> {
    let _ = loader;
    Err(Diagnostic::emerg("not merged".to_owned()))
}

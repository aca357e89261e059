//! Configuration text to directives: tokens, spans, includes, scalars and diagnostics.
//!
//! The grammar is nginx's to the byte, with its errors in its order. This crate knows no directive: what a word means, where it
//! may stand and how many arguments it takes is for its callers.

mod closest;
mod diagnostic;
mod files;
pub mod glob;
pub mod include;
mod level;
mod parser;
pub mod scalar;
mod source;
mod word;

pub use closest::closest;
pub use diagnostic::{Diagnostic, Place, Related};
pub use files::{Disk, Files, Memory};
pub use level::Level;
pub use parser::{Item, MAX_TOKEN, NO_END, Parser};
pub use source::{FileId, Kind, Source, Sources, Span};
pub use word::{Directive, End, Word};

//! What on the machine stands in the way of a configuration that is valid in itself.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a plan cannot be made.
#[derive(Debug)]
pub enum BuildError {
    /// Said as it is.
    Text(String),
    /// A file could not be opened.
    Open(PathBuf, io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Open(path, error) => {
                write!(f, "open() \"{}\" failed{}", path.display(), crate::log::errno(error))
            }
        }
    }
}

impl std::error::Error for BuildError {}

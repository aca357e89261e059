//! The texts a configuration is made of, each read once and kept for spans, snippets and the dump.
//!
//! It does not look into a text.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, os_error};
use crate::files::Files;
use crate::level::Level;

/// Names a [`Source`] within its [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A range of bytes in one source; `end` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The source.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `last`, which must be of the same file and not before.
    #[must_use]
    pub fn to(self, last: Self) -> Self {
        Self { end: last.end, ..self }
    }
}

/// Where a text comes from; the grammar and the wording of errors differ a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// The parameter of `-g`.
    CommandLine,
}

/// One text.
#[derive(Debug)]
pub struct Source {
    id: FileId,
    name: Arc<str>,
    text: Vec<u8>,
    kind: Kind,
}

impl Source {
    /// Its key.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The path as nginx prints it, or `command line`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every byte of it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The place that a diagnostic names for a line (from 1) of this source.
    pub fn place(&self, line: u32) -> Place {
        match self.kind {
            Kind::File => Place::File { name: Arc::clone(&self.name), line },
            Kind::CommandLine => Place::CommandLine,
        }
    }
}

/// Every text read, in the order of first reading.
#[derive(Debug, Default)]
pub struct Sources {
    all: Vec<Arc<Source>>,
    /// By the path as spelled: `/a/./b` and `/a/b` are two to nginx, in errors and in the dump.
    by_path: HashMap<OsString, FileId>,
}

impl Sources {
    /// No text yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of the file at `path`, read through `files` unless it was read before.
    ///
    /// `at` is where the file is asked for (the parser's place at the `include`; none for the main file). The error is nginx's
    /// `open() "PATH" failed (2: No such file or directory)` there.
    pub fn open(&mut self, path: &Path, files: &dyn Files, at: Option<Place>) -> Result<Arc<Source>, Diagnostic> {
        if let Some(known) = self.by_path.get(path.as_os_str()).and_then(|id| self.find(*id)) {
            return Ok(Arc::clone(known));
        }
        let text = files.read(path).map_err(|error| read_error(path, &error, at.clone()))?;
        if u32::try_from(text.len()).is_err() {
            let message = format!("file \"{}\" is larger than 4 GiB", path.display());
            return Err(Diagnostic::emerg(message).at(at));
        }
        let source = self.push(&path.to_string_lossy(), text, Kind::File);
        self.by_path.insert(path.into(), source.id);
        Ok(source)
    }

    /// Adds the text of `-g`; bytes past 4 GiB, which no command line can hold, are dropped.
    pub fn command_line(&mut self, text: &[u8]) -> Arc<Source> {
        let text = text.get(..u32::MAX as usize).unwrap_or(text);
        self.push("command line", text.to_vec(), Kind::CommandLine)
    }

    /// The source of a span; none if the id is of another collection.
    pub fn find(&self, id: FileId) -> Option<&Arc<Source>> {
        self.all.get(id.0 as usize)
    }

    /// The files, for `-T`: in first-read order, each once, the command line left out.
    pub fn files(&self) -> impl Iterator<Item = &Source> {
        self.all.iter().map(AsRef::as_ref).filter(|source| source.kind == Kind::File)
    }

    /// Writes what `-T` prints after the test.
    pub fn dump(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for source in self.files() {
            writeln!(out, "# configuration file {}:", source.name)?;
            out.write_all(&source.text)?;
            writeln!(out)?;
        }
        Ok(())
    }

    fn push(&mut self, name: &str, text: Vec<u8>, kind: Kind) -> Arc<Source> {
        let source = Arc::new(Source { id: FileId(self.all.len() as u32), name: name.into(), text, kind });
        self.all.push(Arc::clone(&source));
        source
    }
}

/// nginx can open a directory and learns only from reading it, which it reports without the place.
fn read_error(path: &Path, error: &io::Error, at: Option<Place>) -> Diagnostic {
    let (path, cause) = (path.display(), os_error(error));
    if error.kind() == io::ErrorKind::IsADirectory {
        Diagnostic::new(Level::Crit, format!("pread() \"{path}\" failed ({cause})"))
    } else {
        Diagnostic::emerg(format!("open() \"{path}\" failed ({cause})")).at(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Disk, Memory};

    #[test]
    fn each_file_is_read_once_and_dumped_in_first_read_order() {
        let files = Memory::from([("/a", "one;\n"), ("/b", "two;")]);
        let mut sources = Sources::new();
        sources.command_line(b"zero;");
        let first = sources.open(Path::new("/b"), &files, None).unwrap();
        sources.open(Path::new("/a"), &files, None).unwrap();
        let again = sources.open(Path::new("/b"), &Memory::default(), None).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let spelled = sources.open(Path::new("/./b"), &Memory::default(), None);
        assert!(spelled.is_err());
        let mut dump = Vec::new();
        sources.dump(&mut dump).unwrap();
        assert_eq!(
            String::from_utf8(dump).unwrap(),
            "# configuration file /b:\ntwo;\n# configuration file /a:\none;\n\n"
        );
    }

    #[test]
    fn a_missing_file_is_told_at_the_include() {
        let mut sources = Sources::new();
        let place = Place::File { name: "/etc/x.conf".into(), line: 3 };
        let path = Path::new("/nonexistent/x");
        let error = sources.open(path, &Disk, Some(place)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "open() \"/nonexistent/x\" failed (2: No such file or directory) in /etc/x.conf:3"
        );
        let error = sources.open(path, &Memory::default(), None).unwrap_err();
        assert_eq!(error.to_string(), "open() \"/nonexistent/x\" failed (2: No such file or directory)");
    }

    #[test]
    fn a_directory_opens_but_does_not_read() {
        let error = Sources::new().open(Path::new("/"), &Disk, Some(Place::CommandLine)).unwrap_err();
        assert_eq!(error.level, Level::Crit);
        assert_eq!(error.to_string(), "pread() \"/\" failed (21: Is a directory)");
    }
}

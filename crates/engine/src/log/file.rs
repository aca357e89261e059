//! Log files: each path is opened once however many directives name it, appended to with one
//! `write` per line, and reopened in place.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syntax::Level;

use super::disk::{Disk, Lost};
use super::errno;

/// An open log file. Reopening replaces the file behind the same descriptor, so that writers on
/// other threads need no lock.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// How many files were opened before it, and itself.
    number: u64,
    file: File,
    disk: Disk,
}

impl LogFile {
    /// Opens `path` for appending; it is created with mode 0644.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), number: 0, file: append(path)?, disk: Disk::default() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `bytes` in one write. What the disk does not take is lost: a log never holds up
    /// a session.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Lost> {
        self.disk.write(bytes, |bytes| (&self.file).write(bytes))
    }

    /// The same for a file that is not kept, with what is remembered of its disk.
    pub fn write_on(&self, disk: &Disk, bytes: &[u8]) -> Result<(), Lost> {
        disk.write(bytes, |bytes| (&self.file).write(bytes))
    }

    /// Whether a line that could not be written is to be told of.
    pub fn is_to_be_told(&self) -> bool {
        self.disk.is_to_be_told()
    }

    /// Whether the path still leads to this file.
    pub fn is_in_place(&self) -> bool {
        let identity = |file: std::fs::Metadata| (file.dev(), file.ino());
        let (there, here) = (std::fs::metadata(&self.path), self.file.metadata());
        there.is_ok_and(|there| here.is_ok_and(|here| identity(there) == identity(here)))
    }

    /// Opens the path anew, for instance after it was renamed away (USR1). On an error the old
    /// file stays in use.
    fn reopen(&self) -> io::Result<()> {
        os::process::replace_fd(append(&self.path)?.as_fd(), self.file.as_fd())
    }

    /// Makes the user `owner` the file's owner, who may read and write it then.
    fn give_to(&self, owner: u32) -> io::Result<()> {
        /// The owner's rights to read and to write.
        const OWNERS: u32 = 0o600;
        let file = self.file.metadata()?;
        if file.uid() != owner {
            fchown(&self.file, Some(owner), None)?;
        }
        if file.mode() & OWNERS != OWNERS {
            self.file.set_permissions(Permissions::from_mode(file.mode() | OWNERS))?;
        }
        Ok(())
    }
}

impl AsFd for LogFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path)
}

/// Every log file in use, by path. Kept over a reload so that a file named by both
/// configurations is opened once.
#[derive(Debug, Default)]
pub struct Files {
    by_path: HashMap<PathBuf, Arc<LogFile>>,
    opened: u64,
}

impl Files {
    /// The open file at `path`.
    pub fn open(&mut self, path: &Path) -> io::Result<Arc<LogFile>> {
        if let Some(open) = self.by_path.get(path) {
            return Ok(Arc::clone(open));
        }
        let file = Arc::new(LogFile { number: self.count(), ..LogFile::open(path)? });
        self.by_path.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    /// The number of the next file.
    fn count(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// The open files by their paths, for another process that writes to them.
    pub fn all(&self) -> impl Iterator<Item = (&Path, BorrowedFd<'_>)> {
        self.by_path.iter().map(|(path, file)| (path.as_path(), file.file.as_fd()))
    }

    /// Takes `file`, which another process has opened, as the one at `path`.
    pub fn adopt(&mut self, path: &Path, file: OwnedFd) -> io::Result<()> {
        if let Some(open) = self.by_path.get(path) {
            return os::process::replace_fd(file.as_fd(), open.file.as_fd());
        }
        let (path, number) = (path.to_owned(), self.count());
        let file = Arc::new(LogFile { path: path.clone(), number, file: file.into(), disk: Disk::default() });
        self.by_path.insert(path, file);
        Ok(())
    }

    /// Reopens every file, the first one first, for those who run as `owner`, where that is not this user; what went wrong
    /// is returned, each with its level.
    pub fn reopen(&self, owner: Option<u32>) -> Vec<(Level, String)> {
        let mut wrong = Vec::new();
        let mut files: Vec<_> = self.by_path.values().collect();
        files.sort_unstable_by_key(|file| file.number);
        for file in files {
            let path = file.path.display();
            if let Err(error) = file.reopen() {
                wrong.push((Level::Emerg, format!("open() \"{path}\" failed{}", errno(&error))));
                continue;
            }
            if let Some(owner) = owner
                && let Err(error) = file.give_to(owner)
            {
                wrong.push((Level::Alert, format!("chown(\"{path}\", {owner}) failed{}", errno(&error))));
            }
        }
        wrong
    }

    /// Lets go of files that no log uses any more.
    pub fn forget_unused(&mut self) {
        self.by_path.retain(|_, file| Arc::strong_count(file) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopening_follows_the_name_and_keeps_the_handle() {
        let dir = std::env::temp_dir().join(format!("lockgate-log-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (path, moved) = (dir.join("a.log"), dir.join("a.log.1"));
        let mut files = Files::default();
        let log = files.open(&path).unwrap();
        log.write(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.write(b"two\n").unwrap();
        assert!(files.reopen(None).is_empty());
        log.write(b"three\n").unwrap();
        assert!(Arc::ptr_eq(&log, &files.open(&path).unwrap()));
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

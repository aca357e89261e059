//! The pid file: where it is, what it is called while a new binary takes over, and its end.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use engine::log::errno;
use syntax::Level;

/// Why a pid file could not be written: what to say of it.
#[derive(Debug)]
pub(super) struct NotWritten {
    pub(super) level: Level,
    pub(super) text: String,
}

/// A pid file that this process has written.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the number of this process.
    pub(super) fn write(path: &Path) -> Result<Self, NotWritten> {
        let failed = |level, call: &str, error: io::Error| NotWritten {
            level,
            text: format!("{call} \"{}\" failed{}", path.display(), errno(&error)),
        };
        let mut file = File::create(path).map_err(|error| failed(Level::Emerg, "open()", error))?;
        // A full disk, mostly.
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
            .map_err(|error| failed(Level::Crit, "pwrite()", error))?;
        // Created under whatever umask; it is for everybody to read.
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644));
        Ok(Self(path.to_owned()))
    }

    /// Another one at `path`, unless that is where this one is.
    pub(super) fn beside(&self, path: &Path) -> Result<Option<Self>, NotWritten> {
        if self.0 == path { Ok(None) } else { Self::write(path).map(Some) }
    }

    /// Makes room for the one of a new binary: `PATH.oldbin` from now on.
    pub(super) fn step_aside(&mut self) -> io::Result<()> {
        let mut aside = self.0.clone().into_os_string();
        aside.push(".oldbin");
        self.rename(aside.into())
    }

    /// Takes the place at `path` again, after a new binary has failed.
    pub(super) fn step_back(&mut self, path: &Path) -> io::Result<()> {
        self.rename(path.to_owned())
    }

    fn rename(&mut self, to: PathBuf) -> io::Result<()> {
        std::fs::rename(&self.0, &to)?;
        self.0 = to;
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it.
    pub(super) fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.0)
    }
}

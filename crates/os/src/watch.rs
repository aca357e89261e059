//! Being told that something in a directory changed (inotify(7)). What changed is for the caller
//! to find out: names and their order are not to be relied on where links are switched.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::{check, check_len};

/// Watched directories; readable once something in one of them has changed.
#[derive(Debug)]
pub struct Watches {
    fd: OwnedFd,
}

impl Watches {
    /// Nothing is watched yet. The system grants each user a number of these.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor that is returned is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC))?) };
        Ok(Self { fd })
    }

    /// Watches `directory` for entries that come, go, are renamed, or were written to. Watching it
    /// twice is watching it once.
    pub fn add(&self, directory: &Path) -> io::Result<()> {
        let path = CString::new(directory.as_os_str().as_bytes())?;
        let changes = libc::IN_CREATE
            | libc::IN_DELETE
            | libc::IN_MOVED_FROM
            | libc::IN_MOVED_TO
            | libc::IN_CLOSE_WRITE
            | libc::IN_ATTRIB
            | libc::IN_DELETE_SELF
            | libc::IN_MOVE_SELF
            | libc::IN_ONLYDIR;
        // SAFETY: the path is a C string.
        check(unsafe { libc::inotify_add_watch(self.fd.as_raw_fd(), path.as_ptr(), changes) }).map(drop)
    }

    /// Forgets what has changed so far.
    pub fn clear(&self) {
        let mut room = [0_u8; 4096];
        // SAFETY: pointer and length describe `room`.
        while check_len(unsafe { libc::read(self.fd.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) })
            .is_ok_and(|taken| taken > 0)
        {}
    }
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_change_is_told_until_it_is_cleared() {
        let dir = std::env::temp_dir().join(format!("lockgate-watch-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let watches = Watches::new().unwrap();
        watches.add(&dir).unwrap();
        let changed = || crate::poll::wait(&[watches.as_fd()], Some(Duration::ZERO)).unwrap()[0];
        assert!(!changed());
        std::fs::write(dir.join("a"), "text").unwrap();
        assert!(changed());
        watches.clear();
        assert!(!changed());
        std::os::unix::fs::symlink("a", dir.join("new")).unwrap();
        watches.clear();
        std::fs::rename(dir.join("new"), dir.join("link")).unwrap();
        assert!(changed());
        assert!(watches.add(&dir.join("a")).is_err(), "a file is no directory");
        std::fs::remove_dir_all(dir).unwrap();
    }
}

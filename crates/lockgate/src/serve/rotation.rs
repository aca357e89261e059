//! Noticing that files of certificates have changed: by being told of changes in their directories, and, for file
//! systems that do not tell, by looking from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use os::watch::Watches;

/// How long nothing may change before the files are read: certificate and key are written one after the other.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a change waits at most, however busy its directory is.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the files are looked at where nothing is told.
const LOOK: Duration = Duration::from_secs(60);
/// Links that are followed from one name, as the kernel does.
const LINKS: usize = 40;

/// What tells one state of a file from the next: device, inode, size, and the time of the last change, be it of who may
/// read it alone.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The files that are followed.
#[derive(Debug)]
pub(super) struct Rotation {
    watches: Option<Watches>,
    files: BTreeMap<PathBuf, Stamp>,
    /// When to read the files, and when at the latest: they have changed.
    due: Option<(Instant, Instant)>,
    look: Instant,
}

impl Rotation {
    /// Follows `files`, as they are now. One that has changed since they began to be read may have been read before
    /// it did, and counts as changed.
    pub(super) fn of(files: BTreeSet<PathBuf>, read: Option<(i64, i64)>) -> Self {
        let read = read.unwrap_or((i64::MAX, 0));
        let known = |path: &Path| stamp(path).filter(|(.., seconds, nanos)| (*seconds, *nanos) < read);
        let files: BTreeMap<_, _> = files.into_iter().map(|path| (path.clone(), known(&path))).collect();
        // Where nothing is told, because the user has too many watches for instance, looking has to do.
        let watches = (!files.is_empty()).then(|| Watches::new().ok()).flatten();
        // The first look is at once.
        let rotation = Self { watches, files, due: None, look: Instant::now() };
        rotation.watch();
        rotation
    }

    /// Watches every directory on the way to each file, through all links.
    fn watch(&self) {
        let Some(watches) = &self.watches else { return };
        let mut directories = BTreeSet::new();
        for path in self.files.keys() {
            follow(path, &mut directories);
        }
        for directory in directories {
            // One that is not there yet is seen to come by the watch of its parent, or by looking.
            let _ = watches.add(&directory);
        }
    }

    /// What to wait for, and how long at most.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watches.as_ref().map(AsFd::as_fd)
    }

    /// When [`Rotation::changed`] is to be asked next, told or not.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.files.is_empty()).then(|| self.due.map_or(self.look, |(due, _)| due))
    }

    /// The files that have changed and have been left alone since; asked whenever something was told, or the time
    /// has come.
    pub(super) fn changed(&mut self, told: bool, now: Instant) -> BTreeSet<PathBuf> {
        if told && let Some(watches) = &self.watches {
            watches.clear();
        }
        if told || now >= self.look {
            self.look = now + LOOK;
            if self.files.iter().any(|(path, known)| stamp(path) != *known) {
                let latest = self.due.map_or(now + PATIENCE, |(_, latest)| latest);
                self.due = Some(((now + SETTLE).min(latest), latest));
            }
        }
        if self.due.is_none_or(|(due, _)| now < due) {
            return BTreeSet::new();
        }
        self.due = None;
        let mut changed = BTreeSet::new();
        for (path, known) in &mut self.files {
            let fresh = stamp(path);
            if fresh != *known {
                *known = fresh;
                changed.insert(path.clone());
            }
        }
        self.watch();
        changed
    }
}

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec()))
}

/// The directory of `path` and those of every link on the way: where any of them may be switched.
fn follow(path: &Path, directories: &mut BTreeSet<PathBuf>) {
    let mut links = LINKS;
    let mut rest: Vec<PathBuf> = path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect();
    let mut at = PathBuf::new();
    while let Some(part) = rest.pop() {
        match part.components().next() {
            Some(Component::RootDir) => at = PathBuf::from("/"),
            Some(Component::ParentDir) => {
                at.pop();
            }
            Some(Component::Normal(name)) => {
                let target = std::fs::read_link(at.join(name)).ok().filter(|_| links > 0);
                if target.is_some() || rest.is_empty() {
                    directories.insert(at.clone());
                }
                match target {
                    Some(target) => {
                        links -= 1;
                        rest.extend(target.components().rev().map(|part| PathBuf::from(part.as_os_str())));
                    }
                    None => at.push(name),
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("lockgate-rotation-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir.canonicalize().unwrap()
    }

    #[test]
    fn directories_on_the_way() {
        let dir = scratch("way");
        // As Kubernetes mounts a secret, and as certbot keeps its lineages.
        std::fs::create_dir_all(dir.join("secret/..2026")).unwrap();
        symlink("..2026", dir.join("secret/..data")).unwrap();
        symlink("..data/tls.crt", dir.join("secret/tls.crt")).unwrap();
        std::fs::create_dir_all(dir.join("live/x")).unwrap();
        symlink("../../archive/x/cert1.pem", dir.join("live/x/cert.pem")).unwrap();
        let of = |path: &str| {
            let mut found = BTreeSet::new();
            follow(&dir.join(path), &mut found);
            found
                .into_iter()
                .map(|path| path.strip_prefix(&dir).unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("secret/tls.crt"), ["secret", "secret/..2026"]);
        assert_eq!(of("live/x/cert.pem"), ["archive/x", "live/x"]);
        assert_eq!(of("plain"), [""]);
        symlink("loop", dir.join("loop")).unwrap();
        assert_eq!(of("loop"), [""]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_again() {
        let dir = scratch("early");
        // The clock that stamps files is behind the other one: what was changed at once has to be seen.
        let before = os::time::file_stamp();
        std::fs::write(dir.join("a"), "1").unwrap();
        let mut rotation = Rotation::of([dir.join("a")].into(), Some(before));
        let now = Instant::now();
        assert!(rotation.next().is_some_and(|next| next <= now) && rotation.changed(false, now).is_empty());
        assert_eq!(rotation.changed(false, now + SETTLE), [dir.join("a")].into());
        assert!(rotation.changed(false, now + LOOK * 2).is_empty());
        let (seconds, nanos) = os::time::file_stamp();
        let mut rotation = Rotation::of([dir.join("a")].into(), Some((seconds + 9, nanos)));
        assert!(rotation.changed(false, now).is_empty() && rotation.changed(false, now + SETTLE).is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_that_may_be_read_later_than_it_came_has_changed() {
        let dir = scratch("mode");
        std::fs::write(dir.join("a"), "1").unwrap();
        let mut rotation = Rotation::of([dir.join("a")].into(), None);
        let now = Instant::now();
        assert!(rotation.changed(true, now).is_empty());
        let allow = |mode| std::fs::set_permissions(dir.join("a"), std::fs::Permissions::from_mode(mode)).unwrap();
        // The clock that stamps files goes in steps.
        while stamp(&dir.join("a")) == rotation.files[&dir.join("a")] {
            allow(0o640);
        }
        assert!(rotation.changed(true, now).is_empty());
        assert_eq!(rotation.changed(false, now + SETTLE), [dir.join("a")].into());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_change_is_told_when_it_has_settled() {
        let dir = scratch("settle");
        std::fs::write(dir.join("a"), "1").unwrap();
        let mut rotation = Rotation::of([dir.join("a"), dir.join("b")].into(), None);
        let now = Instant::now();
        assert!(rotation.changed(true, now).is_empty());
        std::fs::write(dir.join("a.new"), "2").unwrap();
        assert!(rotation.changed(true, now).is_empty(), "another file");
        assert!(rotation.changed(false, now + SETTLE * 2).is_empty());
        std::fs::rename(dir.join("a.new"), dir.join("a")).unwrap();
        assert!(rotation.changed(true, now).is_empty());
        assert_eq!(rotation.next(), Some(now + SETTLE));
        std::fs::write(dir.join("b"), "2").unwrap();
        assert!(rotation.changed(true, now + SETTLE / 2).is_empty(), "still at it");
        assert_eq!(rotation.changed(false, now + SETTLE * 2), [dir.join("a"), dir.join("b")].into());
        assert!(rotation.changed(true, now + SETTLE * 4).is_empty(), "told once");
        std::fs::remove_file(dir.join("a")).unwrap();
        assert!(rotation.changed(false, now + LOOK * 2).is_empty(), "seen without being told");
        assert!(!rotation.changed(false, now + LOOK * 2 + SETTLE).is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }
}

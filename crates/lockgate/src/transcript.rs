//! What loading a configuration asked of the machine, and what it answered: enough to load the same
//! configuration again in a process that may not ask.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use config::World;

use crate::codec::{Reader, Writer};

/// An answer; of an error its number is kept, 0 where it had none.
type Answer<T> = Result<T, i32>;

/// Questions with their answers. Asked as a [`World`] it gives them again; what was never asked is not found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Transcript {
    files: BTreeMap<PathBuf, Answer<Vec<u8>>>,
    globs: BTreeMap<PathBuf, Answer<Vec<PathBuf>>>,
    hosts: BTreeMap<String, Answer<Vec<IpAddr>>>,
    users: BTreeMap<String, Answer<Option<u32>>>,
    groups: BTreeMap<String, Answer<Option<u32>>>,
    machine: Machine,
}

/// What does not depend on a name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Machine {
    hostname: String,
    online_cpus: u32,
    is_root: bool,
    open_files_limit: Option<u64>,
}

/// Passes questions on to `world`, and writes down what comes back.
pub(crate) struct Recorder<'a> {
    world: &'a dyn World,
    taken: RefCell<Transcript>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(world: &'a dyn World) -> Self {
        let machine = Machine {
            hostname: world.hostname(),
            online_cpus: world.online_cpus(),
            is_root: world.is_root(),
            open_files_limit: world.open_files_limit(),
        };
        Self { world, taken: RefCell::new(Transcript { machine, ..Transcript::default() }) }
    }

    pub(crate) fn finish(self) -> Transcript {
        self.taken.into_inner()
    }

    fn note<K: Ord, T: Clone>(
        &self,
        page: fn(&mut Transcript) -> &mut BTreeMap<K, Answer<T>>,
        key: K,
        answer: io::Result<T>,
    ) -> io::Result<T> {
        let kept = answer.as_ref().map_err(|error| error.raw_os_error().unwrap_or(0)).cloned();
        page(&mut self.taken.borrow_mut()).insert(key, kept);
        answer
    }
}

impl syntax::Files for Recorder<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(|taken| &mut taken.files, path.to_owned(), self.world.read(path))
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        self.note(|taken| &mut taken.globs, mask.to_owned(), self.world.glob(mask))
    }
}

impl World for Recorder<'_> {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.note(|taken| &mut taken.hosts, host.to_owned(), self.world.resolve(host))
    }

    fn hostname(&self) -> String {
        self.world.hostname()
    }

    fn online_cpus(&self) -> u32 {
        self.world.online_cpus()
    }

    fn open_files_limit(&self) -> Option<u64> {
        self.world.open_files_limit()
    }

    fn is_root(&self) -> bool {
        self.world.is_root()
    }

    fn user(&self, name: &str) -> io::Result<Option<u32>> {
        self.note(|taken| &mut taken.users, name.to_owned(), self.world.user(name))
    }

    fn group(&self, name: &str) -> io::Result<Option<u32>> {
        self.note(|taken| &mut taken.groups, name.to_owned(), self.world.group(name))
    }
}

impl Transcript {
    /// As bytes, for another process of the same program.
    pub(crate) fn write(&self, to: &mut Writer) {
        let path = |to: &mut Writer, path: &PathBuf| to.path(path);
        to.map(&self.files, path, |to, text| to.bytes(text));
        to.map(&self.globs, path, |to, paths| to.list(paths, |to, path| to.path(path)));
        to.map(&self.hosts, |to, name| to.text(name), |to, found| to.list(found, |to, ip| to.text(&ip.to_string())));
        for page in [&self.users, &self.groups] {
            to.map(page, |to, name| to.text(name), |to, number| to.optional(number.map(u64::from)));
        }
        to.text(&self.machine.hostname);
        to.number(self.machine.online_cpus.into());
        to.number(self.machine.is_root.into());
        to.optional(self.machine.open_files_limit);
    }

    /// What [`Transcript::write`] wrote; `None` for anything else.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let number = |from: &mut Reader<'_>| {
            let found = from.list(Reader::number)?;
            found.first().map(|id| u32::try_from(*id)).transpose().ok()
        };
        Some(Self {
            files: from.map(Reader::path, Reader::bytes)?,
            globs: from.map(Reader::path, |from| from.list(Reader::path))?,
            hosts: from.map(Reader::text, |from| from.list(|from| from.text()?.parse().ok()))?,
            users: from.map(Reader::text, number)?,
            groups: from.map(Reader::text, number)?,
            machine: Machine {
                hostname: from.text()?,
                online_cpus: u32::try_from(from.number()?).ok()?,
                is_root: from.number()? != 0,
                open_files_limit: from.list(Reader::number)?.first().copied(),
            },
        })
    }
}

/// The answer that was given to the question `key`.
fn again<K: Ord + ?Sized, O: Ord + std::borrow::Borrow<K>, T: Clone>(
    page: &BTreeMap<O, Answer<T>>,
    key: &K,
) -> io::Result<T> {
    match page.get(key) {
        Some(Ok(answer)) => Ok(answer.clone()),
        Some(Err(0)) | None => Err(io::ErrorKind::NotFound.into()),
        Some(Err(number)) => Err(io::Error::from_raw_os_error(*number)),
    }
}

impl syntax::Files for Transcript {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        again(&self.files, path)
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        again(&self.globs, mask)
    }
}

impl World for Transcript {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        again(&self.hosts, host)
    }

    fn hostname(&self) -> String {
        self.machine.hostname.clone()
    }

    fn online_cpus(&self) -> u32 {
        self.machine.online_cpus
    }

    fn open_files_limit(&self) -> Option<u64> {
        self.machine.open_files_limit
    }

    fn is_root(&self) -> bool {
        self.machine.is_root
    }

    fn user(&self, name: &str) -> io::Result<Option<u32>> {
        again(&self.users, name)
    }

    fn group(&self, name: &str) -> io::Result<Option<u32>> {
        again(&self.groups, name)
    }
}

#[cfg(test)]
mod tests {
    use syntax::Files;

    use super::*;

    #[test]
    fn what_was_answered_is_answered_again() {
        let dir = std::env::temp_dir().join(format!("lockgate-transcript-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("a.conf"), [0, 255, 7]).unwrap();
        let recorder = Recorder::new(&crate::machine::Machine);
        let ask = |world: &dyn World| {
            (
                world.read(&dir.join("a.conf")).unwrap(),
                world.read(&dir.join("none")).map_err(|error| error.raw_os_error()),
                world.glob(&dir.join("*.conf")).unwrap(),
                world.resolve("127.0.0.1").unwrap(),
                (world.user("root").unwrap(), world.user("no-such-user").unwrap(), world.group("root").unwrap()),
                (world.hostname(), world.online_cpus(), world.is_root(), world.open_files_limit()),
            )
        };
        let answers = ask(&recorder);
        let taken = recorder.finish();
        std::fs::remove_dir_all(&dir).unwrap();
        let mut writer = Writer::default();
        taken.write(&mut writer);
        let bytes = writer.finish();
        let again = Transcript::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(again, taken);
        assert_eq!(ask(&again), answers);
        assert_eq!(again.read(Path::new("/etc/passwd")).unwrap_err().kind(), io::ErrorKind::NotFound);
        for cut in 0..bytes.len() {
            assert_eq!(Transcript::read(&mut Reader::new(&bytes[..cut])), None, "cut at {cut}");
        }
    }
}

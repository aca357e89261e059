//! A machine in memory: three processors, a name and a user, with root or without.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use config::{Loaded, Options, World};
use syntax::{Files, Memory};

pub(crate) struct Machine {
    files: Memory,
    root: bool,
}

impl Files for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.read(path)
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        self.files.glob(mask)
    }
}

impl World for Machine {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host {
            "localhost" => Ok(vec![IpAddr::from([127, 0, 0, 1]), "::1".parse().map_err(io::Error::other)?]),
            _ => Err(io::Error::other("unknown")),
        }
    }

    fn hostname(&self) -> String {
        "machine".to_owned()
    }

    fn online_cpus(&self) -> u32 {
        3
    }

    fn is_root(&self) -> bool {
        self.root
    }

    fn user(&self, name: &str) -> io::Result<Option<u32>> {
        match name {
            "gate" => Ok(Some(7)),
            "nobody" => Ok(Some(99)),
            "broken" => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(None),
        }
    }

    fn group(&self, name: &str) -> io::Result<Option<u32>> {
        Ok(match name {
            "gate" => Some(8),
            "nobody" => Some(98),
            "staff" => Some(20),
            _ => None,
        })
    }

    fn open_files_limit(&self) -> Option<u64> {
        Some(1024)
    }
}

/// What `/conf/NAME` comes to, beside other files.
pub(crate) fn load(name: &str, files: Memory) -> Loaded {
    config::load(&options(name), &Machine { files, root: false })
}

/// What this text comes to, read by root, after `globals` of the command line.
pub(crate) fn load_as_root(text: &str, globals: Option<&str>) -> Loaded {
    let files = Memory::from([("/conf/gate.conf", text)]);
    let options = Options { globals: globals.map(str::to_owned), ..options("gate.conf") };
    config::load(&options, &Machine { files, root: true })
}

fn options(name: &str) -> Options {
    Options {
        conf: Path::new("/conf").join(name),
        prefix: "/prefix".into(),
        error_log: b"/prefix/logs/error.log".to_vec(),
        pid: "/prefix/pid".into(),
        globals: None,
    }
}

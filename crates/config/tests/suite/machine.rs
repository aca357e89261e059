//! A machine in memory: two processors, a handful of names, no root.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use config::{Loaded, Options, World};
use syntax::{Files, Memory};

pub(crate) struct Machine(Memory);

impl Files for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.glob(mask)
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
        2
    }

    fn is_root(&self) -> bool {
        false
    }

    fn user(&self, _: &str) -> io::Result<Option<u32>> {
        Ok(None)
    }

    fn group(&self, _: &str) -> io::Result<Option<u32>> {
        Ok(None)
    }
}

/// What `/conf/NAME` comes to, beside other files.
pub(crate) fn load(name: &str, files: Memory) -> Loaded {
    let options = Options {
        conf: Path::new("/conf").join(name),
        prefix: "/prefix".into(),
        error_log: b"stderr".to_vec(),
        pid: "/prefix/pid".into(),
        globals: None,
    };
    config::load(&options, &Machine(files))
}

//! The machine as the configuration loader sees it: disk, names, users.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// This machine.
#[derive(Debug)]
pub(crate) struct Machine;

impl syntax::Files for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        syntax::Disk.read(path)
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        syntax::Disk.glob(mask)
    }
}

impl config::World for Machine {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut found = Vec::new();
        for address in (host, 0).to_socket_addrs()? {
            if !found.contains(&address.ip()) {
                found.push(address.ip());
            }
        }
        Ok(found)
    }

    fn hostname(&self) -> String {
        os::process::hostname()
    }

    fn online_cpus(&self) -> u32 {
        os::process::online_cpus()
    }

    fn open_files_limit(&self) -> Option<u64> {
        os::process::nofile().map(|(soft, _)| soft)
    }

    fn is_root(&self) -> bool {
        os::credentials::is_root()
    }

    fn user(&self, name: &str) -> io::Result<Option<u32>> {
        os::credentials::user(name)
    }

    fn group(&self, name: &str) -> io::Result<Option<u32>> {
        os::credentials::group(name)
    }
}

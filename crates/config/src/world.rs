//! What a configuration may ask of the machine while it loads. Nothing else is asked.

use std::io;
use std::net::IpAddr;

/// The machine, as far as loading is concerned. Files are read through [`syntax::Files`].
pub trait World: syntax::Files {
    /// Addresses of a host name in the system's order, without duplicates (`getaddrinfo`).
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
    /// The machine's name, as `gethostname` gives it.
    fn hostname(&self) -> String;
    /// Processors online, for `worker_processes auto`.
    fn online_cpus(&self) -> u32;
    /// Whether this process may change its user.
    fn is_root(&self) -> bool;
    /// The numeric user named so; an error carries the system's reason, if it had one.
    fn user(&self, name: &str) -> io::Result<Option<u32>>;
    /// The numeric group named so.
    fn group(&self, name: &str) -> io::Result<Option<u32>>;
    /// How many files this process may hold open; `None` where that is not known.
    fn open_files_limit(&self) -> Option<u64> {
        None
    }
}

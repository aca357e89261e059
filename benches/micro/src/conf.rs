//! Configurations of any length, and a machine to load them on.

use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use config::{Options, World};
use syntax::{Files, Memory};

/// A machine in memory with one configuration file.
pub struct Machine(Memory);

impl Machine {
    /// `/gate.conf` with this text.
    pub fn new(text: &str) -> Self {
        Self(Memory::from([("/gate.conf", text)]))
    }
}

/// How `/gate.conf` is loaded.
pub fn options() -> Options {
    Options {
        conf: "/gate.conf".into(),
        prefix: "/".into(),
        error_log: b"stderr".to_vec(),
        pid: "/pid".into(),
        globals: None,
    }
}

impl Files for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn glob(&self, mask: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.glob(mask)
    }
}

impl World for Machine {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("unknown"))
    }

    fn hostname(&self) -> String {
        "machine".into()
    }

    fn online_cpus(&self) -> u32 {
        1
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

/// `lines` lines: servers of five lines each with a group of four, on addresses of their own.
pub fn servers(lines: usize) -> String {
    let mut text = String::from("events { worker_connections 100000; }\nstream {\n");
    for number in 0..lines / 9 {
        let (high, low) = (1 + number / 60_000, 1024 + number % 60_000);
        let _ = write!(
            text,
            "upstream u{number} {{\n    server 192.0.2.1:443 weight=2;\n    server 192.0.2.2:443;\n}}\nserver {{\n    \
             listen 127.0.0.{high}:{low};\n    ssl_preread on;\n    proxy_pass u{number};\n}}\n"
        );
    }
    text + "}\n"
}

/// A map of `lines` names.
pub fn map(lines: usize) -> String {
    let mut text =
        format!("events {{ }}\nstream {{\nmap_hash_max_size {lines};\nmap $ssl_preread_server_name $up {{\n");
    for number in 0..lines {
        let _ = writeln!(text, "    {} 192.0.2.{}:443;", crate::name(number), number % 250);
    }
    text + "}\nserver { listen 127.0.0.1:1024; ssl_preread on; proxy_pass $up; }\n}\n"
}

//! A machine in memory, for the tests of families.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use syntax::{Files, Memory};

use crate::{Loaded, Options, Stream, World, load};

struct Machine(Memory);

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
        let found: &[&str] = match host {
            "one.test" => &["192.0.2.1"],
            "two.test" => &["192.0.2.1", "2001:db8::2"],
            _ => return Err(io::Error::other("unknown")),
        };
        Ok(found.iter().filter_map(|ip| ip.parse().ok()).collect())
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

fn loaded(text: &str) -> Loaded {
    let long = "x".repeat(4096);
    let files = Memory::from([
        ("/etc/gate/main.conf", format!("events {{}} stream {{ {text} }}")),
        ("/etc/gate/passwords", "one\ntwo".to_owned()),
        ("/etc/gate/long", long),
        ("/etc/gate/entries.map", "b 2;\n~^c 3;".to_owned()),
        ("/etc/gate/entries.geo", "192.0.2.0/24 included;".to_owned()),
    ]);
    let options = Options {
        conf: "/etc/gate/main.conf".into(),
        prefix: "/var/gate".into(),
        error_log: b"stderr".to_vec(),
        pid: "/run/gate.pid".into(),
        globals: None,
    };
    load(&options, &Machine(files))
}

/// What is said of `stream { TEXT }`: warnings, then the error, each in the words of the reference,
/// `FILE` for the file that the text is in. Nothing where all is well.
pub(crate) fn said(text: &str) -> Vec<String> {
    let Loaded { config, warnings, later, .. } = loaded(text);
    let lines = warnings.iter().chain(config.as_ref().err()).chain(later.iter().map(|(_, told)| told));
    lines.map(|line| format!("{}: {line}", line.level).replace("/etc/gate/main.conf", "FILE")).collect()
}

/// The same in `stream { server { listen 1234; TEXT } }`.
pub(crate) fn said_in_server(text: &str) -> Vec<String> {
    said(&format!("server {{ listen 1234; {text} }}"))
}

/// Asserts what is said of each text, after its level `emerg`, in a server.
#[track_caller]
pub(crate) fn refused_in_server(cases: &[(&str, &str)]) {
    for (text, error) in cases {
        assert_eq!(said_in_server(text), [format!("emerg: {error}")], "{text}");
    }
}

/// Asserts what is said of each text, after its level `emerg`, in a stream.
#[track_caller]
pub(crate) fn refused(cases: &[(&str, &str)]) {
    for (text, error) in cases {
        assert_eq!(said(text), [format!("emerg: {error}")], "{text}");
    }
}

/// What `stream { TEXT }` comes to.
#[track_caller]
pub(crate) fn stream(text: &str) -> Stream {
    let config = loaded(text).config.unwrap_or_else(|error| panic!("{text}: {error}"));
    config.stream.unwrap_or_else(|| panic!("{text}: no stream"))
}

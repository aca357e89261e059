//! A gateway of the demo: this very program as a child process with a configuration of its own.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Failed;

/// How long a gateway may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running gateway, ended when dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    log: PathBuf,
}

/// Writes the configuration of the gateway `name` and returns its path.
pub(crate) fn write_conf(folder: &Path, name: &str, stream: &str) -> Result<PathBuf, Failed> {
    let conf = folder.join(format!("{name}.conf"));
    let text = format!(
        "daemon off;\npid {name}.pid;\nerror_log {name}.log info;\nworker_processes 1;\n{user}events {{ }}\n\nstream {{\n{stream}}}\n",
        user = if os::credentials::is_root() { "user root;\n" } else { "" },
    );
    std::fs::write(&conf, text)?;
    Ok(conf)
}

impl Gateway {
    /// Starts the gateway of `conf` and waits until it listens on `port`.
    pub(crate) fn start(folder: &Path, name: &str, stream: &str, port: u16) -> Result<Self, Failed> {
        let conf = write_conf(folder, name, stream)?;
        let log = folder.join(format!("{name}.log"));
        let output = File::create(folder.join(format!("{name}.out")))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&conf)
            .arg("-e")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()?;
        let mut gateway = Self { child, log };
        gateway.wait_for(port, folder, name)?;
        Ok(gateway)
    }

    fn wait_for(&mut self, port: u16, folder: &Path, name: &str) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > until {
                let said = std::fs::read_to_string(folder.join(format!("{name}.out"))).unwrap_or_default();
                return Err(Failed(format!("gateway {name} does not start: {}", said.trim())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The newest line of its error log that contains `text`, waiting a while for it.
    pub(crate) fn logged(&self, text: &str) -> Option<String> {
        let until = Instant::now() + Duration::from_secs(3);
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(line) = log.lines().rev().find(|line| line.contains(text)) {
                return Some(line.to_owned());
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = os::process::kill(self.child.id(), os::signals::Signal::Term.number());
        let until = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

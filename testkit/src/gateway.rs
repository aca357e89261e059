//! The gateway under test as a running process, with its config, logs and signals.

mod log;
mod template;
mod told;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use self::log::glibc_words;
pub use self::log::{ErrorLine, parse_error_line};
use self::template::Template;
use crate::binary::finish;
use crate::{Binary, Finished, Peer, Scratch, TlsClient, poll};

/// A config that will be written, tested or started.
///
/// In its text `%name` stands for a value given by [`Builder::with`], for the directory of the run (`%dir`), for that
/// of the certificates (`%pki`), or else for a leased port of that name.
#[derive(Debug)]
pub struct Builder {
    binary: Binary,
    template: Template,
    stream: String,
    main: String,
    level: &'static str,
    user: &'static str,
    workers: usize,
    connections: usize,
    env: Vec<(&'static str, String)>,
    daemon: bool,
    launcher: Vec<String>,
}

impl Builder {
    /// `stream` is the inside of `stream {}`.
    pub fn new(binary: Binary, stream: &str) -> Self {
        Self {
            binary,
            template: Template::new(Scratch::new()),
            stream: stream.to_owned(),
            main: String::new(),
            level: "info",
            user: "root root",
            workers: 1,
            connections: 512,
            env: Vec::new(),
            daemon: false,
            launcher: Vec::new(),
        }
    }

    /// Sets what `%name` stands for.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.template.set(name, &value.into());
        self
    }

    /// Adds main-context directives.
    #[must_use]
    pub fn main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self
    }

    /// Sets the level of the error log, else `info`.
    #[must_use]
    pub fn level(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    /// Sets the user and group of the workers, else root, should the test run as root.
    #[must_use]
    pub fn user(mut self, user: &'static str) -> Self {
        self.user = user;
        self
    }

    /// Sets the number of workers, else one.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Sets the number of connections of a worker, else 512.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Sets an environment variable of the process.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// Has the gateway go into the background, as the change of a binary asks for.
    #[must_use]
    pub fn daemon(mut self) -> Self {
        self.daemon = true;
        self
    }

    /// Starts the gateway by these words, which end in the place of its own command line.
    #[must_use]
    pub fn launched_by<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.launcher = words.into_iter().map(Into::into).collect();
        self
    }

    /// Writes a file that the config can name as `%dir/NAME`.
    #[must_use]
    pub fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.template.dir().write(name, text);
        self
    }

    /// The directory of the run.
    pub fn dir(&self) -> &Path {
        self.template.dir().path()
    }

    fn command(&self, conf: &Path) -> Command {
        let dir = self.dir();
        let mut words = self.launcher.iter().map(OsStr::new).chain([self.binary.path().as_os_str()]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).arg("-p").arg(dir).arg("-c").arg(conf).arg("-e").arg(dir.join("start.log"));
        command
    }

    fn render(&mut self) -> String {
        let text = format!(
            "{user}daemon {daemon};\nworker_processes {workers};\npid %dir/pid;\nerror_log %dir/error.log {level};\n{main}\n\
             events {{ worker_connections {connections}; }}\nstream {{\n{stream}\n}}\n",
            user = if rustix::process::geteuid().is_root() { format!("user {};\n", self.user) } else { String::new() },
            daemon = if self.daemon { "on" } else { "off" },
            level = self.level,
            workers = self.workers,
            connections = self.connections,
            main = self.main,
            stream = self.stream,
        );
        self.template.render(&text)
    }

    /// Writes the config and runs `-t` on it.
    pub fn test(mut self) -> Finished {
        let conf = self.render();
        let path = self.template.dir().write("test.conf", conf);
        finish(self.command(&path).arg("-t"))
    }

    /// Starts the gateway and waits until it listens, and takes signals where its log tells so.
    pub fn start(mut self) -> Gateway {
        let conf = self.render();
        let path = self.template.dir().write("gateway.conf", conf);
        let stderr = File::create(self.dir().join("stderr")).expect("a file for stderr");
        let child = self
            .command(&path)
            .envs(self.env.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the gateway starts");
        let mut gateway = Gateway { pid: child.id(), setup: self, child };
        poll("the pid file says that the gateway listens", || {
            let over = gateway.child.try_wait().expect("a status");
            let gone = over.filter(|status| !(gateway.setup.daemon && status.success()));
            assert!(gone.is_none(), "the gateway ended: {over:?}\n{}{}", gateway.stderr(), gateway.error_text());
            gateway.pid = gateway.pid_in("pid")?;
            Some(())
        });
        if gateway.setup.daemon {
            // While the one that started it is there, it takes itself for one in the foreground.
            gateway.child.wait().expect("the starting process ends");
        }
        if gateway.setup.tells_of_workers() {
            // A signal that comes earlier nginx notes, and looks at with the next one.
            gateway.wait_error("start worker processes");
        }
        gateway
    }

    /// Whether the error log has lines about workers.
    fn tells_of_workers(&self) -> bool {
        ["notice", "info", "debug"].contains(&self.level) && !self.main.contains("master_process off")
    }
}

/// A running gateway. On drop it is ended and its directory removed.
#[derive(Debug)]
pub struct Gateway {
    setup: Builder,
    child: Child,
    pid: u32,
}

impl Gateway {
    /// A file in the directory of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.dir().join(name)
    }

    /// The number of the port that the config calls `%name`.
    pub fn port(&self, name: &str) -> u16 {
        self.setup.template.port(name)
    }

    /// `127.0.0.1:` and the port that the config calls `%name`.
    pub fn addr(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.port(name))
    }

    /// What the config's `%…` placeholders make of `text`.
    pub fn fill(&mut self, text: &str) -> String {
        self.setup.template.render(text)
    }

    /// Connects to the port `%name`.
    pub fn connect(&self, name: &str) -> Peer {
        Peer::connect(&self.addr(name))
    }

    /// Connects to the port `%name`, sends `request` and reads to the end.
    pub fn ask(&self, name: &str, request: impl AsRef<[u8]>) -> String {
        self.connect(name).ask(request)
    }

    /// An `openssl` client for the port `%name`.
    pub fn tls(&self, name: &str) -> TlsClient {
        TlsClient::new(&self.addr(name))
    }

    /// The process id of the process that was started, or of the one that it left in the background.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process id in a pid file of this name, once there is one.
    pub fn pid_in(&self, name: &str) -> Option<u32> {
        std::fs::read_to_string(self.path(name)).ok()?.strip_suffix('\n')?.parse().ok()
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        self.signal_to(self.pid, signal);
    }

    /// Sends a signal to a process that it has started.
    pub fn signal_to(&self, pid: u32, signal: Signal) {
        send_signal(pid, signal);
    }

    /// Sets the number of workers for the next config.
    pub fn set_workers(&mut self, count: usize) {
        self.setup.workers = count;
    }

    /// Puts a new inside of `stream {}` into the config file.
    pub fn rewrite(&mut self, stream: &str) {
        stream.clone_into(&mut self.setup.stream);
        let conf = self.setup.render();
        self.setup.template.dir().write("gateway.conf", conf);
    }

    /// Rewrites the config, sends HUP and waits until the new config is in force. Needs the log at `notice` or below.
    pub fn reload(&mut self, stream: &str) {
        // It is said once of each configuration, before its workers; some of those of the last one may still be missing.
        let is_start = |line: &&ErrorLine| line.text == "start worker processes";
        let is_refusal = |line: &&ErrorLine| line.level == "emerg";
        // The pid file is there a moment before the workers are.
        self.wait_error("start worker process ");
        let lines = self.errors();
        let (starts, refusals) = (lines.iter().filter(is_start).count(), lines.iter().filter(is_refusal).count());
        self.rewrite(stream);
        self.signal(Signal::HUP);
        self.or_show("workers of the new config", || {
            let lines = self.errors();
            let refused = lines.iter().filter(is_refusal).count() != refusals;
            assert!(!refused, "the reload failed:\n{}", self.error_text());
            let (start, _) = lines.iter().enumerate().filter(|(_, line)| is_start(line)).nth(starts)?;
            lines.iter().skip(start).any(|line| line.text.starts_with("start worker process ")).then_some(())
        });
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Waits until the process has ended and gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        poll("the gateway ends", || self.child.try_wait().expect("a status")).code()
    }

    /// Asks it to end at once, and waits until it has.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }
}

/// Sends a signal to a process that the test has started.
pub fn send_signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process id");
    kill_process(pid, signal).expect("the signal is sent");
}

/// Whether a process has ended, be its status still waited for.
pub fn is_over(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.setup.daemon {
            // Both are known before one of them ends: the other takes its pid file then.
            let pids: Vec<u32> = ["pid", "pid.oldbin"].into_iter().filter_map(|name| self.pid_in(name)).collect();
            for pid in pids {
                // It may have ended in between.
                let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("a process id"), Signal::TERM);
                poll("the gateway ends", || is_over(pid).then_some(()));
            }
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let end = std::time::Instant::now() + crate::LIMIT;
            while matches!(self.child.try_wait(), Ok(None)) {
                if std::time::Instant::now() > end {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
        if std::thread::panicking() {
            let log = self.stderr() + &self.error_text();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the last of the error log\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// Values by name.
type Names = BTreeMap<String, String>;

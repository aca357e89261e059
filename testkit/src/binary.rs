//! The binary under test, run to its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::gateway::glibc_words;
use crate::{Scratch, poll};

/// Which program is tested: `LOCKGATE_BIN` if set, else the one that cargo built.
#[derive(Clone, Debug)]
pub struct Binary(PathBuf);

/// What a finished run left.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard error without the program's name at the start of its lines.
    pub fn messages(&self) -> Vec<String> {
        self.stderr.lines().map(|line| glibc_words(strip_name(line))).collect()
    }
}

/// `nginx: text` → `text`.
fn strip_name(line: &str) -> &str {
    match line.split_once(": ") {
        Some(("nginx" | "lockgate", rest)) => rest,
        _ => line,
    }
}

impl Binary {
    /// `built` is the path that cargo gives to the test, if it built the program.
    pub fn new(built: Option<&str>) -> Self {
        let chosen = std::env::var_os("LOCKGATE_BIN").map(PathBuf::from);
        Self(chosen.or_else(|| built.map(PathBuf::from)).expect("set LOCKGATE_BIN to the binary to test"))
    }

    /// A real nginx to compare with: `LOCKGATE_ORACLE` if set, else where `tools/setup test` puts it.
    pub fn oracle() -> Self {
        let kept = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/oracle/nginx");
        let path = std::env::var_os("LOCKGATE_ORACLE").map_or_else(kept, PathBuf::from);
        assert!(path.exists(), "there is no nginx at {}: run tools/setup test", path.display());
        Self(path)
    }

    /// The program's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether the program is nginx itself, which is what the expectations were taken from.
    pub fn is_nginx(&self) -> bool {
        static NGINX: OnceLock<bool> = OnceLock::new();
        *NGINX.get_or_init(|| !self.run(["-V"]).stderr.to_lowercase().contains("lockgate"))
    }

    /// Runs the program with `args` until it ends.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Finished {
        finish(Command::new(&self.0).args(args))
    }
}

/// Runs `command` to its end, with a deadline.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let dir = Scratch::new();
    let out = dir.path().join("stdout");
    let err = dir.path().join("stderr");
    let create = |path: &Path| std::fs::File::create(path).expect("an output file");
    let mut child =
        command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err)).spawn().expect("the program starts");
    let status = poll("the program ends", || child.try_wait().expect("a status"));
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).expect("the output")).into_owned();
    Finished { code: status.code(), stdout: read(&out), stderr: read(&err) }
}

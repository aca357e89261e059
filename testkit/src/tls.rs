//! TLS clients and servers of another make: the `openssl` command line.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::binary::Finished;
use crate::{Port, Scratch, pki, poll};

/// One connection by `openssl s_client`. Name, trust and all else come as its options.
#[derive(Debug)]
pub struct TlsClient {
    args: Vec<String>,
    request: Vec<u8>,
    until: Option<String>,
}

impl TlsClient {
    /// Will connect to `ip:port`.
    pub fn new(addr: &str) -> Self {
        Self { args: ["-connect", addr, "-ign_eof"].map(str::to_owned).to_vec(), request: Vec::new(), until: None }
    }

    /// Adds options, split at spaces; `%pki` is the directory of the certificates.
    #[must_use]
    pub fn args(mut self, args: &str) -> Self {
        let dir = pki().dir().display().to_string();
        self.args.extend(args.split_whitespace().map(|arg| arg.replace("%pki", &dir)));
        self
    }

    /// Sends these bytes once the handshake is done.
    #[must_use]
    pub fn request(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.request = bytes.as_ref().to_vec();
        self
    }

    /// Will leave as soon as it has received `text`, should the other side stay.
    #[must_use]
    pub fn until(mut self, text: &str) -> Self {
        self.until = Some(text.to_owned());
        self
    }

    /// Runs until the other side closes. Standard output has the facts of the session and the bytes received.
    pub fn run(self) -> Finished {
        let dir = Scratch::new();
        let create = |name: &str| File::create(dir.path().join(name)).expect("an output file");
        let mut child = Command::new("openssl")
            .arg("s_client")
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(create("stdout"))
            .stderr(create("stderr"))
            .spawn()
            .expect("openssl starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let _ = stdin.write_all(&self.request);
        let end = std::time::Instant::now() + crate::LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().expect("a status") {
                break status;
            }
            let got = std::fs::read(dir.path().join("stdout")).unwrap_or_default();
            if self.until.as_ref().is_some_and(|text| String::from_utf8_lossy(&got).contains(text)) {
                let _ = child.kill();
            }
            if std::time::Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("openssl s_client did not end: {:?}", self.args);
            }
            std::thread::sleep(std::time::Duration::from_millis(3));
        };
        drop(stdin);
        let read = |name: &str| {
            String::from_utf8_lossy(&std::fs::read(dir.path().join(name)).expect("the output")).into_owned()
        };
        Finished { code: status.code(), stdout: read("stdout"), stderr: read("stderr") }
    }
}

/// `openssl s_server` that sends each line back reversed; ended on drop.
#[derive(Debug)]
pub struct TlsServer {
    port: Port,
    child: Child,
    dir: Scratch,
}

impl TlsServer {
    /// Serves with these options, split at spaces; `%pki` is the directory of the certificates.
    pub fn start(args: &str) -> Self {
        let (port, dir) = (Port::lease(), Scratch::new());
        let pki = pki().dir().display().to_string();
        let create = |name: &str| File::create(dir.path().join(name)).expect("an output file");
        let mut child = Command::new("openssl")
            .args(["s_server", "-rev", "-accept", &format!("127.0.0.1:{}", port.number())])
            .args(args.split_whitespace().map(|arg| arg.replace("%pki", &pki)))
            .stdin(Stdio::null())
            .stdout(create("stdout"))
            .stderr(create("stderr"))
            .spawn()
            .expect("openssl starts");
        let stdout = dir.path().join("stdout");
        poll("openssl s_server listens", || {
            assert!(child.try_wait().expect("a status").is_none(), "openssl s_server ended: {args}");
            std::fs::read_to_string(&stdout).ok().filter(|text| text.contains("ACCEPT"))
        });
        Self { port, child, dir }
    }

    /// Where it listens.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// What it says about its connections so far.
    pub fn said(&self) -> String {
        let read =
            |name: &str| String::from_utf8_lossy(&std::fs::read(self.dir.path().join(name)).unwrap()).into_owned();
        read("stdout") + &read("stderr")
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

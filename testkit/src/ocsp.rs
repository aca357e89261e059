//! An OCSP responder that answers as it is told, and keeps the questions. The responses themselves are made by the
//! `openssl` command line.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::{LIMIT, Port, Scratch, pki, poll};

/// A running responder; it ends on drop.
#[derive(Debug)]
pub struct Responder {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Sends what `answer` makes of the request line. `None` says nothing until the responder ends.
    pub fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::serve(false, answer)
    }

    /// The same, and leaves all connections open.
    pub fn start_keeping(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::serve(true, answer)
    }

    fn serve(keeping: bool, answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a TCP socket");
        let addr = listener.local_addr().expect("a local address");
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            move || {
                let mut held = Vec::new();
                while let Ok((mut stream, _)) = listener.accept() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let head = read_head(&mut stream);
                    let line = head.lines().next().unwrap_or_default().to_owned();
                    let reply = answer(&line);
                    asked.lock().unwrap().push(head);
                    let keeping = keeping || reply.is_none();
                    let _ = stream.write_all(&reply.unwrap_or_default());
                    if keeping {
                        held.push(stream);
                    }
                }
            }
        });
        Self { addr, stop, asked, thread: Some(thread) }
    }

    /// Answers by the index and the key of `ca1`.
    pub fn of_ca1() -> Self {
        Self::start(|line| Some(http(&response(line, "ca1", "ca1", "ca1.index"))))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if TcpStream::connect(self.addr).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let _ = stream.set_read_timeout(Some(LIMIT));
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An answer with `body`.
pub fn http(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n".to_vec();
    answer.extend_from_slice(body);
    answer
}

/// The response in DER to the question in a request line, for a day: what the authority `ca` says by `index`, signed
/// by `signer`. An index that is not there knows no certificate. All are files of the PKI.
pub fn response(line: &str, ca: &str, signer: &str, index: &str) -> Vec<u8> {
    let dir = Scratch::new();
    let path = line.split(' ').nth(1).expect("a path");
    dir.write("request", unescape(path.rsplit('/').next().expect("a request")));
    dir.write("none", "");
    let pki = pki().dir();
    let index = Some(pki.join(index)).filter(|index| index.exists()).unwrap_or_else(|| dir.path().join("none"));
    let output = Command::new("openssl")
        .args(["ocsp", "-ndays", "1", "-CA", &format!("{ca}.crt"), "-index"])
        .arg(index)
        .args(["-rsigner", &format!("{signer}.crt"), "-rkey", &format!("{signer}.key"), "-reqin"])
        .arg(dir.path().join("request"))
        .arg("-respout")
        .arg(dir.path().join("response"))
        .current_dir(pki)
        .output()
        .expect("the openssl command line is installed");
    std::fs::read(dir.path().join("response")).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The bytes of base64 in which `+`, `/` and `=` are percent-encoded.
fn unescape(text: &str) -> Vec<u8> {
    let text = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "");
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("{} is no base64: {text}", char::from(other)),
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// `openssl ocsp` as a server, for `ca1`; ended on drop.
#[derive(Debug)]
pub struct OpensslResponder {
    port: Port,
    child: Child,
}

impl OpensslResponder {
    /// Serves.
    pub fn start() -> Self {
        let (port, dir) = (Port::lease(), Scratch::new());
        let said = dir.path().join("said");
        let mut child = Command::new("openssl")
            .args(["ocsp", "-ndays", "1", "-CA", "ca1.crt", "-index", "ca1.index", "-rsigner", "ca1.crt"])
            .args(["-rkey", "ca1.key", "-port", &port.number().to_string()])
            .current_dir(pki().dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said).expect("an output file"))
            .spawn()
            .expect("openssl starts");
        poll("openssl ocsp listens", || {
            assert!(child.try_wait().expect("a status").is_none(), "openssl ocsp ended");
            // A connection that asks nothing would stop it.
            std::fs::read_to_string(&said).ok().filter(|text| text.contains("waiting for OCSP client"))
        });
        Self { port, child }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }
}

impl Drop for OpensslResponder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

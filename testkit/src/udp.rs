//! Datagrams: a client, and services that answer them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::peer::uninterrupted;
use crate::{LIMIT, poll};

/// A datagram with who sent it.
type Datagram = (Vec<u8>, SocketAddr);

/// A client, connected to one address.
#[derive(Debug)]
pub struct UdpPeer(UdpSocket);

impl UdpPeer {
    /// Talks to `to` (`ip:port`) from a fresh port.
    pub fn connect(to: &str) -> Self {
        Self::connect_from(if to.starts_with('[') { "[::1]" } else { "127.0.0.1" }, to)
    }

    /// The same from this local address.
    pub fn connect_from(from: &str, to: &str) -> Self {
        let socket = UdpSocket::bind(format!("{from}:0")).expect("a UDP socket");
        socket.connect(to).unwrap_or_else(|error| panic!("connect to {to}: {error}"));
        socket.set_read_timeout(Some(LIMIT)).expect("a read timeout");
        Self(socket)
    }

    /// Sends one datagram.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes.as_ref()).expect("send a datagram");
    }

    /// Receives one datagram.
    pub fn recv(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let count = uninterrupted(|| self.0.recv(&mut buffer)).expect("a datagram");
        buffer.truncate(count);
        buffer
    }

    /// Receives one datagram, if one comes within `span`.
    pub fn recv_within(&self, span: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(span)).expect("a read timeout");
        let mut buffer = vec![0; 65_536];
        let got = uninterrupted(|| self.0.recv(&mut buffer));
        self.0.set_read_timeout(Some(LIMIT)).expect("a read timeout");
        buffer.truncate(got.ok()?);
        Some(buffer)
    }

    /// Sends one datagram and receives one, as text.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes);
        String::from_utf8_lossy(&self.recv()).into_owned()
    }

    /// Whether nothing arrives within `span`.
    pub fn is_quiet_for(&self, span: Duration) -> bool {
        self.0.set_read_timeout(Some(span)).expect("a read timeout");
        let got = uninterrupted(|| self.0.recv(&mut [0; 1]));
        self.0.set_read_timeout(Some(LIMIT)).expect("a read timeout");
        got.is_err()
    }

    /// The client's own port.
    pub fn local_port(&self) -> u16 {
        self.0.local_addr().expect("a local address").port()
    }
}

/// A service over UDP; it ends on drop.
#[derive(Debug)]
pub struct UdpBackend {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Datagram>>>,
    thread: Option<JoinHandle<()>>,
}

impl UdpBackend {
    /// Answers each datagram with what `answer` makes of it, in that order.
    pub fn start(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let addr = socket.local_addr().expect("a local address");
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            move || {
                let mut buffer = vec![0; 65_536];
                while !stop.load(Ordering::SeqCst) {
                    // An error is the ICMP echo of an earlier answer: the asker has gone.
                    let Ok((count, from)) = socket.recv_from(&mut buffer) else { continue };
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    seen.lock().unwrap().push((buffer[..count].to_vec(), from));
                    for reply in answer(&buffer[..count]) {
                        let _ = socket.send_to(&reply, from);
                    }
                }
            }
        });
        Self { addr, stop, seen, thread: Some(thread) }
    }

    /// Sends each datagram back.
    pub fn echo() -> Self {
        Self::start(|bytes| vec![bytes.to_vec()])
    }

    /// Answers each datagram with `text`.
    pub fn saying(text: &str) -> Self {
        let text = text.as_bytes().to_vec();
        Self::start(move |_| vec![text.clone()])
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self::start(|_| Vec::new())
    }

    /// Where it listens.
    pub fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// What came so far.
    pub fn datagrams(&self) -> Vec<Datagram> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for `count` datagrams.
    pub fn wait_for(&self, count: usize) -> Vec<Datagram> {
        poll("datagrams at the backend", || Some(self.datagrams()).filter(|seen| seen.len() >= count))
    }
}

impl Drop for UdpBackend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let woken = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"", self.addr)).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

//! Services behind the gateway, over TCP or a unix socket, each connection on its own thread.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Peer, poll};

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Peer> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Peer::tcp(stream)),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Peer::unix(stream)),
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    accepted: usize,
    finished: Vec<Vec<u8>>,
}

/// A running service; it ends on drop.
#[derive(Debug)]
pub struct TcpBackend {
    addr: String,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl TcpBackend {
    /// Serves each connection with `serve`, whose result is kept as what that connection sent.
    pub fn start(serve: impl Fn(&mut Peer) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", serve)
    }

    /// The same on the given address.
    pub fn at(addr: &str, serve: impl Fn(&mut Peer) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(addr).unwrap_or_else(|error| panic!("bind to {addr}: {error}"));
        let addr = listener.local_addr().expect("a local address").to_string();
        Self::run(Listener::Tcp(listener), addr, serve)
    }

    /// The same on a unix socket.
    pub fn unix(path: &Path, serve: impl Fn(&mut Peer) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("bind to a unix socket");
        Self::run(Listener::Unix(listener), format!("unix:{}", path.display()), serve)
    }

    fn run(listener: Listener, addr: String, serve: impl Fn(&mut Peer) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let serve = Arc::new(serve);
        let thread = std::thread::spawn({
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            move || {
                while let Ok(mut peer) = listener.accept() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    seen.lock().unwrap().accepted += 1;
                    let (seen, serve) = (Arc::clone(&seen), Arc::clone(&serve));
                    std::thread::spawn(move || {
                        let got = serve(&mut peer);
                        seen.lock().unwrap().finished.push(got);
                    });
                }
            }
        });
        Self { addr, stop, seen, thread: Some(thread) }
    }

    /// Sends back all it gets, until the other side ends.
    pub fn echo() -> Self {
        Self::start(echo)
    }

    /// Says `text` and ends its side.
    pub fn banner(text: &str) -> Self {
        Self::banner_at("127.0.0.1:0", text)
    }

    /// The same on the given address.
    pub fn banner_at(addr: &str, text: &str) -> Self {
        let text = text.to_owned();
        Self::at(addr, move |peer| {
            let _ = peer.try_send(&text);
            peer.finish_sending();
            // Closing over unread bytes would be a reset.
            while peer.recv_some().is_ok_and(|part| !part.is_empty()) {}
            Vec::new()
        })
    }

    /// Reads one line, answers `got:` and the line, and closes.
    pub fn line() -> Self {
        Self::start(|peer| {
            let line = peer.recv_line();
            let _ = peer.try_send(format!("got:{line}"));
            line.into_bytes()
        })
    }

    /// Keeps all it gets until the other side ends.
    pub fn collect() -> Self {
        Self::start(|peer| peer.recv_end().0)
    }

    /// Where it listens, in the form of the config language.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// How many connections came so far.
    pub fn accepted(&self) -> usize {
        self.seen.lock().unwrap().accepted
    }

    /// How many of them have ended.
    pub fn finished(&self) -> usize {
        self.seen.lock().unwrap().finished.len()
    }

    /// What the `nth` connection that ended (from 0) had sent.
    pub fn received(&self, nth: usize) -> Vec<u8> {
        poll("a backend's connection ends", || self.seen.lock().unwrap().finished.get(nth).cloned())
    }
}

fn echo(peer: &mut Peer) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match peer.recv_some() {
            // Clients may keep a session for as long as they like.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(part) if !part.is_empty() && peer.try_send(&part).is_ok() => all.extend(part),
            _ => return all,
        }
    }
}

impl Drop for TcpBackend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let woken = Peer::try_connect(&self.addr).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// A listener whose queue is full: connections to it are neither accepted nor refused.
#[derive(Debug)]
pub struct FullListener {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullListener {
    /// Listens, and fills its own queue.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        rustix::net::listen(&listener, 0).expect("a queue of no length");
        let addr = listener.local_addr().expect("a local address");
        let connect = || TcpStream::connect_timeout(&addr, Duration::from_millis(200)).ok();
        let waiting = (0..4).map_while(|_| connect()).collect();
        Self { listener, _waiting: waiting }
    }

    /// Where it listens.
    pub fn addr(&self) -> String {
        self.listener.local_addr().expect("a local address").to_string()
    }
}

impl Default for FullListener {
    fn default() -> Self {
        Self::new()
    }
}

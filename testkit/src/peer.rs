//! One end of a byte stream, over TCP or a unix socket: a client, or what a backend has accepted.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::{LIMIT, poll};

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed in order.
    Fin,
    /// The peer reset the connection.
    Reset,
}

/// A machine that was stopped for a while interrupts reads that have a deadline.
pub(crate) fn uninterrupted<T>(mut read: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connected stream whose every step has a deadline.
#[derive(Debug)]
pub struct Peer(Stream);

impl Peer {
    /// Connects to `ip:port` or `unix:/path`.
    pub fn connect(to: &str) -> Self {
        Self::try_connect(to).unwrap_or_else(|error| panic!("connect to {to}: {error}"))
    }

    /// The same, for when it may be refused.
    pub fn try_connect(to: &str) -> std::io::Result<Self> {
        if let Some(path) = to.strip_prefix("unix:") {
            return UnixStream::connect(path).map(Self::unix);
        }
        let addr: SocketAddr = to.parse().expect("an address");
        TcpStream::connect_timeout(&addr, LIMIT).map(Self::tcp)
    }

    /// Connects from the given local address, for rules by client address.
    pub fn connect_from(from: &str, to: &str) -> Self {
        let from: SocketAddr = format!("{from}:0").parse().expect("a local address");
        let to: SocketAddr = to.parse().expect("an address");
        // Programs that other tests start would keep it open.
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .expect("a socket");
        rustix::net::bind(&socket, &from).expect("bind to the local address");
        rustix::net::connect(&socket, &to).expect("connect");
        Self::tcp(TcpStream::from(socket))
    }

    /// Connects with a receive buffer of 8 KiB: what is not read soon stands still on the other side.
    pub fn connect_narrow(to: &str) -> Self {
        let to: SocketAddr = to.parse().expect("an address");
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .expect("a socket");
        sockopt::set_socket_recv_buffer_size(&socket, 4096).expect("a receive buffer");
        rustix::net::connect(&socket, &to).expect("connect");
        Self::tcp(TcpStream::from(socket))
    }

    /// Takes over a connected socket.
    pub fn from_socket(stream: TcpStream) -> Self {
        Self::tcp(stream)
    }

    pub(crate) fn tcp(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).expect("a read timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("a write timeout");
        stream.set_nodelay(true).expect("nodelay");
        Self(Stream::Tcp(stream))
    }

    pub(crate) fn unix(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).expect("a read timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("a write timeout");
        Self(Stream::Unix(stream))
    }

    /// The TCP socket, for its options and addresses.
    pub fn socket(&self) -> &TcpStream {
        match &self.0 {
            Stream::Tcp(stream) => stream,
            Stream::Unix(_) => panic!("a unix socket where TCP is wanted"),
        }
    }

    /// The local port.
    pub fn local_port(&self) -> u16 {
        self.socket().local_addr().expect("a local address").port()
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("send");
    }

    /// The same, for when the other side may be gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        match &mut self.0 {
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
        }
    }

    /// Sends each byte alone, so that the reader may see any prefix.
    pub fn send_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send([*byte]);
            std::thread::yield_now();
        }
    }

    /// Reads what is there, at least one byte; nothing at the end.
    pub fn recv_some(&mut self) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let count = self.read(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        uninterrupted(|| match &mut self.0 {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        })
    }

    /// Reads exactly `count` bytes.
    pub fn recv(&mut self, count: usize) -> Vec<u8> {
        let mut buffer = vec![0; count];
        match &mut self.0 {
            Stream::Tcp(stream) => stream.read_exact(&mut buffer),
            Stream::Unix(stream) => stream.read_exact(&mut buffer),
        }
        .unwrap_or_else(|error| panic!("recv of {count} bytes: {error}"));
        buffer
    }

    /// Reads up to and with the next newline, or to the end.
    pub fn recv_line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") && self.read(&mut byte).expect("recv of a line") > 0 {
            line.push(byte[0]);
        }
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Reads until the peer ends the stream, and says how it did.
    pub fn recv_end(&mut self) -> (Vec<u8>, End) {
        let mut all = Vec::new();
        loop {
            match self.recv_some() {
                Ok(part) if part.is_empty() => return (all, End::Fin),
                Ok(part) => all.extend(part),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return (all, End::Reset),
                Err(error) => panic!("recv after {} bytes: {error}", all.len()),
            }
        }
    }

    /// Reads until the end, whichever way it comes.
    pub fn recv_all(&mut self) -> String {
        String::from_utf8_lossy(&self.recv_end().0).into_owned()
    }

    /// Sends a request and reads until the end.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> String {
        // A peer that has answered and left already is no failure of the request.
        let _ = self.try_send(request);
        self.recv_all()
    }

    /// Whether nothing arrives within `span` and the stream stays open.
    pub fn is_quiet_for(&mut self, span: Duration) -> bool {
        self.set_read_timeout(span);
        let got = self.recv_some();
        self.set_read_timeout(LIMIT);
        got.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn set_read_timeout(&self, span: Duration) {
        match &self.0 {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(span)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(span)),
        }
        .expect("a read timeout");
    }

    /// Ends the sending direction only.
    pub fn finish_sending(&self) {
        match &self.0 {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
        // The other side may have gone first.
        .unwrap_or_default();
    }

    /// Sends `bytes`, the end of the direction in the same packet.
    pub fn send_last(&mut self, bytes: impl AsRef<[u8]>) {
        sockopt::set_tcp_cork(self.socket(), true).expect("a cork");
        self.send(bytes);
        self.finish_sending();
    }

    /// Ends the stream with a reset instead of in order.
    pub fn reset(self) {
        self.reset_on_drop();
    }

    /// Will end the stream with a reset when it is dropped.
    pub fn reset_on_drop(&self) {
        sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO)).expect("linger");
    }

    /// Throws away what comes until the peer ends the stream, and says how it did.
    pub fn wait_for_end(&mut self) -> End {
        poll("the stream ends", || match self.recv_some() {
            Ok(part) if part.is_empty() => Some(End::Fin),
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Err(error) => panic!("recv: {error}"),
        })
    }
}

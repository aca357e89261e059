//! Datagrams to a syslog server. The socket is made at the first line and again after an error.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Mutex;

use config::family::main_context::Syslog;
use policy::address::Address;

use super::clock::{self, Form};

/// One `syslog:` destination.
#[derive(Debug)]
pub struct Sender {
    to: Syslog,
    hostname: String,
    socket: Mutex<Option<Socket>>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Sender {
    /// A sender that has not connected yet; `hostname` goes before the tag.
    pub fn new(to: Syslog, hostname: String) -> Self {
        Self { to, hostname, socket: Mutex::new(None) }
    }

    /// Sends `message` at `severity` (0 emerg … 7 debug), or at the directive's own.
    pub fn send(&self, severity: Option<u8>, message: &[u8]) -> io::Result<()> {
        let priority = self.to.facility * 8 + severity.unwrap_or(self.to.severity);
        let mut datagram = format!("<{priority}>").into_bytes();
        clock::write(Form::Syslog, &mut datagram);
        datagram.push(b' ');
        if !self.to.nohostname {
            datagram.extend_from_slice(self.hostname.as_bytes());
            datagram.push(b' ');
        }
        datagram.extend_from_slice(self.to.tag.as_bytes());
        datagram.extend_from_slice(b": ");
        datagram.extend_from_slice(message);

        let mut socket = self.socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let open = match &mut *socket {
            Some(open) => open,
            none => none.insert(self.connect()?),
        };
        let sent = match open {
            Socket::Udp(udp) => udp.send(&datagram),
            Socket::Unix(unix) => unix.send(&datagram),
        };
        if sent.is_err() {
            *socket = None;
        }
        sent.map(|_| ())
    }

    fn connect(&self) -> io::Result<Socket> {
        match &self.to.server {
            Address::Inet(to) => {
                let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let udp = UdpSocket::bind(any)?;
                udp.set_nonblocking(true)?;
                udp.connect(to)?;
                Ok(Socket::Udp(udp))
            }
            Address::Unix(path) => {
                let unix = UnixDatagram::unbound()?;
                unix.set_nonblocking(true)?;
                unix.connect(PathBuf::from(String::from_utf8_lossy(path).into_owned()))?;
                Ok(Socket::Unix(unix))
            }
        }
    }
}

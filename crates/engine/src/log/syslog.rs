//! Datagrams to a syslog server. The socket is made at the first line and again after an error, which the main error
//! log is told of.

use std::cell::Cell;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use config::family::main_context::Syslog;
use policy::address::Address;
use syntax::Level;

use super::clock::{self, Form};
use super::errno;
use super::error::{ErrorLogs, WeakLogs};

/// One `syslog:` destination.
#[derive(Debug)]
pub struct Sender {
    to: Syslog,
    hostname: String,
    socket: Mutex<Option<Socket>>,
    trouble: OnceLock<WeakLogs>,
}

thread_local! {
    /// Whether this thread tells of trouble with a server, which is not told to servers.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Sender {
    /// A sender that has not connected yet; `hostname` goes before the tag.
    pub fn new(to: Syslog, hostname: String) -> Self {
        Self { to, hostname, socket: Mutex::new(None), trouble: OnceLock::new() }
    }

    /// Has `logs` told when the server cannot be reached.
    pub fn tell_trouble_to(&self, logs: &ErrorLogs) {
        let _ = self.trouble.set(logs.downgrade());
    }

    /// Sends `message` at `severity` (0 emerg … 7 debug), or at the directive's own; whether it was sent.
    pub fn send(&self, severity: Option<u8>, message: &[u8]) -> bool {
        if TELLING.get() {
            return false;
        }
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

        match self.transmit(&datagram) {
            Ok(()) => true,
            Err((call, error)) => {
                self.tell(call, &error);
                false
            }
        }
    }

    /// An error is that of the call it comes with.
    fn transmit(&self, datagram: &[u8]) -> Result<(), (&'static str, io::Error)> {
        let mut socket = self.socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let open = match &mut *socket {
            Some(open) => open,
            none => none.insert(self.connect().map_err(|error| ("connect()", error))?),
        };
        let sent = match open {
            Socket::Udp(udp) => udp.send(datagram),
            Socket::Unix(unix) => unix.send(datagram),
        };
        let sent = sent.map_err(|error| ("send()", error));
        if sent.as_ref().is_err_and(|(_, error)| error.kind() != io::ErrorKind::WouldBlock) {
            *socket = None;
        }
        sent.map(|_| ())
    }

    fn tell(&self, call: &str, error: &io::Error) {
        use io::ErrorKind::{
            BrokenPipe, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
            NotConnected, TimedOut, WouldBlock,
        };
        let usual = [
            BrokenPipe,
            ConnectionReset,
            NotConnected,
            TimedOut,
            ConnectionRefused,
            NetworkDown,
            NetworkUnreachable,
            HostUnreachable,
        ];
        let level = match error.kind() {
            // The line is lost, and that is all.
            WouldBlock => return,
            kind if call == "send()" && usual.contains(&kind) => Level::Error,
            _ => Level::Alert,
        };
        let server = &self.to.server;
        let text = format!("{call} failed{} while logging to syslog, server: {server}", errno(error));
        if let Some(logs) = self.trouble.get().and_then(WeakLogs::upgrade) {
            TELLING.set(true);
            logs.write(level, None, text.as_bytes());
            TELLING.set(false);
        }
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

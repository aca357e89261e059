//! Sockets that begin with connect(2).

use std::io;
use std::net::SocketAddr;

use os::SockAddr;
use os::socket::Connect;

use super::Socket;
use super::readiness::{FAILED, WRITE};

/// Why a connection did not come about.
#[derive(Debug)]
pub struct ConnectError {
    error: io::Error,
    at_once: bool,
}

impl ConnectError {
    /// The system's error.
    pub fn as_io(&self) -> &io::Error {
        &self.error
    }

    /// Whether connect(2) itself failed, rather than the attempt later.
    pub fn at_once(&self) -> bool {
        self.at_once
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        error.error
    }
}

/// Whether an address is this machine's own without doubt, so that who connects there is answered before connect(2)
/// returns, as a rule.
pub fn is_near(address: &SockAddr) -> bool {
    matches!(address, SockAddr::Inet(address) if address.ip().is_loopback())
}

impl Socket {
    /// Connects a stream socket that is prepared. One that connects at once is not waited for.
    pub async fn connect(&self, to: &SockAddr) -> Result<(), ConnectError> {
        self.connect_saying(to, &[]).await.map(drop)
    }

    /// The same, and how many of `words` have been sent, which they are where that spares the question whether the other
    /// side has answered.
    pub async fn connect_saying(&self, to: &SockAddr, words: &[u8]) -> Result<usize, ConnectError> {
        let at_once = |error| ConnectError { error, at_once: true };
        let later = |error| ConnectError { error, at_once: false };
        let connected = os::socket::connect(&self.fd, to).map_err(at_once)?;
        // Nothing can have come yet: the first read waits.
        self.begin(WRITE);
        if connected == Connect::Done {
            return Ok(0);
        }
        let mut failed = Ok(());
        if is_near(to) && words.is_empty() && os::socket::is_connected(&self.fd) {
            return Ok(0);
        }
        if is_near(to) && !words.is_empty() {
            match self.try_write(words) {
                Ok(sent) => return Ok(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Told once, as where it is waited for.
                Err(error) => failed = Err(later(error)),
            }
        }
        self.begin(0);
        self.writable().await.map_err(at_once)?;
        failed?;
        // epoll tells a failure apart, so success needs no question.
        if self.with_ready(|ready| *ready & FAILED != 0) {
            os::socket::take_error(&self.fd).map_err(later)?;
        }
        Ok(0)
    }

    /// A TCP connection to `to`.
    pub async fn tcp_connect(to: SocketAddr) -> io::Result<Self> {
        let to = SockAddr::Inet(to);
        let socket = Self::toward(&to)?;
        socket.connect(&to).await?;
        Ok(socket)
    }

    /// A UDP socket on a port of the system's choice that talks to `to` alone.
    pub fn udp_connected(to: SocketAddr) -> io::Result<Self> {
        let to = SockAddr::Inet(to);
        let fd = os::socket::datagram(&to)?;
        os::socket::connect(&fd, &to)?;
        Ok(Self::datagram(fd))
    }
}

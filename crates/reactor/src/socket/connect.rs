//! Sockets that begin with connect(2).

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

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

/// Whether an address is this machine's own without doubt.
fn is_near(address: &SockAddr) -> bool {
    matches!(address, SockAddr::Inet(address) if address.ip().is_loopback())
}

impl Socket {
    /// Connects a prepared stream socket. One that connects at once is not waited for.
    pub async fn connect(fd: OwnedFd, to: &SockAddr) -> Result<Self, ConnectError> {
        let at_once = |error| ConnectError { error, at_once: true };
        let connected = os::socket::connect(&fd, to).map_err(at_once)?;
        let socket = Self::connected(fd, to);
        // Nothing can have come yet: the first read waits.
        socket.assumed.set(WRITE);
        // On one machine the other side has answered meanwhile, as a rule.
        if connected == Connect::InProgress && !(is_near(to) && os::socket::is_connected(&socket.fd)) {
            socket.assumed.set(0);
            socket.writable().await.map_err(at_once)?;
            // epoll tells a failure apart, so success needs no question.
            if socket.with_ready(|ready| *ready & FAILED != 0) {
                os::socket::take_error(&socket.fd).map_err(|error| ConnectError { error, at_once: false })?;
            }
        }
        Ok(socket)
    }

    /// A TCP connection to `to`.
    pub async fn tcp_connect(to: SocketAddr) -> io::Result<Self> {
        let to = SockAddr::Inet(to);
        Ok(Self::connect(os::socket::stream(&to)?, &to).await?)
    }

    /// A UDP socket on a port of the system's choice that talks to `to` alone.
    pub fn udp_connected(to: SocketAddr) -> io::Result<Self> {
        let to = SockAddr::Inet(to);
        let fd = os::socket::datagram(&to)?;
        os::socket::connect(&fd, &to)?;
        Ok(Self::datagram(fd))
    }
}

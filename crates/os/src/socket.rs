//! Sockets: making, naming, connecting, accepting. All are non-blocking and closed on exec.

use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::addr::{Raw, SockAddr};
use crate::{check, check_len};

const FLAGS: libc::c_int = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

fn make(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a descriptor that is returned is ours alone.
    unsafe { check(libc::socket(family, kind | FLAGS, protocol)).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

/// A stream socket of the family of `address`.
pub fn stream(address: &SockAddr) -> io::Result<OwnedFd> {
    make(address.family(), libc::SOCK_STREAM, 0)
}

/// The same with MPTCP (RFC 8684).
pub fn stream_multipath(address: &SockAddr) -> io::Result<OwnedFd> {
    make(address.family(), libc::SOCK_STREAM, libc::IPPROTO_MPTCP)
}

/// A datagram socket of the family of `address`.
pub fn datagram(address: &SockAddr) -> io::Result<OwnedFd> {
    make(address.family(), libc::SOCK_DGRAM, 0)
}

/// bind(2).
pub fn bind(socket: impl AsFd, address: &SockAddr) -> io::Result<()> {
    let raw = address.raw();
    // SAFETY: pointer and length describe `raw`, which lives through the call.
    unsafe { check(libc::bind(socket.as_fd().as_raw_fd(), raw.ptr(), raw.length)).map(drop) }
}

/// listen(2).
pub fn listen(socket: impl AsFd, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    unsafe { check(libc::listen(socket.as_fd().as_raw_fd(), backlog)).map(drop) }
}

/// What connect(2) answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// Connected at once.
    Done,
    /// Under way; the socket becomes writable when it is decided.
    InProgress,
}

/// connect(2).
pub fn connect(socket: impl AsFd, address: &SockAddr) -> io::Result<Connect> {
    let raw = address.raw();
    // SAFETY: pointer and length describe `raw`, which lives through the call.
    match unsafe { check(libc::connect(socket.as_fd().as_raw_fd(), raw.ptr(), raw.length)) } {
        Ok(_) => Ok(Connect::Done),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(Connect::InProgress),
        Err(error) => Err(error),
    }
}

/// Whether a connection that was under way is there by now. If it has failed, that is still to be told.
pub fn is_connected(socket: impl AsFd) -> bool {
    let mut polled = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to the one descriptor that is polled.
    let ready = unsafe { libc::poll(&raw mut polled, 1, 0) };
    ready == 1 && polled.revents == libc::POLLOUT
}

/// Has a socket forget its peer, and with that the port that the system chose for it (connect(2), `AF_UNSPEC`): one of
/// datagrams, or of a stream whose connection is over.
pub fn disconnect(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: sockaddr is plain data for which all zeroes is a value.
    let mut nobody: libc::sockaddr = unsafe { mem::zeroed() };
    nobody.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: pointer and length describe `nobody`, which lives through the call.
    unsafe { check(libc::connect(socket.as_fd().as_raw_fd(), &raw const nobody, length)).map(drop) }
}

/// accept4(2): a new connection and its peer.
pub fn accept(socket: impl AsFd) -> io::Result<(OwnedFd, SockAddr)> {
    let mut raw = Raw::empty();
    let mut length = raw.length;
    // SAFETY: pointer and length describe `raw`; the descriptor that is returned is ours alone.
    let accepted = unsafe {
        check(libc::accept4(socket.as_fd().as_raw_fd(), raw.ptr_mut(), &raw mut length, FLAGS))
            .map(|fd| OwnedFd::from_raw_fd(fd))?
    };
    Ok((accepted, raw.value(length)))
}

type NameCall = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn name(socket: impl AsFd, call: NameCall) -> io::Result<SockAddr> {
    let mut raw = Raw::empty();
    let mut length = raw.length;
    // SAFETY: pointer and length describe `raw`.
    unsafe { check(call(socket.as_fd().as_raw_fd(), raw.ptr_mut(), &raw mut length))? };
    Ok(raw.value(length))
}

/// getsockname(2).
pub fn local_addr(socket: impl AsFd) -> io::Result<SockAddr> {
    name(socket, libc::getsockname)
}

/// getpeername(2).
pub fn peer_addr(socket: impl AsFd) -> io::Result<SockAddr> {
    name(socket, libc::getpeername)
}

/// The socket's pending error (`SO_ERROR`), which asking clears.
pub fn take_error(socket: impl AsFd) -> io::Result<()> {
    match crate::options::number(socket, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// shutdown(2) of the sending direction.
pub fn shutdown_write(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: no pointers.
    unsafe { check(libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_WR)).map(drop) }
}

// The C library's recv and send take two atomic steps each, so that another thread could cancel this one. None does.

/// recv(2) with `flags`.
fn receive(socket: impl AsFd, buffer: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    let (socket, nobody) = (socket.as_fd().as_raw_fd(), std::ptr::null_mut::<libc::sockaddr>());
    // SAFETY: pointer and length describe `buffer`; the peer's address is not asked for.
    let result =
        unsafe { libc::syscall(libc::SYS_recvfrom, socket, buffer.as_mut_ptr(), buffer.len(), flags, nobody, nobody) };
    check_len(result as libc::ssize_t)
}

/// send(2) with `flags`; a peer that is gone is an error, never a signal.
fn give(socket: impl AsFd, bytes: &[u8], flags: libc::c_int) -> io::Result<usize> {
    let (socket, flags, nobody) =
        (socket.as_fd().as_raw_fd(), flags | libc::MSG_NOSIGNAL, std::ptr::null::<libc::sockaddr>());
    // SAFETY: pointer and length describe `bytes`; an address is not given.
    let result =
        unsafe { libc::syscall(libc::SYS_sendto, socket, bytes.as_ptr(), bytes.len(), flags, nobody, 0_usize) };
    check_len(result as libc::ssize_t)
}

/// recv(2).
pub fn recv(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    receive(socket, buffer, 0)
}

/// recv(2) without taking the bytes (`MSG_PEEK`).
pub fn peek(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    receive(socket, buffer, libc::MSG_PEEK)
}

/// send(2).
pub fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    give(socket, bytes, 0)
}

/// send(2) with more to follow at once: the kernel may wait for that before it makes a packet (`MSG_MORE`).
pub fn send_more(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    give(socket, bytes, libc::MSG_MORE)
}

/// Sends bytes of which the last is out of band (`MSG_OOB`).
pub fn send_urgent(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    give(socket, bytes, libc::MSG_OOB)
}

/// send(2) with the bytes in several pieces (sendmsg(2)).
pub fn send_pieces(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: msghdr is plain data for which all zeroes is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // IoSlice is laid out as iovec is; the kernel only reads through it.
    message.msg_iov = pieces.as_ptr().cast_mut().cast();
    message.msg_iovlen = pieces.len().min(libc::UIO_MAXIOV as usize) as _;
    // SAFETY: the pieces live through the call.
    unsafe { check_len(libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SockAddr {
        SockAddr::Inet("127.0.0.1:0".parse().unwrap())
    }

    #[test]
    fn a_connection_and_its_names() {
        let listener = stream(&loopback()).unwrap();
        bind(&listener, &loopback()).unwrap();
        listen(&listener, 8).unwrap();
        let at = local_addr(&listener).unwrap();
        assert_eq!(accept(&listener).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let client = stream(&at).unwrap();
        connect(&client, &at).unwrap();
        let (server, peer) = loop {
            if let Ok(accepted) = accept(&listener) {
                break accepted;
            }
        };
        assert_eq!(peer, local_addr(&client).unwrap());
        assert_eq!(peer_addr(&client).unwrap(), at);
        take_error(&client).unwrap();
        assert_eq!(send(&client, b"hello").unwrap(), 5);
        let mut buffer = [0; 8];
        while peek(&server, &mut buffer).is_err() {}
        assert_eq!((recv(&server, &mut buffer).unwrap(), &buffer[..5]), (5, &b"hello"[..]));
        shutdown_write(&client).unwrap();
        while recv(&server, &mut buffer).is_err() {}
        drop(server);
        drop(listener);
        let refused = stream(&at).unwrap();
        match connect(&refused, &at) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            Ok(_) => assert!(take_error(&refused).is_err()),
        }
    }
}

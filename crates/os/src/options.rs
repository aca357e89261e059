//! Socket options, each under the name of what it does.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::check;

fn set<T>(socket: impl AsFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`, which lives through the call.
    unsafe {
        check(libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length))
            .map(drop)
    }
}

fn set_number(socket: impl AsFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    set(socket, level, name, &value)
}

fn size(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// The value of an option that is a number.
pub(crate) fn number(socket: impl AsFd, level: i32, name: i32) -> io::Result<i32> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`.
    unsafe {
        check(libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length))?;
    }
    Ok(value)
}

/// How many packets have come to a socket of TCP, those without data among them (`TCP_INFO`).
pub fn packets_received(socket: impl AsFd) -> io::Result<u32> {
    // SAFETY: numbers alone, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: pointer and length describe `info`.
    unsafe {
        check(libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw mut info).cast(), &raw mut length))?;
    }
    Ok(info.tcpi_segs_in)
}

/// Whether the socket is one of datagrams (`SO_TYPE`).
pub fn is_datagram(socket: impl AsFd) -> io::Result<bool> {
    Ok(number(socket, libc::SOL_SOCKET, libc::SO_TYPE)? == libc::SOCK_DGRAM)
}

/// Whether connections are accepted on the socket (`SO_ACCEPTCONN`).
pub fn is_listening(socket: impl AsFd) -> io::Result<bool> {
    Ok(number(socket, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0)
}

/// `SO_REUSEADDR`.
pub fn set_reuseaddr(socket: impl AsFd, on: bool) -> io::Result<()> {
    set_number(socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, on.into())
}

/// `SO_REUSEPORT`.
pub fn set_reuseport(socket: impl AsFd, on: bool) -> io::Result<()> {
    set_number(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, on.into())
}

/// `IPV6_V6ONLY`.
pub fn set_v6only(socket: impl AsFd, on: bool) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, on.into())
}

/// `SO_RCVBUF`, bytes.
pub fn set_rcvbuf(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    set_number(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, size(bytes))
}

/// `SO_SNDBUF`, bytes.
pub fn set_sndbuf(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    set_number(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, size(bytes))
}

/// `TCP_FASTOPEN` (RFC 7413): the queue's length.
pub fn set_fastopen(socket: impl AsFd, queue: i32) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, queue)
}

/// `TCP_DEFER_ACCEPT`, seconds.
pub fn set_defer_accept(socket: impl AsFd, seconds: i32) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds)
}

/// `TCP_NODELAY`, on.
pub fn set_nodelay(socket: impl AsFd) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// `TCP_QUICKACK` off: set before connect(2), the answer to the peer's SYN waits for what is sent first, and shares its
/// packet.
pub fn set_no_quickack(socket: impl AsFd) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 0)
}

/// Whether `TCP_NODELAY` is on.
pub fn nodelay(socket: impl AsFd) -> io::Result<bool> {
    number(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY).map(|value| value != 0)
}

/// `SO_KEEPALIVE`.
pub fn set_keepalive(socket: impl AsFd, on: bool) -> io::Result<()> {
    set_number(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, on.into())
}

fn keepalive(socket: impl AsFd, name: i32, value: u32) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_TCP, name, i32::try_from(value).unwrap_or(i32::MAX))
}

/// `TCP_KEEPIDLE`: seconds before the first probe.
pub fn set_keepalive_idle(socket: impl AsFd, seconds: u32) -> io::Result<()> {
    keepalive(socket, libc::TCP_KEEPIDLE, seconds)
}

/// `TCP_KEEPINTVL`: seconds between probes.
pub fn set_keepalive_interval(socket: impl AsFd, seconds: u32) -> io::Result<()> {
    keepalive(socket, libc::TCP_KEEPINTVL, seconds)
}

/// `TCP_KEEPCNT`: how many probes.
pub fn set_keepalive_count(socket: impl AsFd, probes: u32) -> io::Result<()> {
    keepalive(socket, libc::TCP_KEEPCNT, probes)
}

/// `SO_LINGER` of no time: closing drops what is unsent and resets the connection.
pub fn set_reset_on_close(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 })
}

/// `IP_TRANSPARENT`: the local address need not be one of this machine.
pub fn set_transparent(socket: impl AsFd, v6: bool) -> io::Result<()> {
    if v6 {
        set_number(socket, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1)
    } else {
        set_number(socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)
    }
}

/// `IP_BIND_ADDRESS_NO_PORT`: the port is chosen at connect.
pub fn set_bind_address_no_port(socket: impl AsFd) -> io::Result<()> {
    set_number(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// `IP_PKTINFO` or `IPV6_RECVPKTINFO`: each datagram tells the address it was sent to.
pub fn set_pktinfo(socket: impl AsFd, v6: bool) -> io::Result<()> {
    if v6 {
        set_number(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_number(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SockAddr, socket};

    #[test]
    fn what_is_set_is_there() {
        let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        let tcp = socket::stream(&any).unwrap();
        set_nodelay(&tcp).unwrap();
        set_keepalive(&tcp, true).unwrap();
        set_keepalive_idle(&tcp, 11).unwrap();
        set_keepalive_interval(&tcp, 5).unwrap();
        set_keepalive_count(&tcp, 3).unwrap();
        assert_eq!(number(&tcp, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE).unwrap(), 11);
        assert_eq!(number(&tcp, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL).unwrap(), 5);
        assert_eq!(number(&tcp, libc::IPPROTO_TCP, libc::TCP_KEEPCNT).unwrap(), 3);
        assert!(!is_datagram(&tcp).unwrap());
        let udp = socket::datagram(&any).unwrap();
        set_pktinfo(&udp, false).unwrap();
        assert!(is_datagram(&udp).unwrap());
        assert!(set_nodelay(&udp).is_err());
    }

    #[test]
    fn options_of_listening_sockets() {
        for (any, v6) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
            let any = SockAddr::Inet(any.parse().unwrap());
            let (first, second) = (socket::stream(&any).unwrap(), socket::stream(&any).unwrap());
            for fd in [&first, &second] {
                set_reuseaddr(fd, true).unwrap();
                set_reuseport(fd, true).unwrap();
                if v6 {
                    set_v6only(fd, true).unwrap();
                    assert_eq!(number(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY).unwrap(), 1);
                }
                set_rcvbuf(fd, 32_768).unwrap();
                set_sndbuf(fd, 32_768).unwrap();
                // The kernel doubles what it is asked for.
                assert_eq!(number(fd, libc::SOL_SOCKET, libc::SO_RCVBUF).unwrap(), 65_536);
                assert_eq!(number(fd, libc::SOL_SOCKET, libc::SO_SNDBUF).unwrap(), 65_536);
            }
            socket::bind(&first, &any).unwrap();
            socket::bind(&second, &socket::local_addr(&first).unwrap()).unwrap();
            set_fastopen(&first, 5).unwrap();
            assert_eq!(number(&first, libc::IPPROTO_TCP, libc::TCP_FASTOPEN).unwrap(), 5);
            socket::listen(&first, 1).unwrap();
            set_defer_accept(&first, 1).unwrap();
            assert!(number(&first, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT).unwrap() >= 1);
        }
    }

    #[test]
    fn the_answer_to_a_peers_syn_waits_for_what_is_sent_first() {
        let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        let listener = socket::stream(&any).unwrap();
        socket::bind(&listener, &any).unwrap();
        socket::listen(&listener, 5).unwrap();
        let at = socket::local_addr(&listener).unwrap();
        let client = socket::stream(&at).unwrap();
        set_no_quickack(&client).unwrap();
        socket::connect(&client, &at).unwrap();
        assert!(socket::is_connected(&client));
        assert_eq!(socket::accept(&listener).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(socket::send(&client, b"hello").unwrap(), 5);
        let (served, _) = socket::accept(&listener).unwrap();
        assert_eq!(socket::recv(&served, &mut [0; 8]).unwrap(), 5);
    }

    #[test]
    fn a_source_address_leaves_the_port_open() {
        let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        let fd = socket::stream(&any).unwrap();
        set_bind_address_no_port(&fd).unwrap();
        socket::bind(&fd, &any).unwrap();
        assert_eq!(socket::local_addr(&fd).unwrap(), any);
    }
}

//! Moving bytes other than by recv and send: splice and pipes, datagrams with their addresses,
//! event counters.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::addr::SockAddr;
use crate::{check, check_len};

/// A pipe: its reading and its writing end, non-blocking.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors into `ends`, which are ours alone then.
    unsafe {
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// How much a pipe may hold, bytes (`F_SETPIPE_SZ`).
pub fn set_pipe_size(pipe: impl AsFd, bytes: usize) -> io::Result<()> {
    // SAFETY: no pointers.
    unsafe { check(libc::fcntl(pipe.as_fd().as_raw_fd(), libc::F_SETPIPE_SZ, bytes as libc::c_int)).map(drop) }
}

/// splice(2): moves up to `most` bytes between a pipe and something else without copying; 0 is
/// the end of the source.
pub fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    // SAFETY: null offsets are what streams and pipes take.
    unsafe { check_len(libc::splice(from, std::ptr::null_mut(), to, std::ptr::null_mut(), most, flags)) }
}

/// An event counter that other threads add to (eventfd(2)).
pub fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor that is returned is ours alone.
    unsafe { check(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

/// Adds one to an event counter, which wakes who waits for it.
pub fn eventfd_add(counter: impl AsFd) -> io::Result<()> {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: pointer and length describe `one`.
    unsafe { check_len(libc::write(counter.as_fd().as_raw_fd(), one.as_ptr().cast(), one.len())).map(drop) }
}

/// Resets an event counter.
pub fn eventfd_clear(counter: impl AsFd) -> io::Result<()> {
    let mut value = [0_u8; 8];
    // SAFETY: pointer and length describe `value`.
    unsafe { check_len(libc::read(counter.as_fd().as_raw_fd(), value.as_mut_ptr().cast(), value.len())).map(drop) }
}

/// Room for one control message of either family, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; 64]);

impl Default for Control {
    fn default() -> Self {
        Self([0; 64])
    }
}

/// The destination that a received message tells.
pub(crate) fn destination(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel filled the control buffer; the macros walk it within its length, and
    // level and type say what the data are.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::in_pktinfo>());
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>());
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => header = libc::CMSG_NXTHDR(message, header),
            }
        }
    }
    None
}

/// Writes the control message that sets the local address a datagram leaves from; how long it is.
pub(crate) fn set_source(control: &mut Control, from: IpAddr) -> usize {
    // SAFETY: msghdr is plain data for which all zeroes is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the control buffer is large enough for either message and aligned for it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let size = match from {
            IpAddr::V4(ip) => {
                (*header).cmsg_level = libc::IPPROTO_IP;
                (*header).cmsg_type = libc::IP_PKTINFO;
                let source = libc::in_addr { s_addr: u32::from(ip).to_be() };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
                std::ptr::write_unaligned(libc::CMSG_DATA(header).cast(), info);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(ip) => {
                (*header).cmsg_level = libc::IPPROTO_IPV6;
                (*header).cmsg_type = libc::IPV6_PKTINFO;
                let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
                std::ptr::write_unaligned(libc::CMSG_DATA(header).cast(), info);
                size_of::<libc::in6_pktinfo>()
            }
        };
        (*header).cmsg_len = libc::CMSG_LEN(size as libc::c_uint) as _;
        libc::CMSG_SPACE(size as libc::c_uint) as usize
    }
}

/// Sends one datagram to `to`, from the local address `from` where that is given.
pub fn send_datagram(socket: impl AsFd, bytes: &[u8], to: &SockAddr, from: Option<IpAddr>) -> io::Result<usize> {
    let mut name = to.raw();
    let Some(from) = from else {
        let (socket, flags) = (socket.as_fd().as_raw_fd(), libc::MSG_NOSIGNAL);
        // SAFETY: pointers and lengths describe `bytes` and `name`.
        return unsafe {
            let name_at = name.ptr_mut().cast_const().cast();
            check_len(libc::sendto(socket, bytes.as_ptr().cast(), bytes.len(), flags, name_at, name.length))
        };
    };
    let mut control = Control::default();
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is plain data for which all zeroes is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = name.ptr_mut().cast();
    message.msg_namelen = name.length;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_controllen = set_source(&mut control, from) as _;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: every pointer in `message` describes a local that lives through the call.
    unsafe { check_len(libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket;

    #[test]
    fn a_pipe_carries_what_is_spliced() {
        let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        let (a, b) = (socket::datagram(&any).unwrap(), socket::datagram(&any).unwrap());
        socket::bind(&a, &any).unwrap();
        socket::connect(&b, &socket::local_addr(&a).unwrap()).unwrap();
        let (read, write) = pipe().unwrap();
        assert_eq!(splice(&read, &b, 10).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        // SAFETY: pointer and length describe a literal.
        assert_eq!(unsafe { libc::write(write.as_raw_fd(), c"hello".as_ptr().cast(), 5) }, 5);
        assert_eq!(splice(&read, &b, 10).unwrap(), 5);
        let mut buffer = [0; 16];
        while socket::peek(&a, &mut buffer).is_err() {}
        assert_eq!(&buffer[..5], b"hello");
    }
}

//! Datagrams within the machine, and which process sent each, as the kernel knows it (`SO_PASSCRED`).

use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use crate::{check, check_len};

/// Room for what the kernel says of the sender.
// SAFETY: it computes a number.
const SPACE: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

#[repr(C, align(8))]
struct Control {
    bytes: [u8; SPACE],
}

/// Has the kernel say who sends from now on. Of what came before nothing is known.
pub fn ask(socket: &UnixDatagram) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: pointer and length describe `on`.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PASSCRED,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Takes a datagram, cut where it is longer than `room`: its length, and the number of the process that sent it, 0 where
/// that is not known.
pub fn receive(socket: &UnixDatagram, room: &mut [u8]) -> io::Result<(usize, u32)> {
    let mut control = Control { bytes: [0; SPACE] };
    let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: msghdr is plain data, of which all zeroes is an empty one; what it points to outlives the call, and the
    // control buffer is aligned for what the kernel writes there.
    unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = SPACE;
        let length = check_len(libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC))?;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        if head.is_null() || (*head).cmsg_level != libc::SOL_SOCKET || (*head).cmsg_type != libc::SCM_CREDENTIALS {
            return Ok((length, 0));
        }
        let sender = libc::CMSG_DATA(head).cast::<libc::ucred>().read_unaligned();
        Ok((length, u32::try_from(sender.pid).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    use super::*;

    #[test]
    fn the_kernel_says_who_sent() {
        let address = SocketAddr::from_abstract_name(format!("lockgate/sender/{}", std::process::id())).unwrap();
        let (ear, voice) = (UnixDatagram::bind_addr(&address).unwrap(), UnixDatagram::unbound().unwrap());
        let mut room = [0; 4];
        ask(&ear).unwrap();
        voice.send_to_addr(b"longer", &address).unwrap();
        assert_eq!(receive(&ear, &mut room).unwrap(), (4, std::process::id()));
        assert_eq!(&room, b"long");
    }
}

//! Messages between a process and its child, with open descriptors beside the bytes
//! (`SCM_RIGHTS`). Blocking: who uses it has nothing else to do meanwhile.

use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::{check, check_len};

/// One end.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
}

/// The longest message that is taken, bytes.
const MOST: u64 = 1 << 32;

impl Channel {
    /// Both ends.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self { stream: one }, Self { stream: other }))
    }

    /// Gives up reading or writing when the other side does nothing for so long.
    pub fn set_patience(&self, most: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(most)?;
        self.stream.set_write_timeout(most)
    }

    /// Sends one message.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut head = [0; 16];
        let (length, count) = head.split_at_mut(8);
        length.copy_from_slice(&(bytes.len() as u64).to_ne_bytes());
        count.copy_from_slice(&(fds.len() as u64).to_ne_bytes());
        (&self.stream).write_all(&head)?;
        (&self.stream).write_all(bytes)?;
        fds.iter().try_for_each(|fd| self.send_fd(*fd))
    }

    /// Receives one message; `UnexpectedEof` when the other end is gone.
    pub fn receive(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        let (length, count) = self.receive_head()?;
        if length > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let bytes = self.receive_bytes(length)?;
        let fds = (0..count).map(|_| self.receive_fd()).collect::<io::Result<_>>()?;
        Ok((bytes, fds))
    }

    /// Receives one message of an end that is not trusted: of `most` bytes, and without descriptors. Any other is
    /// `InvalidData`.
    pub fn receive_answer(&self, most: u64) -> io::Result<Vec<u8>> {
        match self.receive_head()? {
            (length, 0) if length <= most => self.receive_bytes(length),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// How many bytes, and descriptors, follow.
    fn receive_head(&self) -> io::Result<(u64, u64)> {
        let (mut length, mut count) = ([0; 8], [0; 8]);
        (&self.stream).read_exact(&mut length)?;
        (&self.stream).read_exact(&mut count)?;
        Ok((u64::from_ne_bytes(length), u64::from_ne_bytes(count)))
    }

    fn receive_bytes(&self, length: u64) -> io::Result<Vec<u8>> {
        // Not trusted with the room it asks for before the bytes are there.
        let mut bytes = Vec::new();
        if (&self.stream).take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn send_fd(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        with_message(|message| {
            // SAFETY: the message has room for one control message with one descriptor.
            unsafe {
                let head = libc::CMSG_FIRSTHDR(message);
                (*head).cmsg_level = libc::SOL_SOCKET;
                (*head).cmsg_type = libc::SCM_RIGHTS;
                (*head).cmsg_len = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as usize;
                libc::CMSG_DATA(head).cast::<libc::c_int>().write_unaligned(fd.as_raw_fd());
                check_len(libc::sendmsg(self.stream.as_raw_fd(), message, libc::MSG_NOSIGNAL)).map(drop)
            }
        })
    }

    fn receive_fd(&self) -> io::Result<OwnedFd> {
        with_message(|message| {
            // SAFETY: the kernel fills the message; a descriptor that it put there is ours alone.
            unsafe {
                check_len(libc::recvmsg(self.stream.as_raw_fd(), message, libc::MSG_CMSG_CLOEXEC))?;
                let head = libc::CMSG_FIRSTHDR(message);
                if head.is_null() || (*head).cmsg_type != libc::SCM_RIGHTS {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let fd = libc::CMSG_DATA(head).cast::<libc::c_int>().read_unaligned();
                Ok(OwnedFd::from_raw_fd(check(fd)?))
            }
        })
    }
}

/// Makes a message of one byte, with room for a descriptor beside it.
fn with_message<T>(use_it: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut control = Control { bytes: [0; SPACE] };
    let mut byte = 0_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: msghdr is plain data; all zeroes is an empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // These live as long as the message; the control buffer is aligned for what it is to hold.
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = SPACE;
    use_it(&mut message)
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Room for one control message with one descriptor.
// SAFETY: it computes a number.
const SPACE: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::c_int>() as u32) } as usize;

#[repr(C, align(8))]
struct Control {
    bytes: [u8; SPACE],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_descriptors_arrive() {
        let (one, other) = Channel::pair().unwrap();
        let counters = [(); 3].map(|()| crate::io::eventfd().unwrap());
        let long = vec![7; 1 << 20];
        let sender = std::thread::spawn(move || {
            let fds: Vec<_> = counters.iter().map(AsFd::as_fd).collect();
            one.send(&long, &fds).unwrap();
            one.send(b"", &[]).unwrap();
            counters
        });
        let (bytes, fds) = other.receive().unwrap();
        assert_eq!((bytes.len(), fds.len()), (1 << 20, 3));
        assert_eq!(other.receive().unwrap().0, b"");
        let counters = sender.join().unwrap();
        crate::io::eventfd_add(&fds[1]).unwrap();
        let counters: Vec<_> = counters.iter().map(AsFd::as_fd).collect();
        let ready = crate::poll::wait(&counters, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, [false, true, false], "it is the same counter");
        assert_eq!(other.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_answer_is_as_long_as_it_may_be_and_brings_no_descriptors() {
        let (here, there) = Channel::pair().unwrap();
        here.send(b"fine", &[]).unwrap();
        assert_eq!(there.receive_answer(4).unwrap(), b"fine");
        let fd = crate::io::eventfd().unwrap();
        for (bytes, fds) in [(&b"longer"[..], &[][..]), (b"fine", &[fd.as_fd()])] {
            let (here, there) = Channel::pair().unwrap();
            here.send(bytes, fds).unwrap();
            assert_eq!(there.receive_answer(4).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn patience_ends() {
        let (one, _other) = Channel::pair().unwrap();
        one.set_patience(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(one.receive().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

//! Several datagrams per system call (recvmmsg(2), sendmmsg(2)), in room that is used again. It
//! does not know whose they are.

use std::io;
use std::mem;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use crate::SockAddr;
use crate::addr::Raw;
use crate::check;
use crate::io::{Control, destination, set_source};

fn header() -> libc::mmsghdr {
    // SAFETY: mmsghdr is plain data for which all zeroes is a value.
    unsafe { mem::zeroed() }
}

fn part(bytes: *mut u8, length: usize) -> libc::iovec {
    libc::iovec { iov_base: bytes.cast(), iov_len: length }
}

/// Datagrams that came together.
pub struct Incoming {
    bytes: Vec<u8>,
    longest: usize,
    names: Vec<Raw>,
    controls: Vec<Control>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    filled: usize,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("filled", &self.filled).finish_non_exhaustive()
    }
}

/// One datagram of [`Incoming`].
#[derive(Debug, PartialEq, Eq)]
pub struct Came<'a> {
    /// What was sent, cut where it was longer than there was room.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SockAddr,
    /// The local address it was sent to, where the socket was told to say so.
    pub to: Option<IpAddr>,
}

impl Incoming {
    /// Room for `count` datagrams of up to `longest` bytes. The system gives the memory page by page,
    /// as datagrams fill it.
    pub fn new(count: usize, longest: usize) -> Self {
        Self {
            bytes: vec![0; count * longest],
            longest,
            names: vec![Raw::empty(); count],
            controls: vec![Control::default(); count],
            parts: vec![part(std::ptr::null_mut(), 0); count],
            headers: vec![header(); count],
            filled: 0,
        }
    }

    /// Takes what has come, as far as there is room, in place of what was here; how many.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        self.filled = 0;
        let rooms = self.bytes.chunks_mut(self.longest.max(1));
        let places = self.names.iter_mut().zip(&mut self.controls).zip(&mut self.parts);
        for ((header, room), ((name, control), slot)) in self.headers.iter_mut().zip(rooms).zip(places) {
            *slot = part(room.as_mut_ptr(), room.len());
            // The kernel shortens what it is told of the others.
            let message = &mut header.msg_hdr;
            message.msg_iov = slot;
            message.msg_iovlen = 1;
            message.msg_name = name.ptr_mut().cast();
            message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = control.0.len() as _;
        }
        let (socket, room) = (socket.as_fd().as_raw_fd(), self.headers.len() as libc::c_uint);
        // SAFETY: the headers point into vectors of this batch, at as many bytes as they say.
        let came = unsafe { check(libc::recvmmsg(socket, self.headers.as_mut_ptr(), room, 0, std::ptr::null_mut()))? };
        self.filled = came as usize;
        Ok(self.filled)
    }

    /// The most that come together.
    pub fn room(&self) -> usize {
        self.headers.len()
    }

    /// What the last call brought.
    pub fn iter(&self) -> impl Iterator<Item = Came<'_>> {
        let room = self.bytes.chunks(self.longest.max(1));
        self.headers.iter().zip(&self.names).zip(room).take(self.filled).map(|((header, name), bytes)| Came {
            bytes: bytes.get(..header.msg_len as usize).unwrap_or(bytes),
            from: name.value(header.msg_hdr.msg_namelen),
            to: destination(&header.msg_hdr),
        })
    }
}

/// Datagrams that are to go out together.
#[derive(Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    /// Those that wait come first; places are used again.
    queue: Vec<Queued>,
    waiting: usize,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

/// A datagram's end among the bytes, and its addresses, of no length where none is given.
struct Queued {
    end: usize,
    to: Raw,
    control: Control,
    control_length: usize,
}

impl Queued {
    fn empty() -> Self {
        Self { end: 0, to: Raw::empty(), control: Control::default(), control_length: 0 }
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Outgoing {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a datagram to `to` (`None`: to whom the socket is connected), from the local address
    /// `from` where that is given.
    pub fn push(&mut self, bytes: &[u8], to: Option<&SockAddr>, from: Option<IpAddr>) {
        self.bytes.extend_from_slice(bytes);
        if self.waiting == self.queue.len() {
            self.queue.push(Queued::empty());
            self.parts.push(part(std::ptr::null_mut(), 0));
            self.headers.push(header());
        }
        let Some(place) = self.queue.get_mut(self.waiting) else { return };
        self.waiting += 1;
        place.end = self.bytes.len();
        place.to.length = 0;
        if let Some(to) = to {
            place.to.set(to);
        }
        place.control_length = from.map_or(0, |from| set_source(&mut place.control, from));
    }

    /// Sends in order as many as are taken; how many, at least one. On an error the first was not
    /// taken. Those that were not stay: [`Self::skip`] gives one up.
    pub fn send(&mut self, socket: impl AsFd) -> io::Result<usize> {
        if self.is_empty() {
            return Ok(0);
        }
        let mut start = 0;
        let waiting = self.queue.iter_mut().take(self.waiting);
        for ((header, slot), queued) in self.headers.iter_mut().zip(&mut self.parts).zip(waiting) {
            let bytes = self.bytes.get_mut(start..queued.end).unwrap_or_default();
            start = queued.end;
            *slot = part(bytes.as_mut_ptr(), bytes.len());
            let message = &mut header.msg_hdr;
            message.msg_iov = slot;
            message.msg_iovlen = 1;
            message.msg_name = queued.to.ptr_mut().cast();
            message.msg_namelen = queued.to.length;
            message.msg_control = queued.control.0.as_mut_ptr().cast();
            message.msg_controllen = queued.control_length as _;
        }
        let (socket, count) = (socket.as_fd().as_raw_fd(), self.waiting as libc::c_uint);
        // SAFETY: so many headers point into vectors of this batch, at as many bytes as they say.
        let sent = unsafe { check(libc::sendmmsg(socket, self.headers.as_mut_ptr(), count, libc::MSG_NOSIGNAL))? };
        self.remove(sent as usize);
        Ok(sent as usize)
    }

    /// Gives up the datagram that is next, for instance one that is too long for its way.
    pub fn skip(&mut self) {
        self.remove(1);
    }

    fn remove(&mut self, count: usize) {
        if count >= self.waiting {
            self.bytes.clear();
            self.waiting = 0;
            return;
        }
        let Some(last) = count.checked_sub(1).and_then(|at| self.queue.get(at)) else { return };
        let end = last.end;
        self.bytes.drain(..end);
        let Some(waiting) = self.queue.get_mut(..self.waiting) else { return };
        waiting.rotate_left(count);
        self.waiting -= count;
        for queued in waiting.iter_mut().take(self.waiting) {
            queued.end -= end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{options, socket};

    fn bound(at: &str) -> (std::os::fd::OwnedFd, SockAddr) {
        let any = SockAddr::Inet(at.parse().unwrap());
        let fd = socket::datagram(&any).unwrap();
        socket::bind(&fd, &any).unwrap();
        let at = socket::local_addr(&fd).unwrap();
        (fd, at)
    }

    #[test]
    fn many_come_and_go_in_their_order() {
        let ((a, a_at), (b, b_at)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.send(&a).unwrap(), 0);
        for length in [1_usize, 0, 5, 30, 2] {
            outgoing.push(&vec![length as u8; length], Some(&b_at), None);
        }
        assert_eq!((outgoing.len(), outgoing.send(&a).unwrap(), outgoing.is_empty()), (5, 5, true));
        let mut incoming = Incoming::new(3, 16);
        let mut lengths = Vec::new();
        for round in [3, 2] {
            assert_eq!(incoming.receive(&b).unwrap(), round);
            for came in incoming.iter() {
                assert_eq!((&came.from, came.to), (&a_at, None));
                lengths.push(came.bytes.len());
            }
        }
        assert_eq!(lengths, [1, 0, 5, 16, 2], "what is too long is cut");
        assert_eq!(incoming.receive(&b).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(incoming.iter().count(), 0);
    }

    #[test]
    fn a_batch_that_moves_stays_whole() {
        let ((a, _), (b, b_at)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
        socket::connect(&a, &b_at).unwrap();
        let mut outgoing = Outgoing::default();
        outgoing.push(b"first", None, None);
        outgoing.push(b"second", None, None);
        let mut outgoing = Box::new(outgoing);
        assert_eq!(outgoing.send(&a).unwrap(), 2);
        let mut incoming = Incoming::new(4, 64);
        assert_eq!(incoming.receive(&b).unwrap(), 2);
        let moved = Box::new(incoming);
        assert_eq!(moved.iter().map(|came| came.bytes.to_vec()).collect::<Vec<_>>(), [&b"first"[..], b"second"]);
    }

    #[test]
    fn a_datagram_that_cannot_go_holds_up_the_rest_until_it_is_skipped() {
        let ((a, _), (b, b_at)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
        let mut outgoing = Outgoing::default();
        outgoing.push(b"one", Some(&b_at), None);
        outgoing.push(&vec![0; 70_000], Some(&b_at), None);
        outgoing.push(b"three", Some(&b_at), None);
        assert_eq!(outgoing.send(&a).unwrap(), 1);
        assert_eq!(outgoing.send(&a).unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        outgoing.skip();
        assert_eq!((outgoing.send(&a).unwrap(), outgoing.len()), (1, 0));
        outgoing.skip();
        let mut incoming = Incoming::new(4, 64);
        assert_eq!(incoming.receive(&b).unwrap(), 2);
        assert_eq!(incoming.iter().map(|came| came.bytes.len()).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn answers_leave_from_the_address_that_was_asked() {
        for (any, asked) in [("0.0.0.0:0", "127.0.0.2"), ("[::]:0", "::1")] {
            let (server, at) = bound(any);
            let asked: IpAddr = asked.parse().unwrap();
            options::set_pktinfo(&server, asked.is_ipv6()).unwrap();
            let SockAddr::Inet(at) = at else { panic!("not inet") };
            let to = SockAddr::Inet((asked, at.port()).into());
            let client = socket::datagram(&to).unwrap();
            socket::connect(&client, &to).unwrap();
            socket::send(&client, b"who").unwrap();
            let mut incoming = Incoming::new(2, 16);
            assert_eq!(incoming.receive(&server).unwrap(), 1);
            let came = incoming.iter().next().unwrap();
            assert_eq!((came.bytes, came.to), (&b"who"[..], Some(asked)));
            let mut outgoing = Outgoing::default();
            outgoing.push(b"me", Some(&came.from), came.to);
            assert_eq!(outgoing.send(&server).unwrap(), 1);
            // A connected socket takes only what comes from that very address.
            assert_eq!(socket::recv(&client, &mut [0; 8]).unwrap(), 2);
        }
    }
}

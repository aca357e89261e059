//! epoll(7), edge-triggered.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// What happened to a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The number given when it was added.
    pub data: u64,
    /// `EPOLL*` bits.
    pub bits: u32,
}

/// Bytes can be read, or a connection accepted.
pub const READABLE: u32 = libc::EPOLLIN as u32;
/// Bytes can be written.
pub const WRITABLE: u32 = libc::EPOLLOUT as u32;
/// Bytes out of band have come.
pub const URGENT: u32 = libc::EPOLLPRI as u32;
/// The peer has ended its direction.
pub const RDHUP: u32 = libc::EPOLLRDHUP as u32;
/// Both directions have ended.
pub const HUP: u32 = libc::EPOLLHUP as u32;
/// An error waits on the socket.
pub const ERROR: u32 = libc::EPOLLERR as u32;

const INCOMING: libc::c_int = libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLRDHUP | libc::EPOLLET;

/// Which edges are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// A stream: reading, writing, bytes out of band, and the peer's end.
    Stream,
    /// The same without writing: whoever has much to write learns soon enough that there is no room.
    StreamIn,
    /// A listening socket that several threads wait for: one of them is woken, and again as long
    /// as connections wait.
    Listener,
    /// Reading only, told as long as it lasts.
    Reading,
    /// Nothing, for now.
    Nothing,
}

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// Room for the events of one wait.
#[derive(Debug)]
pub struct Events {
    events: Vec<libc::epoll_event>,
    filled: usize,
}

impl Events {
    /// Room for this many.
    pub fn new(room: usize) -> Self {
        Self { events: vec![libc::epoll_event { events: 0, u64: 0 }; room], filled: 0 }
    }

    fn found(&mut self, found: io::Result<libc::c_int>) -> io::Result<()> {
        self.filled = match found {
            Ok(found) => found as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// What the last wait found.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.iter().take(self.filled).map(|event| Event { data: event.u64, bits: event.events })
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Epoll {
    /// A new instance.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor that is returned is ours alone.
        let fd = unsafe { check(libc::epoll_create1(libc::EPOLL_CLOEXEC)).map(|fd| OwnedFd::from_raw_fd(fd))? };
        Ok(Self { fd })
    }

    /// Adds a descriptor; its events carry `data`. Closing it takes it out again.
    pub fn add(&self, fd: impl AsFd, interest: Interest, data: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, interest, data)
    }

    /// Has another interest in one that was added.
    pub fn change(&self, fd: impl AsFd, interest: Interest, data: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest, data)
    }

    fn control(&self, what: libc::c_int, fd: impl AsFd, interest: Interest, data: u64) -> io::Result<()> {
        let bits = match interest {
            Interest::Stream => INCOMING | libc::EPOLLOUT,
            Interest::StreamIn => INCOMING,
            Interest::Listener => libc::EPOLLIN | libc::EPOLLEXCLUSIVE,
            Interest::Reading => libc::EPOLLIN,
            Interest::Nothing => 0,
        };
        let mut event = libc::epoll_event { events: bits as u32, u64: data };
        // SAFETY: the event lives through the call.
        unsafe { check(libc::epoll_ctl(self.fd.as_raw_fd(), what, fd.as_fd().as_raw_fd(), &raw mut event)).map(drop) }
    }

    /// Takes a descriptor out, for those that live on elsewhere.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        // SAFETY: a null event is what EPOLL_CTL_DEL takes.
        unsafe {
            check(libc::epoll_ctl(
                self.fd.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                fd.as_fd().as_raw_fd(),
                std::ptr::null_mut(),
            ))
            .map(drop)
        }
    }

    /// Waits up to `timeout` milliseconds (-1: without end). An interrupted wait finds nothing.
    pub fn wait(&self, events: &mut Events, timeout: i32) -> io::Result<()> {
        let room = events.events.len() as libc::c_int;
        // SAFETY: pointer and length describe the vector.
        let found = unsafe { check(libc::epoll_wait(self.fd.as_raw_fd(), events.events.as_mut_ptr(), room, timeout)) };
        events.found(found)
    }

    /// The same for up to `micros` microseconds. Before Linux 5.11 it fails (`ENOSYS`).
    pub fn wait_micros(&self, events: &mut Events, micros: u32) -> io::Result<()> {
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let timeout = libc::timespec { tv_sec: seconds.into(), tv_nsec: libc::c_long::from(rest) * 1000 };
        let room = events.events.len() as libc::c_int;
        // SAFETY: pointer and length describe the vector, the time lives through the call, and there is no mask.
        let found = unsafe {
            check(libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                events.events.as_mut_ptr(),
                room,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            ) as libc::c_int)
        };
        events.found(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{eventfd, eventfd_add};

    #[test]
    fn an_event_carries_its_number() {
        let (epoll, counter) = (Epoll::new().unwrap(), eventfd().unwrap());
        epoll.add(&counter, Interest::Reading, 42).unwrap();
        let mut events = Events::new(4);
        epoll.wait(&mut events, 0).unwrap();
        assert_eq!(events.iter().count(), 0);
        eventfd_add(&counter).unwrap();
        epoll.wait(&mut events, 1000).unwrap();
        assert_eq!(events.iter().map(|event| (event.data, event.bits)).collect::<Vec<_>>(), [(42, READABLE)]);
        epoll.remove(&counter).unwrap();
        epoll.wait(&mut events, 0).unwrap();
        assert_eq!(events.iter().count(), 0);
    }

    #[test]
    fn one_instance_tells_of_another_while_it_has_an_interest_in_it() {
        let (inner, outer, counter) = (Epoll::new().unwrap(), Epoll::new().unwrap(), eventfd().unwrap());
        inner.add(&counter, Interest::Reading, 1).unwrap();
        outer.add(&inner, Interest::Reading, 2).unwrap();
        eventfd_add(&counter).unwrap();
        let mut events = Events::new(4);
        let mut told = || {
            outer.wait_micros(&mut events, 1).unwrap();
            events.iter().map(|event| event.data).collect::<Vec<_>>()
        };
        assert_eq!(told(), [2]);
        outer.change(&inner, Interest::Nothing, 2).unwrap();
        assert_eq!(told(), []);
        outer.change(&inner, Interest::Reading, 2).unwrap();
        assert_eq!(told(), [2]);
    }

    #[test]
    fn a_wait_of_microseconds_ends() {
        let epoll = Epoll::new().unwrap();
        let start = std::time::Instant::now();
        epoll.wait_micros(&mut Events::new(1), 1500).unwrap();
        assert!(start.elapsed() >= std::time::Duration::from_micros(1500));
    }
}

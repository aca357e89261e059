//! What is known of a registered descriptor, and who waits for more. It translates epoll's bits,
//! and asks the kernel nothing.

use os::epoll;

use crate::executor::TaskId;

/// A read may bring something.
pub(crate) const READ: u8 = 1;
/// A write may be taken.
pub(crate) const WRITE: u8 = 2;
/// The peer has ended its direction, or the socket is done for. It stays.
pub(super) const END: u8 = 4;
/// An error waits, or both directions are over. It stays.
pub(super) const FAILED: u8 = 8;
/// Bytes out of band have come, at which a read stops short of what follows. It stays.
pub(super) const URGENT: u8 = 16;
/// Everything before the peer's end has been read. It stays.
pub(super) const OVER: u8 = 32;

/// It is one of the calm sockets: not something that happens.
pub(super) const CALM: u8 = 64;
/// epoll tells of room to write: not something that happens either.
pub(super) const ROOM_TOLD: u8 = 128;

/// A registered descriptor's state.
#[derive(Debug)]
pub(crate) struct Readiness {
    pub(super) ready: u8,
    wanted: u8,
    /// Nobody uses it any more, and its connection is about to end.
    is_leaving: bool,
    task: Option<TaskId>,
}

impl Readiness {
    pub(crate) fn new(ready: u8) -> Self {
        Self { ready, wanted: 0, is_leaving: false, task: None }
    }

    /// Whether `bit` is there; where it is not, `task` is woken when it comes.
    pub(crate) fn check(&mut self, bit: u8, task: TaskId) -> bool {
        if self.ready & bit != 0 {
            return true;
        }
        self.wanted |= bit;
        self.task = Some(task);
        false
    }

    pub(crate) fn clear(&mut self, bit: u8) {
        self.ready &= !bit;
    }

    /// From now on nobody waits for it, but the reactor for the end of its connection; or that is over.
    pub(super) fn set_leaving(&mut self, is_leaving: bool) {
        self.is_leaving = is_leaving;
        self.wanted = 0;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Takes in an event; who waited for it is returned.
    pub(crate) fn happened(&mut self, bits: u32) -> Option<TaskId> {
        let mut ready = 0;
        if bits & epoll::READABLE != 0 {
            ready |= READ;
        }
        if bits & epoll::WRITABLE != 0 {
            ready |= WRITE;
        }
        if bits & epoll::URGENT != 0 {
            ready |= READ | URGENT;
        }
        if bits & epoll::RDHUP != 0 {
            ready |= READ | END;
        }
        if bits & (epoll::HUP | epoll::ERROR) != 0 {
            ready |= READ | WRITE | END | FAILED;
        }
        self.ready |= ready;
        if self.wanted & ready == 0 {
            return None;
        }
        self.wanted = 0;
        self.task
    }
}

//! Pipes for splice(2), pooled by thread: an idle session holds none.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// What a pipe should hold. The kernel's default of 64 KiB serves where it grants no more.
const CAPACITY: usize = 256 * 1024;
/// Empty pipes kept by a thread for the next bulk transfer.
const KEPT: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe with the bytes in it counted.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty pipe from the pool, or a new one.
    pub(super) fn take() -> io::Result<Self> {
        if let Some(pipe) = POOL.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = os::io::pipe()?;
        // Refused above the user's share of pipe memory; the default will do.
        let _ = os::io::set_pipe_size(write.as_fd(), CAPACITY);
        Ok(Self { read, write, held: 0 })
    }

    /// Gives an empty pipe back; one with bytes in it is closed.
    pub(super) fn give_back(self) {
        POOL.with_borrow_mut(|pool| {
            if self.held == 0 && pool.len() < KEPT {
                pool.push(self);
            }
        });
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Moves up to `most` bytes in from a socket; 0 is the end of the stream.
    pub(super) fn fill(&mut self, from: impl AsFd, most: usize) -> io::Result<usize> {
        let moved = os::io::splice(from.as_fd(), self.write.as_fd(), most)?;
        self.held += moved;
        Ok(moved)
    }

    /// Moves what it holds out to a socket.
    pub(super) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let moved = os::io::splice(self.read.as_fd(), to.as_fd(), self.held)?;
        self.held -= moved;
        Ok(moved)
    }
}

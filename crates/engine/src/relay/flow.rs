//! One direction of a relay: read, write, and keep what was not taken.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::Poll;

use super::pipe::Pipe;
use super::{End, Limit, Manner, Moment, Way};

/// What one read may bring through the scratch buffer, and what a pipe may take at once. The former fits into two of the
/// largest packets that there are (64 KiB with their headers, between programs of one machine), also as TLS records.
const SCRATCH: usize = 127 * 1024;
const SPLICE: usize = 256 * 1024;
/// The most that one read brings under a rate, which is then paused for, and that is held of what comes little by little
/// for a side that takes nothing: what a buffer holds by default.
const BUFFER_SIZE: usize = 16 * 1024;
/// Full reads in a row after which a direction counts as bulk.
const BULK_AFTER: u8 = 2;
/// Spliced pieces smaller than this, in a row, after which it no longer does.
const SMALL: usize = 16 * 1024;
const SMALL_IN_A_ROW: u8 = 4;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// Gives `use_it` a buffer of `size` bytes that is the thread's own and holds nothing of value.
pub fn with_scratch<T>(size: usize, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| match buffer.get_mut(..size) {
        Some(room) => use_it(room),
        None => use_it(&mut vec![0; size]),
    })
}

/// One direction of a relay.
#[derive(Debug)]
pub struct Flow<'a> {
    read: &'a Cell<u64>,
    written: &'a Cell<u64>,
    /// Bytes that were written but did not go yet: they do not count.
    unsent: u32,
    held: Held,
    limit: Option<Box<Limit>>,
    ended: bool,
    /// Whether not all that was read is written.
    is_stuck: bool,
    shut: bool,
    streak: u8,
}

/// Bytes read and not yet written.
#[derive(Debug)]
enum Held {
    Nothing,
    Bytes(Box<Kept>),
    Pipe(Box<Pipe>),
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    written: usize,
}

impl<'a> Flow<'a> {
    /// A direction that counts into `read` and `written`. `first` goes out before anything that
    /// is read; it is counted as written only.
    pub fn new(read: &'a Cell<u64>, written: &'a Cell<u64>, first: Vec<u8>, limit: Option<Limit>) -> Self {
        let held =
            if first.is_empty() { Held::Nothing } else { Held::Bytes(Box::new(Kept { bytes: first, written: 0 })) };
        let limit = limit.map(Box::new);
        Self { read, written, unsent: 0, held, limit, ended: false, is_stuck: false, shut: false, streak: 0 }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    /// Whether its source has ended.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether its source has ended and everything is written.
    pub(super) fn finished(&self) -> bool {
        self.ended && !self.is_stuck && matches!(self.held, Held::Nothing)
    }

    pub(super) fn paused_until(&self) -> Option<u64> {
        self.limit.as_ref().and_then(|limit| limit.paused_until(reactor::now()))
    }

    /// Moves what can be moved now without waiting; 0 means that nothing could. An error of the
    /// source ends it, so that what is held still goes out.
    pub(super) fn step(&mut self, from: &mut End, to: &mut End, manner: &Manner) -> Result<usize, (Way, io::Error)> {
        let moved = self.carry(from, to, manner);
        let unsent = to.unsent() as u32;
        let was_unsent = std::mem::replace(&mut self.unsent, unsent);
        self.written.set((self.written.get() + u64::from(was_unsent)).saturating_sub(unsent.into()));
        moved
    }

    fn carry(&mut self, from: &mut End, to: &mut End, manner: &Manner) -> Result<usize, (Way, io::Error)> {
        let (moved, is_all) = self.flush(to).map_err(|error| (Way::To, error))?;
        self.is_stuck = !is_all;
        if self.ended {
            if is_all && manner.half_close {
                self.shut(to);
            }
            return Ok(moved);
        }
        let room = self.room(to, manner);
        let most = match &mut self.limit {
            Some(limit) if room > 0 => limit.allowed(Moment::now(), self.read.get()).min(room),
            _ => room,
        };
        if most == 0 || from.is_silent() {
            return Ok(moved);
        }
        let before = self.read.get();
        let done = if self.is_stuck {
            self.read_on(from, most.min(SCRATCH))
        } else if self.streak >= BULK_AFTER && from.plain().is_some() && to.plain().is_some() {
            self.splice(from, to, most.min(SPLICE))
        } else {
            self.copy(from, to, most.min(SCRATCH))
        };
        let read = (self.read.get() - before) as usize;
        if let (true, Some(limit)) = (read > 0, &mut self.limit) {
            limit.charge(reactor::now(), read);
        }
        match done {
            Err((Way::From, error)) => {
                self.ended = true;
                Err((Way::From, error))
            }
            Err(failed) => Err(failed),
            Ok(()) => Ok(moved + read + usize::from(self.ended)),
        }
    }

    /// Writes what is held: how many bytes of it went, and whether that is all.
    fn flush(&mut self, to: &mut End) -> io::Result<(usize, bool)> {
        let mut moved = 0;
        loop {
            let wrote = match &mut self.held {
                Held::Nothing => match to.poll_flush() {
                    Poll::Ready(Ok(0)) => return Ok((moved, true)),
                    Poll::Ready(Ok(bytes)) => {
                        moved += bytes;
                        continue;
                    }
                    other => other,
                },
                Held::Bytes(kept) => {
                    let Some(rest) = kept.bytes.get(kept.written..).filter(|rest| !rest.is_empty()) else {
                        self.held = Held::Nothing;
                        continue;
                    };
                    let wrote = to.poll_write(rest, false);
                    if let Poll::Ready(Ok(bytes)) = wrote {
                        kept.written += bytes;
                    }
                    wrote
                }
                Held::Pipe(pipe) if pipe.held() == 0 => {
                    self.release();
                    continue;
                }
                Held::Pipe(pipe) => to.poll_drain(pipe),
            };
            match wrote {
                Poll::Ready(Ok(bytes)) => {
                    moved += bytes;
                    self.written.set(self.written.get() + bytes as u64);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok((moved, false)),
            }
        }
    }

    /// Reads into the thread's scratch buffer and writes from it; only a rest is kept.
    fn copy(&mut self, from: &mut End, to: &mut End, most: usize) -> Result<(), (Way, io::Error)> {
        BUFFER.with_borrow_mut(|buffer| {
            let room = buffer.get_mut(..most).unwrap_or_default();
            let bytes = match from.poll_read(room) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err((Way::From, error)),
                Poll::Ready(Ok(0)) => {
                    self.ended = true;
                    return Ok(());
                }
                Poll::Ready(Ok(bytes)) => bytes,
            };
            self.read.set(self.read.get() + bytes as u64);
            self.streak = if bytes == most.min(SCRATCH) { (self.streak + 1).min(BULK_AFTER) } else { 0 };
            let mut rest = room.get(..bytes).unwrap_or_default();
            // The last bytes and the end share a packet. It goes out here: a close would throw away what waits, if
            // there were bytes to read.
            let is_last = from.is_over() && to.plain().is_some();
            while !rest.is_empty() {
                match to.poll_write(rest, is_last) {
                    Poll::Ready(Ok(wrote)) => {
                        self.written.set(self.written.get() + wrote as u64);
                        rest = rest.get(wrote..).unwrap_or_default();
                    }
                    Poll::Ready(Err(error)) => return Err((Way::To, error)),
                    Poll::Pending => {
                        self.held = Held::Bytes(Box::new(Kept { bytes: rest.to_vec(), written: 0 }));
                        return Ok(());
                    }
                }
            }
            if is_last {
                self.ended = true;
                self.shut(to);
            }
            Ok(())
        })
    }

    /// How much may be read at once beside what is held.
    fn room(&self, to: &End, manner: &Manner) -> usize {
        let held = match &self.held {
            _ if !self.is_stuck => {
                return manner.hold.unwrap_or(if self.limit.is_some() { BUFFER_SIZE } else { usize::MAX });
            }
            // It may be full of pieces: whether there is something to read would not be known.
            Held::Pipe(_) => return 0,
            Held::Bytes(kept) => kept.bytes.len(),
            Held::Nothing => 0,
        };
        manner.hold.unwrap_or(BUFFER_SIZE).saturating_sub(held + to.owes())
    }

    /// Adds to the bytes that are held: a source that goes on while nothing of it is taken is not idle, and its end is
    /// seen.
    fn read_on(&mut self, from: &mut End, most: usize) -> Result<(), (Way, io::Error)> {
        with_scratch(most, |scratch| {
            let bytes = match from.poll_read(scratch) {
                Poll::Pending => return Ok(()),
                Poll::Ready(bytes) => bytes.map_err(|error| (Way::From, error))?,
            };
            let more = scratch.get(..bytes).unwrap_or_default();
            self.read.set(self.read.get() + bytes as u64);
            self.ended = more.is_empty();
            match &mut self.held {
                Held::Bytes(kept) => kept.bytes.extend_from_slice(more),
                _ => self.held = Held::Bytes(Box::new(Kept { bytes: more.to_vec(), written: 0 })),
            }
            Ok(())
        })
    }

    /// Passes the end on.
    fn shut(&mut self, to: &mut End) {
        if !std::mem::replace(&mut self.shut, true) {
            // The other side may be gone already; its own direction will tell.
            let _ = to.shutdown_write();
        }
    }

    /// Moves a piece through a pipe without copying it.
    fn splice(&mut self, from: &mut End, to: &mut End, most: usize) -> Result<(), (Way, io::Error)> {
        if matches!(self.held, Held::Nothing) {
            let Ok(pipe) = Pipe::take() else {
                // Out of descriptors: copying needs none.
                self.streak = 0;
                return self.copy(from, to, most.min(SCRATCH));
            };
            self.held = Held::Pipe(Box::new(pipe));
        }
        let Held::Pipe(pipe) = &mut self.held else { return Ok(()) };
        match from.poll_fill(pipe, most) {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => return Err((Way::From, error)),
            Poll::Ready(Ok(0)) => self.ended = true,
            Poll::Ready(Ok(bytes)) => {
                self.read.set(self.read.get() + bytes as u64);
                if bytes >= SMALL {
                    self.streak = BULK_AFTER + SMALL_IN_A_ROW;
                } else {
                    self.streak -= 1;
                }
            }
        }
        self.flush(to).map(drop).map_err(|error| (Way::To, error))
    }

    /// Lets go of a pipe.
    fn release(&mut self) {
        if let Held::Pipe(pipe) = std::mem::replace(&mut self.held, Held::Nothing) {
            pipe.give_back();
        }
    }
}

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

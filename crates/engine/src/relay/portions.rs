//! Bulk that comes in small portions from many, gathered into larger ones.
//!
//! TLS records of fast peers arrive one by one, 16 KiB each. To be woken for every few of them, look at their socket and send
//! them on costs about as much as deciphering them does. As network cards hold interrupts back while traffic is dense, a
//! thread with several streams in the midst of bulk waits for a moment before it looks at its sockets again, and finds more at a
//! time. It does not where there is one stream, which could fill its window meanwhile: its peer would be held up.

use std::cell::Cell;

use reactor::Socket;

/// Less than this at a time is not bulk.
const BULK: usize = 8 * 1024;
/// As many portions of that size in a row are.
const IN_A_ROW: u8 = 4;
/// The span in which streams are counted, milliseconds; one that brings nothing in a whole span has come to rest.
const SPAN: u64 = 16;
/// What each stream after the first adds to the wait, and its limit, microseconds.
const EACH: u32 = 25;
const LONGEST: u32 = 250;

thread_local!(static STREAMS: Cell<Streams> = const { Cell::new(Streams { span: 0, count: 0, before: 0 }) });

/// How many streams of a thread are in the midst of bulk.
#[derive(Debug, Clone, Copy)]
struct Streams {
    span: u64,
    /// In this span, so far.
    count: u32,
    /// In the one before.
    before: u32,
}

impl Streams {
    /// One more in the span `span`.
    fn add(&mut self, span: u64) {
        if self.span != span {
            self.before = if self.span + 1 == span { self.count } else { 0 };
            (self.span, self.count) = (span, 0);
        }
        self.count += 1;
    }

    /// How long to wait for more, microseconds.
    fn wait(self) -> u32 {
        (self.count.max(self.before).saturating_sub(1) * EACH).min(LONGEST)
    }
}

/// The portions that one stream brings.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Portions {
    /// The span of the last one, and the last in which it was counted as bulk.
    span: u64,
    counted: u64,
    in_a_row: u8,
}

impl Portions {
    /// `bytes` came from `socket`, and nothing more is there.
    pub(super) fn came(&mut self, bytes: usize, socket: &Socket) {
        let span = reactor::now() / SPAN;
        let is_bulk = self.is_bulk(bytes, span);
        socket.set_calm(is_bulk);
        if is_bulk {
            let mut streams = STREAMS.get();
            if std::mem::replace(&mut self.counted, span) != span {
                streams.add(span);
                STREAMS.set(streams);
            }
            reactor::linger(streams.wait());
        }
    }

    /// Whether what comes in the span `span` continues bulk.
    fn is_bulk(&mut self, bytes: usize, span: u64) -> bool {
        let goes_on = bytes >= BULK && span <= self.span + 1;
        self.span = span;
        self.in_a_row = if goes_on { (self.in_a_row + 1).min(IN_A_ROW) } else { 0 };
        self.in_a_row == IN_A_ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: usize = 16 * 1024;

    #[test]
    fn bulk_is_what_goes_on_for_a_while_without_a_gap() {
        let mut portions = Portions::default();
        let mut come = |bytes, span| portions.is_bulk(bytes, span);
        assert_eq!([8, 8, 8, 9, 10, 10].map(|span| come(RECORD, span)), [false, false, false, false, true, true]);
        assert!(!come(100, 10), "little");
        assert_eq!([10; 4].map(|span| come(RECORD, span)), [false, false, false, true]);
        assert!(!come(RECORD, 12), "late");
    }

    #[test]
    fn the_wait_is_longer_for_more_streams_and_none_for_one() {
        let mut streams = Streams { span: 0, count: 0, before: 0 };
        let mut wait_after = |count, span| {
            (0..count).for_each(|_| streams.add(span));
            streams.wait()
        };
        assert_eq!(wait_after(1, 7), 0);
        assert_eq!(wait_after(2, 7), 2 * EACH);
        assert_eq!(wait_after(1, 8), 2 * EACH, "the others of the span before may still come");
        assert_eq!(wait_after(1, 9), 0);
        assert_eq!(wait_after(100, 11), LONGEST);
        assert_eq!(wait_after(1, 13), 0, "nobody was there in between");
    }
}

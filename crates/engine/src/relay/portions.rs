//! Bulk that comes in small portions from many, gathered into larger ones.
//!
//! TLS records of fast peers arrive one by one, 16 KiB each. To be woken for every few of them, look at their socket and send
//! them on costs about as much as deciphering them does. As network cards hold interrupts back while traffic is dense, a
//! thread with several streams in the midst of bulk waits for a moment before it looks at its sockets again, and finds more at a
//! time. It does not where there is one stream, which could fill its window meanwhile: its peer would be held up. Nor where
//! portions are rare, and nothing more would come.

use std::cell::Cell;

use reactor::Socket;

/// Less than this at a time is not bulk.
const BULK: usize = 8 * 1024;
/// As many portions of that size in a row are.
const IN_A_ROW: u8 = 4;
/// The span in which streams and portions are counted, milliseconds; a stream that brings nothing in a whole span has come to rest.
const SPAN: u64 = 16;
/// Fewer portions in a span are not dense: there is less than one in the longest wait.
const DENSE: u32 = 64;
/// What each stream after the first adds to the wait, and its limit, microseconds.
const EACH: u32 = 25;
const LONGEST: u32 = 250;

thread_local!(static TRAFFIC: Cell<Traffic> = const { Cell::new(Traffic::NONE) });

/// The bulk of a thread.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    span: u64,
    /// In this span, so far.
    now: Count,
    /// In the one before.
    before: Count,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    streams: u32,
    portions: u32,
}

impl Traffic {
    const NONE: Self = Self { span: 0, now: Count::NONE, before: Count::NONE };

    /// A portion comes in the span `span`, of a stream that has or has not been counted in it.
    fn add(&mut self, span: u64, is_counted: bool) {
        if self.span != span {
            self.before = if self.span + 1 == span { self.now } else { Count::NONE };
            (self.span, self.now) = (span, Count::NONE);
        }
        self.now.portions += 1;
        self.now.streams += u32::from(!is_counted);
    }

    /// How long to wait for more, microseconds.
    fn wait(self) -> u32 {
        let streams = self.now.streams.max(self.before.streams);
        let is_dense = self.now.portions.max(self.before.portions) >= DENSE;
        if is_dense { (streams.saturating_sub(1) * EACH).min(LONGEST) } else { 0 }
    }
}

impl Count {
    const NONE: Self = Self { streams: 0, portions: 0 };
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
        let mut wait = 0;
        if self.is_bulk(bytes, span) {
            let is_counted = std::mem::replace(&mut self.counted, span) == span;
            let mut traffic = TRAFFIC.get();
            traffic.add(span, is_counted);
            TRAFFIC.set(traffic);
            wait = traffic.wait();
        }
        socket.set_calm(wait > 0);
        if wait > 0 {
            reactor::linger(wait);
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
        let mut traffic = Traffic::NONE;
        let mut wait_after = |streams, span| {
            (0..streams).for_each(|_| traffic.add(span, false));
            (0..DENSE).for_each(|_| traffic.add(span, true));
            traffic.wait()
        };
        assert_eq!(wait_after(1, 7), 0);
        assert_eq!(wait_after(2, 7), 2 * EACH);
        assert_eq!(wait_after(1, 8), 2 * EACH, "the others of the span before may still come");
        assert_eq!(wait_after(1, 9), 0);
        assert_eq!(wait_after(100, 11), LONGEST);
        assert_eq!(wait_after(1, 13), 0, "nobody was there in between");
    }

    #[test]
    fn nothing_is_waited_for_where_little_comes() {
        let mut traffic = Traffic::NONE;
        for span in 1..10 {
            (0..DENSE - 1).for_each(|_| traffic.add(span, false));
            assert_eq!(traffic.wait(), 0);
        }
        traffic.add(9, false);
        assert_eq!(traffic.wait(), LONGEST);
    }
}

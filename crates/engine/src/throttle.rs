//! Lines that an overload would repeat: told once a second, or a few times, with how many were kept back.

use std::cell::Cell;

/// Time after which lines are told again, milliseconds.
const PAUSE: u64 = 1_000;

/// When a thread told of something last.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    next: Cell<u64>,
    burst: u64,
    told: Cell<u64>,
    kept_back: Cell<u64>,
}

impl Throttle {
    /// One that has told nothing yet.
    pub(crate) const fn new() -> Self {
        Self::with_burst(1)
    }

    /// One that tells `lines` in a second.
    pub(crate) const fn with_burst(lines: u64) -> Self {
        Self { next: Cell::new(0), burst: lines, told: Cell::new(0), kept_back: Cell::new(0) }
    }

    /// Counts one more at loop time `now`; what is told of, if it is time to tell: how many since the last line, this
    /// one among them.
    pub(crate) fn tick(&self, now: u64) -> Option<u64> {
        let count = self.kept_back.get() + 1;
        if now >= self.next.get() {
            self.next.set(now + PAUSE);
            self.told.set(0);
        }
        let due = self.told.get() < self.burst;
        self.kept_back.set(if due { 0 } else { count });
        if due {
            self.told.set(self.told.get() + 1);
        }
        due.then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_there_were() {
        let throttle = Throttle::new();
        assert_eq!(throttle.tick(5), Some(1));
        assert_eq!([throttle.tick(5), throttle.tick(900), throttle.tick(1004)], [None; 3]);
        assert_eq!(throttle.tick(1005), Some(4));
        assert_eq!(throttle.tick(1006), None);
        assert_eq!(throttle.tick(9000), Some(2));
    }

    #[test]
    fn a_burst_is_told_line_by_line() {
        let throttle = Throttle::with_burst(2);
        assert_eq!([throttle.tick(5), throttle.tick(6), throttle.tick(7)], [Some(1), Some(1), None]);
        assert_eq!([throttle.tick(1005), throttle.tick(1006), throttle.tick(1007)], [Some(2), Some(1), None]);
    }
}

//! `proxy_upload_rate` and `proxy_download_rate`: how much may be read now, and when again.

/// A moment as limits see it: what is granted goes by whole seconds of the clock, pauses by milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Loop time, milliseconds.
    pub millis: u64,
    /// Unix time, seconds.
    pub second: i64,
}

impl Moment {
    /// The time of this pass of the loop.
    pub fn now() -> Self {
        Self { millis: reactor::now(), second: reactor::wall().0 }
    }
}

/// A rate limit of one direction.
#[derive(Debug)]
pub struct Limit {
    /// Bytes per second, never 0.
    rate: u64,
    /// The second in which the session's content phase began.
    start: i64,
    /// Loop time in milliseconds before which nothing is read.
    until: u64,
}

impl Limit {
    /// A limit of `rate` bytes per second from the second `start` of Unix time on.
    pub fn new(rate: u64, start: i64) -> Self {
        Self { rate: rate.max(1), start, until: 0 }
    }

    /// How many bytes may be read at `now`, `read` having been read so far; 0 pauses.
    pub fn allowed(&mut self, now: Moment, read: u64) -> usize {
        if now.millis < self.until {
            return 0;
        }
        let seconds = u64::try_from(now.second - self.start).unwrap_or(0) + 1;
        let granted = self.rate.saturating_mul(seconds);
        if granted > read {
            return usize::try_from(granted - read).unwrap_or(usize::MAX);
        }
        self.until = now.millis + (read - granted) * 1000 / self.rate + 1;
        0
    }

    /// Pauses for what `bytes` cost; `now` is loop time in milliseconds.
    pub fn charge(&mut self, now: u64, bytes: usize) {
        let pause = bytes as u64 * 1000 / self.rate;
        if pause > 0 {
            self.until = now + pause;
        }
    }

    /// Loop time before which nothing is read, if that is ahead.
    pub fn paused_until(&self, now: u64) -> Option<u64> {
        (now < self.until).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment { millis, second: (millis / 1000) as i64 }
    }

    #[test]
    fn the_first_second_passes_its_rate_at_once_then_pauses() {
        let mut limit = Limit::new(1000, 5);
        assert_eq!(limit.allowed(at(5_200), 0), 1000);
        limit.charge(5_200, 1000);
        assert_eq!(limit.paused_until(5_200), Some(6_200));
        assert_eq!(limit.allowed(at(6_199), 1000), 0);
        assert_eq!(limit.allowed(at(6_200), 1000), 1000);
    }

    #[test]
    fn an_excess_is_waited_out() {
        let mut limit = Limit::new(100, 0);
        assert_eq!(limit.allowed(at(0), 250), 0);
        assert_eq!(limit.paused_until(0), Some(1_501));
    }

    #[test]
    fn seconds_are_those_of_the_clock() {
        let mut limit = Limit::new(100, 7);
        assert_eq!(limit.allowed(Moment { millis: 10, second: 8 }, 100), 100);
        assert_eq!(limit.allowed(Moment { millis: 10, second: 6 }, 0), 100, "a clock that was set back");
    }
}

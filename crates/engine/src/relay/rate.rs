//! `proxy_upload_rate` and `proxy_download_rate`: how much may be read now, and when again.

/// A rate limit of one direction.
#[derive(Debug)]
pub struct Limit {
    /// Bytes per second, never 0.
    rate: u64,
    /// The second in which the session's content phase began (loop time).
    start: u64,
    /// Loop time in milliseconds before which nothing is read.
    until: u64,
}

impl Limit {
    /// A limit of `rate` bytes per second from loop time `now` (milliseconds) on.
    pub fn new(rate: u64, now: u64) -> Self {
        Self { rate: rate.max(1), start: now / 1000, until: 0 }
    }

    /// How many bytes may be read at `now`, `read` having been read so far; 0 pauses.
    pub(super) fn allowed(&mut self, now: u64, read: u64) -> usize {
        if now < self.until {
            return 0;
        }
        let granted = self.rate.saturating_mul(now / 1000 - self.start + 1);
        if granted > read {
            return usize::try_from(granted - read).unwrap_or(usize::MAX);
        }
        self.until = now + (read - granted) * 1000 / self.rate + 1;
        0
    }

    /// Pauses for what `bytes` cost.
    pub(super) fn charge(&mut self, now: u64, bytes: usize) {
        let pause = bytes as u64 * 1000 / self.rate;
        if pause > 0 {
            self.until = now + pause;
        }
    }

    /// Loop time before which nothing is read, if that is ahead.
    pub(super) fn paused_until(&self, now: u64) -> Option<u64> {
        (now < self.until).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_second_passes_its_rate_at_once_then_pauses() {
        let mut limit = Limit::new(1000, 5_200);
        assert_eq!(limit.allowed(5_200, 0), 1000);
        limit.charge(5_200, 1000);
        assert_eq!(limit.paused_until(5_200), Some(6_200));
        assert_eq!(limit.allowed(6_199, 1000), 0);
        assert_eq!(limit.allowed(6_200, 1000), 1000);
    }

    #[test]
    fn an_excess_is_waited_out() {
        let mut limit = Limit::new(100, 0);
        assert_eq!(limit.allowed(0, 250), 0);
        assert_eq!(limit.paused_until(0), Some(1_501));
    }
}

//! Waiting with a deadline, the only place that lets time pass.

use std::time::{Duration, Instant};

/// How long anything that should happen may take, on a busy machine too.
pub const LIMIT: Duration = Duration::from_secs(15);

/// Asks `probe` until it has an answer. Panics with `what` when [`LIMIT`] has passed.
pub fn poll<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Panics as soon as `probe` says no within `span`: for what must *stay* so.
pub fn hold(what: &str, span: Duration, mut probe: impl FnMut() -> bool) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        assert!(probe(), "did not stay so for {span:?}: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

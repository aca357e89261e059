//! Whether the process uses more memory than it may (`memory_limit`). What is too much is for the caller to say, and what
//! to do about it.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;

use os::memory::{self, Usage};

/// Milliseconds for which an answer holds.
const HOLDS: u64 = 100;
/// Milliseconds after which memory that nobody uses is given back once more, where there is too little.
const TRIM: u64 = 1_000;

static USAGE: OnceLock<Usage> = OnceLock::new();

thread_local! {
    static LAST: Cell<Option<Look>> = const { Cell::new(None) };
}

/// What a thread has seen last. Times are those of its loop, milliseconds.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: u64,
    resident: usize,
    trimmed: u64,
}

/// Begins to watch the memory of this process; to be called before it gives up opening files.
pub fn watch() -> io::Result<()> {
    if USAGE.get().is_none() {
        let _ = USAGE.set(Usage::open()?);
    }
    Ok(())
}

/// Whether more than `limit` bytes are in use at loop time `now`.
pub(crate) fn exceeds(limit: usize, now: u64) -> bool {
    let Some(usage) = USAGE.get() else { return false };
    let last = LAST.get();
    if let Some(last) = last.filter(|last| now < last.at + HOLDS) {
        return last.resident > limit;
    }
    let mut resident = usage.resident().unwrap_or_default();
    let mut trimmed = last.map_or(0, |last| last.trimmed);
    if resident > limit && now >= trimmed + TRIM {
        // What sessions have left behind would else keep others out for good.
        memory::trim();
        resident = usage.resident().unwrap_or_default();
        trimmed = now;
    }
    LAST.set(Some(Look { at: now, resident, trimmed }));
    resident > limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_moment() {
        watch().unwrap();
        assert!(exceeds(1, 5_000));
        assert!(!exceeds(usize::MAX, 5_001));
        let hoard = std::hint::black_box(vec![1_u8; 64 << 20]);
        let before = LAST.get().unwrap().resident;
        assert!(!exceeds(before + (32 << 20), 5_000 + HOLDS - 1), "looked up once more");
        assert!(exceeds(before + (32 << 20), 5_000 + HOLDS));
        drop(hoard);
        assert!(!exceeds(before + (32 << 20), 5_000 + HOLDS + TRIM));
    }
}

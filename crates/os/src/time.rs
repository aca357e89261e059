//! Clocks, and the calendar of the local time zone (`TZ`).

use std::mem;

fn clock(which: libc::clockid_t) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes into `now`. These clocks exist on every Linux.
    unsafe { libc::clock_gettime(which, &raw mut now) };
    now
}

/// Milliseconds of a clock that never goes back.
pub fn monotonic() -> u64 {
    let now = clock(libc::CLOCK_MONOTONIC);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Unix time: seconds and milliseconds.
pub fn realtime() -> (i64, u32) {
    let now = clock(libc::CLOCK_REALTIME);
    (now.tv_sec, (now.tv_nsec / 1_000_000) as u32)
}

/// Unix time as file systems stamp their files with it, behind [`realtime`] by a tick at most: seconds and nanoseconds.
pub fn file_stamp() -> (i64, i64) {
    let now = clock(libc::CLOCK_REALTIME_COARSE);
    (now.tv_sec, now.tv_nsec)
}

/// Microseconds of the same clock.
pub fn monotonic_micros() -> u64 {
    let now = clock(libc::CLOCK_MONOTONIC);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

/// Has this thread's waits end hardly later than they were asked to, where the kernel would else have them 50 µs late for the
/// sake of fewer wake-ups (`PR_SET_TIMERSLACK`).
pub fn wake_in_time() {
    // SAFETY: no pointers. Where it is refused, waits stay as they are.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) };
}

/// A moment in the local time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// For instance 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// `second` of Unix time in the local time zone.
pub fn local(second: i64) -> Local {
    // SAFETY: tm is plain data for which all zeroes is a value; localtime_r writes into it and
    // reads the time through a pointer to a local.
    let tm = unsafe {
        let mut tm: libc::tm = mem::zeroed();
        libc::localtime_r(&raw const second, &raw mut tm);
        tm
    };
    Local {
        year: tm.tm_year + 1900,
        month: (tm.tm_mon + 1) as u8,
        day: tm.tm_mday as u8,
        hour: tm.tm_hour as u8,
        minute: tm.tm_min as u8,
        second: tm.tm_sec as u8,
        offset: tm.tm_gmtoff as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_moment() {
        let moment = local(1_795_439_490);
        let back = i64::from(moment.second) + 60 * i64::from(moment.minute) + 3600 * i64::from(moment.hour)
            - i64::from(moment.offset);
        assert_eq!(back.rem_euclid(86_400), 1_795_439_490 % 86_400);
        assert_eq!((moment.year, moment.month), (2026, 11));
    }

    #[test]
    fn files_are_not_stamped_with_a_time_before_that_of_their_clock() {
        let path = std::env::temp_dir().join(format!("lockgate-stamp-{}", std::process::id()));
        for _ in 0..200 {
            let before = file_stamp();
            std::fs::write(&path, "x").unwrap();
            let file = std::fs::metadata(&path).unwrap();
            let stamp =
                (std::os::unix::fs::MetadataExt::mtime(&file), std::os::unix::fs::MetadataExt::mtime_nsec(&file));
            assert!(stamp >= before, "{stamp:?} {before:?}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let before = monotonic();
        assert!(monotonic() >= before);
    }
}

//! Time as logs write it. The texts of a second are made once per thread and second.

use std::cell::RefCell;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Which form of local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `2026/11/23 13:11:30`: the error log.
    Error,
    /// `23/Nov/2026:13:11:30 +0000`: `$time_local`.
    Local,
    /// `2026-11-23T13:11:30+00:00`: `$time_iso8601`.
    Iso8601,
    /// `Nov 23 13:11:30`: syslog (RFC 3164, section 4.1.2).
    Syslog,
}

struct Second {
    second: i64,
    texts: [String; 4],
}

thread_local! {
    static LAST: RefCell<Option<Second>> = const { RefCell::new(None) };
}

/// Unix time: seconds and milliseconds.
pub fn unix() -> (i64, u32) {
    os::time::realtime()
}

/// Appends the time now, in `form`.
pub fn write(form: Form, out: &mut Vec<u8>) {
    let (second, _) = unix();
    LAST.with_borrow_mut(|last| {
        let current = match last {
            Some(current) if current.second == second => current,
            stale => stale.insert(Second { second, texts: texts(&os::time::local(second)) }),
        };
        if let Some(text) = current.texts.get(form as usize) {
            out.extend_from_slice(text.as_bytes());
        }
    });
}

fn texts(t: &os::time::Local) -> [String; 4] {
    let month = MONTHS.get(usize::from(t.month).wrapping_sub(1)).copied().unwrap_or("Jan");
    let sign = if t.offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (t.offset.unsigned_abs() / 3600, t.offset.unsigned_abs() / 60 % 60);
    let clock = format!("{:02}:{:02}:{:02}", t.hour, t.minute, t.second);
    [
        format!("{:04}/{:02}/{:02} {clock}", t.year, t.month, t.day),
        format!("{:02}/{month}/{:04}:{clock} {sign}{hours:02}{minutes:02}", t.day, t.year),
        format!("{:04}-{:02}-{:02}T{clock}{sign}{hours:02}:{minutes:02}", t.year, t.month, t.day),
        format!("{month} {:2} {clock}", t.day),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let t = os::time::Local { year: 2026, month: 11, day: 3, hour: 4, minute: 5, second: 6, offset: -12_600 };
        assert_eq!(
            texts(&t),
            ["2026/11/03 04:05:06", "03/Nov/2026:04:05:06 -0330", "2026-11-03T04:05:06-03:30", "Nov  3 04:05:06"]
        );
    }
}

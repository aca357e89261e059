//! Numbers, sizes and times by nginx's rules. What a directive says about a bad one is its own affair: here it is only `None`.

use std::time::Duration;

/// The largest value of any scalar; beyond it nginx finds it invalid.
const MAX: u64 = i64::MAX as u64;

/// Decimal digits and nothing else.
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |value, byte| digit(value, *byte))
}

/// Bytes: a number with `k` or `m` after it, in either case, or nothing.
pub fn size(text: &[u8]) -> Option<u64> {
    match text {
        [digits @ .., b'k' | b'K'] => scaled(digits, 1 << 10),
        [digits @ .., b'm' | b'M'] => scaled(digits, 1 << 20),
        _ => number(text),
    }
}

/// Bytes: as [`size`], and also with `g`.
pub fn offset(text: &[u8]) -> Option<u64> {
    match text {
        [digits @ .., b'g' | b'G'] => scaled(digits, 1 << 30),
        _ => size(text),
    }
}

/// A time of the millisecond kind: `w`, `d`, `h`, `m`, `s`, `ms`; a bare number is seconds.
pub fn msec(text: &[u8]) -> Option<Duration> {
    time(text, Kind::Milliseconds).map(Duration::from_millis)
}

/// A time of the second kind: `y` (365 days), `M` (30 days), `w`, `d`, `h`, `m`, `s`; a bare number is seconds.
pub fn sec(text: &[u8]) -> Option<Duration> {
    time(text, Kind::Seconds).map(Duration::from_secs)
}

fn digit(value: u64, byte: u8) -> Option<u64> {
    let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
    within(value.checked_mul(10)?.checked_add(digit)?)
}

fn scaled(digits: &[u8], scale: u64) -> Option<u64> {
    within(number(digits)?.checked_mul(scale)?)
}

fn within(value: u64) -> Option<u64> {
    (value <= MAX).then_some(value)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Milliseconds,
    Seconds,
}

/// The units, largest first: each may come only before all that follow it. `Rest` is a number without a unit that has a blank after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Rest,
}

impl Unit {
    /// The unit at the start of a text, and what follows it.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        Some(match text {
            [b'y', rest @ ..] => (Self::Year, rest),
            [b'M', rest @ ..] => (Self::Month, rest),
            [b'w', rest @ ..] => (Self::Week, rest),
            [b'd', rest @ ..] => (Self::Day, rest),
            [b'h', rest @ ..] => (Self::Hour, rest),
            [b'm', b's', rest @ ..] => (Self::Millisecond, rest),
            [b'm', rest @ ..] => (Self::Minute, rest),
            [b's', rest @ ..] => (Self::Second, rest),
            [b' ', rest @ ..] => (Self::Rest, rest),
            _ => return None,
        })
    }

    /// Its length in the base of `kind`; none if that kind lacks it.
    fn scale(self, kind: Kind) -> Option<u64> {
        let seconds = match self {
            Self::Year | Self::Month if kind == Kind::Milliseconds => return None,
            Self::Millisecond => return (kind == Kind::Milliseconds).then_some(1),
            Self::Year => 365 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Week => 7 * 86_400,
            Self::Day => 86_400,
            Self::Hour => 3_600,
            Self::Minute => 60,
            Self::Second | Self::Rest => 1,
        };
        Some(match kind {
            Kind::Milliseconds => seconds * 1_000,
            Kind::Seconds => seconds,
        })
    }

    fn may_follow(self, last: Option<Self>) -> bool {
        match self {
            // nginx looks only whether seconds are past.
            Self::Rest => last.is_none_or(|last| last < Self::Second),
            _ => last.is_none_or(|last| last < self),
        }
    }
}

fn time(text: &[u8], kind: Kind) -> Option<u64> {
    let (mut total, mut value, mut any, mut last) = (0, 0, false, None);
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        if byte.is_ascii_digit() {
            value = digit(value, *byte)?;
            any = true;
            rest = after;
            continue;
        }
        let (unit, after) = Unit::read(rest)?;
        if !unit.may_follow(last) {
            return None;
        }
        last = Some(unit);
        total = add(total, value, unit.scale(kind)?)?;
        value = 0;
        let blanks = after.iter().take_while(|byte| **byte == b' ').count();
        rest = after.get(blanks..).unwrap_or_default();
    }
    let total = add(total, value, Unit::Second.scale(kind)?)?;
    any.then_some(total)
}

fn add(total: u64, value: u64, scale: u64) -> Option<u64> {
    within(total.checked_add(value.checked_mul(scale)?)?)
}

#[cfg(test)]
mod tests;

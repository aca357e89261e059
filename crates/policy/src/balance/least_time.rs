//! The peer that is expected to be done first, by moving averages of its times.

use super::{Metric, Peer, Selection, least_conn};

/// The longest time that is told from longer ones, milliseconds.
const LONGEST: u64 = 5000;
/// Times within one such step, in milliseconds, are equal.
const STEP: u64 = 20;

/// Chooses by the expected time.
pub(super) fn choose(peers: &mut [Peer], selection: &Selection, now: u64, inflight: bool) -> Option<usize> {
    least_conn::least(peers, selection, now, |peer| expected(peer, now, inflight))
}

fn expected(peer: &Peer, now: u64, inflight: bool) -> u64 {
    let mut time = u64::from(peer.average);
    let idle = peer.since_checked(now);
    let timeout = peer.conf.fail_timeout;
    if idle > timeout {
        let halvings = idle / timeout.saturating_add(1);
        time = u32::try_from(halvings).ok().and_then(|halvings| time.checked_shr(halvings)).unwrap_or(0);
    }
    if inflight {
        time = time.max(u64::from(peer.inflight));
    }
    time = if time > LONGEST { LONGEST } else { time + STEP - time % STEP };
    time * (1 + u64::from(peer.conns))
}

/// Notes the time to connect.
pub(super) fn connected(peer: &mut Peer, metric: Metric, inflight: bool, millis: u64) {
    if metric == Metric::Connect {
        note(peer, inflight, millis);
    }
}

/// Notes the times of a session that went well.
pub(super) fn released(peer: &mut Peer, metric: Metric, inflight: bool, first_byte: Option<u64>, whole: Option<u64>) {
    match (metric, first_byte, whole) {
        (Metric::FirstByte, Some(millis), _) => note(peer, inflight, millis),
        (Metric::LastByte, _, Some(millis)) => peer.average = moved(peer.average, millis),
        _ => {}
    }
}

fn note(peer: &mut Peer, inflight: bool, millis: u64) {
    peer.average = moved(peer.average, millis);
    if inflight {
        peer.inflight = moved(peer.inflight, millis);
    }
}

/// The average with one more value, which weighs a twentieth.
fn moved(average: u32, value: u64) -> u32 {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    if average == 0 {
        return value;
    }
    (0.5 + 0.05 * f64::from(value) + 0.95 * f64::from(average)) as u32
}

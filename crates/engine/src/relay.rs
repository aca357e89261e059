//! Moving bytes between two ends until one of them is done.
//!
//! It knows two byte streams, their limits and a clock; not sessions, TLS or configuration. An
//! idle relay holds no buffer: small transfers go through one scratch buffer of the thread, bulk
//! between two plain sockets through a pooled pipe, and only bytes that the receiving side does
//! not take at once are kept.

mod end;
mod flow;
mod pipe;
mod portions;
mod rate;

use std::cell::Cell;
use std::io;
use std::task::Poll;

use reactor::Timer;

pub use end::{End, TlsEnd};
pub use flow::{Flow, with_scratch};
pub use rate::{Limit, Moment};

/// Bytes moved in one poll before other sessions get their turn.
const TURN: usize = 1 << 20;

/// Which end of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The end that was accepted.
    Client,
    /// The end that was connected.
    Upstream,
}

/// Whether bytes were coming or going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Read from.
    From,
    /// Written to.
    To,
}

/// Why a relay stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// This side ended the stream, and everything owed to the other side is written.
    Ended(Side),
    /// Nothing moved for the idle limit.
    Idle,
    /// Writing to this side failed; the report was told.
    Broken(Side),
}

/// What a relay tells while it runs. Counts are in the flows' cells.
pub trait Report {
    /// A read or write failed: the call and its error.
    fn failed(&self, side: Side, way: Way, call: &str, error: &io::Error);
    /// The first byte (or the end) came from the upstream.
    fn first_byte(&self);
}

/// How a relay behaves.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Milliseconds without any transfer after which it stops.
    pub idle: u64,
    /// The most bytes held in each direction; `None` leaves the choice to the relay.
    pub hold: Option<usize>,
    /// Whether the end of one direction is passed on while the other goes on.
    pub half_close: bool,
}

/// Relays until there is an end. `up` carries from `client` to `upstream`, `down` back.
///
/// Not an `async fn`, which would keep its arguments beside the future made of them.
pub fn run<'a>(
    client: &'a mut End,
    upstream: &'a mut End,
    (mut up, mut down): (Flow<'a>, Flow<'a>),
    manner: Manner,
    report: impl Report + 'a,
) -> impl Future<Output = Stop> + 'a {
    let timer = Timer::new();
    timer.set(reactor::now() + manner.idle);
    let mut delay = None;
    let first_byte = Cell::new(false);
    let mut last = Side::Client;
    std::future::poll_fn(move |_| {
        let mut moved = 0;
        loop {
            let before = moved;
            for side in [Side::Client, Side::Upstream] {
                let (flow, from, to) = match side {
                    Side::Client => (&mut up, &mut *client, &mut *upstream),
                    Side::Upstream => (&mut down, &mut *upstream, &mut *client),
                };
                let was_over = flow.ended();
                let step = flow.step(from, to, &manner);
                if !was_over && flow.ended() {
                    last = side;
                }
                match step {
                    Ok(bytes) => moved += bytes,
                    Err((way, error)) => {
                        let told = if way == Way::From { side } else { side.other() };
                        let call = if way == Way::From { from.call(way) } else { to.call(way) };
                        report.failed(told, way, call, &error);
                        if way == Way::To {
                            return Poll::Ready(Stop::Broken(told));
                        }
                        moved += 1;
                    }
                }
                if !first_byte.get() && (down.read() > 0 || down.ended()) {
                    first_byte.set(true);
                    report.first_byte();
                }
                // Before the other side's turn: what has come from it is dropped, as if it came a moment later.
                if let Some(side) = over(&up, &down, manner.half_close, last) {
                    return Poll::Ready(Stop::Ended(side));
                }
            }
            if moved == before {
                break;
            }
            if moved >= TURN {
                reactor::wake_current();
                break;
            }
        }
        let paused = match (up.paused_until(), down.paused_until()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if let Some(until) = paused {
            // A direction that waits for its rate does not run into the idle limit.
            timer.cancel();
            let delay = delay.get_or_insert_with(Timer::new);
            delay.set(until);
            if delay.poll_expired().is_ready() {
                reactor::wake_current();
            }
            return Poll::Pending;
        }
        if client.has_moved() | upstream.has_moved() || moved > 0 || !timer.is_set() {
            timer.set(reactor::now() + manner.idle);
        }
        timer.poll_expired().map(|()| Stop::Idle)
    })
}

/// Whose end ends the relay, if any does now; `last` is who ended last.
fn over(up: &Flow<'_>, down: &Flow<'_>, half_close: bool, last: Side) -> Option<Side> {
    match (up.finished(), down.finished()) {
        (true, true) => Some(last),
        (true, false) if !half_close => Some(Side::Client),
        (false, true) if !half_close => Some(Side::Upstream),
        _ => None,
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Upstream,
            Self::Upstream => Self::Client,
        }
    }
}

//! A small single-threaded reactor: tasks, edge-triggered sockets and coarse timers, made for one
//! task, two sockets and one timer per session.
//!
//! Futures here wait on this crate's own primitives, which note the current task and wake it by
//! number; the `Waker` that a poll is given does nothing, so futures of other runtimes do not
//! work on it. A panic in a task ends that task alone.

mod calm;
mod event;
mod executor;
mod listener;
#[cfg(test)]
mod loopback;
mod remote;
mod slab;
mod socket;
mod spare;
mod timer;
mod wheel;

pub use calm::linger;
pub use event::Event;
pub use executor::{Runtime, TaskId, current_task, now, spawn, wake, wake_all, wake_current, wall, yield_now};
pub use listener::Listener;
pub use remote::Remote;
pub use socket::{ConnectError, Socket, is_near};
pub use spare::retire;
pub use timer::{Elapsed, Timer, sleep, timeout};

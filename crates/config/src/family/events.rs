//! `events { }`: limits and methods of the event loop.

use crate::directive::Directive;

/// `events { }` with values or defaults.
#[derive(Debug)]
pub struct Events {
    /// `worker_connections`: sockets a worker may hold, its listeners and upstream sides among them.
    pub worker_connections: usize,
    /// `multi_accept`.
    pub multi_accept: bool,
    /// `accept_mutex_delay`, milliseconds: also how long accepting pauses when descriptors run out.
    pub accept_pause: u64,
}

pub(crate) const DIRECTIVES: &[Directive] = &[];

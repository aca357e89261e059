//! One end of a connection, and what the generator counts.
use crate::tls::Sock;
use std::time::Instant;

/// What a run does with its connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The backend sends `bytes` to each client.
    Down,
    /// Each client sends `bytes`, the backend answers one byte.
    Up,
    /// One byte each way at the start, then held open.
    Idle,
    /// One byte to and fro, `rounds` times.
    Ping,
    /// Held open, 32 bytes echoed from time to time until told to stop.
    Echo,
}

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A ClientHello record, then plain bytes: for a gateway that looks at the name only.
    Hello,
    Tls,
    Plain,
}

/// How far an end has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Handshake,
    Preface,
    Body,
    Hold,
    Drain,
}

/// A client's end, or a backend's.
pub struct Connection {
    pub sock: Sock,
    pub client: bool,
    pub probe: bool,
    pub phase: Phase,
    /// The preface of this client, if it is not everybody's.
    pub hello: Option<Box<[u8]>>,
    /// Bytes of the preface that are through, and how many there are.
    pub preface: usize,
    pub preface_length: usize,
    pub received: u64,
    pub sent: u64,
    /// What was read and is not used or passed on yet.
    pub pending: Vec<u8>,
    pub since: Instant,
    pub queued: bool,
}

impl Connection {
    pub fn new(sock: Sock, client: bool) -> Connection {
        Connection {
            sock,
            client,
            probe: false,
            phase: Phase::Handshake,
            hello: None,
            preface: 0,
            preface_length: 1,
            received: 0,
            sent: 0,
            pending: Vec::new(),
            since: Instant::now(),
            queued: false,
        }
    }

    /// Nanoseconds since it began, or since the last exchange did.
    pub fn elapsed(&self) -> u32 {
        u32::try_from(self.since.elapsed().as_nanos()).unwrap_or(u32::MAX)
    }
}

/// What came of one turn of a connection.
pub enum Step {
    Wait,
    More,
    Held,
    Done,
}

/// What a run counts.
#[derive(Default)]
pub struct Tally {
    pub done: u64,
    pub fail: u64,
    pub held: u64,
    pub broken: u64,
    pub messages: u64,
    pub probe_ok: u64,
    pub probe_fail: u64,
    pub accepted: u64,
    pub resumed: u64,
    pub backend_resumed: u64,
    pub bytes: u64,
    /// Nanoseconds each.
    pub latencies: Vec<u32>,
    pub error: String,
    pub tls: String,
    pub backend_tls: String,
}

impl Tally {
    /// Counts a failure and keeps the words of the first one.
    pub fn failed(&mut self, client: bool, error: &std::io::Error) {
        self.fail += 1;
        self.keep(if client { "client" } else { "backend" }, error);
    }

    /// Keeps the words of the first error.
    pub fn keep(&mut self, side: &str, error: &std::io::Error) {
        if self.error.is_empty() {
            self.error = format!("{side}: {error}").replace(['"', '\\', '\n'], " ");
        }
    }

    /// The latency that this share of them does not exceed, in µs.
    pub fn quantile(&mut self, share: f64) -> f64 {
        if self.latencies.is_empty() {
            return 0.0;
        }
        let at = ((self.latencies.len() as f64 - 1.0) * share).round() as usize;
        f64::from(*self.latencies.select_nth_unstable(at).1) / 1000.0
    }
}

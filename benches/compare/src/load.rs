//! Clients and backends in one edge-triggered event loop of one thread. Every byte that arrives is compared.
use crate::connection::{Connection, Front, Kind, Phase, Step, Tally};
use crate::sys::{self, Epoll, Io};
use crate::tls::{Client, Raw, Server, Sock};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// After so many bytes the pattern begins anew: a prime, so that no buffer's size divides it.
pub const PERIOD: usize = 65521;
/// Bytes of an echoed message.
pub const MESSAGE: usize = 32;
const CHUNK: usize = 256 * 1024;
/// Bytes after which it is another connection's turn.
const BUDGET: usize = 1 << 20;
const FAILURES: u64 = 200;
const LISTENER: u64 = u64::MAX;
pub(crate) const STDIN: u64 = u64::MAX - 1;

/// Clients that each ask for one of many names, at random.
pub struct Names {
    /// Where the number stands in the ClientHello.
    pub digits: Range<usize>,
    pub count: u64,
}

/// How many connections a run makes, and what each does.
#[derive(Clone, Copy)]
pub struct Amount {
    pub count: u64,
    /// Connections at a time.
    pub at_once: u64,
    pub bytes: u64,
    pub rounds: u64,
}

/// The generator.
pub struct Load {
    pub front: Front,
    pub client: Option<Client>,
    pub server: Option<Server>,
    /// The name that clients ask for by TLS.
    pub name: String,
    /// The record that clients send where they only seem to speak TLS.
    pub hello: Vec<u8>,
    pub names: Option<Names>,
    pub deadline: Instant,
    pub tally: Tally,
    pub(crate) kind: Kind,
    pub(crate) rounds: u64,
    pub(crate) pattern: Vec<u8>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) ends: Vec<Option<Connection>>,
    pub(crate) epoll: Epoll,
    target: u16,
    bytes: u64,
    listener: i32,
    free: Vec<usize>,
    ready: VecDeque<usize>,
    chance: u64,
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

impl Load {
    /// Listens on the port `backend`; clients will connect to the port `target`.
    pub fn new(front: Front, target: u16, backend: u16) -> io::Result<Load> {
        let listener = sys::listen(backend)?;
        let epoll = Epoll::new()?;
        epoll.add(listener, sys::IN, LISTENER)?;
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let mut pattern: Vec<u8> = (0..PERIOD).map(|_| (xorshift(&mut state) >> 24) as u8).collect();
        for at in 0..CHUNK {
            pattern.push(pattern[at]);
        }
        Ok(Load {
            front,
            client: None,
            server: None,
            name: "bench.test".into(),
            hello: Vec::new(),
            names: None,
            deadline: Instant::now() + Duration::from_secs(60),
            tally: Tally::default(),
            kind: Kind::Down,
            rounds: 0,
            pattern,
            buffer: vec![0; CHUNK],
            ends: Vec::new(),
            epoll,
            target,
            bytes: 0,
            listener,
            free: Vec::new(),
            ready: VecDeque::new(),
            chance: sys::now_ns() | 1,
        })
    }

    fn insert(&mut self, end: Connection) -> io::Result<()> {
        let fd = end.sock.fd();
        let at = self.free.pop().unwrap_or_else(|| {
            self.ends.push(None);
            self.ends.len() - 1
        });
        self.ends[at] = Some(end);
        self.epoll.add(fd, sys::IN | sys::OUT | sys::RDHUP | sys::ET, at as u64)?;
        self.enqueue(at);
        Ok(())
    }

    pub(crate) fn enqueue(&mut self, at: usize) {
        if let Some(end) = self.ends[at].as_mut()
            && !end.queued
        {
            end.queued = true;
            self.ready.push_back(at);
        }
    }

    pub(crate) fn remove(&mut self, at: usize) {
        if let Some(mut end) = self.ends[at].take() {
            end.sock.bye();
            self.free.push(at);
        }
    }

    /// Opens a client's connection.
    pub(crate) fn open(&mut self, probe: bool) -> io::Result<()> {
        let since = Instant::now();
        let fd = sys::connect(self.target)?;
        sys::nodelay(fd);
        let number = self.names.as_ref().map(|names| (xorshift(&mut self.chance) >> 11) % names.count);
        let mut hello = None;
        let sock = match &self.client {
            Some(client) => {
                let one_of_many = number.map(|number| format!("h{number:07}.bench.test"));
                client.wrap(fd, one_of_many.as_ref().unwrap_or(&self.name)).map_err(io::Error::other)?
            }
            None => {
                if let (Some(number), Some(names)) = (number, &self.names) {
                    let mut own = self.hello.clone();
                    own[names.digits.clone()].copy_from_slice(format!("{number:07}").as_bytes());
                    hello = Some(own.into_boxed_slice());
                }
                Sock::Plain(Raw(fd))
            }
        };
        self.insert(Connection { probe, hello, since, ..Connection::new(sock, true) })
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(fd) = sys::accept(self.listener)? {
            sys::nodelay(fd);
            self.tally.accepted += 1;
            let sock = match &self.server {
                Some(server) => server.wrap(fd).map_err(io::Error::other)?,
                None => Sock::Plain(Raw(fd)),
            };
            self.insert(Connection::new(sock, false))?;
        }
        Ok(())
    }

    fn step(&mut self, end: &mut Connection) -> io::Result<Step> {
        if end.phase == Phase::Handshake {
            if !end.sock.handshake()? {
                return Ok(Step::Wait);
            }
            if let Some(resumed) = end.sock.resumed() {
                let tally = &mut self.tally;
                let (count, words) = match end.client {
                    true => (&mut tally.resumed, &mut tally.tls),
                    false => (&mut tally.backend_resumed, &mut tally.backend_tls),
                };
                *count += u64::from(resumed);
                if words.is_empty() {
                    *words = end.sock.negotiated();
                }
            }
            end.phase = Phase::Preface;
        }
        if end.client { self.client(end) } else { self.backend(end) }
    }

    /// Sends the rest of this connection's bytes.
    pub(crate) fn give(&mut self, end: &mut Connection) -> io::Result<Step> {
        let mut spent = 0;
        while end.sent < self.bytes {
            if spent >= BUDGET {
                return Ok(Step::More);
            }
            let at = (end.sent % PERIOD as u64) as usize;
            let most = (self.bytes - end.sent).min(CHUNK as u64) as usize;
            match end.sock.write(&self.pattern[at..at + most])? {
                Io::Bytes(count) => {
                    end.sent += count as u64;
                    spent += count;
                }
                Io::Block => return Ok(Step::Wait),
                Io::Eof => return Err(io::Error::other("end of file while sending")),
            }
        }
        Ok(Step::Done)
    }

    /// Receives the rest of this connection's bytes and compares them.
    pub(crate) fn take(&mut self, end: &mut Connection) -> io::Result<Step> {
        let mut spent = 0;
        while end.received < self.bytes {
            if spent >= BUDGET {
                return Ok(Step::More);
            }
            let at = (end.received % PERIOD as u64) as usize;
            let most = (self.bytes - end.received).min(CHUNK as u64) as usize;
            match end.sock.read(&mut self.buffer[..most])? {
                Io::Bytes(count) => {
                    if self.buffer[..count] != self.pattern[at..at + count] {
                        return Err(io::Error::other("other bytes than were sent"));
                    }
                    end.received += count as u64;
                    spent += count;
                    self.tally.bytes += count as u64;
                }
                Io::Block => return Ok(Step::Wait),
                Io::Eof => return Err(io::Error::other("end of file before all bytes")),
            }
        }
        Ok(Step::Done)
    }

    /// One turn of the loop: how many clients have finished, and whether standard input has something to say.
    pub(crate) fn turn(&mut self, timeout_ms: i32, events: &mut Vec<(u64, u32)>) -> io::Result<(u64, bool)> {
        events.clear();
        self.epoll.wait(if self.ready.is_empty() { timeout_ms } else { 0 }, events)?;
        let mut told = false;
        for &(token, _) in &*events {
            match token {
                LISTENER => self.accept()?,
                STDIN => told = true,
                end => self.enqueue(end as usize),
            }
        }
        let mut finished = 0;
        for _ in 0..self.ready.len() {
            let Some(at) = self.ready.pop_front() else { break };
            let Some(mut end) = self.ends[at].take() else { continue };
            end.queued = false;
            let result = self.step(&mut end);
            finished += u64::from(self.settle_turn(at, end, result));
        }
        Ok((finished, told))
    }

    /// Counts what came of a connection's turn; true if it was a client that has finished.
    fn settle_turn(&mut self, at: usize, end: Connection, result: io::Result<Step>) -> bool {
        let (client, probe, elapsed) = (end.client, end.probe, end.elapsed());
        let held = end.phase == Phase::Hold || (self.kind == Kind::Echo && end.sent > 0);
        self.ends[at] = Some(end);
        match result {
            Ok(Step::Wait) => return false,
            Ok(Step::More) => {
                self.enqueue(at);
                return false;
            }
            Ok(Step::Held) => {
                self.tally.held += 1;
                self.tally.done += 1;
                return true;
            }
            _ => self.remove(at),
        }
        let tally = &mut self.tally;
        match result {
            Err(_) if probe => tally.probe_fail += 1,
            Err(error) if client && held => {
                tally.broken += 1;
                tally.held -= 1;
                tally.keep("broken", &error);
            }
            Err(error) => {
                tally.failed(client, &error);
                return client;
            }
            Ok(_) if !client => {}
            Ok(_) if probe => tally.probe_ok += 1,
            Ok(_) => {
                if self.kind != Kind::Ping {
                    tally.latencies.push(elapsed);
                }
                tally.done += 1;
                return true;
            }
        }
        false
    }

    /// Makes the connections of one run; with `endless` until standard input says that it is enough. Returns seconds.
    pub fn run(&mut self, kind: Kind, amount: Amount, endless: bool) -> io::Result<f64> {
        self.kind = kind;
        self.bytes = amount.bytes;
        self.rounds = amount.rounds;
        self.tally = Tally::default();
        if endless {
            self.epoll.add(0, sys::IN, STDIN)?;
        }
        let begin = Instant::now();
        let (mut started, mut finished) = (0, 0);
        let mut events = Vec::new();
        while finished < amount.count {
            while started < amount.count && started - finished < amount.at_once {
                started += 1;
                if let Err(error) = self.open(false) {
                    self.tally.failed(true, &error);
                    finished += 1;
                }
            }
            let (more, told) = self.turn(200, &mut events)?;
            if told {
                break;
            }
            finished += more;
            if Instant::now() > self.deadline {
                return Err(io::Error::other(format!(
                    "{finished} of {} in time, {} failed ({})",
                    amount.count, self.tally.fail, self.tally.error
                )));
            }
            if self.tally.fail > FAILURES {
                return Err(io::Error::other(format!("too many failures: {}", self.tally.error)));
            }
        }
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Lets the backends see the end of their connections.
    pub fn settle(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut events = Vec::new();
        while Instant::now() < end {
            self.turn(5, &mut events)?;
        }
        Ok(())
    }
}

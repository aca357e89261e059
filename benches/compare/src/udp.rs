//! UDP load: datagrams there and back, the next one only when the last has come, so that none is dropped for want of room.
use crate::sys::{self, Epoll, Io};
use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

const BACKEND: u64 = u64::MAX;

/// How the load is run.
pub struct Udp {
    pub target: u16,
    pub backend: u16,
    /// Sockets at a time.
    pub sockets: u64,
    /// Bytes of a datagram.
    pub size: usize,
    pub most: Duration,
}

/// What came of it.
#[derive(Default)]
pub struct Tally {
    pub done: u64,
    pub lost: u64,
    pub wrong: u64,
    pub seconds: f64,
}

struct Client {
    fd: RawFd,
    number: u64,
    sent: Instant,
}

fn fill(datagram: &mut [u8], id: u64, number: u64) {
    for (at, byte) in datagram.iter_mut().enumerate() {
        *byte = (at as u8) ^ (number as u8);
    }
    datagram[..8].copy_from_slice(&id.to_be_bytes());
    datagram[8..16].copy_from_slice(&number.to_be_bytes());
}

/// One run: the clients that wait, and the datagram that each expects.
struct Run<'a> {
    load: &'a Udp,
    epoll: Epoll,
    clients: HashMap<u64, Client>,
    next_id: u64,
    started: u64,
    expected: Vec<u8>,
}

impl Run<'_> {
    fn send(&mut self, id: u64, fd: RawFd, number: u64) -> io::Result<()> {
        fill(&mut self.expected, id, number);
        sys::write(fd, &self.expected)?;
        self.started += 1;
        self.clients.insert(id, Client { fd, number, sent: Instant::now() });
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let fd = sys::udp_connect(self.load.target)?;
        self.epoll.add(fd, sys::IN, id)?;
        self.send(id, fd, 0)
    }

    /// Whether an answer came that is the one expected.
    fn receive(&mut self, id: u64, buffer: &mut [u8], tally: &mut Tally) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let Ok(Io::Bytes(count)) = sys::read(client.fd, buffer) else { return false };
        fill(&mut self.expected, id, client.number);
        if buffer[..count] == self.expected[..] {
            tally.done += 1;
            return true;
        }
        // a late answer to a datagram that was counted as lost is not an error
        if count != self.expected.len() || buffer[..8] != self.expected[..8] {
            tally.wrong += 1;
        }
        false
    }

    /// The next datagram of this client, from a new socket if `fresh`.
    fn go_on(&mut self, id: u64, count: u64, fresh: bool) -> io::Result<()> {
        let Some(client) = self.clients.remove(&id) else { return Ok(()) };
        let more = self.started < count;
        if more && !fresh {
            return self.send(id, client.fd, client.number + 1);
        }
        sys::close(client.fd);
        if more { self.open() } else { Ok(()) }
    }
}

impl Udp {
    /// The backend's socket.
    pub fn bind(&self) -> io::Result<RawFd> {
        sys::udp_bind(self.backend)
    }

    /// `count` round trips. With `fresh`, each uses a new socket.
    pub fn run(&self, backend: RawFd, count: u64, fresh: bool) -> io::Result<Tally> {
        let epoll = Epoll::new()?;
        epoll.add(backend, sys::IN, BACKEND)?;
        let mut run =
            Run { load: self, epoll, clients: HashMap::new(), next_id: 0, started: 0, expected: vec![0; self.size] };
        let mut tally = Tally::default();
        let mut buffer = vec![0; 65536];
        let (mut events, mut again) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        let mut swept = begin;
        for _ in 0..self.sockets.min(count) {
            run.open()?;
        }
        while tally.done + tally.lost < count {
            if begin.elapsed() > self.most {
                tally.wrong += 1;
                break;
            }
            events.clear();
            run.epoll.wait(100, &mut events)?;
            for &(token, _) in &events {
                if token == BACKEND {
                    sys::udp_echo(backend, &mut buffer);
                } else if run.receive(token, &mut buffer, &mut tally) {
                    again.push(token);
                }
            }
            if swept.elapsed() > Duration::from_millis(200) {
                swept = Instant::now();
                let late = run.clients.iter().filter(|(_, client)| client.sent.elapsed() > Duration::from_secs(1));
                let before = again.len();
                again.extend(late.map(|(id, _)| *id));
                tally.lost += (again.len() - before) as u64;
            }
            for id in again.drain(..) {
                run.go_on(id, count, fresh)?;
            }
        }
        tally.seconds = begin.elapsed().as_secs_f64();
        run.clients.values().for_each(|client| sys::close(client.fd));
        Ok(tally)
    }
}

//! Connections that are held and echo from time to time, while the gateway is told to reload.
use crate::connection::{Connection, Phase};
use crate::load::{Load, STDIN};
use crate::sys;
use std::io;
use std::time::{Duration, Instant};

/// Held connections speak in so many groups, one after the other.
const GROUPS: usize = 20;

/// Lines of standard input, as they come.
struct Orders(Vec<u8>);

impl Orders {
    /// How many connections more are wanted; none once it is enough.
    fn read(&mut self) -> Option<u64> {
        let mut buffer = [0; 256];
        let count = sys::read_stdin(&mut buffer);
        if count == 0 {
            return None;
        }
        self.0.extend_from_slice(&buffer[..count]);
        let mut more = 0;
        while let Some(end) = self.0.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.trim().strip_prefix("ADD ") {
                Some(count) => more += count.parse().unwrap_or(0),
                None => return None,
            }
        }
        Some(more)
    }
}

impl Load {
    /// Echoes on every held connection about once in `gap`, with a new short connection after each `between`, until the
    /// line END comes on standard input. The line ADD n opens n more held connections. Returns seconds.
    pub fn echo_until_end(&mut self, gap: Duration, between: Duration) -> io::Result<f64> {
        self.epoll.add(0, sys::IN, STDIN)?;
        self.tally.latencies.clear();
        self.tally.messages = 0;
        let begin = Instant::now();
        let (mut spoke, mut probed, mut group) = (begin, begin, 0);
        let mut events = Vec::new();
        let mut orders = Orders(Vec::new());
        loop {
            let (_, told) = self.turn(2, &mut events)?;
            if told {
                let Some(more) = orders.read() else { break };
                for _ in 0..more {
                    if let Err(error) = self.open(false) {
                        self.tally.failed(true, &error);
                    }
                }
            }
            if probed.elapsed() >= between {
                probed = Instant::now();
                if self.open(true).is_err() {
                    self.tally.probe_fail += 1;
                }
            }
            if spoke.elapsed() >= gap / GROUPS as u32 {
                spoke = Instant::now();
                group = (group + 1) % GROUPS;
                self.speak(group);
            }
            if Instant::now() > self.deadline {
                return Err(io::Error::other("echoes took too long"));
            }
        }
        Ok(begin.elapsed().as_secs_f64())
    }

    fn speak(&mut self, group: usize) {
        for at in (group..self.ends.len()).step_by(GROUPS) {
            let speaks = |end: &mut Connection| end.client && !end.probe && end.phase == Phase::Hold;
            let Some(mut end) = self.ends[at].take_if(speaks) else { continue };
            let said = self.message(&mut end);
            self.ends[at] = Some(end);
            if said.is_ok() {
                self.enqueue(at);
            } else {
                self.remove(at);
                self.tally.broken += 1;
                self.tally.held -= 1;
            }
        }
    }
}

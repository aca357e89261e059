//! What a client does when its connection is ready.
use crate::connection::{Connection, Front, Kind, Phase, Step};
use crate::load::{Load, MESSAGE, PERIOD};
use crate::sys::Io;
use std::io;
use std::time::Instant;

impl Load {
    pub(crate) fn client(&mut self, end: &mut Connection) -> io::Result<Step> {
        if end.phase == Phase::Preface {
            let preface: &[u8] = match self.front {
                Front::Hello => end.hello.as_deref().unwrap_or(&self.hello),
                _ => b"R",
            };
            while end.preface < preface.len() {
                match end.sock.write(&preface[end.preface..])? {
                    Io::Bytes(count) => end.preface += count,
                    Io::Block => return Ok(Step::Wait),
                    Io::Eof => return Err(io::Error::other("end of file in the preface")),
                }
            }
            end.hello = None;
            end.phase = Phase::Body;
            if self.kind == Kind::Echo {
                // one exchange now, the rest by the clock
                return self.message(end);
            }
        }
        match self.kind {
            _ if end.phase == Phase::Hold => self.hold(end),
            Kind::Down => self.take(end),
            Kind::Idle => match self.take(end)? {
                Step::Done => {
                    end.phase = Phase::Hold;
                    Ok(Step::Held)
                }
                step => Ok(step),
            },
            Kind::Up => self.upload(end),
            Kind::Ping => self.ping(end),
            Kind::Echo => self.echo(end),
        }
    }

    fn hold(&mut self, end: &mut Connection) -> io::Result<Step> {
        match end.sock.read(&mut self.buffer)? {
            Io::Block => Ok(Step::Wait),
            Io::Bytes(_) => Err(io::Error::other("unexpected bytes")),
            Io::Eof => Err(io::Error::other("end of file while held")),
        }
    }

    fn upload(&mut self, end: &mut Connection) -> io::Result<Step> {
        match self.give(end)? {
            Step::Done => {}
            step => return Ok(step),
        }
        match end.sock.read(&mut self.buffer)? {
            Io::Bytes(1) if self.buffer[0] == b'K' => Ok(Step::Done),
            Io::Bytes(_) => Err(io::Error::other("wrong answer to an upload")),
            Io::Block => Ok(Step::Wait),
            Io::Eof => Err(io::Error::other("end of file before the answer to an upload")),
        }
    }

    fn ping(&mut self, end: &mut Connection) -> io::Result<Step> {
        loop {
            if end.sent == end.received {
                if end.received == self.rounds {
                    return Ok(Step::Done);
                }
                end.since = Instant::now();
                match end.sock.write(&[end.sent as u8])? {
                    Io::Bytes(1) => end.sent += 1,
                    _ => return Err(io::Error::other("a ping was not taken")),
                }
            }
            let mut answer = [0; 8];
            match end.sock.read(&mut answer)? {
                Io::Bytes(1) if answer[0] == end.received as u8 => {
                    self.tally.latencies.push(end.elapsed());
                    end.received += 1;
                }
                Io::Bytes(_) => return Err(io::Error::other("wrong answer to a ping")),
                Io::Block => return Ok(Step::Wait),
                Io::Eof => return Err(io::Error::other("end of file in pings")),
            }
        }
    }

    /// Sends the next message that is to come back.
    pub(crate) fn message(&mut self, end: &mut Connection) -> io::Result<Step> {
        let at = (end.sent as usize * MESSAGE) % PERIOD;
        end.phase = Phase::Body;
        if end.sent > 0 {
            end.since = Instant::now();
        }
        match end.sock.write(&self.pattern[at..at + MESSAGE])? {
            Io::Bytes(MESSAGE) => Ok(Step::More),
            _ => Err(io::Error::other("a message was not taken")),
        }
    }

    fn echo(&mut self, end: &mut Connection) -> io::Result<Step> {
        let missing = MESSAGE - end.pending.len();
        match end.sock.read(&mut self.buffer[..missing])? {
            Io::Bytes(count) => end.pending.extend_from_slice(&self.buffer[..count]),
            Io::Block => return Ok(Step::Wait),
            Io::Eof => return Err(io::Error::other("end of file in echoes")),
        }
        if end.pending.len() < MESSAGE {
            return Ok(Step::More);
        }
        let at = (end.sent as usize * MESSAGE) % PERIOD;
        if end.pending[..] != self.pattern[at..at + MESSAGE] {
            return Err(io::Error::other("wrong echo"));
        }
        end.pending.clear();
        end.sent += 1;
        self.tally.messages += 1;
        self.tally.latencies.push(end.elapsed());
        if end.probe {
            return Ok(Step::Done);
        }
        end.phase = Phase::Hold;
        Ok(if end.sent == 1 { Step::Held } else { Step::Wait })
    }
}

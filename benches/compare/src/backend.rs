//! What a backend does when its connection is ready.
use crate::connection::{Connection, Front, Kind, Phase, Step};
use crate::load::Load;
use crate::sys::Io;
use std::io;

const RECORD_HEADER: usize = 5;
const HANDSHAKE: u8 = 22;

impl Load {
    pub(crate) fn backend(&mut self, end: &mut Connection) -> io::Result<Step> {
        if end.phase == Phase::Preface {
            match self.preface(end)? {
                Step::More => {}
                step => return Ok(step),
            }
        }
        if end.phase == Phase::Drain {
            return match end.sock.read(&mut self.buffer) {
                Ok(Io::Block) => Ok(Step::Wait),
                Ok(Io::Bytes(_)) => Err(io::Error::other("trailing bytes")),
                _ => Ok(Step::Done),
            };
        }
        match self.kind {
            Kind::Down | Kind::Idle => match self.give(end)? {
                Step::Done => {
                    end.phase = Phase::Drain;
                    Ok(Step::More)
                }
                step => Ok(step),
            },
            Kind::Up => {
                match self.take(end)? {
                    Step::Done => {}
                    step => return Ok(step),
                }
                match end.sock.write(b"K")? {
                    Io::Bytes(1) => {}
                    _ => return Err(io::Error::other("the answer to an upload was not taken")),
                }
                end.phase = Phase::Drain;
                Ok(Step::More)
            }
            Kind::Ping | Kind::Echo => self.reflect(end),
        }
    }

    /// Reads exactly the preface and compares it; `More` once it is through.
    fn preface(&mut self, end: &mut Connection) -> io::Result<Step> {
        let hello = self.front == Front::Hello;
        if hello && end.preface == 0 {
            end.preface_length = RECORD_HEADER;
        }
        while end.preface < end.preface_length {
            match end.sock.read(&mut self.buffer[..end.preface_length - end.preface])? {
                Io::Bytes(count) => {
                    end.pending.extend_from_slice(&self.buffer[..count]);
                    end.preface += count;
                }
                Io::Block => return Ok(Step::Wait),
                Io::Eof if end.preface == 0 => return Ok(Step::Done),
                Io::Eof => return Err(io::Error::other("end of file in the preface")),
            }
            if hello && end.preface == RECORD_HEADER && end.preface_length == RECORD_HEADER {
                if end.pending[0] != HANDSHAKE {
                    return Err(io::Error::other("not a handshake record"));
                }
                end.preface_length += usize::from(u16::from_be_bytes([end.pending[3], end.pending[4]]));
            }
        }
        if !self.is_preface(&end.pending) {
            return Err(io::Error::other("wrong preface"));
        }
        end.pending = Vec::new();
        end.phase = Phase::Body;
        Ok(Step::More)
    }

    fn is_preface(&self, bytes: &[u8]) -> bool {
        let hello = &self.hello;
        match &self.names {
            _ if self.front != Front::Hello => bytes == b"R",
            None => bytes == hello,
            Some(names) => {
                let digits = names.digits.clone();
                bytes.len() == hello.len()
                    && bytes[..digits.start] == hello[..digits.start]
                    && bytes[digits.end..] == hello[digits.end..]
            }
        }
    }

    fn reflect(&mut self, end: &mut Connection) -> io::Result<Step> {
        loop {
            if !end.pending.is_empty() {
                match end.sock.write(&end.pending)? {
                    Io::Bytes(count) => end.pending.drain(..count),
                    _ => return Ok(Step::Wait),
                };
                continue;
            }
            match end.sock.read(&mut self.buffer)? {
                Io::Bytes(count) => {
                    let written = match end.sock.write(&self.buffer[..count])? {
                        Io::Bytes(written) => written,
                        _ => 0,
                    };
                    end.pending.extend_from_slice(&self.buffer[written..count]);
                }
                Io::Block => return Ok(Step::Wait),
                Io::Eof => return Ok(Step::Done),
            }
        }
    }
}

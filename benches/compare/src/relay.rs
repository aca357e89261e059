//! The floor: a relay with no features at all, to see what of a gateway's cost is the kernel's.
//!
//! It accepts, connects to one fixed port and moves bytes, by `splice` through a pipe or by read and write through one
//! shared buffer. One thread, edge-triggered. Both sides are closed at the first end of file, as nginx does by default.
use crate::sys::{self, Io};
use std::io;
use std::os::fd::RawFd;

const BUFFER: usize = 64 * 1024;
const PIPE: usize = 256 * 1024;
const LISTENER: u64 = u64::MAX;

/// How the relay is run.
pub struct Relay {
    pub listen: u16,
    pub to: u16,
    pub splice: bool,
    /// SO_RCVBUF and SO_SNDBUF of each socket; 0 leaves the kernel's own.
    pub socket_buffer: i32,
}

/// One direction of a pair.
#[derive(Default)]
struct Way {
    eof: bool,
    hangup: bool,
    pipe: Option<(RawFd, RawFd)>,
    in_pipe: usize,
    rest: Vec<u8>,
}

struct Pair {
    fds: [RawFd; 2],
    ways: [Way; 2],
}

struct Mover {
    splice: bool,
    pipes: Vec<(RawFd, RawFd)>,
    buffer: Vec<u8>,
}

impl Mover {
    /// Moves what there is from side `from` to the other one; true once the pair is finished.
    fn pump(&mut self, pair: &mut Pair, from: usize) -> io::Result<bool> {
        let (source, sink) = (pair.fds[from], pair.fds[1 - from]);
        let way = &mut pair.ways[from];
        if self.splice { self.by_splice(source, sink, way) } else { self.by_copy(source, sink, way) }
    }

    fn by_copy(&mut self, source: RawFd, sink: RawFd, way: &mut Way) -> io::Result<bool> {
        loop {
            if !way.rest.is_empty() {
                if let Io::Bytes(count) = sys::write(sink, &way.rest)? {
                    way.rest.drain(..count);
                }
                if !way.rest.is_empty() {
                    return Ok(false);
                }
            }
            if way.eof {
                return Ok(true);
            }
            let count = match sys::read(source, &mut self.buffer)? {
                Io::Block => return Ok(false),
                Io::Eof => {
                    way.eof = true;
                    return Ok(true);
                }
                Io::Bytes(count) => count,
            };
            let written = match sys::write(sink, &self.buffer[..count])? {
                Io::Bytes(written) => written,
                _ => 0,
            };
            if written < count {
                way.rest.extend_from_slice(&self.buffer[written..count]);
                return Ok(false);
            }
            if count < self.buffer.len() && !way.hangup {
                // a short read has emptied the socket, the next edge will tell
                return Ok(false);
            }
        }
    }

    fn by_splice(&mut self, source: RawFd, sink: RawFd, way: &mut Way) -> io::Result<bool> {
        let pipe = match way.pipe.or_else(|| self.pipes.pop()) {
            Some(pipe) => pipe,
            None => sys::pipe(PIPE as i32)?,
        };
        way.pipe = Some(pipe);
        loop {
            let mut moved = false;
            if !way.eof {
                match patient(sys::splice(source, pipe.1, PIPE))? {
                    Io::Bytes(count) => {
                        way.in_pipe += count;
                        moved = true;
                    }
                    Io::Eof => way.eof = true,
                    Io::Block => {}
                }
            }
            if way.in_pipe > 0
                && let Io::Bytes(count) = patient(sys::splice(pipe.0, sink, way.in_pipe))?
            {
                way.in_pipe -= count;
                moved = true;
            }
            if way.in_pipe == 0 && way.eof {
                return Ok(true);
            }
            if !moved {
                if way.in_pipe == 0 {
                    self.pipes.extend(way.pipe.take());
                }
                return Ok(false);
            }
        }
    }

    /// Closes a pair; its pipes can be used again if they are empty.
    fn end(&mut self, pair: Pair) {
        pair.fds.into_iter().for_each(sys::close);
        for way in pair.ways {
            match way.pipe {
                Some(pipe) if way.in_pipe == 0 => self.pipes.push(pipe),
                Some(pipe) => {
                    sys::close(pipe.0);
                    sys::close(pipe.1);
                }
                None => {}
            }
        }
    }
}

/// A socket that is not connected yet is not ready either.
fn patient(result: io::Result<Io>) -> io::Result<Io> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(Io::Block),
        other => other,
    }
}

impl Relay {
    /// Serves until it is killed.
    pub fn run(&self) -> io::Result<()> {
        let listener = sys::listen(self.listen)?;
        let mut epoll = sys::Epoll::new()?;
        epoll.add(listener, sys::IN, LISTENER)?;
        let mut pairs: Vec<Option<Pair>> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        let mut events = Vec::new();
        let mut mover = Mover { splice: self.splice, pipes: Vec::new(), buffer: vec![0; BUFFER] };
        loop {
            events.clear();
            epoll.wait(-1, &mut events)?;
            for &(token, event) in &events {
                if token == LISTENER {
                    while let Some(client) = sys::accept(listener)? {
                        let Some(pair) = self.pair(client) else { continue };
                        let at = free.pop().unwrap_or_else(|| {
                            pairs.push(None);
                            pairs.len() - 1
                        });
                        let interest = sys::IN | sys::OUT | sys::RDHUP | sys::ET;
                        epoll.add(pair.fds[0], interest, (at * 2) as u64)?;
                        epoll.add(pair.fds[1], interest, (at * 2 + 1) as u64)?;
                        pairs[at] = Some(pair);
                    }
                    continue;
                }
                let (at, side) = ((token / 2) as usize, (token % 2) as usize);
                let Some(pair) = pairs[at].as_mut() else { continue };
                if turn(&mut mover, pair, side, event) {
                    pairs[at].take().into_iter().for_each(|pair| mover.end(pair));
                    free.push(at);
                }
            }
        }
    }

    fn pair(&self, client: RawFd) -> Option<Pair> {
        let Ok(backend) = sys::connect(self.to) else {
            sys::close(client);
            return None;
        };
        for fd in [client, backend] {
            sys::nodelay(fd);
            if self.socket_buffer > 0 {
                sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, self.socket_buffer);
                sys::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, self.socket_buffer);
            }
        }
        Some(Pair { fds: [client, backend], ways: [Way::default(), Way::default()] })
    }
}

/// Readable: move from this side. Writable: move towards it what is held. True once the pair is finished.
fn turn(mover: &mut Mover, pair: &mut Pair, side: usize, event: u32) -> bool {
    pair.ways[side].hangup |= event & (sys::RDHUP | sys::HUP) != 0;
    let mut done = false;
    if event & (sys::IN | sys::RDHUP | sys::HUP) != 0 {
        done |= mover.pump(pair, side).unwrap_or(true);
    }
    let held = &pair.ways[1 - side];
    if !done && event & sys::OUT != 0 && (held.in_pipe > 0 || !held.rest.is_empty()) {
        done |= mover.pump(pair, 1 - side).unwrap_or(true);
    }
    done
}

//! Listening sockets: bound once, kept over reloads by address and protocol, and accepted from on
//! every worker.

mod bind;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use config::family::listen::{Listener, Protocol};
use policy::address::Address;
use syntax::Level;

use crate::counters::{self, Counter};
use crate::generation::Generation;
use crate::log::ErrorLogs;
use crate::log::errno;
use crate::net;
use crate::session::{self, Accepted};
use bind::{Bind, bind, configure};

/// Attempts to bind an address that is in use, and the pause between them.
const BIND_TRIES: u32 = 5;
const BIND_PAUSE: Duration = Duration::from_millis(500);

/// Whoever is told what happens on the way, at which level.
pub type Tell<'a> = &'a dyn Fn(Level, &str);

type Key = (Address, Protocol);

fn key(listener: &Listener) -> Key {
    (listener.address.clone(), listener.protocol)
}

type Bound = HashMap<Key, Vec<OwnedFd>>;

/// Every bound socket. One per address, or one per worker with `reuseport`.
#[derive(Debug, Default)]
pub struct Sockets {
    bound: Bound,
    /// How many of each the configuration in force has.
    in_force: HashMap<Key, usize>,
}

/// Why listening failed; the text is told as it is.
#[derive(Debug)]
pub struct ListenError(pub String);

impl Sockets {
    /// Sockets for `listeners` and `workers`: those already bound are kept, the others are bound
    /// now. On an error everything stays as it was. What else there is to say is told to `tell`.
    pub fn open(&mut self, listeners: &[Listener], workers: usize, tell: Tell<'_>) -> Result<(), ListenError> {
        self.bind(listeners, workers, tell, BIND_TRIES)?;
        for listener in listeners {
            for socket in self.bound.get(&key(listener)).into_iter().flatten() {
                configure(socket, listener, tell);
            }
        }
        Ok(())
    }

    /// The same for a test of the configuration: an address that is in use is no fault of it, and nothing is set that
    /// only serving needs.
    pub fn try_open(&mut self, listeners: &[Listener], workers: usize, tell: Tell<'_>) -> Result<(), ListenError> {
        self.bind(listeners, workers, tell, 0)
    }

    /// Binds, trying addresses in use `tries` times; none passes over them.
    fn bind(&mut self, listeners: &[Listener], workers: usize, tell: Tell<'_>, tries: u32) -> Result<(), ListenError> {
        // Where clients come already, some of them are led to a socket as soon as it is there: when nothing else fails.
        let (more, new): (Vec<_>, Vec<_>) =
            listeners.iter().partition(|listener| self.bound.contains_key(&key(listener)));
        let mut fresh = Bound::new();
        for listeners in [new, more] {
            if let Err(error) = self.bind_into(&mut fresh, &listeners, workers, tell, tries) {
                for key in fresh.keys().filter(|key| !self.bound.contains_key(key)) {
                    if let (Address::Unix(path), _) = key {
                        // Gone already is just as well.
                        let _ = remove(path);
                    }
                }
                return Err(error);
            }
        }
        for (key, sockets) in fresh {
            self.bound.entry(key).or_default().extend(sockets);
        }
        Ok(())
    }

    fn bind_into(
        &self,
        fresh: &mut Bound,
        listeners: &[&Listener],
        workers: usize,
        tell: Tell<'_>,
        tries: u32,
    ) -> Result<(), ListenError> {
        for _ in 0..tries.max(1) {
            let mut busy = false;
            for listener in listeners {
                let key = key(listener);
                let shared = listener.options.reuseport && tries > 0;
                if shared {
                    // Where the system does not allow it, a socket that is bound already goes on as it is.
                    for socket in self.bound.get(&key).into_iter().flatten() {
                        let _ = os::options::set_reuseport(socket, true);
                    }
                }
                let wanted = if shared { workers.max(1) } else { 1 };
                let have = self.bound.get(&key).map_or(0, Vec::len) + fresh.get(&key).map_or(0, Vec::len);
                for _ in have..wanted {
                    match bind(listener, shared, tell) {
                        Ok(socket) => fresh.entry(key.clone()).or_default().push(socket),
                        Err(Bind { call, error }) => {
                            let text = format!("{call} failed{}", errno(&error));
                            if error.kind() != io::ErrorKind::AddrInUse {
                                return Err(ListenError(text));
                            }
                            if tries == 0 {
                                break;
                            }
                            tell(Level::Emerg, &text);
                            busy = true;
                            break;
                        }
                    }
                }
            }
            if !busy {
                return Ok(());
            }
            tell(Level::Notice, "try again to bind() after 500ms");
            std::thread::sleep(BIND_PAUSE);
        }
        Err(ListenError("still could not bind()".to_owned()))
    }

    /// The configuration that these were opened for is in force.
    pub fn commit(&mut self) {
        self.in_force = self.bound.iter().map(|(key, sockets)| (key.clone(), sockets.len())).collect();
    }

    /// Closes the sockets that were bound for a configuration that was refused in the end beside those in force:
    /// nobody accepts from them.
    pub fn roll_back(&mut self) {
        for (key, sockets) in &mut self.bound {
            if let Some(before) = self.in_force.get(key) {
                sockets.truncate(*before);
            }
        }
    }

    /// Closes what `listeners` do not name any more; with `unlink`, which is told, sockets of the file system are
    /// removed.
    ///
    /// Of several sockets for one address none is closed, however few workers are left: who has just connected
    /// waits in the queue of one, and would be refused.
    pub fn close_others(&mut self, listeners: &[Listener], unlink: Option<&ErrorLogs>) {
        let keep: std::collections::HashSet<Key> = listeners.iter().map(key).collect();
        self.bound.retain(|key, _| {
            let kept = keep.contains(key);
            if let (false, Some(log), Address::Unix(path)) = (kept, unlink, &key.0) {
                let text = format!("deleting socket {}", String::from_utf8_lossy(path));
                log.write(Level::Warn, None, text.as_bytes());
                if let Err(error) = remove(path) {
                    log.write(Level::Emerg, None, error.0.as_bytes());
                }
            }
            kept
        });
    }

    /// Takes sockets that another program has bound, to be found by [`Sockets::open`]; what is no socket, or
    /// has no address, is closed.
    pub fn inherit(&mut self, sockets: Vec<OwnedFd>) {
        for socket in sockets {
            let Ok(datagram) = os::options::is_datagram(&socket) else { continue };
            let Ok(address) = os::socket::local_addr(&socket) else { continue };
            let protocol = if datagram { Protocol::Udp } else { Protocol::Tcp };
            self.bound.entry((net::address(address), protocol)).or_default().push(socket);
        }
    }

    /// Every socket of each of `listeners`, for another process that serves them.
    pub fn of_listeners(&self, listeners: &[Listener]) -> Vec<&[OwnedFd]> {
        listeners.iter().map(|listener| self.bound.get(&key(listener)).map_or(&[][..], Vec::as_slice)).collect()
    }

    /// Takes `sockets`, which another process has bound, as those of `listener`.
    pub fn adopt(&mut self, listener: &Listener, sockets: Vec<OwnedFd>) {
        self.bound.insert(key(listener), sockets);
    }

    /// All that are bound.
    pub fn all(&self) -> impl Iterator<Item = &OwnedFd> {
        self.bound.values().flatten()
    }

    /// Closes all; `unlink` removes those of the file system, which is for the process that is the last to
    /// serve them. What could not be removed is returned.
    pub fn close(&mut self, unlink: bool) -> Vec<ListenError> {
        let closed = self.bound.drain().map(|((address, _), _sockets)| address);
        let paths = closed.filter_map(|address| match address {
            Address::Unix(path) if unlink => Some(path),
            _ => None,
        });
        paths.filter_map(|path| remove(&path).err()).collect()
    }

    /// The sockets of one of `workers`, each with the place of its listener: one for each listener at least, and over
    /// all workers every socket there is.
    pub fn of_worker(
        &self,
        listeners: &[Listener],
        worker: usize,
        workers: usize,
    ) -> io::Result<Vec<(usize, OwnedFd)>> {
        let mut own = Vec::with_capacity(listeners.len());
        for (place, sockets) in self.of_listeners(listeners).into_iter().enumerate() {
            for at in shares(worker, workers, sockets.len()) {
                own.push((place, sockets.get(at).ok_or(io::ErrorKind::NotFound)?.try_clone()?));
            }
        }
        Ok(own)
    }
}

/// Which of so many sockets a worker accepts from.
fn shares(worker: usize, workers: usize, sockets: usize) -> impl Iterator<Item = usize> {
    let first = if worker < sockets { worker } else { worker.checked_rem(sockets).unwrap_or(0) };
    let rest = (worker + workers.max(1)..sockets).step_by(workers.max(1));
    std::iter::once(first).chain(rest)
}

fn remove(path: &[u8]) -> Result<(), ListenError> {
    use std::os::unix::ffi::OsStrExt;
    std::fs::remove_file(std::ffi::OsStr::from_bytes(path))
        .map_err(|error| ListenError(format!("unlink() {} failed{}", String::from_utf8_lossy(path), errno(&error))))
}

/// Accepts clients until the generation drains.
pub(crate) async fn accept(generation: Rc<Generation>, at: usize, listener: reactor::Listener) {
    let mut failing = false;
    loop {
        let next = std::future::poll_fn(|_| {
            if generation.drain.is_draining() { Poll::Ready(None) } else { listener.poll_accept().map(Some) }
        });
        match next.await {
            None if generation.is_last.get() => return take_the_rest(&generation, at, &listener).await,
            None => return,
            Some(Ok((socket, peer))) => {
                failing = false;
                admit(&generation, at, socket, peer);
            }
            Some(Err(error)) => {
                counters::count(Counter::AcceptsFailed);
                let (level, starved) = severity(&error);
                if !starved || generation.starved.tick(reactor::now()).is_some() {
                    let text = format!("accept4() failed{}", errno(&error));
                    generation.plan.error_log.write(level, None, text.as_bytes());
                }
                // One connection may have gone wrong; what goes wrong twice in a row would go on so.
                if starved || failing {
                    reactor::sleep(generation.plan.events.accept_pause).await;
                }
                failing = true;
            }
        }
    }
}

/// The level at which a failed accept is told, and whether the system has run out of something.
fn severity(error: &io::Error) -> (Level, bool) {
    match error.kind() {
        _ if net::has_run_out(error) => (Level::Crit, true),
        io::ErrorKind::ConnectionAborted => (Level::Error, false),
        _ => (Level::Alert, false),
    }
}

/// Takes connections that were told to this thread, and to no other, before it gave up listening: whoever listens
/// besides, in a process of a new binary for instance, would not hear of them before the next one comes.
async fn take_the_rest(generation: &Rc<Generation>, at: usize, listener: &reactor::Listener) {
    /// Others take connections meanwhile, so they are few.
    const MOST: usize = 1024;
    let _live = generation.drain.enter();
    for (socket, peer) in listener.close().take(MOST) {
        admit(generation, at, socket, peer);
    }
    // Their sessions are counted from their first turn on.
    reactor::yield_now().await;
}

fn admit(generation: &Rc<Generation>, at: usize, socket: reactor::Socket, peer: os::SockAddr) {
    let Some(slot) = generation.connection() else { return };
    let listener = generation.plan.listener(at);
    let socket = Rc::new(socket);
    // Where addresses behind a wildcard have servers of their own, the one asked for decides.
    let local = if listener.addresses.len() > 1 { socket.local_addr().ok().map(net::address) } else { None };
    let accepted = Accepted {
        generation: Rc::clone(generation),
        listener: at,
        socket,
        client: net::address(peer),
        local,
        number: net::next_number(),
        at: reactor::now(),
        passes: 0,
        kept: None,
    };
    reactor::spawn(session::serve(Box::new(accepted), slot));
}

#[cfg(test)]
mod tests {
    use syntax::Level;

    use super::{severity, shares};

    #[test]
    fn what_the_system_runs_out_of_is_told_and_waited_for() {
        for number in [os::errno::EMFILE, os::errno::ENFILE, os::errno::ENOMEM, os::errno::ENOBUFS] {
            assert_eq!(severity(&std::io::Error::from_raw_os_error(number)), (Level::Crit, true));
        }
        assert_eq!(severity(&std::io::ErrorKind::ConnectionAborted.into()), (Level::Error, false));
        assert_eq!(severity(&std::io::ErrorKind::InvalidInput.into()), (Level::Alert, false));
    }

    #[test]
    fn every_socket_has_a_worker_and_every_worker_a_socket() {
        for workers in 1..6 {
            for sockets in 1..8 {
                let all: Vec<Vec<usize>> =
                    (0..workers).map(|worker| shares(worker, workers, sockets).collect()).collect();
                let mut seen = all.concat();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen, (0..sockets).collect::<Vec<_>>(), "{workers} workers");
                assert!(all.iter().all(|own| !own.is_empty()), "{workers} workers, {sockets} sockets");
            }
        }
    }
}

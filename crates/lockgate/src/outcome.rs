//! What came of a reload, told to the process that asked for it (`-s reload`): by a datagram to an address that its
//! process number makes. Other senders of the signal hear nothing, and miss nothing: all is in the log, too.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// How long an answer is waited for. A gateway of another kind gives none.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, bytes.
const LONGEST: usize = 4096;

fn address(asker: u32) -> std::io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("lockgate/reload/{asker}"))
}

/// The voice of a process that reloads. It is there from the start, so that it does not fail where descriptors run out.
#[derive(Debug)]
pub(crate) struct Voice(Option<UnixDatagram>);

impl Voice {
    /// Anybody may have taken the address and not read: nobody is waited for.
    pub(crate) fn new() -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        Self(socket.ok())
    }

    /// Tells the process `asker` that its reload was done, or why not.
    pub(crate) fn tell(&self, asker: u32, refusal: Option<&str>) {
        let text = refusal.unwrap_or_default();
        let text = text.get(..LONGEST).unwrap_or(text).as_bytes();
        if let (Some(socket), Ok(to)) = (&self.0, address(asker)) {
            // Whoever does not listen does not want to know.
            let _ = socket.send_to_addr(text, &to);
        }
    }
}

/// The ear of a process that is about to ask for a reload.
#[derive(Debug)]
pub(crate) struct Ear(UnixDatagram);

impl Ear {
    /// Listens. Without it the outcome stands in the log alone.
    pub(crate) fn open() -> Option<Self> {
        let socket = UnixDatagram::bind_addr(&address(std::process::id()).ok()?).ok()?;
        os::sender::ask(&socket).ok()?;
        Some(Self(socket))
    }

    /// Waits for the outcome: why the process `gateway` refused the reload, if it did. Anybody can send something here.
    pub(crate) fn refusal(self, gateway: u32) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        let mut room = [0; LONGEST];
        let length = loop {
            // None where there is no time left.
            self.0.set_read_timeout(Some(until.saturating_duration_since(Instant::now()))).ok()?;
            let (length, sender) = os::sender::receive(&self.0, &mut room).ok()?;
            if sender == gateway {
                break length;
            }
        };
        let text = String::from_utf8_lossy(room.get(..length)?).into_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asker_hears_what_came_of_it() {
        let voice = Voice::new();
        for refusal in [None, Some("because")] {
            let ear = Ear::open().unwrap();
            voice.tell(std::process::id(), refusal);
            assert_eq!(ear.refusal(std::process::id()).as_deref(), refusal);
        }
        // Nobody there: nothing happens.
        voice.tell(std::process::id(), Some("x"));
    }
}

//! What came of a reload, told to the process that asked for it (`-s reload`): by a datagram to an address that its
//! process number makes. Other senders of the signal hear nothing, and miss nothing: all is in the log, too.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How long an answer is waited for. A gateway of another kind gives none.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, bytes.
const LONGEST: usize = 4096;

fn address(asker: u32) -> std::io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("lockgate/reload/{asker}"))
}

/// Tells the process `asker` that its reload was done, or why not.
pub(crate) fn tell(asker: u32, refusal: Option<&str>) {
    let text = refusal.unwrap_or_default();
    let Ok(socket) = UnixDatagram::unbound() else { return };
    // Whoever does not listen does not want to know.
    let _ = address(asker).and_then(|to| socket.send_to_addr(text.get(..LONGEST).unwrap_or(text).as_bytes(), &to));
}

/// The ear of a process that is about to ask for a reload.
#[derive(Debug)]
pub(crate) struct Ear(UnixDatagram);

impl Ear {
    /// Listens. Without it the outcome stands in the log alone.
    pub(crate) fn open() -> Option<Self> {
        let socket = UnixDatagram::bind_addr(&address(std::process::id()).ok()?).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self(socket))
    }

    /// Waits for the outcome: why the reload was refused, if it was.
    pub(crate) fn refusal(self) -> Option<String> {
        let mut room = [0; LONGEST];
        let length = self.0.recv(&mut room).ok()?;
        let text = String::from_utf8_lossy(room.get(..length)?).into_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asker_hears_what_came_of_it() {
        for refusal in [None, Some("because")] {
            let ear = Ear::open().unwrap();
            tell(std::process::id(), refusal);
            assert_eq!(ear.refusal().as_deref(), refusal);
        }
        // Nobody there: nothing happens.
        tell(std::process::id(), Some("x"));
    }
}

//! The end of what the peer has said, to tell an alert that the library does not understand.

use std::io::{self, Read, Write};

/// An alert as a record by itself, not encrypted (RFC 8446 sections 5.1 and 6): type, version, length, level, description.
const LEN: usize = 7;

/// A socket of whose input the last bytes are remembered during the handshake.
pub(super) struct Tail<S> {
    pub(super) socket: S,
    last: Option<[u8; LEN]>,
}

impl<S> Tail<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, last: Some([0; LEN]) }
    }

    /// Remembers nothing any more.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Whether the peer has said in plain text that it is gone.
    fn is_given_up(&self) -> bool {
        const FATAL: u8 = 2;
        matches!(self.last, Some([0x15, 3, _, 0, 2, FATAL, _]))
    }

    /// The description of the alert in plain text that was the last to come, if one was.
    pub(super) fn alert(&self) -> Option<u8> {
        match self.last {
            Some([0x15, 3, _, 0, 2, _, description]) => Some(description),
            _ => None,
        }
    }
}

impl<S: Read> Read for Tail<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        if let Some(last) = &mut self.last {
            for byte in buffer.get(count.saturating_sub(LEN)..count).unwrap_or_default() {
                last.rotate_left(1);
                last[LEN - 1] = *byte;
            }
        }
        Ok(count)
    }
}

impl<S: Write> Write for Tail<S> {
    /// What a library says to an alert that it does not understand has nobody to hear it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_given_up() { Ok(bytes.len()) } else { self.socket.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_known_however_it_came() {
        let said = [&[0x17, 3, 3, 0, 1, 9][..], &[0x15, 3, 3, 0, 2, 2, 48]].concat();
        for piece in 1..=said.len() {
            let mut tail = Tail::new(&said[..]);
            while tail.read(&mut vec![0; piece]).unwrap() > 0 {}
            assert_eq!(tail.alert(), Some(48), "{piece}");
        }
        let mut tail = Tail::new(&said[..12]);
        tail.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(tail.alert(), None);
    }

    #[test]
    fn nobody_hears_an_answer_to_a_fatal_alert() {
        for (level, heard) in [(1, "yes"), (2, "")] {
            let (mut peer, socket) = std::os::unix::net::UnixStream::pair().unwrap();
            peer.write_all(&[0x15, 3, 3, 0, 2, level, 48]).unwrap();
            let mut tail = Tail::new(socket);
            assert_eq!(tail.read(&mut [0; 99]).unwrap(), LEN);
            assert_eq!(tail.write(b"yes").unwrap(), 3);
            drop(tail);
            let mut said = String::new();
            peer.read_to_string(&mut said).unwrap();
            assert_eq!(said, heard);
        }
    }
}

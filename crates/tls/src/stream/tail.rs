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
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
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
}

//! `ClientHello` messages by hand (RFC 8446 §4.1.2), sound ones and broken ones.

/// A hello under construction.
#[derive(Clone, Debug)]
pub struct Hello {
    version: [u8; 2],
    extensions: Vec<(u16, Vec<u8>)>,
    record: usize,
    no_extensions: bool,
}

impl Default for Hello {
    fn default() -> Self {
        Self::new()
    }
}

impl Hello {
    /// A TLS 1.2 hello without extensions, in one record.
    pub fn new() -> Self {
        Self { version: [3, 3], extensions: Vec::new(), record: 16_384, no_extensions: false }
    }

    /// A hello that asks for `name`.
    pub fn named(name: &str) -> Self {
        Self::new().name(name)
    }

    /// Sets the version bytes of the message.
    #[must_use]
    pub fn version(mut self, major: u8, minor: u8) -> Self {
        self.version = [major, minor];
        self
    }

    /// Adds a server name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        let mut body = vec![0];
        push_u16(&mut body, name.as_bytes());
        let mut list = Vec::new();
        push_u16(&mut list, &body);
        self.extension(0, list)
    }

    /// Adds the application protocols.
    #[must_use]
    pub fn alpn(self, protocols: &[&str]) -> Self {
        let mut body = Vec::new();
        for protocol in protocols {
            body.push(protocol.len() as u8);
            body.extend(protocol.as_bytes());
        }
        let mut list = Vec::new();
        push_u16(&mut list, &body);
        self.extension(16, list)
    }

    /// Adds the extension by which TLS 1.3 is offered.
    #[must_use]
    pub fn tls13(self) -> Self {
        self.extension(43, vec![2, 3, 4])
    }

    /// Adds any extension, its data as they are.
    #[must_use]
    pub fn extension(mut self, kind: u16, data: Vec<u8>) -> Self {
        self.extensions.push((kind, data));
        self
    }

    /// Splits the message into records of at most `size` bytes.
    #[must_use]
    pub fn records_of(mut self, size: usize) -> Self {
        self.record = size;
        self
    }

    /// Leaves the extensions block out altogether.
    #[must_use]
    pub fn without_extensions(mut self) -> Self {
        self.no_extensions = true;
        self
    }

    /// The handshake message, without record headers.
    pub fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_vec();
        body.extend([7; 32]);
        body.push(0);
        push_u16(&mut body, &[0x13, 0x01, 0xc0, 0x2f]);
        body.extend([1, 0]);
        if !self.no_extensions {
            let mut block = Vec::new();
            for (kind, data) in &self.extensions {
                block.extend(kind.to_be_bytes());
                push_u16(&mut block, data);
            }
            push_u16(&mut body, &block);
        }
        let mut message = vec![1, 0];
        push_u16(&mut message, &body);
        message
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in self.message().chunks(self.record) {
            out.extend([22, 3, 1]);
            push_u16(&mut out, part);
        }
        out
    }
}

/// Appends `bytes` after their length in two bytes.
fn push_u16(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::Hello;

    #[test]
    fn lengths_agree_with_the_bytes() {
        let bytes = Hello::named("a.test").alpn(&["h2"]).bytes();
        assert_eq!(bytes[..3], [22, 3, 1]);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[3], bytes[4]])), bytes.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[7], bytes[8]])), bytes.len() - 9);
    }

    #[test]
    fn splits_into_records() {
        let hello = Hello::named("a.test").records_of(10);
        let records = hello.message().len().div_ceil(10);
        assert_eq!(hello.bytes().len(), hello.message().len() + 5 * records);
    }
}

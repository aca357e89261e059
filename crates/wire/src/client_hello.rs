//! Looks for names in a TLS `ClientHello` (RFC 8446 section 4.1.2) that somebody else will answer.
//! Lenient where `ssl_preread` is: it neither validates the handshake nor speaks TLS.

#[cfg(test)]
mod tests;

const RECORD_HEADER: usize = 5;
const HANDSHAKE_RECORD: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// What the bytes seen so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A beginning of a hello; more bytes may complete it.
    NeedMore,
    /// No hello, or one too odd to be understood. Nothing learnt from it counts.
    NotTls,
    /// All there is to learn is known.
    Done,
}

/// What a `ClientHello` says, as far as it was read.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    version: [u8; 2],
    host: Option<Vec<u8>>,
    alpn: Option<Vec<u8>>,
}

impl Hello {
    /// A hello of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `bytes`, which are all the bytes from the start of the connection; what an earlier call learnt is forgotten.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        *self = Self::default();
        let mut machine = Machine::new(self);
        let mut rest = bytes;
        while let Some((&[kind, major, third, fourth, fifth], after)) = rest.split_first_chunk::<RECORD_HEADER>() {
            if kind & 0x80 != 0 && third == CLIENT_HELLO && matches!(fourth, 0 | 3) {
                machine.hello.version = [fourth, fifth];
                return Progress::Done;
            }
            if kind != HANDSHAKE_RECORD || major != 3 {
                return Progress::NotTls;
            }
            let length = u16::from_be_bytes([fourth, fifth]) as usize;
            let Some((record, next)) = after.split_at_checked(length) else { return Progress::NeedMore };
            match machine.record(record) {
                Progress::NeedMore => rest = next,
                known => return known,
            }
        }
        Progress::NeedMore
    }

    /// The name of the server as sent, possibly empty.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.host.as_deref()
    }

    /// The offered application protocols in the order of the client, joined by `,`.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The highest protocol version offered, where it has a name.
    pub fn protocol(&self) -> Option<&'static str> {
        Some(match self.version {
            [0, 2] => "SSLv2",
            [3, 0] => "SSLv3",
            [3, 1] => "TLSv1",
            [3, 2] => "TLSv1.1",
            [3, 3] => "TLSv1.2",
            [3, 4] => "TLSv1.3",
            _ => return None,
        })
    }
}

/// The item being read. Each has a size known before its first byte.
#[derive(Debug, Clone, Copy)]
enum Item {
    Header,
    Version,
    Random,
    SessionLength,
    Session,
    CiphersLength,
    Ciphers,
    CompressionLength,
    Compression,
    /// What comes before an extension: the length of them all, or the remains of the last one.
    BeforeExtension,
    ExtensionHeader,
    NamesLength,
    NameHeader,
    Name,
    ProtocolsLength,
    ProtocolLength,
    Protocol,
    VersionsLength,
}

/// Reads items that may be spread over several records.
struct Machine<'a> {
    hello: &'a mut Hello,
    item: Item,
    /// Bytes of the item still to come.
    missing: usize,
    /// Bytes of the handshake message still to come.
    budget: usize,
    /// Bytes of the list inside of the extension still to come.
    list: usize,
    /// The last bytes of a short item, the newest at the low end.
    number: u32,
    name: Vec<u8>,
}

impl<'a> Machine<'a> {
    fn new(hello: &'a mut Hello) -> Self {
        Self { hello, item: Item::Header, missing: 4, budget: 4, list: 0, number: 0, name: Vec::new() }
    }

    fn record(&mut self, mut bytes: &[u8]) -> Progress {
        loop {
            if matches!(self.item, Item::BeforeExtension) {
                bytes = self.skip(bytes);
            }
            let (part, rest) = bytes.split_at(self.missing.min(bytes.len()));
            bytes = rest;
            self.take(part);
            self.missing -= part.len();
            self.budget -= part.len();
            if self.missing != 0 {
                return Progress::NeedMore;
            }
            match self.finish() {
                Progress::NeedMore if self.missing > self.budget => return Progress::NotTls,
                Progress::NeedMore => {}
                known => return known,
            }
        }
    }

    /// Passes over extensions that are here as a whole and say nothing: most of a hello, one step each.
    fn skip<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        loop {
            let before = self.missing;
            let header = bytes.get(before..).and_then(|rest| rest.split_first_chunk::<4>());
            let Some((&[first, second, third, fourth], rest)) = header else { return bytes };
            let size = usize::from(u16::from_be_bytes([third, fourth]));
            let says = matches!(u16::from_be_bytes([first, second]), SERVER_NAME | ALPN | SUPPORTED_VERSIONS);
            match self.budget.checked_sub(before + 4) {
                Some(budget) if !says && size <= budget => (self.budget, self.missing) = (budget, size),
                _ => return bytes,
            }
            bytes = rest;
        }
    }

    fn take(&mut self, part: &[u8]) {
        match self.item {
            Item::Name | Item::Protocol => self.name.extend_from_slice(part),
            Item::Version => {
                // What is missing of it counts as zero meanwhile.
                self.number = part.iter().fold(self.number, |number, &byte| number << 8 | u32::from(byte));
                let missing = self.missing - part.len();
                if missing < 2 {
                    self.hello.version = ((self.number << (8 * missing)) as u16).to_be_bytes();
                }
            }
            Item::Random | Item::Session | Item::Ciphers | Item::Compression | Item::BeforeExtension => {}
            _ => self.number = part.iter().fold(self.number, |number, &byte| number << 8 | u32::from(byte)),
        }
    }

    fn next(&mut self, item: Item, size: usize) -> Progress {
        self.item = item;
        self.missing = size;
        Progress::NeedMore
    }

    /// The item is complete: draws its consequence and says which one is next.
    fn finish(&mut self) -> Progress {
        let number = std::mem::take(&mut self.number);
        let size = number as usize;
        match self.item {
            Item::Header if number >> 24 != u32::from(CLIENT_HELLO) => Progress::NotTls,
            Item::Header => {
                self.budget = size & 0x00ff_ffff;
                self.next(Item::Version, 2)
            }
            Item::Version => self.next(Item::Random, 32),
            Item::Random => self.next(Item::SessionLength, 1),
            Item::SessionLength => self.next(Item::Session, size),
            Item::Session => self.next(Item::CiphersLength, 2),
            Item::CiphersLength => self.next(Item::Ciphers, size),
            Item::Ciphers => self.next(Item::CompressionLength, 1),
            Item::CompressionLength => self.next(Item::Compression, size),
            Item::Compression | Item::BeforeExtension if self.budget == 0 => Progress::Done,
            Item::Compression => self.next(Item::BeforeExtension, 2),
            Item::BeforeExtension => self.next(Item::ExtensionHeader, 4),
            Item::ExtensionHeader => match (number >> 16) as u16 {
                SERVER_NAME if self.hello.host.is_none() => self.next(Item::NamesLength, 2),
                ALPN if self.hello.alpn.is_none() => self.next(Item::ProtocolsLength, 2),
                SUPPORTED_VERSIONS => self.next(Item::VersionsLength, 1),
                _ => self.next(Item::BeforeExtension, size & 0xffff),
            },
            Item::NamesLength => {
                self.list = size;
                self.next(Item::NameHeader, 3)
            }
            Item::NameHeader => {
                let (kind, length) = (number >> 16, size & 0xffff);
                match self.list.checked_sub(3 + length) {
                    Some(rest) if kind == 0 => {
                        self.list = rest;
                        self.next(Item::Name, length)
                    }
                    _ => Progress::NotTls,
                }
            }
            Item::Name => {
                self.hello.host = Some(std::mem::take(&mut self.name));
                self.next(Item::BeforeExtension, self.list)
            }
            Item::ProtocolsLength => {
                self.list = size;
                self.hello.alpn = Some(Vec::new());
                self.next(Item::ProtocolLength, 1)
            }
            Item::ProtocolLength => match self.list.checked_sub(1 + size) {
                Some(rest) if size != 0 => {
                    self.list = rest;
                    self.next(Item::Protocol, size)
                }
                _ => Progress::NotTls,
            },
            Item::Protocol => {
                let alpn = self.hello.alpn.get_or_insert_default();
                alpn.append(&mut self.name);
                if self.list == 0 {
                    return self.next(Item::BeforeExtension, 0);
                }
                alpn.push(b',');
                self.next(Item::ProtocolLength, 1)
            }
            Item::VersionsLength => {
                self.hello.version = [3, 4];
                self.next(Item::BeforeExtension, size)
            }
        }
    }
}

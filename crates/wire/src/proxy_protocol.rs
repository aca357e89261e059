//! The PROXY protocol header, versions 1 and 2, read and written as `nginx` does.
//! Whom to believe, and where the bytes come from, is the caller's business. Checksums are written, not verified.

mod encode;
#[cfg(test)]
mod tests;
mod tlv;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use encode::{SslInfo, V2, v1, v2};
pub use tlv::TlvError;

/// What every header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Why bytes are no acceptable header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Neither a header of version 1 nor the beginning of version 2.
    #[error("broken header")]
    Broken,
    /// The header claims more bytes than there are.
    #[error("header is too large")]
    TooLarge,
    /// The signature of version 2 with another version number.
    #[error("unknown PROXY protocol version: {0}")]
    UnknownVersion(u8),
    /// The header is shorter than the addresses of its family.
    #[error("the addresses are cut short")]
    ShortAddresses,
}

/// The two ends of the proxied connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Version 1: text as received, of the right letters only. Version 2: canonical text.
    pub source: String,
    /// Likewise.
    pub destination: String,
    /// Port of the source.
    pub source_port: u16,
    /// Port of the destination.
    pub destination_port: u16,
}

/// A header that was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    addresses: Option<Addresses>,
    tlvs: Vec<u8>,
}

impl Header {
    /// The addresses, unless the header is one without (UNKNOWN, LOCAL, an unsupported family).
    pub fn addresses(&self) -> Option<&Addresses> {
        self.addresses.as_ref()
    }

    /// The text of the source, and its port.
    pub fn source(&self) -> Option<(&str, u16)> {
        let addresses = self.addresses.as_ref()?;
        Some((&addresses.source, addresses.source_port))
    }

    /// The value called `name` as in `$proxy_protocol_tlv_<name>`. A header without addresses has no values and faults no name.
    pub fn tlv(&self, name: &str) -> Result<Option<Vec<u8>>, TlvError> {
        if self.addresses.is_none() { Ok(None) } else { tlv::named(&self.tlvs, name) }
    }
}

/// Reads the header at the start of `bytes`, which must hold it whole; also says how long it is.
pub fn parse(bytes: &[u8]) -> Result<(Header, usize), HeaderError> {
    match bytes.split_first_chunk::<16>() {
        Some((start, rest)) if start.starts_with(&SIGNATURE) => parse_v2(*start, rest),
        _ => parse_v1(bytes).ok_or(HeaderError::Broken),
    }
}

fn parse_v1(bytes: &[u8]) -> Option<(Header, usize)> {
    let rest = bytes.strip_prefix(b"PROXY ")?;
    if let Some(unknown) = rest.strip_prefix(b"UNKNOWN") {
        let line = unknown.windows(2).position(|pair| pair == b"\r\n")?;
        return Some((Header::default(), bytes.len() - unknown.len() + line + 2));
    }
    let rest = rest.strip_prefix(b"TCP4 ").or_else(|| rest.strip_prefix(b"TCP6 "))?;
    let (source, rest) = address(rest)?;
    let (destination, rest) = address(rest)?;
    let (source_port, rest) = port(rest, b' ')?;
    let (destination_port, rest) = port(rest, b'\r')?;
    let rest = rest.strip_prefix(b"\n")?;
    let addresses = Addresses { source, destination, source_port, destination_port };
    Some((Header { addresses: Some(addresses), tlvs: Vec::new() }, bytes.len() - rest.len()))
}

fn until(bytes: &[u8], separator: u8) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == separator)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    Some((text, bytes.get(end + 1..)?))
}

fn address(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (text, rest) = until(bytes, b' ')?;
    let fits = text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
    fits.then(|| (text.to_owned(), rest))
}

fn port(bytes: &[u8], separator: u8) -> Option<(u16, &[u8])> {
    let (text, rest) = until(bytes, separator)?;
    // `parse` would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    Some((text.parse().ok().filter(|_| digits)?, rest))
}

fn parse_v2(start: [u8; 16], rest: &[u8]) -> Result<(Header, usize), HeaderError> {
    let [.., version_command, family_transport, high, low] = start;
    if version_command >> 4 != 2 {
        return Err(HeaderError::UnknownVersion(version_command >> 4));
    }
    let length = u16::from_be_bytes([high, low]) as usize;
    let body = rest.get(..length).ok_or(HeaderError::TooLarge)?;
    let whole = start.len() + length;
    let header = match (version_command & 0x0f, family_transport) {
        (1, 0x11) => inet(body),
        (1, 0x21) => inet6(body),
        _ => return Ok((Header::default(), whole)),
    };
    Ok((header.ok_or(HeaderError::ShortAddresses)?, whole))
}

fn inet(body: &[u8]) -> Option<Header> {
    let (source, rest) = body.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    with_ports(Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), rest)
}

fn inet6(body: &[u8]) -> Option<Header> {
    let (source, rest) = body.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    with_ports(Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), rest)
}

fn with_ports(source: IpAddr, destination: IpAddr, rest: &[u8]) -> Option<Header> {
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, tlvs) = rest.split_first_chunk::<2>()?;
    let addresses = Addresses {
        source: source.to_string(),
        destination: destination.to_string(),
        source_port: u16::from_be_bytes(*source_port),
        destination_port: u16::from_be_bytes(*destination_port),
    };
    Some(Header { addresses: Some(addresses), tlvs: tlvs.to_vec() })
}

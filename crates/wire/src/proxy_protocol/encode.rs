//! Writes the headers that `proxy_protocol on` and `proxy_protocol v2` send to an upstream.

#[cfg(test)]
mod tests;

use std::net::{Ipv6Addr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};

use super::{SIGNATURE, tlv};

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Type, length and value of the checksum.
const CHECKSUM_TLV: usize = 3 + 4;
/// What stands for "not verified" where the client sent no certificate.
const NO_CERTIFICATE: u32 = 1;

/// What a header of version 2 tells.
#[derive(Debug, Clone, Default)]
pub struct V2 {
    /// The client; none for a unix socket.
    pub source: Option<SocketAddr>,
    /// Where the client connected to; none for a unix socket.
    pub destination: Option<SocketAddr>,
    /// UDP instead of TCP.
    pub datagram: bool,
    /// How the client speaks TLS, if it does.
    pub ssl: Option<SslInfo>,
}

/// What is told about the TLS connection of the client.
#[derive(Debug, Clone, Default)]
pub struct SslInfo {
    /// The name of the server that the client asked for.
    pub sni: Option<Vec<u8>>,
    /// The application protocol selected.
    pub alpn: Option<Vec<u8>>,
    /// The name of the protocol version, such as `TLSv1.3`.
    pub version: String,
    /// The name of the cipher.
    pub cipher: String,
    /// The result of the verification; counts only with a client certificate.
    pub verify: u32,
    /// The client has a certificate, be it from this connection or from the resumed session.
    pub client_cert: bool,
    /// The session was resumed.
    pub resumed: bool,
    /// The common name in the client's certificate.
    pub common_name: Option<String>,
    /// The signature algorithm of the server's certificate, such as `RSA-SHA256`.
    pub signature: Option<String>,
    /// The key of the server's certificate, such as `RSA2048`.
    pub key: Option<String>,
}

/// The header of version 1. An end that is none (a unix socket) leaves both unknown.
pub fn v1(source: Option<SocketAddr>, destination: Option<SocketAddr>) -> Vec<u8> {
    let (Some(source), Some(destination)) = (source, destination) else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

/// The header of version 2, its checksum last.
pub fn v2(header: &V2) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    let (command, family) = match header.source.zip(header.destination) {
        Some((source, destination)) => (0x21, addresses(&mut body, source, destination) << 4 | transport(header)),
        None => (0x20, 0),
    };
    if let Some(ssl) = &header.ssl {
        push_some(&mut body, tlv::AUTHORITY, ssl.sni.as_deref());
        push_some(&mut body, tlv::ALPN, ssl.alpn.as_deref());
        push(&mut body, tlv::SSL, &ssl_value(ssl));
    }
    let mut out = SIGNATURE.to_vec();
    out.extend([command, family]);
    out.extend(((body.len() + CHECKSUM_TLV) as u16).to_be_bytes());
    out.append(&mut body);
    out.extend([tlv::CRC32C, 0, 4]);
    let mut digest = CHECKSUM.digest();
    digest.update(&out);
    digest.update(&[0; 4]);
    out.extend(digest.finalize().to_be_bytes());
    out
}

fn transport(header: &V2) -> u8 {
    if header.datagram { 2 } else { 1 }
}

/// Writes both addresses in one family, and says which.
fn addresses(body: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) -> u8 {
    let (from, to) = (mapped(source), mapped(destination));
    let family = match (from.to_ipv4_mapped(), to.to_ipv4_mapped()) {
        (Some(from), Some(to)) if source.is_ipv4() == destination.is_ipv4() => {
            body.extend(from.octets());
            body.extend(to.octets());
            1
        }
        _ => {
            body.extend(from.octets());
            body.extend(to.octets());
            2
        }
    };
    body.extend(source.port().to_be_bytes());
    body.extend(destination.port().to_be_bytes());
    family
}

fn mapped(address: SocketAddr) -> Ipv6Addr {
    match address {
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped(),
        SocketAddr::V6(address) => *address.ip(),
    }
}

fn ssl_value(ssl: &SslInfo) -> Vec<u8> {
    let (flags, verify) = match (ssl.client_cert, ssl.resumed) {
        (false, _) => (0x01, NO_CERTIFICATE),
        (true, true) => (0x05, ssl.verify),
        (true, false) => (0x07, ssl.verify),
    };
    let mut value = vec![flags];
    value.extend(verify.to_be_bytes());
    push(&mut value, tlv::SSL_VERSION, ssl.version.as_bytes());
    push_some(&mut value, tlv::SSL_CN, ssl.common_name.as_ref().map(String::as_bytes));
    push(&mut value, tlv::SSL_CIPHER, ssl.cipher.as_bytes());
    push_some(&mut value, tlv::SSL_SIG_ALG, ssl.signature.as_ref().map(String::as_bytes));
    push_some(&mut value, tlv::SSL_KEY_ALG, ssl.key.as_ref().map(String::as_bytes));
    value
}

fn push_some(out: &mut Vec<u8>, kind: u8, value: Option<&[u8]>) {
    if let Some(value) = value {
        push(out, kind, value);
    }
}

/// Appends one element; a value that does not fit its length field is left out.
fn push(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if let Ok(length) = u16::try_from(value.len()) {
        out.push(kind);
        out.extend(length.to_be_bytes());
        out.extend_from_slice(value);
    }
}

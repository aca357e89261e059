//! What handshake messages tell in passing and the library does not afterwards: the algorithms of signatures, and the
//! name in the open part of an encrypted hello. Messages are read as they are; whether they are right is the library's
//! business.

use crate::hello;

#[cfg(test)]
mod tests;

const CLIENT_HELLO: u8 = 1;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_VERIFY: u8 = 15;

/// Curves by name, the only ones in use (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// The algorithm of our signature.
    pub(crate) ours: Option<u16>,
    /// The algorithm of the peer's.
    pub(crate) theirs: Option<u16>,
    /// The server name in the open `ClientHello`.
    pub(crate) open_name: Option<Box<[u8]>>,
}

impl Messages {
    /// Takes note of a message with its header, sent by us or by the peer.
    pub(crate) fn pass(&mut self, is_ours: bool, message: &[u8]) {
        let Some((&[kind, ..], body)) = message.split_first_chunk::<4>() else { return };
        let algorithm = match kind {
            CLIENT_HELLO if !is_ours => {
                self.open_name = server_name(body).map(Box::from);
                return;
            }
            SERVER_KEY_EXCHANGE => key_exchange(body),
            CERTIFICATE_VERIFY => signature(body),
            _ => return,
        };
        *(if is_ours { &mut self.ours } else { &mut self.theirs }) = algorithm;
    }
}

/// The algorithm before a signature that ends the message. TLS 1.1 and older name none.
fn signature(rest: &[u8]) -> Option<u16> {
    let (algorithm, signature) = rest.split_first_chunk::<2>()?;
    (vector::<2>(signature)?.1.is_empty()).then(|| u16::from_be_bytes(*algorithm))
}

/// The algorithm behind the parameters of a key agreement (RFC 8422 §5.4, RFC 5246 §7.4.3).
fn key_exchange(body: &[u8]) -> Option<u16> {
    let curve = || {
        let (&[kind, _, _], point) = body.split_first_chunk::<3>()?;
        signature(vector::<1>(point).filter(|_| kind == NAMED_CURVE)?.1)
    };
    let finite_field = || signature(vector::<2>(vector::<2>(vector::<2>(body)?.1)?.1)?.1);
    curve().or_else(finite_field)
}

/// The server name of a `ClientHello` (RFC 8446 §4.1.2).
fn server_name(body: &[u8]) -> Option<&[u8]> {
    const VERSION_AND_RANDOM: usize = 34;
    let (_, rest) = vector::<1>(body.get(VERSION_AND_RANDOM..)?)?;
    let (_, rest) = vector::<2>(rest)?;
    let (_, rest) = vector::<1>(rest)?;
    let (mut extensions, _) = vector::<2>(rest)?;
    loop {
        let (kind, rest) = extensions.split_first_chunk::<2>()?;
        let (content, rest) = vector::<2>(rest)?;
        if *kind == [0, 0] {
            return hello::host_name(content);
        }
        extensions = rest;
    }
}

/// A vector with a length of so many bytes, and what follows it.
fn vector<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

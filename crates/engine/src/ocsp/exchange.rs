//! One HTTP exchange with a responder, of bounded length. Ends when the peer does, when all that was announced has
//! come, or when the bound is reached.

use std::io;

use policy::address::Address;
use reactor::Socket;
use wire::ocsp::{Head, Refused};

use crate::net::sock_addr;

/// The most bytes of an answer that are read, its head included.
const LONGEST: usize = 16_384;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Ended {
    /// connect(2) failed.
    NotConnected(io::Error),
    /// A later call failed.
    Failed(&'static str, io::Error),
    /// The head did not come to its end.
    Early,
    /// The head is none.
    Refused(Refused),
}

/// The status code and the body.
pub(super) async fn exchange(peer: &Address, request: &[u8]) -> Result<(u16, Vec<u8>), Ended> {
    let to = sock_addr(peer);
    let socket = Socket::toward(&to).map_err(Ended::NotConnected)?;
    socket.connect(&to).await.map_err(|error| {
        let at_once = error.at_once();
        // The reference finds a refusal when it reads.
        if at_once { Ended::NotConnected(error.into()) } else { Ended::Failed("recv()", error.into()) }
    })?;
    socket.write_all(request).await.map_err(|error| Ended::Failed("send()", error))?;
    let mut bytes = vec![0; LONGEST];
    let (mut filled, mut head) = (0, None);
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match socket.read(room).await.map_err(|error| Ended::Failed("recv()", error))? {
            0 => break,
            count => filled += count,
        }
        if head.is_none() {
            head = Head::read(bytes.get(..filled).unwrap_or_default()).map_err(Ended::Refused)?;
        }
        let complete = |head: Head| head.length.is_some_and(|length| filled - head.body >= length);
        if head.is_some_and(complete) {
            break;
        }
    }
    bytes.truncate(filled);
    let Head { code, body, .. } = head.ok_or(Ended::Early)?;
    Ok((code, bytes.split_off(body)))
}

//! Asking name servers: over UDP in turn until one answers, over TCP what UDP cut short.
//!
//! Each round has a socket of its own, so that the source port is as random as the id.

use std::io;
use std::net::SocketAddr;

use reactor::Socket;
use syntax::Level;
use wire::dns::{Answer, Asked, Kind, Response};

use super::{ResolveError, Resolver};
use crate::log::errno;

/// After this many milliseconds the next server is asked.
const RESEND: u64 = 5_000;
/// The longest datagram that is understood.
const DATAGRAM: usize = 4096;
/// RCODEs (RFC 1035, section 4.1.1).
const SUCCESS: u16 = 0;
const FORMAT_ERROR: u16 = 1;
/// How long a server may take over TCP, milliseconds.
const TCP: u64 = 5_000;

/// Asks for every kind at once until all are answered or `wanted` says that nobody waits
/// (`None`). The first RCODE but success fails the whole.
pub(super) async fn ask(
    resolver: &Resolver,
    name: &str,
    kinds: &[Kind],
    wanted: impl Fn() -> bool,
) -> Option<Result<Vec<Answer>, ResolveError>> {
    let asked = |kind: &Kind| Asked::new(name, *kind, os::process::random() as u16);
    let asked: Option<Vec<Asked>> = kinds.iter().map(asked).collect();
    let Some(asked) = asked else { return Some(Err(ResolveError::Code(3))) };
    let mut answers: Vec<Option<Answer>> = vec![None; asked.len()];
    let mut failed_to_send = false;
    while wanted() {
        let server = *resolver.conf.servers.get(resolver.next_server())?;
        let started = reactor::now();
        match round(resolver, server, &asked, &mut answers).await {
            Ok(Some(error)) => return Some(Err(error)),
            Ok(None) => {}
            Err(error) => {
                resolver.say(Level::Error, &format!("send() failed{}", errno(&error)), server);
                if !failed_to_send {
                    failed_to_send = true;
                    continue;
                }
            }
        }
        if answers.iter().all(Option::is_some) {
            return Some(Ok(answers.into_iter().flatten().collect()));
        }
        // A server that refuses at once is not asked faster than one that is silent.
        let spent = reactor::now() - started;
        reactor::sleep(RESEND.saturating_sub(spent)).await;
    }
    None
}

/// One round with one server: an RCODE, or nothing when the round is over.
async fn round(
    resolver: &Resolver,
    server: SocketAddr,
    asked: &[Asked],
    answers: &mut [Option<Answer>],
) -> io::Result<Option<ResolveError>> {
    let socket = Socket::udp_connected(server)?;
    for (query, answer) in asked.iter().zip(answers.iter()) {
        if answer.is_none() {
            socket.try_write(&query.bytes)?;
        }
    }
    let listen = listen(resolver, server, &socket, asked, answers);
    reactor::timeout(RESEND, listen).await.unwrap_or(Ok(None))
}

async fn listen(
    resolver: &Resolver,
    server: SocketAddr,
    socket: &Socket,
    asked: &[Asked],
    answers: &mut [Option<Answer>],
) -> io::Result<Option<ResolveError>> {
    let mut buffer = vec![0; DATAGRAM];
    while answers.iter().any(Option::is_none) {
        let bytes = socket.read(&mut buffer).await?;
        let response = match Response::read(buffer.get(..bytes).unwrap_or_default()) {
            Ok(response) => response,
            Err(text) => {
                resolver.say(Level::Error, text, server);
                continue;
            }
        };
        let Some(at) = asked.iter().position(|query| query.is_answered_by(&response)) else {
            odd(resolver, server, asked, &response);
            continue;
        };
        let (Some(query), Some(slot)) = (asked.get(at), answers.get_mut(at)) else { continue };
        if slot.is_some() {
            continue;
        }
        let response = if response.is_truncated() { over_tcp(server, query).await? } else { response };
        match response.code() {
            SUCCESS => *slot = Some(query.answer(&response)),
            // The reference takes it for no answer: somebody else's query may have been malformed.
            FORMAT_ERROR => {
                let (id, name) = (response.id(), query.name());
                let text = format!("DNS error (1: Format error), query id:{id}, name:\"{name}\"");
                resolver.log.write(Level::Error, None, text.as_bytes());
            }
            code => return Ok(Some(ResolveError::Code(code))),
        }
    }
    Ok(None)
}

/// A response that answers nothing we asked: somebody guesses, or a server is late.
fn odd(resolver: &Resolver, server: SocketAddr, asked: &[Asked], response: &Response) {
    let name = response.question();
    let text = if asked.iter().any(|query| query.has_id(response.id())) {
        format!("unexpected DNS response for {name}")
    } else {
        format!("wrong ident {} in DNS response for {name}", response.id())
    };
    resolver.say(Level::Error, &text, server);
}

/// The same query over TCP (RFC 1035, section 4.2.2).
async fn over_tcp(server: SocketAddr, query: &Asked) -> io::Result<Response> {
    let exchange = async {
        let socket = Socket::tcp_connect(server).await?;
        let length = u16::try_from(query.bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut out = length.to_be_bytes().to_vec();
        out.extend_from_slice(&query.bytes);
        socket.write_all(&out).await?;
        let mut length = [0; 2];
        read_exact(&socket, &mut length).await?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        read_exact(&socket, &mut bytes).await?;
        let response = Response::read(&bytes).map_err(|text| io::Error::new(io::ErrorKind::InvalidData, text))?;
        if query.is_answered_by(&response) { Ok(response) } else { Err(io::ErrorKind::InvalidData.into()) }
    };
    reactor::timeout(TCP, exchange).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

async fn read_exact(socket: &Socket, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match socket.read(room).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => filled += bytes,
        }
    }
    Ok(())
}

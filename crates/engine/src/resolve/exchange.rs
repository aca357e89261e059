//! Asking name servers: over UDP in turn until one answers, over TCP what UDP cut short.
//!
//! Each round has a socket of its own, so that the source port is as random as the id.

use std::io;
use std::net::SocketAddr;

use hickory_proto::op::{Message, ResponseCode};
use reactor::Socket;
use syntax::Level;

use super::message::{self, Answer, Asked, Kind};
use super::{ResolveError, Resolver};
use crate::log::errno;

/// After this many milliseconds the next server is asked.
const RESEND: u64 = 5_000;
/// The longest datagram that is understood.
const DATAGRAM: usize = 4096;
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
    let asked: Option<Vec<Asked>> = kinds.iter().map(|kind| Asked::new(name, *kind)).collect();
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
        let message = match message::read(buffer.get(..bytes).unwrap_or_default()) {
            Ok(message) => message,
            Err(text) => {
                resolver.say(Level::Error, &text, server);
                continue;
            }
        };
        let Some(at) = asked.iter().position(|query| query.is_answered_by(&message)) else {
            odd(resolver, server, asked, &message);
            continue;
        };
        let (Some(query), Some(slot)) = (asked.get(at), answers.get_mut(at)) else { continue };
        if slot.is_some() {
            continue;
        }
        let message = if message.metadata.truncation { over_tcp(server, query).await? } else { message };
        let code = u16::from(message.metadata.response_code);
        if message.metadata.response_code == ResponseCode::FormErr {
            // The reference takes it for no answer: somebody else's query may have been malformed.
            let (id, name) = (message.metadata.id, query.name());
            let text = format!("DNS error (1: Format error), query id:{id}, name:\"{name}\"");
            resolver.log.write(Level::Error, None, text.as_bytes());
            continue;
        }
        if message.metadata.response_code != ResponseCode::NoError {
            return Ok(Some(ResolveError::Code(code)));
        }
        *slot = Some(message::answer(query, &message));
    }
    Ok(None)
}

/// A response that answers nothing we asked: somebody guesses, or a server is late.
fn odd(resolver: &Resolver, server: SocketAddr, asked: &[Asked], message: &Message) {
    let name = message.queries.first().map(|query| query.name.to_ascii()).unwrap_or_default();
    let text = if asked.iter().any(|query| query.has_id(message.metadata.id)) {
        format!("unexpected DNS response for {name}")
    } else {
        format!("wrong ident {} in DNS response for {name}", message.metadata.id)
    };
    resolver.say(Level::Error, &text, server);
}

/// The same query over TCP (RFC 1035, section 4.2.2).
async fn over_tcp(server: SocketAddr, query: &Asked) -> io::Result<Message> {
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
        let message = message::read(&bytes).map_err(|text| io::Error::new(io::ErrorKind::InvalidData, text))?;
        if query.is_answered_by(&message) { Ok(message) } else { Err(io::ErrorKind::InvalidData.into()) }
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

//! Asking name servers: over UDP in turn until one answers, over TCP what UDP cut short.
//!
//! Each query has a socket of its own, so that the source port is as random as the id.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use reactor::Socket;
use syntax::Level;
use wire::dns::{Answer, Asked, Kind, Response};

use super::servers::Server;
use super::{ResolveError, Resolver};
use crate::counters::{self, Counter};
use crate::log::errno;

/// After this many milliseconds the next server is asked.
const RESEND: u64 = 5_000;
/// The longest datagram that is understood.
const DATAGRAM: usize = 4096;
/// RCODEs (RFC 1035, section 4.1.1).
const SUCCESS: u16 = 0;
const FORMAT_ERROR: u16 = 1;
const REFUSED: u16 = 5;
/// How long a server may take over TCP, milliseconds.
const TCP: u64 = 5_000;

/// A query that waits for its answer, which goes to this place, on a port of its own.
struct Open {
    query: Asked,
    socket: Socket,
    at: usize,
    /// Whether it puts a question again, in lower case.
    again: bool,
}

impl Open {
    /// Sends a query whose id and port nobody else knows; `None` where the name is no domain name.
    fn send(server: SocketAddr, (name, kind): (&str, Kind), mix: u64, at: usize) -> io::Result<Option<Self>> {
        let Some(query) = Asked::new(name, kind, os::process::random() as u16, mix) else { return Ok(None) };
        let socket = Socket::udp_connected(server)?;
        socket.try_write(&query.bytes)?;
        counters::count(Counter::Questions);
        Ok(Some(Self { query, socket, at, again: false }))
    }
}

/// Asks for every kind at once until all are answered or `wanted` says that nobody waits
/// (`None`). The first RCODE but success fails the whole.
pub(super) async fn ask(
    resolver: &Resolver,
    name: &str,
    kinds: &[Kind],
    wanted: impl Fn() -> bool,
) -> Option<Result<Vec<Answer>, ResolveError>> {
    let mut answers: Vec<Option<Answer>> = vec![None; kinds.len()];
    let mut refused = 0;
    while wanted() {
        let started = reactor::now();
        let server = resolver.servers.next(started)?;
        match round(resolver, server, (name, kinds), &mut answers).await {
            Ok(Some(error)) => return Some(Err(error)),
            Ok(None) => {}
            Err(error) => {
                server.broke();
                // That this machine has no socket left is not the server's fault.
                if !crate::net::has_run_out(&error) {
                    server.failed(reactor::now());
                }
                resolver.say(Level::Error, &format!("send() failed{}", errno(&error)), server.address);
                refused += 1;
                if refused <= resolver.servers.len() {
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
    server: &Server,
    (name, kinds): (&str, &[Kind]),
    answers: &mut [Option<Answer>],
) -> io::Result<Option<ResolveError>> {
    let mut open = Vec::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate().filter(|(at, _)| answers.get(*at).is_some_and(Option::is_none)) {
        let mix = server.mix(os::process::random());
        match Open::send(server.address, (name, *kind), mix, at)? {
            Some(sent) => {
                server.asked();
                open.push(sent);
            }
            None => return Ok(Some(ResolveError::NOT_FOUND)),
        }
    }
    let put = reactor::now();
    let heard = reactor::timeout(RESEND, listen(resolver, (server, name), &mut open, answers)).await;
    if heard.is_err() {
        server.silent(put, reactor::now());
    }
    heard.unwrap_or(Ok(None))
}

async fn listen(
    resolver: &Resolver,
    (server, name): (&Server, &str),
    open: &mut Vec<Open>,
    answers: &mut [Option<Answer>],
) -> io::Result<Option<ResolveError>> {
    let mut buffer = vec![0; DATAGRAM];
    let mut useless = false;
    while !open.is_empty() {
        let (place, bytes) = std::future::poll_fn(|_| receive(open, &mut buffer)).await?;
        let Some(Open { query, at, again, .. }) = open.get(place) else { continue };
        let response = match Response::read(buffer.get(..bytes).unwrap_or_default()) {
            Ok(response) => response,
            Err(text) => {
                resolver.say_seldom(|| text);
                reactor::yield_now().await;
                continue;
            }
        };
        if !query.is_answered_by(&response) {
            odd(resolver, query, &response);
            // A flood of guesses must not keep the thread from its sessions.
            reactor::yield_now().await;
            continue;
        }
        let Some(response) = judged(server, query, response).await? else {
            // The same in lower case: a server may know no other.
            let Some(plain) = Open::send(server.address, (name, query.kind), 0, *at)? else {
                return Ok(Some(ResolveError::NOT_FOUND));
            };
            open.push(Open { again: true, ..plain });
            open.swap_remove(place);
            continue;
        };
        if *again && response.code() == SUCCESS {
            server.loses_case();
        }
        server.answered(reactor::now(), query.is_mixed() && response.code() == SUCCESS);
        match response.code() {
            SUCCESS => {
                useless |= tells_nothing(resolver, query, &response);
                if let Some(slot) = answers.get_mut(*at) {
                    *slot = Some(query.answer(&response));
                }
                open.swap_remove(place);
            }
            // The reference takes it for no answer: somebody else's query may have been malformed.
            FORMAT_ERROR => {
                let (id, name) = (response.id(), query.name());
                let text = format!("DNS error (1: Format error), query id:{id}, name:\"{name}\"");
                resolver.log.write(Level::Error, None, text.as_bytes());
            }
            // Nor are those an answer that have nothing to do with names.
            code if code > REFUSED => {
                let text = format!("DNS error ({code}: Unknown error), query id:{}", response.id());
                resolver.log.write(Level::Error, None, text.as_bytes());
            }
            code => return Ok(Some(ResolveError::Code(code))),
        }
    }
    if useless && answers.iter().flatten().all(Answer::is_empty) {
        // No family is known: the queries are sent again.
        answers.fill(None);
        return std::future::pending().await;
    }
    Ok(None)
}

/// The next datagram for any of the queries: which one, and how many bytes.
fn receive(open: &[Open], buffer: &mut [u8]) -> Poll<io::Result<(usize, usize)>> {
    for (place, one) in open.iter().enumerate() {
        if let Poll::Ready(received) = one.socket.poll_read(buffer) {
            return Poll::Ready(received.map(|bytes| (place, bytes)));
        }
    }
    Poll::Pending
}

/// The response to believe: the one that came, or a longer or surer one over TCP. `None` asks for the question to be
/// put again in lower case.
async fn judged(server: &Server, query: &Asked, response: Response) -> io::Result<Option<Response>> {
    if !query.keeps_case(&response) {
        // Who guesses answers over UDP cannot do so over TCP.
        let surely = over_tcp(server.address, query).await;
        if surely.is_err() {
            server.loses_case();
        }
        return Ok(surely.ok());
    }
    let response = if response.is_truncated() {
        crate::net::next_number();
        over_tcp(server.address, query).await?
    } else {
        response
    };
    let failed = !matches!(response.code(), SUCCESS | FORMAT_ERROR);
    Ok((!(failed && query.is_mixed() && !server.keeps_case())).then_some(response))
}

/// Whether there is nothing in a response but records that were not asked for, which is no answer. Such records are
/// told.
fn tells_nothing(resolver: &Resolver, query: &Asked, response: &Response) -> bool {
    let Some((kind, only)) = response.unexpected(query.kind) else { return false };
    resolver.say_seldom(|| match query.kind {
        Kind::A | Kind::Aaaa if only => "no A or CNAME types in DNS response".to_owned(),
        _ => format!("unexpected RR type {kind} in DNS response"),
    });
    only
}

/// A response that does not answer `query`: somebody guesses, or a server is late.
fn odd(resolver: &Resolver, query: &Asked, response: &Response) {
    resolver.say_seldom(|| {
        let name = response.question();
        let name = name.strip_suffix('.').unwrap_or(&name);
        if name == query.name() {
            format!("wrong ident {} in DNS response for {name}, expect {}", response.id(), query.id())
        } else {
            format!("unexpected DNS response for {name}")
        }
    });
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

//! Content: `proxy_pass`. Choose a group, connect to a peer of it, relay, account.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use config::family::proxy::{HeaderVersion, Pass, Rate};
use policy::address::Address;
use reactor::Socket;
use syntax::Level;

use super::fail::Cause;
use super::{Action, Phase, Session, overload, upstream_tls};
use crate::counters::{self, Counter};
use crate::log::errno;
use crate::relay::{self, End, Flow, Limit, Manner, Report, Side, Stop, Way};
use crate::upstream::{Attempt, Group, Picked, Picker};

/// Proxies `client`.
pub(super) async fn run(s: &Session, client: &mut End, pass: &Pass) -> Phase {
    s.doing(Action::None);
    s.start_proxying();
    // Over soon, so it lives on the heap meanwhile.
    let (group, mut upstream, picked) = overload::within(s, reach(s, pass)).await?;
    s.doing(Action::Proxying);
    let stop = carry(s, client, &mut upstream).await;
    let done = stopped(s, &stop);
    s.finish_attempt();
    picked.release(s.attempt_first_byte(), s.attempt_time());
    if let End::Tls(end) = &mut upstream {
        if let (Some(key), Some(session)) = (end.remember.take(), end.stream.borrow_mut().take_session()) {
            group.remember(key, session);
        }
        end.say_goodbye();
    }
    done
}

/// Finds the group and connects to a peer of it.
async fn reach(s: &Session, pass: &Pass) -> Phase<(Rc<Group>, End, Picked)> {
    let group = super::content::group(s, pass).await?;
    let (upstream, picked) = connect(s, &group).await?;
    Ok((group, upstream, picked))
}

/// Why one attempt came to nothing.
enum Missed {
    /// Another peer may be tried; what there is to say is said.
    Peer,
    /// The session ends.
    Session(Cause),
}

impl From<Cause> for Missed {
    fn from(cause: Cause) -> Self {
        Self::Session(cause)
    }
}

/// Connects to a peer of `group`, trying others as `proxy_next_upstream` allows.
async fn connect(s: &Session, group: &Rc<Group>) -> Phase<(End, Picked)> {
    let proxy = &s.server().conf.proxy;
    let started = reactor::now();
    let mut picker = Picker::new(group, |key| s.render(key));
    let mut tries = picker.tries();
    if proxy.next_upstream_tries > 0 {
        tries = tries.min(proxy.next_upstream_tries);
    }
    loop {
        s.doing(Action::Connecting);
        let Some(picked) = picker.pick() else {
            s.attempts.borrow_mut().push(Attempt::new(Arc::clone(&group.name)));
            return Err(Cause::NoLiveUpstreams);
        };
        s.start_attempt(Attempt::new(Arc::clone(&picked.name)));
        match attempt(s, group, &picked).await {
            Ok(end) => {
                picked.connected(s.attempt_time());
                s.connected();
                return Ok((end, picked));
            }
            Err(Missed::Session(cause)) => {
                s.finish_attempt();
                return Err(cause);
            }
            Err(Missed::Peer) => {}
        }
        counters::count(Counter::UpstreamsFailed);
        if picked.failed() {
            s.log(Level::Warn, format_args!("upstream server temporarily disabled"));
        }
        s.finish_attempt();
        tries = tries.saturating_sub(1);
        let late = proxy.next_upstream_timeout > 0 && reactor::now() - started >= proxy.next_upstream_timeout;
        if tries == 0 || !proxy.next_upstream || late {
            return Err(Cause::Told(502));
        }
    }
}

/// One attempt: connect, PROXY header, TLS.
async fn attempt(s: &Session, group: &Rc<Group>, picked: &Picked) -> Result<End, Missed> {
    let server = s.server();
    let socket = match prepare(s, &picked.address) {
        Ok(socket) => socket,
        Err(cause) => return Err(Missed::Session(cause)),
    };
    let to = crate::net::sock_addr(&picked.address);
    let connecting = Socket::connect(socket, &to);
    let socket = match reactor::timeout(server.conf.proxy.connect_timeout, connecting).await {
        Ok(Ok(socket)) => Rc::new(socket),
        Ok(Err(error)) => {
            let call = if error.at_once() {
                format!("connect() to {} failed", picked.name)
            } else {
                "connect() failed".to_owned()
            };
            s.log(connect_level(error.as_io()), format_args!("{call}{}", errno(error.as_io())));
            return Err(Missed::Peer);
        }
        Err(_elapsed) => {
            s.log(Level::Error, format_args!("upstream timed out (110: Connection timed out)"));
            return Err(Missed::Peer);
        }
    };
    if server.conf.core.tcp_nodelay && matches!(picked.address, Address::Inet(_)) {
        socket.set_nodelay();
    }
    match server.tls.client.current() {
        None => {
            announce(s, &socket, picked);
            Ok(End::Plain(socket))
        }
        Some(context) => {
            if server.conf.proxy.protocol != HeaderVersion::Off {
                send_header(s, &socket)?;
            }
            counters::count(Counter::UpstreamHandshakes);
            let shaken = upstream_tls::handshake(s, &context, group, picked, Rc::clone(&socket)).await;
            let shaken = shaken.inspect_err(|_| counters::count(Counter::UpstreamHandshakesFailed));
            let end = shaken.map_err(|cause| cause.map_or(Missed::Peer, Missed::Session))?;
            announce(s, &socket, picked);
            Ok(end)
        }
    }
}

/// The level of a failed connect: what the network does is an error, what the machine does is
/// critical.
fn connect_level(error: &io::Error) -> Level {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::NetworkDown
        | Kind::NetworkUnreachable
        | Kind::HostUnreachable
        | Kind::TimedOut
        | Kind::WouldBlock => Level::Error,
        _ => Level::Crit,
    }
}

/// A socket for a peer at `to`, bound where `proxy_bind` says.
fn prepare(s: &Session, to: &Address) -> Phase<OwnedFd> {
    let proxy = &s.server().conf.proxy;
    let socket =
        crate::upstream::socket(to, s.is_udp()).map_err(|error| Cause::Socket("socket()".to_owned(), error))?;
    if proxy.socket_keepalive {
        let _ = os::options::set_keepalive(&socket, true);
    }
    if proxy.socket_rcvbuf > 0 {
        let _ = os::options::set_rcvbuf(&socket, proxy.socket_rcvbuf);
    }
    if proxy.socket_sndbuf > 0 {
        let _ = os::options::set_sndbuf(&socket, proxy.socket_sndbuf);
    }
    super::content::bind(s, &socket, to)?;
    Ok(socket)
}

/// A datagram socket to a peer of `group`. There is no answer to wait for, so there is no other
/// attempt either.
pub(super) fn connect_datagrams(s: &Session, group: &Rc<Group>) -> Phase<(Socket, Picked)> {
    s.doing(Action::Connecting);
    let Some(picked) = Picker::new(group, |key| s.render(key)).pick() else {
        s.attempts.borrow_mut().push(Attempt::new(Arc::clone(&group.name)));
        return Err(Cause::NoLiveUpstreams);
    };
    s.start_attempt(Attempt::new(Arc::clone(&picked.name)));
    let socket = prepare(s, &picked.address)?;
    let connected = os::socket::connect(&socket, &crate::net::sock_addr(&picked.address));
    connected.map_err(|error| Cause::Socket(format!("connect() to {}", picked.name), error))?;
    let socket = Socket::datagram(socket);
    picked.connected(0);
    s.connected();
    announce(s, &socket, &picked);
    Ok((socket, picked))
}

/// `proxy L:P connected to A`.
fn announce(s: &Session, socket: &Socket, picked: &Picked) {
    if !s.server().error_log.admits(Level::Info) {
        return;
    }
    let udp = if s.is_udp() { "udp " } else { "" };
    let local = socket.local_addr().map_or_else(|_| String::new(), |local| crate::net::address(local).to_string());
    s.log_plain(Level::Info, format_args!("{udp}proxy {local} connected to {}", picked.name));
}

/// The PROXY header for the upstream, if one is asked for.
pub(super) fn header(s: &Session) -> Vec<u8> {
    match s.server().conf.proxy.protocol {
        HeaderVersion::Off => Vec::new(),
        version => s.proxy_header(version == HeaderVersion::V2),
    }
}

/// Sends the PROXY header before the upstream's handshake.
fn send_header(s: &Session, socket: &Socket) -> Phase {
    let header = header(s);
    match socket.try_write(&header) {
        Ok(sent) => {
            s.to_upstream.set(s.to_upstream.get() + sent as u64);
            if sent == header.len() { Ok(()) } else { Err(Cause::HeaderNotSent) }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Cause::HeaderNotSent),
        Err(error) => {
            s.log_failed(Level::Error, "send()", &error);
            Err(Cause::Told(500))
        }
    }
}

/// Relays between the two ends, beginning with what goes out before anything that is read.
fn carry<'a>(s: &'a Session, client: &'a mut End, upstream: &'a mut End) -> impl Future<Output = Stop> + 'a {
    let proxy = &s.server().conf.proxy;
    let mut first = if matches!(upstream, End::Plain(_)) { header(s) } else { Vec::new() };
    if let Some(rare) = s.rare_if_any() {
        first.append(&mut rare.consumed.borrow_mut());
    }
    let up = Flow::new(&s.received, &s.to_upstream, first, limit(s, proxy.upload_rate.as_ref()));
    let down = Flow::new(&s.from_upstream, &s.sent, Vec::new(), limit(s, proxy.download_rate.as_ref()));
    let manner = Manner { idle: proxy.timeout, hold: proxy.buffer_size, half_close: proxy.half_close };
    relay::run(client, upstream, (up, down), manner, Told(s))
}

/// Says how the relay ended.
fn stopped(s: &Session, stop: &Stop) -> Phase {
    let side = match stop {
        Stop::Idle => return Err(Cause::RelayTimeout),
        Stop::Broken(_) => return Ok(()),
        Stop::Ended(Side::Client) => "client",
        Stop::Ended(Side::Upstream) => "upstream",
    };
    s.log_plain(
        Level::Info,
        format_args!(
            "{side} disconnected, bytes from/to client:{}/{}, bytes from/to upstream:{}/{}",
            s.received.get(),
            s.sent.get(),
            s.from_upstream.get(),
            s.to_upstream.get()
        ),
    );
    Ok(())
}

fn limit(s: &Session, rate: Option<&Rate>) -> Option<Limit> {
    let rate = match rate? {
        Rate::Fixed(rate) => *rate,
        Rate::Evaluated(template) => {
            let text = s.render(template);
            let size = syntax::scalar::size(&text);
            if size.is_none() && !text.is_empty() {
                s.log(Level::Error, format_args!("invalid size \"{}\"", String::from_utf8_lossy(&text)));
            }
            size.unwrap_or(0)
        }
    };
    (rate > 0).then(|| Limit::new(rate, reactor::now()))
}

/// What the relay tells, as log lines of the session.
struct Told<'a>(&'a Session);

impl Report for Told<'_> {
    fn failed(&self, side: Side, way: Way, error: &io::Error) {
        let (action, level) = match (side, way) {
            (Side::Client, Way::From) => (Action::ReadingClient, Level::Info),
            (Side::Client, Way::To) => (Action::SendingClient, Level::Info),
            (Side::Upstream, Way::From) => (Action::ReadingUpstream, Level::Error),
            (Side::Upstream, Way::To) => (Action::SendingUpstream, Level::Error),
        };
        self.0.doing(action);
        let call = if way == Way::From { "recv()" } else { "send()" };
        self.0.log_failed(level, call, error);
        self.0.doing(Action::Proxying);
    }

    fn first_byte(&self) {
        self.0.first_byte();
    }
}

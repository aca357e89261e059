//! Content: reaching an upstream. Find the group, connect to a peer of it, try others where one fails.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;

use config::family::proxy::{HeaderVersion, Pass};
use policy::address::{self, Address};
use reactor::Socket;
use syntax::Level;

use super::early::Early;
use super::fail::Cause;
use super::{Action, Phase, Session, content, preread, upstream_tls};
use crate::counters::{self, Counter};
use crate::log::{errno, text_of};
use crate::relay::{End, Moment};
use crate::upstream::{Attempt, Datagrams, Group, Picked, Picker};

/// An upstream that was reached.
pub(super) struct Reached {
    /// The group.
    pub(super) group: Rc<Group>,
    /// The connection.
    pub(super) upstream: End,
    /// The peer.
    pub(super) picked: Picked,
    /// What goes there before anything that is read from the client from now on.
    pub(super) first: Vec<u8>,
    /// The second in which the content phase began.
    pub(super) began: i64,
}

/// Finds the group and connects to a peer of it.
pub(super) async fn run(s: &Session, client: &mut End, pass: &Pass) -> Phase<Reached> {
    let began = Moment::now().second;
    let local = local(s);
    let mut early = Early::new(s, client);
    let group = early.during(s, content::group(s, pass)).await?;
    let (upstream, picked, first) = connect(s, &group, local.as_ref(), &mut early).await?;
    // It is part of `first`.
    drop(preread::said(s, client));
    Ok(Reached { group, upstream, picked, first, began })
}

/// What `proxy_bind` comes to for one session.
pub(super) struct Local {
    address: SocketAddr,
    /// As it was given.
    text: String,
    transparent: bool,
}

/// Evaluates `proxy_bind`, once for all attempts.
pub(super) fn local(s: &Session) -> Option<Local> {
    let bind = s.server().conf.proxy.bind.as_ref()?;
    let value = s.render(&bind.address);
    if value.is_empty() {
        return None;
    }
    let text = text_of(&value);
    let Some(address) = address::parse_ip_port(&value) else {
        s.log(Level::Error, format_args!("invalid local address \"{text}\""));
        return None;
    };
    Some(Local { address, text, transparent: bind.transparent })
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

/// The attempts of one session, as `proxy_next_upstream` allows them.
struct Attempts<'a> {
    s: &'a Session,
    group: &'a Rc<Group>,
    picker: Picker,
    left: usize,
    /// Loop time at which the first one began.
    started: u64,
}

impl<'a> Attempts<'a> {
    fn new(s: &'a Session, group: &'a Rc<Group>) -> Self {
        let picker = Picker::new(group, |key| s.render(key));
        let most = s.server().conf.proxy.next_upstream_tries;
        let left = if most > 0 { picker.tries().min(most) } else { picker.tries() };
        Self { s, group, picker, left, started: reactor::now() }
    }

    /// Begins the next one.
    fn begin(&mut self) -> Phase<Picked> {
        self.s.doing(Action::Connecting);
        let Some(picked) = self.picker.pick() else {
            self.s.start_attempt(Attempt::new(Arc::clone(&self.group.name)));
            return Err(Cause::NoLiveUpstreams);
        };
        self.s.start_attempt(Attempt::new(Arc::clone(&picked.name)));
        Ok(picked)
    }

    /// Ends one that came to nothing; an error where it was the last.
    fn missed(&mut self, picked: &Picked) -> Phase {
        let s = self.s;
        counters::count(Counter::UpstreamsFailed);
        if picked.failed() {
            s.log(Level::Warn, format_args!("upstream server temporarily disabled"));
        }
        s.finish_attempt();
        self.left = self.left.saturating_sub(1);
        let proxy = &s.server().conf.proxy;
        let late = proxy.next_upstream_timeout > 0 && reactor::now() - self.started >= proxy.next_upstream_timeout;
        if self.left == 0 || !proxy.next_upstream || late { Err(Cause::Told(502)) } else { Ok(()) }
    }
}

/// Connects to a peer of `group`.
async fn connect(
    s: &Session,
    group: &Rc<Group>,
    local: Option<&Local>,
    early: &mut Early<'_>,
) -> Phase<(End, Picked, Vec<u8>)> {
    let mut attempts = Attempts::new(s, group);
    loop {
        let picked = attempts.begin()?;
        match attempt(s, group, &picked, local, early).await {
            Ok((end, first)) => {
                picked.connected(s.attempt_time());
                s.connected();
                return Ok((end, picked, first));
            }
            Err(Missed::Session(cause)) => return Err(cause),
            Err(Missed::Peer) => attempts.missed(&picked)?,
        }
    }
}

/// One attempt: connect, PROXY header, TLS; what is left of that which goes first.
async fn attempt(
    s: &Session,
    group: &Rc<Group>,
    picked: &Picked,
    local: Option<&Local>,
    early: &mut Early<'_>,
) -> Result<(End, Vec<u8>), Missed> {
    let server = s.server();
    let context = server.tls.client.current();
    let to = crate::net::sock_addr(&picked.address);
    let socket = prepare(s, stream(s, &to, local), local)?;
    let speaks = context.is_some() || goes_first(s, &early.bytes);
    if speaks && matches!(picked.address, Address::Inet(_)) {
        // It shares the packet that completes the connection; without that nothing is lost.
        let _ = os::options::set_no_quickack(&socket);
    }
    let mut words = if speaks && context.is_none() && reactor::is_near(&to) {
        first(s, header(s), &early.bytes)
    } else {
        Vec::new()
    };
    let connecting = early.during(s, socket.connect_saying(&to, &words));
    let said = match reactor::timeout(server.conf.proxy.connect_timeout, connecting).await {
        Ok(Ok(said)) => {
            s.to_upstream.set(said as u64);
            said
        }
        Ok(Err(error)) => {
            tell_failed(s, picked, error.as_io(), error.at_once());
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
    match context {
        None => {
            announce(s, &socket, picked);
            // Where it was waited for, the client may have said more.
            let first = if said > 0 { words.split_off(said) } else { first(s, header(s), &early.bytes) };
            Ok((End::Plain(socket), first))
        }
        Some(context) => {
            if server.conf.proxy.protocol != HeaderVersion::Off {
                send_header(s, &socket)?;
            }
            // nginx waits for each connection, and has read from the client when one is there.
            if matches!(picked.address, Address::Inet(_)) {
                early.begin(s);
            }
            counters::count(Counter::UpstreamHandshakes);
            let shaking = early.during(s, upstream_tls::handshake(s, &context, group, picked, Rc::clone(&socket)));
            let shaken = shaking.await.inspect_err(|_| counters::count(Counter::UpstreamHandshakesFailed));
            let end = shaken.map_err(|cause| cause.map_or(Missed::Peer, Missed::Session))?;
            announce(s, &socket, picked);
            Ok((end, first(s, Vec::new(), &early.bytes)))
        }
    }
}

/// Tells of a failed connect.
fn tell_failed(s: &Session, picked: &Picked, error: &io::Error, at_once: bool) {
    let to = if at_once { format!(" to {}", picked.name) } else { String::new() };
    s.log(connect_level(error), format_args!("connect(){to} failed{}", errno(error)));
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

/// A socket for a peer. What [`set_up`] does to one lasts, so that no other session may have it.
fn stream(s: &Session, to: &os::SockAddr, local: Option<&Local>) -> io::Result<Rc<Socket>> {
    if is_plain(s, local) && s.server().conf.core.tcp_nodelay {
        Socket::again(to)
    } else {
        Socket::toward(to).map(Rc::new)
    }
}

/// Takes a socket for a peer into use, bound where `proxy_bind` says. A failure is told, and leaves the attempt without a
/// name.
fn prepare<T: AsFd>(s: &Session, socket: io::Result<T>, local: Option<&Local>) -> Phase<T> {
    let made = socket
        .map_err(|error| Cause::Socket("socket()".to_owned(), error))
        .and_then(|socket| count(s).map(|()| socket))
        .and_then(|socket| set_up(s, &socket, local).map(|()| socket));
    if made.is_ok() {
        // Connections to peers are numbered with those of clients.
        crate::net::next_number();
    }
    made.inspect_err(|cause| {
        s.tell(cause);
        s.unname_attempt();
    })
    .map_err(|cause| Cause::Told(cause.status()))
}

/// Counts the upstream side of the session among the `worker_connections`, in place of an earlier attempt's.
fn count(s: &Session) -> Phase {
    s.release_upstream();
    s.generation.take_for_upstream().map_err(|text| {
        s.log(Level::Alert, format_args!("{text}"));
        Cause::Told(500)
    })?;
    s.has_upstream.set(true);
    Ok(())
}

/// Whether [`set_up`] has nothing to do.
fn is_plain(s: &Session, local: Option<&Local>) -> bool {
    let proxy = &s.server().conf.proxy;
    local.is_none() && !proxy.socket_keepalive && proxy.socket_rcvbuf == 0 && proxy.socket_sndbuf == 0
}

fn set_up(s: &Session, socket: &impl AsFd, local: Option<&Local>) -> Phase {
    let proxy = &s.server().conf.proxy;
    if proxy.socket_keepalive {
        let _ = os::options::set_keepalive(socket, true);
    }
    if proxy.socket_rcvbuf > 0 {
        let _ = os::options::set_rcvbuf(socket, proxy.socket_rcvbuf);
    }
    if proxy.socket_sndbuf > 0 {
        let _ = os::options::set_sndbuf(socket, proxy.socket_sndbuf);
    }
    let Some(local) = local else { return Ok(()) };
    if local.transparent {
        let is_ipv6 = local.address.is_ipv6();
        let call = if is_ipv6 { "setsockopt(IPV6_TRANSPARENT)" } else { "setsockopt(IP_TRANSPARENT)" };
        os::options::set_transparent(socket, is_ipv6).map_err(|error| Cause::Socket(call.to_owned(), error))?;
    }
    if local.address.port() == 0 {
        // Lets the kernel choose the port at connect, when it knows the other end.
        let _ = os::options::set_bind_address_no_port(socket);
    }
    let bound = os::socket::bind(socket, &os::SockAddr::Inet(local.address));
    bound.map_err(|error| Cause::Socket(format!("bind({})", local.text), error))
}

/// A datagram socket to a peer of `group`. There is no answer to wait for, so only what the machine knows to be in
/// vain has another peer tried.
pub(super) fn connect_datagrams(s: &Session, group: &Rc<Group>, local: Option<&Local>) -> Phase<(Datagrams, Picked)> {
    let mut attempts = Attempts::new(s, group);
    let is_plain = is_plain(s, local);
    loop {
        let picked = attempts.begin()?;
        let to = crate::net::sock_addr(&picked.address);
        let socket = prepare(s, Datagrams::to(&to, !is_plain), local)?;
        match os::socket::connect(&socket, &to) {
            Ok(_) => {
                picked.connected(0);
                s.connected();
                announce(s, &socket, &picked);
                return Ok((socket, picked));
            }
            Err(error) => tell_failed(s, &picked, &error, true),
        }
        attempts.missed(&picked)?;
    }
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

/// What goes first: a PROXY header, what preread took, what the client said `early`.
fn first(s: &Session, header: Vec<u8>, early: &[u8]) -> Vec<u8> {
    let mut first = header;
    if let Some(preread) = &*s.preread.borrow() {
        first.extend_from_slice(&preread.said);
    }
    first.extend_from_slice(early);
    first
}

/// Whether [`first`] comes to anything.
fn goes_first(s: &Session, early: &[u8]) -> bool {
    s.server().conf.proxy.protocol != HeaderVersion::Off
        || !early.is_empty()
        || s.preread.borrow().as_ref().is_some_and(|preread| !preread.said.is_empty())
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

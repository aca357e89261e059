//! Sessions of datagrams: one per client address (and address asked for), born by the first
//! datagram, fed by the listener, ended by counts or by silence.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use config::Content;
use os::SockAddr;
use os::batch::{Came, Incoming};
use policy::address::Address;
use policy::flow::{self, Limits, State, Table};
use reactor::{Socket, TaskId, Timer};
use syntax::Level;

use super::fail::Cause;
use super::{Accepted, Action, Phase, Session, access, content, counting, limit_conn, overload, proxy, set};
use crate::counters::{self, Counter};
use crate::generation::{Connection, Generation};
use crate::log::errno;
use crate::upstream::Picked;

/// The longest datagram there can be.
const LONGEST: usize = 65_535;
/// What a reply may fill where `proxy_buffer_size` is not set.
const REPLY: usize = 16 * 1024;
/// Datagrams that wait for a session to take them; more are dropped, as the network would.
const WAITING: usize = 64;
/// Datagrams taken from the listening socket before sessions get their turn.
const REQUESTS: usize = 32;
/// Datagrams taken from an upstream at a time.
const ANSWERS: usize = 4;
/// How long a session that drains still passes on answers, milliseconds: those to what it has sent are under way.
const LAST_ANSWERS: u64 = 1_000;

thread_local! {
    /// Room for datagrams of clients and for answers, which are passed on before anything else happens. Listeners with room
    /// of their own would take 2 MiB each.
    static ASKED: RefCell<Incoming> = RefCell::new(Incoming::new(REQUESTS, LONGEST));
    static INCOMING: RefCell<Incoming> = RefCell::new(Incoming::new(ANSWERS, LONGEST));
}

type Key = (SockAddr, Option<IpAddr>);
type Flows = Rc<RefCell<Table<Key, Rc<Flow>>>>;

/// What the listener and a session share.
pub struct Flow {
    key: Key,
    task: Cell<Option<TaskId>>,
    datagrams: RefCell<flow::Flow<Vec<u8>>>,
}

/// Receives datagrams until the generation drains, and hands them to their sessions.
pub(crate) async fn listen(generation: Rc<Generation>, at: usize, socket: OwnedFd) {
    let socket = Rc::new(Socket::new(socket));
    let flows: Flows = Rc::new(RefCell::new(Table::new(os::process::random())));
    loop {
        let next = std::future::poll_fn(|_| {
            if generation.drain.is_draining() {
                return Poll::Ready(None);
            }
            ASKED.with_borrow_mut(|incoming| {
                let received = socket.poll_receive(incoming);
                if let Poll::Ready(Ok(_)) = received {
                    for Came { bytes, from, to } in incoming.iter() {
                        deliver(&generation, at, &socket, &flows, (from, to), bytes);
                    }
                }
                received.map(Some)
            })
        });
        match next.await {
            None => return,
            Some(Ok(_)) => reactor::yield_now().await,
            Some(Err(error)) => {
                let text = format!("recvmsg() failed{}", errno(&error));
                generation.plan.error_log.write(Level::Alert, None, text.as_bytes());
                reactor::sleep(generation.plan.events.accept_pause).await;
            }
        }
    }
}

fn deliver(generation: &Rc<Generation>, at: usize, socket: &Rc<Socket>, flows: &Flows, key: Key, bytes: &[u8]) {
    if let Some(flow) = flows.borrow().find(&key) {
        flow.datagrams.borrow_mut().arrive(|| bytes.to_vec(), WAITING);
        if let Some(task) = flow.task.get() {
            reactor::wake(task);
        }
        return;
    }
    let Some(slot) = generation.connection() else { return };
    let flow = Rc::new(Flow {
        key: key.clone(),
        task: Cell::new(None),
        datagrams: RefCell::new(flow::Flow::new(bytes.to_vec())),
    });
    flows.borrow_mut().insert(key.clone(), Rc::clone(&flow));
    let (from, to) = key;
    let port = match &generation.plan.listener(at).address {
        Address::Inet(address) => address.port(),
        Address::Unix(_) => 0,
    };
    let accepted = Accepted {
        generation: Rc::clone(generation),
        listener: at,
        socket: Rc::clone(socket),
        client: crate::net::address(from),
        local: to.map(|ip| Address::Inet((ip, port).into())),
        number: crate::net::next_number(),
        at: reactor::now(),
        passes: 0,
    };
    reactor::spawn(serve(accepted, Rc::clone(flows), flow, (slot, bytes.len())));
}

/// Takes the flow out of the table: the next datagram of the client begins a new session.
fn release(flows: &Flows, flow: &Rc<Flow>) {
    flows.borrow_mut().remove(&flow.key, |known| Rc::ptr_eq(known, flow));
}

async fn serve(accepted: Accepted, flows: Flows, flow: Rc<Flow>, (slot, first): (Connection, usize)) {
    let _slot = slot;
    counters::count(Counter::Udp);
    let session = Session::new(accepted);
    session.received.set(first as u64);
    flow.task.set(Some(reactor::current_task()));
    let _ = session.rare().udp.set(Rc::clone(&flow));
    session.log_plain(
        Level::Info,
        format_args!("udp client {} connected to {}", session.client.borrow(), session.virtual_address().address),
    );
    let drain = &session.generation.drain;
    let live = drain.enter();
    let mut phases = pin!(phases(&session, &flows, &flow));
    let done = drain.unless_forced(phases.as_mut()).await;
    let status = match done.unwrap_or(Err(Cause::ShutdownTimeout)) {
        Ok(()) => 200,
        Err(cause) => {
            session.tell(&cause);
            counting::cause(&cause);
            cause.status()
        }
    };
    release(&flows, &flow);
    session.end(status);
    drop(live);
}

async fn phases(s: &Session, flows: &Flows, flow: &Rc<Flow>) -> Phase {
    set::assign(s);
    limit_conn::count(s)?;
    overload::count_client(s)?;
    access::check(s)?;
    match &s.server().conf.content {
        Content::None => Err(Cause::Told(500)),
        Content::Pass(_) => {
            s.doing(Action::Passing);
            Err(Cause::PassUdp)
        }
        Content::Return(text) => {
            s.doing(Action::Returning);
            take(s, flow);
            let text = s.render(text);
            if !text.is_empty() {
                let sent = reply(s, flow, &text);
                sent.map_err(|error| Cause::Relay(Level::Info, "sendmsg()", error))?;
            }
            Ok(())
        }
        Content::Proxy(pass) => {
            s.doing(Action::None);
            s.start_proxying();
            let group = content::group(s, pass).await?;
            let (socket, picked) = proxy::connect_datagrams(s, &group)?;
            s.doing(Action::Proxying);
            let ended = relay(s, flows, flow, &socket).await;
            s.finish_attempt();
            finish(s, flow, picked, ended)
        }
    }
}

/// How a relay of datagrams ended.
#[derive(Clone, Copy)]
enum Ended {
    /// As many answers as were to come. The flag tells that a socket failed on the way.
    Done(bool),
    /// Silence, with answers still to come or not; the second flag as with `Done`.
    Silent(bool, bool),
    /// The gateway shuts down.
    Shutdown,
}

fn take(s: &Session, flow: &Flow) -> Option<Vec<u8>> {
    let mut datagrams = flow.datagrams.borrow_mut();
    let datagram = datagrams.take()?;
    // The first one was counted when it began the session.
    if datagrams.requests() > 1 {
        s.received.set(s.received.get() + datagram.len() as u64);
    }
    Some(datagram)
}

/// Sends a datagram to the client, from the address it asked.
fn reply(s: &Session, flow: &Flow, bytes: &[u8]) -> io::Result<()> {
    let (to, from) = &flow.key;
    let sent = os::io::send_datagram(&*s.socket, bytes, to, *from)?;
    s.sent.set(s.sent.get() + sent as u64);
    flow.datagrams.borrow_mut().answer();
    Ok(())
}

async fn relay(s: &Session, flows: &Flows, flow: &Rc<Flow>, upstream: &Socket) -> Ended {
    let proxy = &s.server().conf.proxy;
    let limits = Limits {
        requests: proxy.requests as u64,
        responses: proxy.responses.map(|responses| responses as u64),
        timeout: proxy.timeout,
    };
    let state = |last| flow.datagrams.borrow().state(last, reactor::now(), &limits);
    let mut last = reactor::now();
    let timer = Timer::new();
    timer.set(last + limits.timeout);
    let longest = proxy.buffer_size.unwrap_or(REPLY);
    let mut header = proxy::header(s);
    let mut failed = false;
    let mut leaves = None;
    std::future::poll_fn(|_| {
        let mut moved = false;
        while let Some(datagram) = take(s, flow) {
            moved = true;
            let out = if header.is_empty() { datagram } else { [std::mem::take(&mut header), datagram].concat() };
            match upstream.try_write(&out) {
                Ok(sent) => s.to_upstream.set(s.to_upstream.get() + sent as u64),
                // Full: lost, as on the network.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => failed |= told(s, Action::SendingUpstream, "send()", &error),
            }
            if flow.datagrams.borrow().is_full(&limits) {
                release(flows, flow);
            }
        }
        let is_done = || state(reactor::now()) == State::Done;
        while !is_done() && receive(s, flow, upstream, longest, &mut failed, is_done) {
            moved = true;
        }
        if moved {
            last = reactor::now();
            if s.generation.drain.is_draining() {
                leaves.get_or_insert(last + LAST_ANSWERS);
            }
            timer.set(leaves.unwrap_or(u64::MAX).min(last + limits.timeout));
        }
        match state(last) {
            State::Done => Poll::Ready(Ended::Done(failed)),
            State::Silent { missing } => Poll::Ready(Ended::Silent(missing, failed)),
            // Whatever wakes it otherwise, it is the timer that makes it look at the clock.
            State::Open => timer.poll_expired().map(|()| match leaves {
                Some(_) => Ended::Shutdown,
                None => Ended::Silent(false, failed),
            }),
        }
    })
    .await
}

/// Passes on answers that have come, cut to `longest` bytes; false when none has.
fn receive(
    s: &Session,
    flow: &Flow,
    upstream: &Socket,
    longest: usize,
    failed: &mut bool,
    is_done: impl Fn() -> bool,
) -> bool {
    INCOMING.with_borrow_mut(|incoming| {
        match upstream.poll_receive(incoming) {
            Poll::Pending => return false,
            Poll::Ready(Ok(_)) => {
                for Came { bytes, .. } in incoming.iter() {
                    let bytes = bytes.get(..longest).unwrap_or(bytes);
                    if s.from_upstream.get() == 0 {
                        s.first_byte();
                    }
                    s.from_upstream.set(s.from_upstream.get() + bytes.len() as u64);
                    if let Err(error) = reply(s, flow, bytes) {
                        told(s, Action::SendingClient, "sendmsg()", &error);
                    }
                    if is_done() {
                        break;
                    }
                }
            }
            Poll::Ready(Err(error)) => {
                *failed |= told(s, Action::ReadingUpstream, "recv()", &error);
                // The reference counts it as an answer, so that a session ends on it.
                flow.datagrams.borrow_mut().answer();
            }
        }
        true
    })
}

/// Logs a failure of a datagram socket; always true.
fn told(s: &Session, action: Action, call: &str, error: &io::Error) -> bool {
    s.doing(action);
    let level = if action == Action::SendingClient { Level::Info } else { Level::Error };
    s.log_failed(level, call, error);
    s.doing(Action::Proxying);
    true
}

fn finish(s: &Session, flow: &Flow, picked: Picked, ended: Ended) -> Phase {
    let counts = |s: &Session, what: &str| {
        let datagrams = flow.datagrams.borrow();
        let (requests, responses) = (datagrams.requests(), datagrams.responses());
        s.log_plain(
            Level::Info,
            format_args!(
                "udp {what}, packets from/to client:{requests}/{responses}, bytes from/to client:{}/{}, \
                 bytes from/to upstream:{}/{}",
                s.received.get(),
                s.sent.get(),
                s.from_upstream.get(),
                s.to_upstream.get()
            ),
        );
    };
    let blame = |picked: Picked, failed: bool| {
        if !failed {
            picked.release(s.attempt_first_byte(), s.attempt_time());
        } else if picked.failed() {
            s.log(Level::Warn, format_args!("upstream server temporarily disabled"));
        }
    };
    match ended {
        Ended::Done(failed) => {
            blame(picked, failed);
            counts(s, "done");
            Ok(())
        }
        Ended::Shutdown => {
            blame(picked, false);
            s.log_plain(Level::Info, format_args!("disconnected on shutdown"));
            Ok(())
        }
        Ended::Silent(true, _) => {
            blame(picked, true);
            Err(Cause::UpstreamTimeout)
        }
        Ended::Silent(false, failed) => {
            blame(picked, failed);
            counts(s, "timed out");
            Ok(())
        }
    }
}

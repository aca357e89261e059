//! Sessions of datagrams: one per client address (and address asked for), born by the first
//! datagram, fed by the listener, ended by counts or by silence.

mod flow;
mod outbox;
mod relay;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use config::Content;
use os::SockAddr;
use os::batch::{Came, Incoming};
use policy::address::Address;
use policy::flow::Table;
use reactor::Socket;
use syntax::Level;

use super::fail::Cause;
use super::{Accepted, Action, Phase, Session, access, content, counting, limit_conn, overload, reach, set};
use crate::counters::{self, Counter};
use crate::generation::{Connection, Generation};
use crate::log::errno;
use crate::relay::Moment;
use flow::Failure;
pub use flow::Flow;
use outbox::Outbox;

/// The longest datagram there can be.
const LONGEST: usize = 65_535;
/// Datagrams taken from the listening socket before sessions get their turn.
const REQUESTS: usize = 32;

thread_local! {
    /// Room for datagrams of clients, which are handed over before anything else happens. Listeners with room of their
    /// own would take 2 MiB each.
    static ASKED: RefCell<Incoming> = RefCell::new(Incoming::new(REQUESTS, LONGEST));
}

type Key = (SockAddr, Option<IpAddr>);

/// A listener's sessions. Each of them holds it.
struct Flows {
    /// The listener's place in the plan.
    listener: usize,
    socket: Rc<Socket>,
    table: RefCell<Table<Key, Rc<Flow>>>,
    outbox: Rc<Outbox>,
}

/// Datagrams in the order of coming, each handed over once the session that it may end has run.
#[derive(Default)]
struct Round {
    /// Whose session begins in this round.
    begun: Vec<Key>,
    /// What those clients sent after that.
    later: Vec<(Key, Vec<u8>)>,
}

impl Round {
    fn take(&mut self, key: Key, bytes: &[u8], deliver: impl FnOnce(&Key, &[u8]) -> bool) {
        if self.begun.contains(&key) {
            self.later.push((key, bytes.to_vec()));
        } else if deliver(&key, bytes) {
            self.begun.push(key);
        }
    }
}

/// Receives datagrams until the generation drains, and hands them to their sessions.
pub(crate) async fn listen(generation: Rc<Generation>, at: usize, socket: OwnedFd) {
    let socket = Rc::new(Socket::new(socket));
    let flows = Rc::new(Flows {
        listener: at,
        table: RefCell::new(Table::new(os::process::random())),
        outbox: Rc::new(Outbox::new(Rc::clone(&socket))),
        socket: Rc::clone(&socket),
    });
    let mut round = Round::default();
    let hand_over = |key: &Key, bytes: &[u8]| deliver(&generation, &flows, key, bytes);
    loop {
        let next = std::future::poll_fn(|_| {
            if generation.drain.is_draining() {
                return Poll::Ready(None);
            }
            ASKED.with_borrow_mut(|incoming| {
                let received = socket.poll_receive(incoming);
                if let Poll::Ready(Ok(_)) = received {
                    for Came { bytes, from, to } in incoming.iter() {
                        round.take((from, to), bytes, hand_over);
                    }
                }
                received.map(Some)
            })
        });
        match next.await {
            None => break,
            Some(Ok(_)) => reactor::yield_now().await,
            Some(Err(error)) => {
                let text = format!("recvmsg() failed{}", errno(&error));
                generation.plan.error_log.write(Level::Alert, None, text.as_bytes());
                reactor::sleep(generation.plan.events.accept_pause).await;
            }
        }
        while !std::mem::take(&mut round.begun).is_empty() && !round.later.is_empty() {
            for (key, bytes) in std::mem::take(&mut round.later) {
                round.take(key, &bytes, hand_over);
            }
            reactor::yield_now().await;
        }
    }
    drop(generation);
    let_go(&flows).await;
}

/// Lets go of the address once the last answers have had their time: sessions that wait for silence must not keep it
/// from whoever is to have it next.
async fn let_go(flows: &Rc<Flows>) {
    if Rc::strong_count(flows) == 1 {
        return;
    }
    reactor::sleep(relay::LAST_ANSWERS).await;
    flows.outbox.flush();
    flows.socket.rest();
    if let Ok(nowhere) = UnixDatagram::unbound() {
        let _ = os::process::replace_fd(nowhere, &*flows.socket);
    }
}

/// Hands a datagram to its session; true when it began one.
fn deliver(generation: &Rc<Generation>, flows: &Rc<Flows>, key: &Key, bytes: &[u8]) -> bool {
    // One that has failed is as good as over.
    let known = flows.table.borrow().find(key).filter(|flow| !flow.is_broken()).cloned();
    if let Some(flow) = known {
        flow.arrive(bytes);
        if flow.is_full() {
            release(flows, &flow);
        }
        return false;
    }
    let Some(slot) = generation.connection() else { return false };
    let (from, to) = key;
    let port = match &generation.plan.listener(flows.listener).address {
        Address::Inet(address) => address.port(),
        Address::Unix(_) => 0,
    };
    let session = Session::new(Accepted {
        generation: Rc::clone(generation),
        listener: flows.listener,
        socket: Rc::clone(&flows.socket),
        client: crate::net::address(from.clone()),
        local: to.map(|ip| Address::Inet((ip, port).into())),
        number: crate::net::next_number(),
        at: reactor::now(),
        passes: 0,
        kept: None,
    });
    let flow = Rc::new(Flow::new(key.clone(), bytes, &session, Rc::clone(&flows.outbox)));
    flows.table.borrow_mut().insert(key.clone(), Rc::clone(&flow));
    reactor::spawn(serve(session, Rc::clone(flows), flow, slot));
    true
}

/// Takes the flow out of the table: the next datagram of the client begins a new session.
fn release(flows: &Flows, flow: &Rc<Flow>) {
    flows.table.borrow_mut().remove(&flow.key, |known| Rc::ptr_eq(known, flow));
}

async fn serve(session: Session, flows: Rc<Flows>, flow: Rc<Flow>, slot: Connection) {
    let generation = Rc::clone(&session.generation);
    run(session, &flows, &flow).await;
    drop(slot);
    // One at a time, as they come from the listening socket: each may end the session that it begins.
    for datagram in flow.left.take() {
        if !generation.drain.is_draining() {
            deliver(&generation, &flows, &flow.key, &datagram);
            reactor::yield_now().await;
        }
    }
}

async fn run(session: Session, flows: &Flows, flow: &Rc<Flow>) {
    counters::count(Counter::Udp);
    flow.tell_counts(&session);
    flow.task.set(Some(reactor::current_task()));
    let _ = session.rare().udp.set(Rc::clone(flow));
    session.log_plain(
        Level::Info,
        format_args!("udp client {} connected to {}", session.client.borrow(), session.listener_address()),
    );
    let drain = &session.generation.drain;
    let live = drain.enter();
    let mut phases = pin!(phases(&session, flows, flow));
    let done = drain.unless_forced(phases.as_mut()).await;
    flow.way.take();
    flow.outbox.flush();
    flow.tell_counts(&session);
    session.finish_attempt();
    let status = match done.unwrap_or(Err(Cause::ShutdownTimeout)) {
        Ok(()) => 200,
        Err(cause) => {
            session.tell(&cause);
            counting::cause(&cause);
            cause.status()
        }
    };
    release(flows, flow);
    session.end(status);
    drop(live);
}

async fn phases(s: &Session, flows: &Flows, flow: &Rc<Flow>) -> Phase {
    set::assign(s);
    limit_conn::count(s)?;
    overload::count_client(s)?;
    access::check(s)?;
    s.doing(Action::None);
    match &s.server().conf.content {
        Content::None => Err(Cause::Told(500)),
        Content::Pass(_) => {
            s.doing(Action::Passing);
            Err(Cause::PassUdp)
        }
        Content::Return(text) => {
            s.doing(Action::Returning);
            let text = s.render(text);
            if !text.is_empty() {
                reply(s, flow, &text).map_err(|error| Cause::ReturnFailed("sendmsg()", error))?;
            }
            Ok(())
        }
        Content::Proxy(pass) => {
            s.start_proxying();
            let local = reach::local(s);
            let began = Moment::now().second;
            let group = content::group(s, pass).await?;
            let (socket, picked) = reach::connect_datagrams(s, &group, local.as_ref())?;
            flow.held.set(None);
            if flow.is_full() {
                release(flows, flow);
            }
            relay::run(s, flow, &Rc::new(socket), picked, began).await
        }
    }
}

/// Sends a datagram to the client, from the address it asked.
fn reply(s: &Session, flow: &Flow, bytes: &[u8]) -> io::Result<()> {
    let (to, from) = &flow.key;
    let sent = os::io::send_datagram(&*s.socket, bytes, to, *from)?;
    s.sent.set(s.sent.get() + sent as u64);
    flow.datagrams.borrow_mut().answer();
    Ok(())
}

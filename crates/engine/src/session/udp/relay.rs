//! Datagrams between a client and an upstream: sent on as they come, until counts or silence end it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Poll;

use os::batch::{Came, Incoming};
use policy::flow::State;
use reactor::{Socket, Timer};
use syntax::Level;

use super::{Failure, Flow, LONGEST, reply};
use crate::log::level_of;
use crate::relay::{Limit, Moment};
use crate::session::fail::Cause;
use crate::session::{Action, Phase, Session, proxy, reach};
use crate::upstream::{Datagrams, Picked};

/// Datagrams taken from an upstream at a time.
const ANSWERS: usize = 4;
/// How long a session that drains still passes on answers, milliseconds: those to what it has sent are under way.
pub(super) const LAST_ANSWERS: u64 = 1_000;

thread_local! {
    /// Room for answers, which are passed on before anything else happens.
    static INCOMING: RefCell<Incoming> = RefCell::new(Incoming::new(ANSWERS, LONGEST));
    /// The same for one answer.
    static ONE: RefCell<Vec<u8>> = RefCell::new(vec![0; LONGEST]);
}

/// How a relay of datagrams ended.
#[derive(Clone, Copy)]
enum Ended {
    /// As many answers as were to come.
    Done,
    /// Silence, with answers still to come or not.
    Silent { missing: bool },
    /// The gateway shuts down.
    Shutdown,
    /// A datagram could not be sent; that is told.
    Broken,
}

/// Sends a datagram to an upstream; how many bytes, none where it is lost for want of room, as on the network.
/// Room is not waited for, so the reactor has nothing to say in it.
pub(super) fn send(upstream: &Socket, datagram: &[u8]) -> io::Result<usize> {
    match os::socket::send(upstream, datagram) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        sent => sent,
    }
}

/// Until when a direction waits for its rate, if it does.
fn paused_until(limit: &RefCell<Option<Limit>>, now: u64) -> Option<u64> {
    limit.borrow().as_ref()?.paused_until(now)
}

/// Relays until the session is over. `began` is the second in which the content phase did.
pub(super) async fn run(s: &Session, flow: &Rc<Flow>, upstream: &Rc<Datagrams>, picked: Picked, began: i64) -> Phase {
    let conf = &s.server().conf.proxy;
    let upload = proxy::limit(s, conf.upload_rate.as_ref(), began);
    flow.upload.replace(upload);
    let relay = Relay {
        s,
        flow,
        upstream,
        download: RefCell::new(proxy::limit(s, conf.download_rate.as_ref(), began)),
        header: RefCell::new(reach::header(s)),
        failed: Cell::new(false),
    };
    s.doing(Action::Proxying);
    if flow.upload.borrow().is_none() && flow.limits.responses.is_none() {
        flow.way.replace(Some(Rc::clone(upstream)));
    }
    let ended = relay.run().await;
    flow.outbox.flush();
    flow.tell_counts(s);
    let is_complete = matches!(ended, Ended::Done | Ended::Silent { .. });
    let ended = if is_complete && relay.has_failed() { Ended::Broken } else { ended };
    s.finish_attempt();
    let told = relay.tell(ended);
    if !relay.failed.get() {
        picked.release(s.attempt_first_byte(), s.attempt_time());
    } else if picked.failed() {
        s.log(Level::Warn, format_args!("upstream server temporarily disabled"));
    }
    told
}

struct Relay<'a> {
    s: &'a Session,
    flow: &'a Rc<Flow>,
    upstream: &'a Rc<Datagrams>,
    download: RefCell<Option<Limit>>,
    /// The PROXY header, until the first datagram took it along.
    header: RefCell<Vec<u8>>,
    /// The upstream's socket failed, or answers were missing.
    failed: Cell<bool>,
}

impl Relay<'_> {
    async fn run(&self) -> Ended {
        let limits = &self.flow.limits;
        let last = &self.flow.last;
        let (mut leaves, mut waited) = (None, false);
        let (idle, delay) = (Timer::new(), Timer::new());
        // When `idle` fires, unless a rate is waited for.
        let mut due = None;
        std::future::poll_fn(|_| {
            let now = reactor::now();
            // Answers that were kept back for their rate are not waited for.
            if waited && paused_until(&self.download, now).is_none() && self.s.generation.drain.is_draining() {
                return Poll::Ready(Ended::Shutdown);
            }
            let Some(moved) = self.exchange(now) else {
                return Poll::Ready(if self.is_too_late() { Ended::Shutdown } else { Ended::Broken });
            };
            if moved {
                last.set(now);
                if self.s.generation.drain.is_draining() {
                    leaves.get_or_insert(now + LAST_ANSWERS);
                }
            }
            let state = self.flow.datagrams.borrow().state(last.get(), now, limits);
            if state == State::Done {
                return Poll::Ready(Ended::Done);
            }
            if let Some(until) = self.paused_until(now) {
                // A direction that waits for its rate does not run into the timeout.
                idle.cancel();
                due = None;
                waited = paused_until(&self.download, now).is_some();
                if !self.is_allowed() {
                    self.upstream.rest();
                }
                delay.set(until);
                if delay.poll_expired().is_ready() {
                    reactor::wake_current();
                }
                return Poll::Pending;
            }
            waited = false;
            if due.is_none() {
                last.set(now);
            }
            let silent = last.get() + limits.timeout;
            let end = leaves.map_or(silent, |leaves| silent.min(leaves));
            if now >= end {
                let missing = state == State::Silent { missing: true };
                return Poll::Ready(if leaves.is_some() { Ended::Shutdown } else { Ended::Silent { missing } });
            }
            // Datagrams move the end only. When the time has come that is set, it is set anew.
            if due.is_none_or(|due| due <= now || end < due) {
                due = Some(end);
                idle.wake_at(end);
            }
            Poll::Pending
        })
        .await
    }

    /// Moves what can be moved at loop time `now`; whether anything was, `None` after a failure to send.
    fn exchange(&self, now: u64) -> Option<bool> {
        if self.has_failed() {
            return None;
        }
        let sent = self.send_on()?;
        // Where no answer is wanted none is waited for, be it there already.
        if sent && self.flow.datagrams.borrow().state(now, now, &self.flow.limits) == State::Done {
            return Some(true);
        }
        Some(self.pass_back()? | sent)
    }

    /// Whether something could not be sent without the session's help, which is told.
    fn has_failed(&self) -> bool {
        match self.flow.failure.get() {
            None => return false,
            Some(Failure::ToUpstream(error)) => self.failed(Action::SendingUpstream, "sendmsg()", error),
            Some(Failure::ToClient(error)) => self.client_failed(error),
        }
        true
    }

    /// Until when a direction waits, if one does.
    fn paused_until(&self, now: u64) -> Option<u64> {
        [&self.flow.upload, &self.download].into_iter().filter_map(|limit| paused_until(limit, now)).min()
    }

    /// Sends on what has come from the client; whether anything has.
    fn send_on(&self) -> Option<bool> {
        let (s, flow) = (self.s, self.flow);
        let mut moved = false;
        loop {
            let Some(datagram) = flow.datagrams.borrow_mut().take() else { return Some(moved) };
            moved = true;
            let header = self.header.take();
            let out = if header.is_empty() { datagram } else { [header, datagram].concat() };
            match send(self.upstream, &out) {
                Ok(sent) => s.to_upstream.set(s.to_upstream.get() + sent as u64),
                Err(error) => {
                    flow.set_aside();
                    self.failed(Action::SendingUpstream, "sendmsg()", &error);
                    flow.has_failed(Failure::ToUpstream(error));
                    return None;
                }
            }
        }
    }

    /// Passes on all answers that have come; whether any has.
    fn pass_back(&self) -> Option<bool> {
        let mut moved = false;
        while self.is_allowed() {
            let expects_one = self.expects_one();
            let came = if expects_one { self.next_answer() } else { self.next_answers() };
            match came {
                Poll::Pending => break,
                Poll::Ready(Ok(all_sent)) => {
                    all_sent?;
                    if expects_one && self.download.borrow().is_none() {
                        // Others that have come are told.
                        return Some(true);
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.s.first_byte();
                    self.failed(Action::ReadingUpstream, "recv()", &error);
                    // The reference counts it as an answer, so that a session ends on it.
                    self.flow.datagrams.borrow_mut().answer();
                }
            }
            moved = true;
        }
        Some(moved)
    }

    /// Whether the next answer is taken alone: there is one question open, or a rate may forbid the one after it. The
    /// last answer that is to come is not, as those that have come beside it are passed on, too.
    fn expects_one(&self) -> bool {
        let datagrams = self.flow.datagrams.borrow();
        let (requests, responses) = (datagrams.requests(), datagrams.responses());
        let is_last = self.flow.limits.responses.is_some_and(|each| each.saturating_mul(requests) <= responses + 1);
        (requests == responses + 1 && !is_last) || self.download.borrow().is_some()
    }

    fn next_answer(&self) -> Poll<io::Result<Option<()>>> {
        ONE.with_borrow_mut(|buffer| {
            let length = std::task::ready!(self.upstream.poll_datagram(buffer))?;
            Poll::Ready(Ok(self.hand_over(buffer.get(..length).unwrap_or_default())))
        })
    }

    fn next_answers(&self) -> Poll<io::Result<Option<()>>> {
        INCOMING.with_borrow_mut(|incoming| {
            std::task::ready!(self.upstream.poll_receive(incoming))?;
            Poll::Ready(Ok(incoming.iter().try_for_each(|Came { bytes, .. }| self.hand_over(bytes))))
        })
    }

    fn is_allowed(&self) -> bool {
        let mut download = self.download.borrow_mut();
        download.as_mut().is_none_or(|limit| limit.allowed(Moment::now(), self.s.from_upstream.get()) > 0)
    }

    /// Whether the socket that clients send to is gone from here.
    fn is_too_late(&self) -> bool {
        self.s.generation.drain.has_lasted(LAST_ANSWERS)
    }

    /// Hands an answer over to the client; `None` after a failure to send.
    fn hand_over(&self, bytes: &[u8]) -> Option<()> {
        let s = self.s;
        if self.is_too_late() {
            return None;
        }
        let bytes = bytes.get(..self.flow.buffer).unwrap_or(bytes);
        s.first_byte();
        s.from_upstream.set(s.from_upstream.get() + bytes.len() as u64);
        if let Some(limit) = &mut *self.download.borrow_mut() {
            limit.charge(reactor::now(), bytes.len());
        }
        if self.flow.limits.responses.is_none() {
            self.flow.outbox.push(self.flow, bytes);
            s.sent.set(s.sent.get() + bytes.len() as u64);
            self.flow.datagrams.borrow_mut().answer();
            return Some(());
        }
        // It may end the session, which has to know what becomes of it.
        let sent = reply(s, self.flow, bytes);
        if let Err(error) = &sent {
            self.client_failed(error);
        }
        sent.ok()
    }

    /// Tells that a datagram could not be sent to the upstream, or received from it.
    fn failed(&self, action: Action, call: &str, error: &io::Error) {
        self.flow.tell_counts(self.s);
        self.failed.set(true);
        self.s.doing(action);
        self.s.log_failed(level_of(error, Level::Error), call, error);
        self.s.doing(Action::Proxying);
    }

    /// Tells that an answer could not be sent.
    fn client_failed(&self, error: &io::Error) {
        self.flow.tell_counts(self.s);
        self.s.doing(Action::SendingClient);
        if error.kind() == io::ErrorKind::WouldBlock {
            self.s.log(Level::Alert, format_args!("shared connection is busy"));
        } else {
            self.s.log_failed(level_of(error, Level::Info), "sendmsg()", error);
        }
        self.s.doing(Action::Proxying);
    }

    /// Says how it ended.
    fn tell(&self, ended: Ended) -> Phase {
        match ended {
            Ended::Done => self.tell_counts("done"),
            Ended::Silent { missing: false } => self.tell_counts("timed out"),
            Ended::Silent { missing: true } => {
                self.failed.set(true);
                let cause = Cause::UpstreamTimeout;
                self.s.tell(&cause);
                return Err(Cause::Told(cause.status()));
            }
            Ended::Broken => {}
            Ended::Shutdown => self.s.log_plain(Level::Info, format_args!("disconnected on shutdown")),
        }
        Ok(())
    }

    fn tell_counts(&self, what: &str) {
        let s = self.s;
        let datagrams = self.flow.datagrams.borrow();
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
    }
}

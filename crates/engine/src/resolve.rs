//! Names to addresses at run time (`resolver`): one cache per directive and thread, one query
//! per name however many sessions ask, answers held for their time to live.
//!
//! It does not know what the addresses are for.

mod exchange;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use reactor::Event;
use syntax::Level;

use crate::log::ErrorLogs;
use config::family::core::Resolver as Conf;
use wire::dns::Kind;
pub use wire::dns::Service;

/// Seconds after its last use at which a stale entry is dropped.
const UNUSED: u64 = 30;
/// CNAMEs followed before giving up.
const CHAIN: usize = 50;

/// Why a name has no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveError {
    /// The server's RCODE (RFC 1035, section 4.1.1).
    Code(u16),
    /// Nobody answered in time.
    TimedOut,
}

impl ResolveError {
    /// No such name, or a name without addresses.
    pub const NOT_FOUND: Self = Self::Code(3);
    const SERVER_FAILURE: Self = Self::Code(2);

    /// The number in messages.
    pub fn code(self) -> u16 {
        match self {
            Self::Code(code) => code,
            Self::TimedOut => 110,
        }
    }

    /// Its meaning.
    pub fn text(self) -> &'static str {
        match self {
            Self::Code(1) => "Format error",
            Self::Code(2) => "Server failure",
            Self::Code(3) => "Host not found",
            Self::Code(4) => "Unimplemented",
            Self::Code(5) => "Operation refused",
            Self::Code(_) => "Unknown error",
            Self::TimedOut => "Operation timed out",
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}: {})", self.code(), self.text())
    }
}

/// An answer that was just received, with the seconds for which it holds.
pub type Fresh<T> = Result<(Vec<T>, u64), ResolveError>;

/// One `resolver` on one thread.
#[derive(Debug)]
pub struct Resolver {
    conf: Conf,
    log: ErrorLogs,
    names: RefCell<HashMap<Box<str>, Rc<Name>>>,
    turn: Cell<usize>,
}

/// A name that was asked for.
#[derive(Debug, Default)]
struct Name {
    state: RefCell<State>,
    waiting: Cell<usize>,
    settled: Event,
    /// Loop time of the last use, seconds.
    used: Cell<u64>,
}

#[derive(Debug, Default, Clone)]
enum State {
    #[default]
    Unknown,
    Asking,
    Known {
        found: Rc<Found>,
        /// Loop time, seconds, up to which it holds.
        until: u64,
    },
    Failed(ResolveError),
}

/// Addresses of a name, in received order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Found {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    /// Seconds; the least of the records'.
    ttl: u32,
}

impl Resolver {
    /// A resolver that has asked nothing yet; oddities of servers go to `log`.
    pub fn new(conf: Conf, log: ErrorLogs) -> Self {
        // Workers and directives begin at different servers.
        let turn = os::process::random() as usize;
        Self { conf, log, names: RefCell::default(), turn: Cell::new(turn) }
    }

    /// The addresses of `name`, within `timeout` milliseconds.
    pub async fn addresses(self: &Rc<Self>, name: &str, timeout: u64) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(literal) = name.parse::<std::net::Ipv4Addr>() {
            return Ok(vec![literal.into()]);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name.is_empty() {
            return Err(ResolveError::NOT_FOUND);
        }
        let now = reactor::now() / 1000;
        self.forget(now);
        let entry = Rc::clone(self.names.borrow_mut().entry(name.as_str().into()).or_default());
        entry.used.set(now);
        let state = entry.state.borrow().clone();
        match state {
            State::Known { found, until } if now <= until => return Ok(found.rotated()),
            State::Asking => {}
            _ => {
                entry.state.replace(State::Asking);
                reactor::spawn(Rc::clone(self).ask(name, Rc::clone(&entry)));
            }
        }
        entry.waiting.set(entry.waiting.get() + 1);
        let _waiting = Waiting(&entry);
        let settled = async {
            loop {
                entry.settled.wait().await;
                match &*entry.state.borrow() {
                    State::Known { found, .. } => return Ok(found.in_order()),
                    State::Failed(error) => return Err(*error),
                    State::Unknown | State::Asking => {}
                }
            }
        };
        reactor::timeout(timeout, settled).await.unwrap_or(Err(ResolveError::TimedOut))
    }

    /// The addresses of `name`, asked for anew, within `timeout` milliseconds.
    pub async fn fresh_addresses(&self, name: &str, timeout: u64) -> Fresh<IpAddr> {
        let asked = reactor::timeout(timeout, self.follow(name, || true)).await;
        let found = asked.ok().flatten().unwrap_or(Err(ResolveError::TimedOut))?;
        Ok((found.in_order(), self.conf.valid.unwrap_or(u64::from(found.ttl))))
    }

    /// The services that `name` offers, asked for anew, within `timeout` milliseconds.
    pub async fn fresh_services(&self, name: &str, timeout: u64) -> Fresh<Service> {
        let asked = reactor::timeout(timeout, exchange::ask(self, name, &[Kind::Srv], || true)).await;
        let answers = asked.ok().flatten().unwrap_or(Err(ResolveError::TimedOut))?;
        let ttl = answers.iter().map(|answer| answer.ttl).min().unwrap_or(0);
        let services: Vec<_> = answers.into_iter().flat_map(|answer| answer.services).collect();
        if services.is_empty() {
            return Err(ResolveError::NOT_FOUND);
        }
        Ok((services, self.conf.valid.unwrap_or(u64::from(ttl))))
    }

    /// Seconds for which the lack of an answer holds.
    pub fn failure_holds(&self) -> u64 {
        self.conf.valid.unwrap_or(10)
    }

    /// Where oddities are told.
    pub fn log(&self) -> &ErrorLogs {
        &self.log
    }

    /// Asks until there is an answer or nobody waits for one.
    async fn ask(self: Rc<Self>, name: String, entry: Rc<Name>) {
        let answer = self.follow(&name, || entry.waiting.get() > 0).await;
        let now = reactor::now() / 1000;
        let state = match answer {
            Some(Ok(found)) => {
                let ttl = self.conf.valid.unwrap_or(u64::from(found.ttl));
                State::Known { found: Rc::new(found), until: now + ttl }
            }
            Some(Err(error)) => State::Failed(error),
            None => State::Unknown,
        };
        entry.state.replace(state);
        entry.settled.notify_all();
    }

    /// The addresses of `name` or of what it is an alias of; `None` when nobody waits any more.
    async fn follow(&self, name: &str, wanted: impl Fn() -> bool) -> Option<Result<Found, ResolveError>> {
        let mut name = name.to_owned();
        for _ in 0..CHAIN {
            let answers = match exchange::ask(self, &name, &self.kinds(), &wanted).await? {
                Ok(answers) => answers,
                Err(error) => return Some(Err(error)),
            };
            let mut found = Found { ttl: u32::MAX, ..Found::default() };
            let mut alias = None;
            for answer in answers {
                found.ttl = found.ttl.min(answer.ttl);
                for address in answer.addresses {
                    match address {
                        IpAddr::V4(_) => found.v4.push(address),
                        IpAddr::V6(_) => found.v6.push(address),
                    }
                }
                alias = alias.or(answer.alias);
            }
            if !found.v4.is_empty() || !found.v6.is_empty() {
                return Some(Ok(found));
            }
            match alias {
                Some(target) => name = target,
                None => return Some(Err(ResolveError::NOT_FOUND)),
            }
        }
        Some(Err(ResolveError::SERVER_FAILURE))
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Vec::with_capacity(2);
        if self.conf.ipv4 {
            kinds.push(Kind::A);
        }
        if self.conf.ipv6 {
            kinds.push(Kind::Aaaa);
        }
        kinds
    }

    /// Drops entries that nobody has used for a while.
    fn forget(&self, now: u64) {
        self.names.borrow_mut().retain(|_, entry| match &*entry.state.borrow() {
            State::Asking => true,
            State::Known { until, .. } => now <= *until || now <= entry.used.get() + UNUSED,
            State::Unknown | State::Failed(_) => false,
        });
    }

    /// The next server's place in the list.
    fn next_server(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn % self.conf.servers.len().max(1)
    }

    fn say(&self, level: Level, text: &str, server: std::net::SocketAddr) {
        self.log.write(level, None, format!("{text} while resolving, resolver: {server}").as_bytes());
    }
}

impl Found {
    /// A records, then AAAA.
    fn in_order(&self) -> Vec<IpAddr> {
        self.v4.iter().chain(&self.v6).copied().collect()
    }

    /// The same with each list begun at a random place.
    fn rotated(&self) -> Vec<IpAddr> {
        let mut addresses = Vec::with_capacity(self.v4.len() + self.v6.len());
        for list in [&self.v4, &self.v6] {
            let at = if list.is_empty() { 0 } else { os::process::random() as usize % list.len() };
            let (before, after) = list.split_at(at);
            addresses.extend(after.iter().chain(before));
        }
        addresses
    }
}

struct Waiting<'a>(&'a Name);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

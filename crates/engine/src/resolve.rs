//! Names to addresses at run time (`resolver`): one cache per directive and thread, one query
//! per name however many sessions ask, answers held for their time to live.
//!
//! It does not know what the addresses are for.

mod cache;
mod exchange;
mod servers;

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use syntax::Level;

use crate::log::ErrorLogs;
use crate::throttle::Throttle;
use cache::{Cache, Found, Name, State};
use config::family::core::Resolver as Conf;
use servers::Servers;
use wire::dns::Kind;
pub use wire::dns::Service;

/// CNAMEs followed before giving up.
const CHAIN: usize = 50;
/// How long an answer is waited for where an old one is at hand, milliseconds (RFC 8767, section 5).
const STALE_WAIT: u64 = 1_800;
/// How long an old answer is served without waiting after nothing better was to be had, seconds.
const STALE_PAUSE: u64 = 5;
/// How long servers are asked although nobody waits, for the sake of an old answer, milliseconds.
const STALE_ASK: u64 = 30_000;

/// Lines a second that a thread writes about messages which answer nothing.
const ODDITIES: u64 = 20;

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

/// `name` as it is asked for and as messages give it: in lower case, without one last dot.
pub fn asked_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// One `resolver` on one thread.
#[derive(Debug)]
pub struct Resolver {
    conf: Conf,
    log: ErrorLogs,
    names: Cache,
    servers: Servers,
    oddities: Throttle,
    old: Throttle,
}

impl Resolver {
    /// A resolver that has asked nothing yet; oddities of servers go to `log`.
    pub fn new(conf: Conf, log: ErrorLogs) -> Self {
        // Workers and directives begin at different servers.
        let servers = Servers::new(&conf.servers, os::process::random() as usize >> 1);
        Self {
            conf,
            log,
            names: Cache::default(),
            servers,
            oddities: Throttle::with_burst(ODDITIES),
            old: Throttle::new(),
        }
    }

    /// The addresses of `name`, within `timeout` milliseconds.
    pub async fn addresses(self: &Rc<Self>, name: &str, timeout: u64) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(literal) = name.parse::<std::net::Ipv4Addr>() {
            return Ok(vec![literal.into()]);
        }
        let name = asked_name(name);
        if name.split('.').any(str::is_empty) {
            return Err(ResolveError::NOT_FOUND);
        }
        let now = reactor::now() / 1000;
        let entry = self.names.entry(&name, now);
        if let Some(found) = entry.fresh(now) {
            return Ok(found.rotated());
        }
        let stale = entry.stale(now);
        if let Some(error) = entry.refused(now).filter(|_| stale.is_none()) {
            return Err(error);
        }
        if let Some(found) = stale.as_ref().filter(|_| now < entry.failed.get() + STALE_PAUSE) {
            return Ok(found.rotated());
        }
        if entry.wants_question(reactor::now()) {
            let question = entry.begin_question(reactor::now());
            reactor::spawn(Rc::clone(self).ask(name.clone(), Rc::clone(&entry), question));
        }
        let patience = if stale.is_some() { timeout.min(STALE_WAIT) } else { timeout };
        let settled = reactor::timeout(patience, entry.settled()).await;
        let error = match settled.unwrap_or(Err(ResolveError::TimedOut)) {
            Ok(found) => return Ok(found.in_order()),
            Err(error) => error,
        };
        // That there is no such name is an answer, too.
        let Some(found) = stale.filter(|_| error != ResolveError::NOT_FOUND) else { return Err(error) };
        entry.failed.set(now);
        if self.old.tick(reactor::now()).is_some() {
            let text = format!("{name} could not be resolved {error}, using its old addresses");
            self.log.write(Level::Warn, None, text.as_bytes());
        }
        Ok(found.rotated())
    }

    /// The addresses of `name`, asked for anew, within `timeout` milliseconds.
    pub async fn fresh_addresses(&self, name: &str, timeout: u64) -> Fresh<IpAddr> {
        let asked = reactor::timeout(timeout, self.follow(name, || true)).await;
        let found = asked.ok().flatten().unwrap_or(Err(ResolveError::TimedOut))?;
        Ok((found.in_order(), self.holds(found.ttl)))
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
        Ok((services, self.holds(ttl)))
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
    async fn ask(self: Rc<Self>, name: String, entry: Rc<Name>, question: u64) {
        let begun = reactor::now();
        let keep_on = || {
            let waited_for = entry.is_waited_for();
            let worth_it = waited_for || entry.stale(begun / 1000).is_some() && reactor::now() < begun + STALE_ASK;
            entry.is_last_question(question) && worth_it
        };
        let answer = self.follow(&name, keep_on).await;
        let now = reactor::now() / 1000;
        match answer {
            Some(Ok(found)) => {
                let until = now + self.holds(found.ttl);
                let stale = until + self.conf.stale.unwrap_or(0);
                entry.set(State::Known { found: Rc::new(found), until, stale });
            }
            // That an older question, or one that was answered in place of this one, brings nothing tells nothing.
            _ if !entry.is_last_question(question) || !entry.is_asked_for() => {}
            Some(Err(error)) => entry.set(State::Failed { error, until: now + self.error_holds(error) }),
            None => entry.set(State::Unknown),
        }
    }

    /// Seconds for which an answer with this time to live holds.
    fn holds(&self, ttl: u32) -> u64 {
        self.conf.valid.unwrap_or_else(|| u64::from(ttl).max(self.conf.min_ttl))
    }

    /// Seconds for which servers are not asked again after they have answered with an error.
    fn error_holds(&self, error: ResolveError) -> u64 {
        if matches!(error, ResolveError::Code(_)) { self.conf.min_ttl } else { 0 }
    }

    /// The addresses of `name` or of what it is an alias of; `None` when nobody waits any more.
    async fn follow(&self, name: &str, wanted: impl Fn() -> bool) -> Option<Result<Found, ResolveError>> {
        let mut name = name.to_owned();
        let mut known = Vec::new();
        for _ in 0..=CHAIN {
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
            // A circle leads nowhere, however often it is gone round.
            match alias.filter(|target| *target != name && !known.contains(target)) {
                Some(target) => known.push(std::mem::replace(&mut name, target)),
                None => break,
            }
        }
        Some(Err(ResolveError::NOT_FOUND))
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

    fn say(&self, level: Level, text: &str, server: std::net::SocketAddr) {
        self.log.write(level, None, format!("{text} while resolving, resolver: {server}").as_bytes());
    }

    /// Tells of what a flood of forged answers would repeat, [`ODDITIES`] times a second.
    fn say_seldom(&self, text: impl FnOnce() -> String) {
        if self.oddities.tick(reactor::now()).is_some() {
            self.log.write(Level::Error, None, text().as_bytes());
        }
    }
}

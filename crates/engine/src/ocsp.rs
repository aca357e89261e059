//! OCSP: asking responders about certificates. Which certificates, and what follows from an answer, is decided
//! elsewhere.

mod cache;
mod exchange;
mod flights;
mod place;

use std::fmt::{self, Write as _};
use std::rc::Rc;

use reactor::Elapsed;
use syntax::Level;
use tls::{Answer, Inquiry};
use wire::ocsp::Refused;

use crate::log::{ErrorLogs, errno};
use crate::resolve::Resolver;
pub use cache::{Caches, Statuses};
use exchange::Ended;
pub use flights::{Flights, Key};
pub use place::{Place, Unplaced};
use policy::address::Address;

/// Whom to ask, and where trouble is told.
#[derive(Debug)]
pub struct Query {
    /// Whom.
    pub place: Place,
    /// Who looks its name up, and in how many milliseconds.
    pub resolver: Option<(Rc<Resolver>, u64)>,
    /// Where trouble is told.
    pub log: ErrorLogs,
    /// The client on whose behalf it is asked.
    pub connection: Option<u64>,
    /// The certificate's name in messages.
    pub certificate: Option<String>,
    /// Milliseconds in which each address has to answer, unless whoever asks ends it.
    pub timeout: Option<u64>,
}

/// What a responder has sent.
#[derive(Debug)]
pub struct Fetched {
    /// What it says.
    pub answer: Answer,
    /// The response in DER; more may follow it.
    pub response: Vec<u8>,
    /// Who has sent it.
    pub peer: Address,
}

impl Query {
    /// Asks one address after the other until one answers. `None` when that leads to nothing, which is told then.
    pub async fn ask(&self, inquiry: &Inquiry) -> Option<Fetched> {
        let request = match inquiry.request() {
            Ok(der) => wire::ocsp::request(&self.place.responder.name, &self.place.responder.path, &der),
            Err(error) => {
                self.say(Level::Crit, None, &error);
                return None;
            }
        };
        for peer in self.addresses().await? {
            match self.ask_one(inquiry, &peer, &request).await {
                Outcome::Fetched(fetched) => return Some(fetched),
                Outcome::Failed => return None,
                Outcome::Next => {}
            }
        }
        None
    }

    /// Where the responder is.
    async fn addresses(&self) -> Option<Vec<Address>> {
        let Place { responder, addresses } = &self.place;
        if self.place.is_literal() {
            return Some(addresses.clone());
        }
        let name = &responder.name;
        let Some((resolver, timeout)) = &self.resolver else {
            let level = if addresses.is_empty() { Level::Error } else { Level::Warn };
            self.say(level, None, &format_args!("no resolver defined to resolve {name}"));
            return (!addresses.is_empty()).then(|| addresses.clone());
        };
        match resolver.addresses(name, *timeout).await {
            Ok(found) => Some(found.into_iter().map(|ip| Address::Inet((ip, responder.port).into())).collect()),
            Err(error) => {
                self.say(Level::Error, None, &format_args!("{name} could not be resolved {error}"));
                None
            }
        }
    }

    async fn ask_one(&self, inquiry: &Inquiry, peer: &Address, request: &[u8]) -> Outcome {
        let say = |level, text: &dyn fmt::Display| self.say(level, Some(peer), text);
        let early = &"OCSP responder prematurely closed connection";
        let exchange = exchange::exchange(peer, request);
        let ended = match self.timeout {
            Some(timeout) => reactor::timeout(timeout, exchange).await,
            None => Ok(exchange.await),
        };
        match ended {
            Ok(Ok((200, response))) => match inquiry.verify(&response) {
                Ok(answer) => return Outcome::Fetched(Fetched { answer, response, peer: peer.clone() }),
                Err(error) => say(Level::Error, &error),
            },
            // Nothing is told of other codes.
            Ok(Ok(_)) => {}
            Ok(Err(Ended::Refused(Refused::Invalid))) => say(Level::Error, &"OCSP responder sent invalid response"),
            Ok(Err(Ended::Refused(Refused::ContentType(other)))) => {
                let other = String::from_utf8_lossy(&other).into_owned();
                say(Level::Error, &format_args!("OCSP responder sent invalid \"Content-Type\" header: \"{other}\""));
            }
            Ok(Err(Ended::Early)) => {
                say(Level::Error, early);
                return Outcome::Next;
            }
            Ok(Err(Ended::Failed(call, error))) => {
                say(Level::Error, &format_args!("{call} failed{}", errno(&error)));
                if call == "recv()" {
                    say(Level::Error, early);
                }
                return Outcome::Next;
            }
            Ok(Err(Ended::NotConnected(error))) => {
                say(Level::Crit, &format_args!("connect() to {peer} failed{}", errno(&error)));
                return Outcome::Next;
            }
            Err(Elapsed) => {
                say(Level::Error, &"OCSP responder timed out (110: Connection timed out)");
                return Outcome::Next;
            }
        }
        Outcome::Failed
    }

    /// Tells something of this query, and of the peer if there is one already.
    pub fn say(&self, level: Level, peer: Option<&Address>, text: &dyn fmt::Display) {
        if !self.log.admits(level) {
            return;
        }
        let mut line = format!("{text} while requesting certificate status, responder: {}", self.place.responder.name);
        if let Some(peer) = peer {
            let _ = write!(line, ", peer: {peer}");
        }
        if let Some(certificate) = &self.certificate {
            let _ = write!(line, ", certificate: \"{certificate}\"");
        }
        self.log.write(level, self.connection, line.as_bytes());
    }
}

/// What became of one address.
enum Outcome {
    Fetched(Fetched),
    /// Another one would say the same.
    Failed,
    /// Another one may do.
    Next,
}

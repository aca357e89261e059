//! DNS messages (RFC 1035) through `hickory-proto`: queries out, answers in. Whom to ask, and for
//! how long an answer holds, is not decided here.

mod fault;

use std::net::IpAddr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// The bytes of a message before its question.
const HEADER: usize = 12;
/// Record types of names that stand for others (RFC 1035, RFC 6672).
const CNAME: u16 = 5;
const DNAME: u16 = 39;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Services (RFC 2782).
    Srv,
}

impl Kind {
    fn record(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Srv => RecordType::SRV,
        }
    }
}

/// A machine that offers a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The lowest is to be used first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// Where it listens.
    pub port: u16,
    /// The machine's name.
    pub target: String,
}

/// A query with what tells its answer.
#[derive(Debug)]
pub struct Asked {
    /// What for.
    pub kind: Kind,
    id: u16,
    name: Name,
    /// The datagram.
    pub bytes: Vec<u8>,
}

impl Asked {
    /// A query for `name` that bears `id`; `None` for what is no domain name.
    ///
    /// Letters are sent in upper case where `mix` has a bit set, the lowest for the first letter: one more thing that
    /// who forges an answer has to guess.
    pub fn new(name: &str, kind: Kind, id: u16, mix: u64) -> Option<Self> {
        let mut name = Name::from_labels(mixed(name, mix).strip_suffix(b".")?.split(|byte| *byte == b'.')).ok()?;
        name.set_fqdn(true);
        let mut message = Message::query();
        message.metadata.id = id;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), kind.record()));
        let bytes = message.to_vec().ok()?;
        Some(Self { kind, id, name, bytes })
    }

    /// Whether `response` has the id and the question of this query.
    pub fn is_answered_by(&self, response: &Response) -> bool {
        response.id() == self.id
            && response.0.queries.iter().any(|query| {
                query.name == self.name && query.query_type == self.kind.record() && query.query_class == DNSClass::IN
            })
    }

    /// Whether the letters of the question in `response` are in the case in which they were sent.
    pub fn keeps_case(&self, response: &Response) -> bool {
        response.0.queries.iter().any(|query| query.name.eq_case(&self.name))
    }

    /// Whether there are letters in upper case.
    pub fn is_mixed(&self) -> bool {
        self.name.iter().flatten().any(u8::is_ascii_uppercase)
    }

    /// The name asked for, in lower case without its last dot.
    pub fn name(&self) -> String {
        plain(&self.name).to_ascii_lowercase()
    }

    /// The id that an answer bears.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// The records of a response, which must answer this query.
    pub fn answer(&self, response: &Response) -> Answer {
        let mut answer = Answer { ttl: u32::MAX, ..Answer::default() };
        for record in &response.0.answers {
            match (&record.data, self.kind) {
                (RData::A(address), Kind::A) => answer.addresses.push(IpAddr::V4(address.0)),
                (RData::AAAA(address), Kind::Aaaa) => answer.addresses.push(IpAddr::V6(address.0)),
                (RData::SRV(service), Kind::Srv) => answer.services.push(Service {
                    priority: service.priority,
                    weight: service.weight,
                    port: service.port,
                    target: plain(&service.target),
                }),
                (RData::CNAME(target), _) => {
                    answer.alias = Some(plain(&target.0).to_ascii_lowercase());
                }
                _ => continue,
            }
            answer.ttl = answer.ttl.min(record.ttl);
        }
        if !answer.addresses.is_empty() || !answer.services.is_empty() {
            answer.alias = None;
        }
        answer
    }
}

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Addresses, in received order.
    pub addresses: Vec<IpAddr>,
    /// Services, in received order.
    pub services: Vec<Service>,
    /// Where the chain of aliases leads when there are no addresses.
    pub alias: Option<String>,
    /// Seconds; the least of the records'.
    pub ttl: u32,
}

impl Answer {
    /// Whether there is nothing in it to go on with.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.services.is_empty() && self.alias.is_none()
    }
}

/// A message that says it is a response to a query.
#[derive(Debug)]
pub struct Response(Message);

impl Response {
    /// Reads a datagram; the error is what the log says.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        fault::check(bytes)?;
        Message::from_vec(bytes).map(Self).map_err(|_| "invalid DNS response".to_owned())
    }

    /// The id that its sender took from a query.
    pub fn id(&self) -> u16 {
        self.0.metadata.id
    }

    /// Whether there was more to say than fits into a datagram.
    pub fn is_truncated(&self) -> bool {
        self.0.metadata.truncation
    }

    /// The RCODE (section 4.1.1).
    pub fn code(&self) -> u16 {
        self.0.metadata.response_code.into()
    }

    /// The type of a record, which are not those that answers to a query for `kind` have, and whether there are no
    /// others.
    pub fn unexpected(&self, kind: Kind) -> Option<(u16, bool)> {
        let known = |of: RecordType| match kind {
            Kind::Srv => of == RecordType::SRV,
            Kind::A | Kind::Aaaa => matches!(of, RecordType::A | RecordType::AAAA),
        };
        let is_odd = |of: RecordType| !known(of) && !matches!(u16::from(of), CNAME | DNAME);
        let mut odd = self.0.answers.iter().map(Record::record_type).filter(|of| is_odd(*of));
        let first = odd.next()?;
        Some((first.into(), 1 + odd.count() == self.0.answers.len()))
    }

    /// The name in the question, in lower case with its last dot; empty where there is none.
    pub fn question(&self) -> String {
        self.0.queries.first().map(|query| query.name.to_ascii().to_ascii_lowercase()).unwrap_or_default()
    }
}

/// `name` in lower case, but for letters whose bit of `mix` is set; ends with a dot.
fn mixed(name: &str, mix: u64) -> Vec<u8> {
    let mut bytes = name.to_ascii_lowercase().into_bytes();
    for (at, letter) in bytes.iter_mut().filter(|byte| byte.is_ascii_lowercase()).enumerate() {
        if mix.rotate_right(at as u32) & 1 == 1 {
            letter.make_ascii_uppercase();
        }
    }
    if bytes.last() != Some(&b'.') {
        bytes.push(b'.');
    }
    bytes
}

/// A name without its last dot.
fn plain(name: &Name) -> String {
    let name = name.to_ascii();
    name.strip_suffix('.').unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests;

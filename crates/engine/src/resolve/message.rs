//! DNS messages (RFC 1035) through `hickory-proto`: queries out, answers in.

use std::net::IpAddr;
use std::str::FromStr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::Service;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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

/// A query with what tells its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// What for.
    pub(super) kind: Kind,
    id: u16,
    name: Name,
    /// The datagram.
    pub(super) bytes: Vec<u8>,
}

impl Asked {
    /// A query for `name` with a random id; `None` for what is no domain name.
    pub(super) fn new(name: &str, kind: Kind) -> Option<Self> {
        let mut name = Name::from_str(name).ok()?;
        name.set_fqdn(true);
        let mut message = Message::query();
        let id = os::process::random() as u16;
        message.metadata.id = id;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), kind.record()));
        let bytes = message.to_vec().ok()?;
        Some(Self { kind, id, name, bytes })
    }

    /// Whether `message` answers this query.
    pub(super) fn is_answered_by(&self, message: &Message) -> bool {
        message.metadata.id == self.id
            && message.queries.iter().any(|query| {
                query.name == self.name && query.query_type == self.kind.record() && query.query_class == DNSClass::IN
            })
    }

    /// The name asked for, without its last dot.
    pub(super) fn name(&self) -> String {
        plain(&self.name)
    }

    /// Whether the ids are the same, whatever else differs.
    pub(super) fn has_id(&self, id: u16) -> bool {
        self.id == id
    }
}

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Addresses, in received order.
    pub(super) addresses: Vec<IpAddr>,
    /// Services, in received order.
    pub(super) services: Vec<Service>,
    /// Where the chain of aliases leads when there are no addresses.
    pub(super) alias: Option<String>,
    /// Seconds; the least of the records'.
    pub(super) ttl: u32,
}

/// Reads a datagram as a response.
pub(super) fn read(bytes: &[u8]) -> Result<Message, String> {
    if bytes.len() < 12 {
        return Err("short DNS response".to_owned());
    }
    let message = Message::from_vec(bytes).map_err(|_| "invalid DNS response".to_owned())?;
    if message.metadata.message_type != MessageType::Response || message.metadata.op_code != OpCode::Query {
        return Err("invalid DNS response".to_owned());
    }
    Ok(message)
}

/// The records of a response to `asked`.
pub(super) fn answer(asked: &Asked, message: &Message) -> Answer {
    let mut answer = Answer { ttl: u32::MAX, ..Answer::default() };
    for record in &message.answers {
        match (&record.data, asked.kind) {
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

/// A name without its last dot.
fn plain(name: &Name) -> String {
    let name = name.to_ascii();
    name.strip_suffix('.').unwrap_or(&name).to_owned()
}

//! Groups while they are read: who mentioned or defined which name, in the order of first mention.

use std::collections::HashMap;

use policy::address::{Address, Host, Target};
use syntax::{Place, Span};

use super::{Method, PeerServer, UpstreamId};
use crate::family::core::ResolverId;
use crate::load::{Line, Refusal, text};

/// Every group so far; [`UpstreamId`] indexes them.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(super) groups: Vec<Group>,
    /// Groups by name in lower case: of one name there may be several with different ports.
    by_name: HashMap<String, Vec<usize>>,
    /// The one whose block is being read.
    open: Option<usize>,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) name: String,
    pub(super) port: Option<u16>,
    /// Whether its block has been seen.
    pub(super) explicit: bool,
    /// Where it was first written, which is what errors name.
    pub(super) place: Place,
    /// The word that names it there.
    pub(super) span: Option<Span>,
    pub(super) method: Option<Method>,
    /// Whether the method takes `backup`; it only refuses those written after it.
    pub(super) takes_backup: bool,
    pub(super) least_time: bool,
    pub(super) servers: Vec<PeerServer>,
    /// The addresses of a literal that needs no asking.
    pub(super) literal: Vec<Address>,
    pub(super) zone: Option<String>,
    /// `resolver` of the block.
    pub(crate) resolver: Option<ResolverId>,
    /// `resolver_timeout` of the block, milliseconds.
    pub(crate) resolver_timeout: Option<u64>,
}

impl Group {
    fn new(name: String, port: Option<u16>, line: &Line<'_, '_>) -> Self {
        Self {
            name,
            port,
            explicit: false,
            place: line.place.clone(),
            span: line.span(1),
            method: None,
            takes_backup: true,
            least_time: false,
            servers: Vec::new(),
            literal: Vec::new(),
            zone: None,
            resolver: None,
            resolver_timeout: None,
        }
    }
}

impl Draft {
    /// The group that a literal `proxy_pass` means: a block of that name, written or yet to come, or
    /// the addresses of the host, shared by all that name it with the same port.
    pub(crate) fn mention(&mut self, target: &Target, line: &Line<'_, '_>) -> Result<UpstreamId, Refusal> {
        let name = target.host.text();
        for (at, known) in self.named(&name) {
            if let (true, Some(port)) = (known.explicit, target.port) {
                return Err(Refusal::Word(0, format!("upstream \"{name}\" may not have port {port}"), None));
            }
            if known.port == target.port {
                return Ok(UpstreamId(at as u32));
            }
        }
        let mut group = Group::new(name, target.port, line);
        match (&target.host, target.port) {
            (Host::Unix(path), _) => group.literal.push(Address::Unix(path.clone())),
            (Host::Ip(ip), Some(port)) => group.literal.push(Address::Inet((*ip, port).into())),
            (Host::Ip(_), None) | (Host::Name(_), _) => {}
        }
        Ok(UpstreamId(self.add(group) as u32))
    }

    /// Opens the block of the group that `line` names.
    pub(super) fn define(&mut self, line: &Line<'_, '_>) -> Result<(), Refusal> {
        let name = text(line.arg(0));
        let mut mentioned = None;
        for (at, known) in self.named(&name) {
            if known.explicit {
                return Err(Refusal::Word(0, format!("duplicate upstream \"{name}\""), None));
            }
            if let Some(port) = known.port {
                let place = &known.place;
                return Err(Refusal::Bare(format!("upstream \"{name}\" may not have port {port} in {place}")));
            }
            mentioned = Some(at);
        }
        let at = mentioned.unwrap_or_else(|| self.add(Group::new(name, None, line)));
        self.open = Some(at);
        self.current()?.explicit = true;
        Ok(())
    }

    /// The group whose block is being read.
    pub(crate) fn current(&mut self) -> Result<&mut Group, Refusal> {
        let open = self.open.and_then(|at| self.groups.get_mut(at));
        open.ok_or_else(|| Refusal::Text("not in an upstream".to_owned()))
    }

    fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Group)> {
        let all = self.by_name.get(&name.to_ascii_lowercase()).into_iter().flatten();
        all.filter_map(|at| Some((*at, self.groups.get(*at)?)))
    }

    fn add(&mut self, group: Group) -> usize {
        let at = self.groups.len();
        self.by_name.entry(group.name.to_ascii_lowercase()).or_default().push(at);
        self.groups.push(group);
        at
    }
}

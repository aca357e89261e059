//! `geo`: a value for an address, by the longest network that it lies in or by ranges of IPv4
//! addresses. Reads no configuration: networks come parsed.

mod networks;
mod ranges;
mod segments;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use crate::address::{self, Network};
use crate::arena::{Arena, Interner};
use crate::template::Template;
use crate::variables::Scope;
use networks::Networks;
pub use ranges::RangeError;
use ranges::Ranges;
use segments::Segments;

/// A finished `geo`.
#[derive(Debug)]
pub struct Geo {
    source: Option<Template>,
    volatile: bool,
    v4: Segments<u32>,
    /// `None` with ranges, which know IPv4 only.
    v6: Option<Segments<u128>>,
    values: Arena,
}

/// A `geo` while its lines are read: either networks or ranges.
#[derive(Debug, Default)]
pub struct GeoBuilder {
    source: Option<Template>,
    volatile: bool,
    v4: Networks<u32>,
    v6: Networks<u128>,
    ranges: Option<Ranges>,
    values: Interner,
}

impl GeoBuilder {
    /// One that looks up the address in `source` and not the client's.
    pub fn of(source: Template) -> Self {
        Self { source: Some(source), ..Self::default() }
    }

    /// Has the value looked up anew for each text.
    pub fn volatile(&mut self) {
        self.volatile = true;
    }

    /// Gives the addresses of `network` a value. Where the network has one already, the last
    /// counts, and what its first address had before is returned for the warning.
    pub fn insert(&mut self, network: Network, value: &[u8]) -> Option<Box<[u8]>> {
        let value = self.values.intern(value)?;
        let old = match network.address() {
            IpAddr::V4(ip) => self.v4.insert(ip.to_bits(), network.bits(), value),
            IpAddr::V6(ip) => self.v6.insert(ip.to_bits(), network.bits(), value),
        };
        old.map(|old| self.values.get(old).into())
    }

    /// `default`: the same for all addresses of both families.
    pub fn default_networks(&mut self, value: &[u8]) -> [Option<Box<[u8]>>; 2] {
        let Some(value) = self.values.intern(value) else { return [None, None] };
        let old = [self.v4.insert(0, 0, value), self.v6.insert(0, 0, value)];
        old.map(|old| old.map(|old| self.values.get(old).into()))
    }

    /// `delete`: forgets a network; false where it is not there.
    pub fn remove(&mut self, network: Network) -> bool {
        match network.address() {
            IpAddr::V4(ip) => self.v4.remove(ip.to_bits(), network.bits()),
            IpAddr::V6(ip) => self.v6.remove(ip.to_bits(), network.bits()),
        }
    }

    /// Gives the addresses from `first` to `last` a value; inside another range they are cut out
    /// of it. Where the range is there already, the last value counts, and the old one goes to
    /// `replaced`: once for each /16 that the range touches, before an error as well.
    pub fn insert_range(
        &mut self,
        (first, last): (Ipv4Addr, Ipv4Addr),
        value: &[u8],
        replaced: &mut Vec<Box<[u8]>>,
    ) -> Result<(), RangeError> {
        let Some(value) = self.values.intern(value) else { return Ok(()) };
        let mut places = Vec::new();
        let ends = (first.to_bits(), last.to_bits());
        let done = self.ranges.get_or_insert_default().insert(ends, value, &mut places);
        replaced.extend(places.into_iter().map(|old| self.values.get(old).into()));
        done
    }

    /// `default` among ranges; the old one, if there was any.
    pub fn default_range(&mut self, value: &[u8]) -> Option<Box<[u8]>> {
        let value = self.values.intern(value)?;
        let old = self.ranges.get_or_insert_default().default.replace(value);
        old.map(|old| self.values.get(old).into())
    }

    /// `delete` among ranges: forgets one; false where exactly this one is not there.
    pub fn remove_range(&mut self, first: Ipv4Addr, last: Ipv4Addr) -> bool {
        self.ranges.get_or_insert_default().remove(first.to_bits(), last.to_bits())
    }

    /// The `geo`, ready for look-ups.
    pub fn build(mut self) -> Geo {
        let nothing = self.values.intern(b"").unwrap_or(u32::MAX);
        let (v4, v6) = match self.ranges {
            Some(ranges) => (ranges.segments(nothing), None),
            None => (self.v4.segments(nothing), Some(self.v6.segments(nothing))),
        };
        Geo { source: self.source, volatile: self.volatile, v4, v6, values: self.values.finish() }
    }
}

impl Geo {
    /// Whether the value is looked up anew for each text.
    pub fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// The place of the value for a session.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> u32 {
        let ip = match &self.source {
            None => scope.values.client_ip(),
            Some(source) => {
                let mut text = Vec::new();
                source.render(scope, &mut text);
                address::parse_ip(&text)
            }
        };
        self.find(ip)
    }

    /// The value at a place.
    pub(crate) fn constant(&self, place: u32) -> &[u8] {
        self.values.get(place)
    }

    /// The value for an address. What has none (a unix client, text that is no address) counts as
    /// 255.255.255.255; IPv4 within IPv6 as IPv4.
    pub fn lookup(&self, ip: Option<IpAddr>) -> &[u8] {
        self.constant(self.find(ip))
    }

    fn find(&self, ip: Option<IpAddr>) -> u32 {
        let none = Ipv4Addr::BROADCAST;
        let found = match (ip.map_or(none.into(), address::unmapped), &self.v6) {
            (IpAddr::V4(ip), _) => self.v4.find(ip.to_bits()),
            (IpAddr::V6(ip), Some(v6)) => v6.find(ip.to_bits()),
            (IpAddr::V6(_), None) => self.v4.find(none.to_bits()),
        };
        found.unwrap_or(u32::MAX)
    }
}

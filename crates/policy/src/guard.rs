//! `proxy_guard`: addresses that a client may not choose, since they lead to this machine, to its neighbours or to
//! nowhere. It knows addresses, not who asked for them or how they were found.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Network, unmapped};

/// `proxy_guard on` with its exceptions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    allowed: Vec<Network>,
}

impl Guard {
    /// Makes an exception.
    pub fn allow(&mut self, network: Network) {
        self.allowed.push(network);
    }

    /// What is special about `ip`, if that keeps it out of reach.
    pub fn refuses(&self, ip: IpAddr) -> Option<&'static str> {
        let plain = unmapped(ip);
        let excepted = self.allowed.iter().any(|network| network.contains(ip) || network.contains(plain));
        if excepted { None } else { special(ip) }
    }
}

/// What is special about an address: `None` for one that anybody on the internet may have.
///
/// An IPv6 address that carries an IPv4 one is what that is.
pub fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip).or_else(|| carried(ip).find_map(special_v4)),
    }
}

/// RFC 6890, and what clouds answer metadata on.
fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    Some(match ip.octets() {
        [169, 254, 169, 254] | [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => "metadata",
        [0, ..] => "unspecified",
        [127, ..] => "loopback",
        [169, 254, ..] => "link-local",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "shared",
        [224..=239, ..] => "multicast",
        [255, 255, 255, 255] => "broadcast",
        [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    Some(match ip.segments() {
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "metadata",
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0xfe80..=0xfebf, ..] => "link-local",
        // fc00::/7, fec0::/10 and the prefix of RFC 8215 for translation within a site.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => "private",
        [0xff00..=0xffff, ..] => "multicast",
        // Discarded (RFC 6666).
        [0x100, 0, 0, 0, ..] => "reserved",
        _ => return None,
    })
}

/// The IPv4 addresses that `ip` carries: mapped and compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052),
/// 6to4 (RFC 3056), Teredo's server and client (RFC 4380), ISATAP (RFC 5214).
fn carried(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let found = match ip.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b] | [0, 0, 0, 0, 0xffff, 0, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => {
            [Some(v4(a, b)), None]
        }
        [0x2001, 0, a, b, _, _, c, d] => [Some(v4(a, b)), Some(v4(!c, !d))],
        [0x2002, a, b, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, a, b] => [Some(v4(a, b)), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

//! Addresses as configurations write them and logs show them. Names are taken apart here, not
//! looked up.

mod inet6;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where something listens, connects to or comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address with a port.
    Inet(SocketAddr),
    /// A path in the file system; empty for a client without a name.
    Unix(Box<[u8]>),
}

/// The longest path of a unix socket.
const LONGEST_PATH: usize = 107;

impl Address {
    /// Without the port; `unix:` for a unix client, `unix:/path` for a named socket.
    pub fn ip_text(&self) -> String {
        match self {
            Self::Inet(address) => IpText(address.ip()).to_string(),
            Self::Unix(_) => self.to_string(),
        }
    }

    /// Whether it stands for every local address.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Inet(address) if address.ip().is_unspecified())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) if address.is_ipv4() => write!(f, "{}:{}", address.ip(), address.port()),
            Self::Inet(address) => write!(f, "[{}]:{}", IpText(address.ip()), address.port()),
            Self::Unix(path) => write!(f, "unix:{}", String::from_utf8_lossy(path)),
        }
    }
}

/// An IP address as logs show it: lower case, the longest run of zero groups (two at least, the
/// first of equals) as `::`, mapped IPv4 in dots.
struct IpText(IpAddr);

impl fmt::Display for IpText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The standard library follows RFC 5952, which is the same but for nothing that occurs.
        self.0.fmt(f)
    }
}

/// The host part of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A literal IP address.
    Ip(IpAddr),
    /// A name, to be looked up or matched.
    Name(String),
    /// A path.
    Unix(Box<[u8]>),
}

impl Host {
    /// As text, for matching names of groups.
    pub fn text(&self) -> String {
        match self {
            Self::Ip(ip) => ip.to_string(),
            Self::Name(name) => name.clone(),
            Self::Unix(path) => format!("unix:{}", String::from_utf8_lossy(path)),
        }
    }
}

/// What a `proxy_pass`, `server` or `pass` address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whom.
    pub host: Host,
    /// The port, if one is written.
    pub port: Option<u16>,
}

/// What a `listen` address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTarget {
    /// The host; `None` for every IPv4 address.
    pub host: Option<Host>,
    /// First and last port; 0 leaves the choice to the system.
    pub ports: (u16, u16),
}

/// Takes `host[:port]`, `[v6][:port]` or `unix:path` apart. An error is the phrase that goes
/// before ` in upstream "…"`.
pub fn parse_upstream(text: &[u8]) -> Result<Target, &'static str> {
    if let Some(path) = unix_path(text) {
        return Ok(Target { host: Host::Unix(path?), port: None });
    }
    if text.first() == Some(&b'[') {
        let (ip, port) = bracketed(text)?;
        let port = port.map(one_port).transpose()?;
        return Ok(Target { host: Host::Ip(v6(ip)?), port });
    }
    let (host, port) = split_port(text)?;
    let port = port.map(one_port).transpose()?;
    Ok(Target { host: host_of(host)?, port })
}

/// Takes a `listen` address apart. An error is the phrase that goes before ` in "…"`.
pub fn parse_listen(text: &[u8]) -> Result<ListenTarget, &'static str> {
    if let Some(path) = unix_path(text) {
        return Ok(ListenTarget { host: Some(Host::Unix(path?)), ports: (0, 0) });
    }
    if text.first() == Some(&b'[') {
        let (ip, ports) = bracketed(text)?;
        let ports = ports.map(port_range).transpose()?.unwrap_or((0, 0));
        return Ok(ListenTarget { host: Some(Host::Ip(v6(ip)?)), ports });
    }
    let (host, ports) = split_port(text)?;
    if ports.is_none() && is_ports(host) {
        return port_range(host).map(|ports| ListenTarget { host: None, ports });
    }
    let ports = ports.map(port_range).transpose()?.unwrap_or((0, 0));
    if host == b"*" {
        return Ok(ListenTarget { host: None, ports });
    }
    Ok(ListenTarget { host: Some(host_of(host)?), ports })
}

/// A literal IP address with or without a port (0 then); an IPv6 one without needs no brackets.
pub fn parse_ip_port(text: &[u8]) -> Option<SocketAddr> {
    if let Some(ip) = parse_ip(text) {
        return Some(SocketAddr::new(ip, 0));
    }
    let target = parse_upstream(text).ok()?;
    match target.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, target.port.unwrap_or(0))),
        _ => None,
    }
}

/// A literal IP address. Parts of an IPv4 address are decimal, whatever zeroes they begin with; an empty one is 0, as
/// nginx has it.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    v4(text).map(IpAddr::V4).or_else(|| inet6::parse(text).map(IpAddr::V6))
}

fn v4(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(|part| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| part.trim_start_matches('0'))
            .and_then(|part| if part.is_empty() { Some(0) } else { part.parse().ok() })
    });
    let mut next = || parts.next().flatten();
    let octets: [u8; 4] = [next()?, next()?, next()?, next()?];
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

fn unix_path(text: &[u8]) -> Option<Result<Box<[u8]>, &'static str>> {
    const PREFIX: &[u8] = b"unix:";
    let (prefix, path) = text.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    Some(match path.len() {
        0 => Err("no path in the unix domain socket"),
        length if length > LONGEST_PATH => Err("too long path in the unix domain socket"),
        _ => Ok(path.into()),
    })
}

/// What stands in the brackets, and after the colon that follows them.
fn bracketed(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    let inner = text.get(1..).unwrap_or_default();
    let end = inner.iter().position(|byte| *byte == b']').ok_or("invalid host")?;
    let (ip, rest) = inner.split_at(end);
    match rest {
        _ if rest.contains(&b'/') => Err("invalid host"),
        [b']'] => Ok((ip, None)),
        [b']', b':', port @ ..] => Ok((ip, Some(port))),
        _ => Err("invalid host"),
    }
}

fn v6(text: &[u8]) -> Result<IpAddr, &'static str> {
    if text.is_empty() {
        return Err("no host");
    }
    let ip = std::str::from_utf8(text).ok().and_then(inet6::parse);
    ip.map(IpAddr::V6).ok_or("invalid IPv6 address")
}

/// Splits at the first colon. A path, as addresses of other servers have, is none of a host.
fn split_port(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    if text.iter().any(|byte| matches!(byte, b'/' | b'?')) {
        return Err("invalid host");
    }
    Ok(match text.iter().position(|byte| *byte == b':') {
        Some(colon) => (text.get(..colon).unwrap_or_default(), text.get(colon + 1..)),
        None => (text, None),
    })
}

/// Whether a `listen` address is a port or a range of ports and no host. What is no number of 63 bits is a host.
fn is_ports(text: &[u8]) -> bool {
    let is_number = |part: &[u8]| {
        part.iter().all(u8::is_ascii_digit) && std::str::from_utf8(part).is_ok_and(|part| part.parse::<i64>().is_ok())
    };
    match text.iter().position(|byte| *byte == b'-') {
        None => is_number(text),
        Some(dash) => {
            is_number(text.get(..dash).unwrap_or_default()) && is_number(text.get(dash + 1..).unwrap_or_default())
        }
    }
}

fn host_of(host: &[u8]) -> Result<Host, &'static str> {
    if host.is_empty() {
        return Err("no host");
    }
    if let Some(ip) = parse_ip(host).filter(IpAddr::is_ipv4) {
        return Ok(Host::Ip(ip));
    }
    String::from_utf8(host.to_vec()).map(Host::Name).map_err(|_| "invalid host")
}

fn one_port(text: &[u8]) -> Result<u16, &'static str> {
    match number(text) {
        Some(port) if port > 0 => Ok(port),
        _ => Err("invalid port"),
    }
}

fn port_range(text: &[u8]) -> Result<(u16, u16), &'static str> {
    match text.iter().position(|byte| *byte == b'-') {
        None => one_port(text).map(|port| (port, port)),
        Some(dash) => {
            let first = one_port(text.get(..dash).unwrap_or_default())?;
            let last = one_port(text.get(dash + 1..).unwrap_or_default())?;
            if first > last { Err("invalid port range") } else { Ok((first, last)) }
        }
    }
}

fn number(text: &[u8]) -> Option<u16> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An IPv4 or IPv6 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// A network from an address and the length of its prefix, host bits cleared.
    pub fn new(address: IpAddr, bits: u8) -> Self {
        match address {
            IpAddr::V4(ip) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { address: Ipv4Addr::from(u32::from(ip) & mask).into(), bits }
            }
            IpAddr::V6(ip) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { address: Ipv6Addr::from(u128::from(ip) & mask).into(), bits }
            }
        }
    }

    /// Reads `address` or `address/bits`; true tells that host bits were set and are cleared.
    pub fn parse(text: &[u8]) -> Option<(Self, bool)> {
        let (address, bits) = match text.iter().position(|byte| *byte == b'/') {
            None => (parse_ip(text)?, None),
            Some(slash) => (parse_ip(text.get(..slash)?)?, Some(number(text.get(slash + 1..)?)?)),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = u8::try_from(bits.unwrap_or(most)).ok().filter(|bits| u16::from(*bits) <= most)?;
        let network = Self::new(address, bits);
        Some((network, network.address != address))
    }

    /// Whether `ip` is in it; families do not mix.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.address.is_ipv4() == ip.is_ipv4() && Self::new(ip, self.bits).address == self.address
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of its prefix.
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The IPv4 address that an IPv4-mapped one stands for; others as they are.
pub fn unmapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> Result<(String, Option<u16>), &'static str> {
        parse_upstream(text.as_bytes()).map(|target| (target.host.text(), target.port))
    }

    #[test]
    fn upstream_addresses() {
        let ok = |host: &str, port| Ok((host.to_owned(), port));
        assert_eq!(upstream("127.0.0.1:80"), ok("127.0.0.1", Some(80)));
        assert_eq!(upstream("backend"), ok("backend", None));
        assert_eq!(upstream("[::1]:80"), ok("::1", Some(80)));
        assert_eq!(upstream("UNIX:/run/x"), ok("unix:/run/x", None));
        for (text, phrase) in [
            ("", "no host"),
            (":80", "no host"),
            ("a:x", "invalid port"),
            ("a:0", "invalid port"),
            ("a:70000", "invalid port"),
            ("a/b", "invalid host"),
            ("[::1", "invalid host"),
            ("[zz]:1", "invalid IPv6 address"),
            ("unix:", "no path in the unix domain socket"),
        ] {
            assert_eq!(upstream(text), Err(phrase), "{text}");
        }
        let long = format!("unix:/{}", "x".repeat(107));
        assert_eq!(upstream(&long), Err("too long path in the unix domain socket"));
    }

    #[test]
    fn listen_addresses() {
        let listen = |text: &str| parse_listen(text.as_bytes());
        let any = |ports| Ok(ListenTarget { host: None, ports });
        assert_eq!(listen("80"), any((80, 80)));
        assert_eq!(listen("*:80"), any((80, 80)));
        assert_eq!(listen("80-90"), any((80, 90)));
        assert_eq!(listen("90-80"), Err("invalid port range"));
        assert_eq!(listen("127.0.0.1").unwrap().ports, (0, 0));
        assert_eq!(listen("[::]:443").unwrap().host, Some(Host::Ip("::".parse().unwrap())));
        assert_eq!(listen("localhost:8").unwrap().host, Some(Host::Name("localhost".to_owned())));
        assert_eq!(listen("80x").unwrap().host, Some(Host::Name("80x".to_owned())));
        assert_eq!(listen("::1:80"), Err("invalid port"));
        assert_eq!(listen("[]"), Err("no host"));
        assert_eq!(listen("010.0.0.1:80").unwrap().host, Some(Host::Ip("10.0.0.1".parse().unwrap())));
    }

    #[test]
    fn text_forms() {
        assert_eq!(Address::Inet("1.2.3.4:5".parse().unwrap()).to_string(), "1.2.3.4:5");
        let v6 = Address::Inet("[2001:DB8:0:0:1:0:0:1]:5".parse().unwrap());
        assert_eq!((v6.to_string().as_str(), v6.ip_text().as_str()), ("[2001:db8::1:0:0:1]:5", "2001:db8::1:0:0:1"));
        assert_eq!(Address::Inet("[::ffff:1.2.3.4]:5".parse().unwrap()).ip_text(), "::ffff:1.2.3.4");
        assert_eq!(Address::Unix(Box::default()).ip_text(), "unix:");
    }

    #[test]
    fn networks() {
        let (net, low) = Network::parse(b"127.0.0.1/8").unwrap();
        assert!(low && net.contains("127.9.9.9".parse().unwrap()) && !net.contains("128.0.0.0".parse().unwrap()));
        assert!(Network::parse(b"0.0.0.0/0").unwrap().0.contains("9.9.9.9".parse().unwrap()));
        assert!(Network::parse(b"::/0").unwrap().0.contains("1::".parse().unwrap()));
        assert!(!Network::parse(b"::/0").unwrap().0.contains("1.1.1.1".parse().unwrap()));
        assert!(Network::parse(b"1.2.3.4/33").is_none() && Network::parse(b"1.2.3").is_none());
    }

    #[test]
    fn every_prefix_is_taken_or_refused() {
        for text in ["[2001:db8::1]:443", "127.0.0.1:80-90", "unix:/run/x.sock", "host.example.com:8443"] {
            for end in 0..text.len() {
                let _ = parse_upstream(&text.as_bytes()[..end]);
                let _ = parse_listen(&text.as_bytes()[..end]);
                let _ = Network::parse(&text.as_bytes()[..end]);
            }
        }
    }
}

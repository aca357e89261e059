//! `allow` and `deny`: the first rule that matches decides.

use std::net::IpAddr;

use crate::address::{Address, Network, unmapped};

/// What a list says of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Allow,
    /// Refused.
    Deny,
}

/// Whom a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A network.
    Network(Network),
    /// Clients of unix sockets.
    Unix,
    /// Everybody.
    All,
}

/// Rules in written order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessList {
    rules: Vec<(Who, Verdict)>,
}

impl AccessList {
    /// Adds a rule after those that are there.
    pub fn push(&mut self, who: Who, verdict: Verdict) {
        self.rules.push((who, verdict));
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The verdict on a client; without a matching rule it is let in. An IPv4-mapped client is
    /// judged by the IPv4 rules where there are any.
    pub fn decide(&self, client: &Address) -> Verdict {
        let ip = match client {
            Address::Inet(address) => Some(self.effective(address.ip())),
            Address::Unix(_) => None,
        };
        let matching = self.rules.iter().find(|(who, _)| match (who, ip) {
            (Who::All, _) | (Who::Unix, None) => true,
            (Who::Network(network), Some(ip)) => network.contains(ip),
            (Who::Network(_), None) | (Who::Unix, Some(_)) => false,
        });
        matching.map_or(Verdict::Allow, |(_, verdict)| *verdict)
    }

    fn effective(&self, ip: IpAddr) -> IpAddr {
        let has_v4 = self
            .rules
            .iter()
            .any(|(who, _)| matches!(who, Who::All) || matches!(who, Who::Network(net) if net.address().is_ipv4()));
        if has_v4 { unmapped(ip) } else { ip }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rules: &[(&str, Verdict)]) -> AccessList {
        let mut list = AccessList::default();
        for (who, verdict) in rules {
            let who = match *who {
                "all" => Who::All,
                "unix:" => Who::Unix,
                net => Who::Network(Network::parse(net.as_bytes()).unwrap().0),
            };
            list.push(who, *verdict);
        }
        list
    }

    fn inet(ip: &str) -> Address {
        Address::Inet((ip.parse::<IpAddr>().unwrap(), 1).into())
    }

    #[test]
    fn the_first_match_decides() {
        let rules = list(&[("10.1.0.0/16", Verdict::Deny), ("10.0.0.0/8", Verdict::Allow), ("all", Verdict::Deny)]);
        assert_eq!(rules.decide(&inet("10.1.2.3")), Verdict::Deny);
        assert_eq!(rules.decide(&inet("10.2.2.3")), Verdict::Allow);
        assert_eq!(rules.decide(&inet("11.2.2.3")), Verdict::Deny);
        assert_eq!(rules.decide(&inet("::1")), Verdict::Deny);
        assert_eq!(rules.decide(&Address::Unix(Box::default())), Verdict::Deny);
        assert_eq!(AccessList::default().decide(&inet("1.1.1.1")), Verdict::Allow);
    }

    #[test]
    fn mapped_clients_and_unix_ones() {
        let v4 = list(&[("1.2.3.4", Verdict::Deny)]);
        assert_eq!(v4.decide(&inet("::ffff:1.2.3.4")), Verdict::Deny);
        let v6 = list(&[("::ffff:1.2.3.4", Verdict::Deny)]);
        assert_eq!(v6.decide(&inet("::ffff:1.2.3.4")), Verdict::Deny);
        let unix = list(&[("unix:", Verdict::Deny)]);
        assert_eq!(unix.decide(&Address::Unix(Box::default())), Verdict::Deny);
        assert_eq!(unix.decide(&inet("1.2.3.4")), Verdict::Allow);
    }
}

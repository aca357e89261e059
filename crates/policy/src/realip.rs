//! `set_real_ip_from`: who may say another address for a client.

use crate::address::{Address, Network, unmapped};

/// Networks whose PROXY headers are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
}

impl TrustedProxies {
    /// Trusts a network.
    pub fn add(&mut self, network: Network) {
        self.networks.push(network);
    }

    /// Trusts clients of unix sockets.
    pub fn add_unix(&mut self) {
        self.unix = true;
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether `peer` is believed. IPv4 within IPv6 counts as IPv4 alone, as it does not for `allow` and `deny`.
    pub fn trusts(&self, peer: &Address) -> bool {
        match peer {
            Address::Unix(_) => self.unix,
            Address::Inet(address) => {
                let ip = unmapped(address.ip());
                self.networks.iter().any(|network| network.contains(ip))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_named() {
        let mut trusted = TrustedProxies::default();
        assert!(trusted.is_empty());
        trusted.add(Network::parse(b"127.0.0.0/8").unwrap().0);
        let inet = |text: &str| Address::Inet(text.parse().unwrap());
        assert!(trusted.trusts(&inet("127.0.0.1:5")) && trusted.trusts(&inet("[::ffff:127.0.0.1]:5")));
        assert!(!trusted.trusts(&inet("128.0.0.1:5")) && !trusted.trusts(&Address::Unix(Box::default())));
        trusted.add(Network::parse(b"::/0").unwrap().0);
        assert!(trusted.trusts(&inet("[::1]:5")) && !trusted.trusts(&inet("[::ffff:128.0.0.1]:5")));
        trusted.add_unix();
        assert!(trusted.trusts(&Address::Unix(Box::default())));
    }
}

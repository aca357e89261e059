//! Where a responder is: its URL, and the addresses that were found for it when the configuration was loaded.

use std::io;
use std::net::IpAddr;

use policy::address::{Address, Host};
use policy::responder::{Refused, Responder};

/// A responder.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its URL.
    pub responder: Responder,
    /// Its addresses; none where the name was not looked up.
    pub addresses: Vec<Address>,
}

/// A URL that leads nowhere; `PHRASE in OCSP responder "SHOWN"` is the message, but for what follows.
pub type Unplaced = Refused;

impl Place {
    /// The responder of `url`, with the addresses that `resolve` finds for its name.
    pub fn looked_up(url: &str, resolve: impl FnOnce(&str) -> io::Result<Vec<IpAddr>>) -> Result<Self, Unplaced> {
        let mut place = Self::of(url)?;
        if let Host::Name(name) = &place.responder.host {
            let found = resolve(name).unwrap_or_default();
            if found.is_empty() {
                return Err(Refused { phrase: "host not found", shown: Responder::shown(url).to_owned() });
            }
            let port = place.responder.port;
            place.addresses = found.into_iter().map(|ip| Address::Inet((ip, port).into())).collect();
        }
        Ok(place)
    }

    /// The responder of `url`, whose name is yet to be looked up.
    pub fn of(url: &str) -> Result<Self, Unplaced> {
        let responder = Responder::parse(url)?;
        let addresses = match &responder.host {
            Host::Ip(ip) => vec![Address::Inet((*ip, responder.port).into())],
            Host::Unix(path) => vec![Address::Unix(path.clone())],
            Host::Name(_) => Vec::new(),
        };
        Ok(Self { responder, addresses })
    }

    /// Whether there is no name to look up.
    pub fn is_literal(&self) -> bool {
        !matches!(self.responder.host, Host::Name(_))
    }
}

//! `proxy_guard`: which of the addresses that a session's variables came to may be connected to.

use std::net::{IpAddr, SocketAddr};

use config::family::listen::Protocol;
use policy::address::{Address, unmapped};
use syntax::Level;

use super::fail::Cause;
use super::{Phase, Session};

/// Those of `addresses`, which `value` came to, that the server's guard lets pass; none is an end.
pub(super) fn passed(s: &Session, value: &str, addresses: Vec<Address>) -> Phase<Vec<Address>> {
    if s.server().conf.guard.is_none() || addresses.is_empty() {
        return Ok(addresses);
    }
    let mut refused = None;
    let mut left = addresses;
    left.retain(|address| match why(s, address) {
        None => true,
        Some(why) => {
            refused.get_or_insert(why);
            false
        }
    });
    match refused {
        None => Ok(left),
        Some(why) if left.is_empty() => Err(Cause::Guarded(value.to_owned(), why)),
        Some(why) => {
            s.log(Level::Error, format_args!("\"{value}\" is refused in part by proxy_guard: {why}"));
            Ok(left)
        }
    }
}

/// Why an address is out of reach.
fn why(s: &Session, address: &Address) -> Option<String> {
    let guard = s.server().conf.guard.as_ref()?;
    let Address::Inet(inet) = address else { return Some(format!("{address} is a local socket")) };
    if let Some(kind) = guard.refuses(inet.ip()) {
        return Some(format!("{} is {kind}", inet.ip()));
    }
    is_own(s, SocketAddr::new(unmapped(inet.ip()), inet.port())).then(|| format!("{address} is the gateway's own"))
}

/// Whether the gateway itself listens there.
fn is_own(s: &Session, to: SocketAddr) -> bool {
    let protocol = if s.is_udp() { Protocol::Udp } else { Protocol::Tcp };
    let listeners = s.generation.plan.listeners.iter().filter(|listener| listener.protocol == protocol);
    let own = listeners.filter_map(|listener| match &listener.address {
        Address::Inet(own) if own.port() == to.port() => Some(own.ip()),
        _ => None,
    });
    let mut local = None;
    own.into_iter().any(|own| own == to.ip() || own.is_unspecified() && *local.get_or_insert_with(|| is_local(to.ip())))
}

/// Whether `ip` is one of this machine's: others cannot be bound to.
fn is_local(ip: IpAddr) -> bool {
    let address = os::SockAddr::Inet(SocketAddr::new(ip, 0));
    os::socket::datagram(&address).is_ok_and(|socket| os::socket::bind(&socket, &address).is_ok())
}

//! `proxy_guard`: which of the addresses that a session's variables came to may be connected to.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use config::family::listen::Protocol;
use policy::address::{Address, unmapped};
use syntax::Level;

use super::fail::Cause;
use super::{Phase, Session};

/// How long what is known of interfaces holds, milliseconds.
const INTERFACES_HOLD: u64 = 1_000;

thread_local! {
    /// The addresses of interfaces, with the loop time up to which they hold.
    static INTERFACES: RefCell<(u64, Vec<IpAddr>)> = const { RefCell::new((0, Vec::new())) };
}

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

/// Whether `ip` is one of this machine's: an interface has it, or what is sent to it comes from it.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || on_an_interface(ip) || leads_to_itself(ip).unwrap_or(false)
}

fn on_an_interface(ip: IpAddr) -> bool {
    INTERFACES.with_borrow_mut(|(known_until, addresses)| {
        let now = reactor::now();
        if now >= *known_until {
            *addresses = os::interfaces::addresses().unwrap_or_default();
            *known_until = now + INTERFACES_HOLD;
        }
        addresses.contains(&ip)
    })
}

/// Networks may be local without an interface that has their addresses.
fn leads_to_itself(ip: IpAddr) -> std::io::Result<bool> {
    let to = os::SockAddr::Inet(SocketAddr::new(ip, 9));
    let socket = os::socket::datagram(&to)?;
    os::socket::connect(&socket, &to)?;
    Ok(matches!(os::socket::local_addr(&socket)?, os::SockAddr::Inet(from) if from.ip() == ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        reactor::Runtime::new().unwrap().run(async {
            assert!(is_local([127, 9, 9, 9].into()));
            for own in os::interfaces::addresses().unwrap() {
                assert!(is_local(own), "{own}");
            }
            assert!(!is_local([192, 0, 2, 1].into()));
        });
    }
}

//! Post-accept: the client's address from a trusted PROXY header (`set_real_ip_from`).

use policy::address::{self, Address};

use super::Session;

/// Replaces the client's address where the peer is trusted to say it.
pub(super) fn replace(s: &Session) {
    let trusted = &s.server().conf.realip;
    if trusted.is_empty() {
        return;
    }
    let Some((text, port)) = s.rare_if_any().and_then(|rare| rare.header.get()).and_then(|header| header.source())
    else {
        return;
    };
    let Some(ip) = address::parse_ip(text.as_bytes()) else { return };
    let peer = s.client.borrow().clone();
    if trusted.trusts(&peer) && s.rare().original.set(peer).is_ok() {
        s.client.replace(Address::Inet((ip, port).into()));
    }
}

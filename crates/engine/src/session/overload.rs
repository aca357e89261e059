//! Limits on what comes before the relay: the time it may take, sessions of a client, handshakes under way.

use std::cell::Cell;
use std::net::IpAddr;

use policy::address::Address;
use syntax::Level;

use super::fail::Cause;
use super::{Action, Phase, Session};
use crate::throttle::Throttle;

thread_local! {
    static HANDSHAKES: Cell<usize> = const { Cell::new(0) };
    static REFUSED: Throttle = const { Throttle::new() };
}

/// Runs a step of the prelude for as long as `prelude_timeout` leaves it.
///
/// It is boxed here: what is over soon lives on the heap meanwhile, so that a session that relays is small.
pub(super) fn within<'a, T>(
    s: &'a Session,
    step: impl Future<Output = Phase<T>> + 'a,
) -> std::pin::Pin<Box<dyn Future<Output = Phase<T>> + 'a>> {
    let Some(limit) = s.server().conf.overload.prelude_timeout else { return Box::pin(step) };
    let left = (s.accepted + limit).saturating_sub(reactor::now());
    Box::pin(async move {
        let done = reactor::timeout(left, step).await;
        done.unwrap_or_else(|_elapsed| {
            let reaching = reaching(s.action.get());
            if reaching {
                s.finish_attempt();
            }
            Err(Cause::PreludeTimeout(reaching))
        })
    })
}

/// Whether it is the upstream that is waited for; it is called proxying when the client's bytes have been read meanwhile.
fn reaching(action: Action) -> bool {
    matches!(action, Action::None | Action::Connecting | Action::Proxying | Action::HandshakingUpstream)
}

/// Counts the session for its client, until it ends.
pub(super) fn count_client(s: &Session) -> Phase {
    let Some(most) = s.server().conf.overload.client_connections else { return Ok(()) };
    if s.passes > 0 {
        // It was counted where it came from.
        return Ok(());
    }
    let client = s.client.borrow();
    let Address::Inet(address) = &*client else { return Ok(()) };
    match s.generation.plan.clients.try_acquire(&key(address.ip()), most) {
        Ok(slot) => {
            s.rare().slots.borrow_mut().push(slot);
            Ok(())
        }
        Err(_) => Err(Cause::ManySessions(most, s.server().conf.limit_conn.log_level)),
    }
}

/// What one client cannot change at will: an IPv4 address, or the network of an IPv6 one.
fn key(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().into_iter().take(8).collect(),
    }
}

/// A handshake under way on this thread, until it is dropped.
pub(super) struct Handshake(());

impl Handshake {
    /// Counts one more, unless `ssl_handshakes_limit` forbids.
    pub(super) fn begin(s: &Session) -> Phase<Self> {
        let under_way = HANDSHAKES.get();
        if let Some(most) = s.generation.plan.limits.handshakes.filter(|most| under_way >= *most) {
            if let Some(count) = REFUSED.with(|refused| refused.tick(reactor::now())) {
                s.log(Level::Warn, format_args!("{most} handshakes under way are the limit, {count} refused"));
            }
            return Err(Cause::ManyHandshakes);
        }
        HANDSHAKES.set(under_way + 1);
        Ok(Self(()))
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        HANDSHAKES.set(HANDSHAKES.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let key = |ip: &str| key(ip.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }
}

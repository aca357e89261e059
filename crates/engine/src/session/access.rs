//! Access: `allow` and `deny`.

use policy::access::Verdict;

use super::Session;
use super::fail::Cause;

/// Refuses clients that a rule denies.
pub(super) fn check(s: &Session) -> super::Phase {
    match s.server().conf.access.decide(&s.client.borrow()) {
        Verdict::Allow => Ok(()),
        Verdict::Deny => Err(Cause::Forbidden),
    }
}

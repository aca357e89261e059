//! Access: `allow` and `deny`.

use std::sync::Arc;

use policy::access::Verdict;

use super::Session;
use super::fail::Cause;
use crate::plan::Server;

/// Refuses clients that a rule of a server denies which was found by its name, unless they are those of the server
/// `before`, which judged already.
pub(super) fn check_again(s: &Session, before: &Server) -> super::Phase {
    if Arc::ptr_eq(&before.conf.access, &s.server().conf.access) { Ok(()) } else { check(s) }
}

/// Refuses clients that a rule denies.
pub(super) fn check(s: &Session) -> super::Phase {
    match s.server().conf.access.decide(&s.client.borrow()) {
        Verdict::Allow => Ok(()),
        Verdict::Deny => Err(Cause::Forbidden),
    }
}

//! What a session adds to the counters when it ends.

use super::fail::Cause;
use crate::counters::{self, Counter};

/// The counter of sessions that end with this status.
pub(super) fn ended(status: u16) -> Counter {
    match status {
        200 => Counter::Ok,
        400 => Counter::BadRequest,
        403 => Counter::Forbidden,
        502 => Counter::BadGateway,
        503 => Counter::Unavailable,
        _ => Counter::InternalError,
    }
}

/// Counts why a session ended before its time, where that has a counter of its own.
pub(super) fn cause(cause: &Cause) {
    let counter = match cause {
        Cause::Forbidden => Counter::Access,
        Cause::Limited(..) | Cause::LimitFull => Counter::LimitConn,
        Cause::ManySessions(..) => Counter::ClientConnections,
        Cause::ManyHandshakes => Counter::HandshakesLimit,
        Cause::PreludeTimeout(_) => Counter::PreludeTimeout,
        Cause::Guarded(..) => Counter::ProxyGuard,
        Cause::HeaderSender => Counter::ProxyProtocolFrom,
        Cause::HelloTooLarge(_) | Cause::PrereadFull => Counter::HellosTooLarge,
        Cause::ClientCertificate(..) | Cause::CertificateStatus(_) | Cause::NoClientCertificate => {
            Counter::CertificatesRefused
        }
        Cause::NotResolved(..) => Counter::NotResolved,
        _ => return,
    };
    counters::count(counter);
}

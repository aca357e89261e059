//! `ssl_ocsp` and `ssl_stapling`: what has to be asked of responders for a client's handshake.

use std::rc::Rc;
use std::sync::Arc;

use config::family::ssl::Ocsp as Mode;
use syntax::Level;
use tls::{CertificateStatus, Inquiry};

use super::Session;
use crate::ocsp::{Fetched, Key, Place, Query, Unplaced};
use crate::relay::TlsEnd;
use crate::resolve::Resolver;

/// What refuses a client whose status nobody tells.
const FAILED: &str = "certificate status request failed";
/// How long an address has to answer about an own certificate, milliseconds.
const STAPLE_TIMEOUT: u64 = 60_000;

/// Asks about the certificates of the client, whose chain has been verified; an error is what they are refused for.
pub(super) async fn validate(s: &Session, end: &TlsEnd) -> Result<(), &'static str> {
    let mode = s.server().conf.ssl.as_ref().map_or(Mode::Off, |ssl| ssl.ocsp);
    if mode == Mode::Off {
        return Ok(());
    }
    let inquiries = end.stream.borrow().inquiries(mode == Mode::Leaf);
    let inquiries = inquiries.map_err(|error| {
        s.log(Level::Error, format_args!("{error}"));
        FAILED
    })?;
    for inquiry in inquiries {
        match status(s, inquiry).await.ok_or(FAILED)? {
            CertificateStatus::Good => {}
            CertificateStatus::Revoked => return Err("certificate revoked"),
            CertificateStatus::Unknown => return Err("certificate status unknown"),
        }
    }
    Ok(())
}

/// The status of one certificate: the kept one, or what its responder says. `None` when there is no answer, which is
/// told then.
async fn status(s: &Session, inquiry: Inquiry) -> Option<CertificateStatus> {
    let place = place(s, &inquiry)?;
    let told = |error| s.log(Level::Crit, format_args!("{error}"));
    let digest = inquiry.key().map_err(told).ok()?;
    let cache = s.server().tls.ocsp.current().and_then(|ocsp| ocsp.cache.clone());
    if let Some(known) = cache.as_ref().and_then(|cache| cache.find(&digest, now())) {
        return Some(known);
    }
    let key: Key = (s.server.get(), digest);
    let timeout = s.server().conf.ssl_handshake_timeout;
    let query = Query {
        place,
        resolver: resolver(s),
        log: s.server().error_log.clone(),
        connection: Some(s.number),
        certificate: None,
        timeout: None,
    };
    let ask = async move {
        // As long as the handshake may take, which has begun before and so ends first: for all addresses together.
        let fetched = reactor::timeout(timeout, query.ask(&inquiry)).await.ok().flatten()?;
        if let Some(cache) = cache {
            cache.keep(digest, fetched.answer, now());
        }
        Some(fetched.answer)
    };
    s.generation.flights.join(key, ask).await.map(|answer| answer.status)
}

/// Who looks names up for the server in force, and in how many milliseconds.
fn resolver(s: &Session) -> Option<(Rc<Resolver>, u64)> {
    let core = &s.server().conf.core;
    let resolver = core.resolver.and_then(|id| s.generation.resolver(id))?;
    Some((Rc::clone(resolver), core.resolver_timeout))
}

/// Whom to ask: by the configuration, or else by the certificate.
fn place(s: &Session, inquiry: &Inquiry) -> Option<Place> {
    if let Some(place) = s.server().tls.ocsp.current().and_then(|ocsp| ocsp.responder.clone()) {
        return Some(place);
    }
    let Some(url) = inquiry.responder() else {
        s.log(Level::Error, format_args!("no OCSP responder URL in certificate"));
        return None;
    };
    let told = |Unplaced { phrase, shown }| {
        s.log(Level::Error, format_args!("{phrase} in OCSP responder \"{shown}\" in certificate"));
    };
    Place::of(&url).map_err(told).ok()
}

/// Fetches the response that the client has asked for, if it is time; this client does not wait for it.
pub(super) fn refresh_staple(s: &Session, end: &TlsEnd) {
    let Some(staple) = end.stream.borrow().staple() else { return };
    let Some(ocsp) = s.server().tls.ocsp.current() else { return };
    let known = ocsp.staples.iter().find(|(known, _)| Arc::ptr_eq(known, &staple));
    let Some((_, place)) = known else { return };
    if !staple.is_due() {
        return;
    }
    let query = Query {
        place: place.clone(),
        resolver: resolver(s),
        log: s.generation.plan.error_log.clone(),
        connection: None,
        certificate: Some(staple.name().to_owned()),
        timeout: Some(STAPLE_TIMEOUT),
    };
    reactor::spawn(async move {
        let Some(inquiry) = staple.inquiry() else { return };
        let Some(Fetched { answer, response, peer }) = query.ask(inquiry).await else { return };
        if let Err(error) = staple.replace(&response, answer) {
            query.say(Level::Error, Some(&peer), &error);
        }
    });
}

/// Seconds since 1970.
fn now() -> i64 {
    reactor::wall().0
}

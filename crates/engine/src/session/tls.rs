//! SSL: the client's handshake, the server that the name asks for, and the checks of the client's
//! certificate, which come after the handshake and never fail it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use config::family::ssl::{Certificate, VerifyClient};
use tls::{Choice, HandshakeError, Identity, Status, Stream};

use super::fail::Cause;
use super::{Action, Phase, Session, content, identity, ocsp, overload};
use crate::counters::{self, Counter};
use crate::log::errno;
use crate::relay::{End, TlsEnd};
use crate::tls::Transport;

/// Has the client of an address that asks for TLS speak it. One that was passed on has shaken hands; its certificate
/// has to satisfy this server, too.
pub(super) async fn secure(s: &Rc<Session>, client: &mut End) -> Phase {
    if let End::Tls(end) = client {
        return verify(s, end).await;
    }
    handshake(s, client).await
}

/// Shakes hands with a client.
async fn handshake(s: &Rc<Session>, client: &mut End) -> Phase {
    s.doing(Action::Handshaking);
    let _under_way = overload::Handshake::begin(s)?;
    counters::count(Counter::Handshakes);
    let Some(context) = s.server().tls.server.current() else { return Err(Cause::Told(500)) };
    let timeout = s.server().conf.ssl_handshake_timeout;
    let mut transport = Transport::new(Rc::clone(&s.socket));
    let most = s.generation.plan.limits.hello;
    transport.allow_reading(most);
    let accepted = Stream::accept(transport, context, chooser(s), s.generation.plan.capture);
    let stream = accepted.map_err(|error| Cause::Handshake(error.to_string(), false))?;
    let stream = Rc::new(RefCell::new(stream));
    // Variables ask the connection itself, when they are asked.
    let _ = s.rare().tls.set(Rc::clone(&stream));
    let end = TlsEnd::new(stream, Rc::clone(&s.socket));
    let shaken = async {
        let shaken = shake(&end).await;
        ocsp::refresh_staple(s, &end);
        shaken.map_err(|error| hello_too_large(&end, most).unwrap_or_else(|| cause(s, error)))?;
        // Setting it later would send the tickets by themselves.
        content::apply_nodelay(s);
        end.give_tickets();
        Ok(verify(s, &end).await)
    };
    // The deadline ends it without a word.
    let shaken = reactor::timeout(timeout, shaken).await.unwrap_or(Err(Cause::Told(500)));
    let verified = shaken.inspect_err(|_| counters::count(Counter::HandshakesFailed))?;
    if verified.is_err() {
        end.stream.borrow_mut().remove_session();
    }
    *client = End::Tls(Box::new(end));
    verified
}

/// One step of a handshake. How much may be read is limited until the client's hello is there.
fn advance(end: &TlsEnd) -> Result<Status, HandshakeError> {
    let mut stream = end.stream.borrow_mut();
    let status = stream.handshake()?;
    if !stream.awaits_hello() {
        stream.socket_mut().allow_reading(usize::MAX);
    }
    Ok(status)
}

/// Drives a handshake of either side to its end.
pub(super) async fn shake(end: &TlsEnd) -> Result<(), HandshakeError> {
    loop {
        let status = advance(end)?;
        match status {
            Status::Done => return Ok(()),
            Status::WantRead => std::future::poll_fn(|_| end.socket.poll_readable()).await,
            Status::WantWrite => std::future::poll_fn(|_| end.socket.poll_writable()).await,
        }
        .map_err(HandshakeError::Io)?;
    }
}

/// Whether a handshake has failed for want of an end of its hello.
fn hello_too_large(end: &TlsEnd, most: usize) -> Option<Cause> {
    let mut stream = end.stream.borrow_mut();
    let exhausted = stream.awaits_hello() && stream.socket_mut().is_exhausted();
    exhausted.then_some(Cause::HelloTooLarge(most))
}

/// Picks the server by name while the hello waits. Where there is one server only and its
/// certificates are known, there is nothing to pick.
fn chooser(s: &Rc<Session>) -> Option<tls::Chooser> {
    if s.virtual_address().names.is_none() && !evaluates(s) {
        return None;
    }
    // The connection holds the chooser and the session the connection.
    let session = Rc::downgrade(s);
    Some(Box::new(move |sni| session.upgrade().map_or(Choice::Reject, |s| choose(&s, sni))))
}

fn choose(s: &Session, sni: Option<&[u8]>) -> Choice {
    if let Some(name) = sni {
        s.rare().server_name.replace(Some(name.into()));
        s.switch_by_name(name);
    }
    let server = s.server();
    match server.tls.server.current() {
        None => Choice::Keep,
        Some(context) if evaluates(s) => match identities(s) {
            Ok(identities) => Choice::SwitchWith { context, identities },
            Err(text) => Choice::Fail(text),
        },
        Some(context) => Choice::Switch(context),
    }
}

/// Whether the server in force has certificates that are evaluated for each handshake.
fn evaluates(s: &Session) -> bool {
    s.server().conf.ssl.as_ref().is_some_and(|ssl| ssl.certificates.iter().any(Certificate::is_evaluated))
}

/// The certificates of the server in force for this handshake; an error is the line to log.
fn identities(s: &Session) -> Result<Vec<Arc<Identity>>, String> {
    let Some(ssl) = &s.server().conf.ssl else { return Ok(Vec::new()) };
    let passphrases = &s.server().tls.passphrases;
    let load = |certificate| identity::load(s, certificate, passphrases, ssl.certificate_cache);
    ssl.certificates.iter().map(load).collect()
}

/// Why a handshake failed, with the level it is told at.
fn cause(s: &Session, error: HandshakeError) -> Cause {
    match error {
        HandshakeError::Closed => Cause::ClosedInHandshake,
        HandshakeError::Rejected => Cause::HandshakeRejected,
        HandshakeError::Io(error) => Cause::Handshake(format!("{}{}", HandshakeError::Closed, errno(&error)), true),
        HandshakeError::Certificate(text) => {
            s.log(syntax::Level::Error, format_args!("{text}"));
            Cause::Handshake(format!("SSL_do_handshake() failed (SSL: {})", tls::CERT_CB_ERROR), true)
        }
        HandshakeError::Library(errors) => {
            let peers = errors.is_peers_fault();
            Cause::Handshake(format!("SSL_do_handshake() failed (SSL: {errors})"), peers)
        }
    }
}

/// The checks of `ssl_verify_client` by the server in force.
async fn verify(s: &Session, end: &TlsEnd) -> Phase {
    let mode = s.server().conf.ssl.as_ref().map_or(VerifyClient::Off, |ssl| ssl.verify_client);
    if mode == VerifyClient::Off {
        return Ok(());
    }
    let (result, shown) = {
        let stream = end.stream.borrow();
        (stream.verify_result(), stream.peer_certificate().is_some())
    };
    let forgiven = mode == VerifyClient::OptionalNoCa && result.is_unknown_ca();
    if !result.is_ok() && !forgiven {
        return Err(Cause::ClientCertificate(result.code().into(), result.text().to_owned()));
    }
    if mode == VerifyClient::On && !shown {
        return Err(Cause::NoClientCertificate);
    }
    ocsp::validate(s, end).await.map_err(|reason| {
        s.rare().ocsp_refusal.set(Some(reason));
        Cause::CertificateStatus(reason)
    })
}

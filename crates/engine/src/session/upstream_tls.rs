//! SSL towards the upstream: name, certificate, verification, sessions to resume.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use config::family::ssl::Pem;
use reactor::Socket;
use syntax::Level;
use tls::{ClientContext, ConnectOptions, HandshakeError, Identity, Stream};

use super::fail::Cause;
use super::{Action, Session};
use crate::log::errno;
use crate::relay::{End, TlsEnd};
use crate::tls::{SessionKey, Transport};
use crate::upstream::{Group, Picked};

/// Shakes hands with a peer. `Err(None)`: what there is to say is said, and another peer may be
/// tried.
pub(super) async fn handshake(
    s: &Session,
    context: &Arc<ClientContext>,
    group: &Group,
    picked: &Picked,
    socket: Rc<Socket>,
) -> Result<End, Option<Cause>> {
    let Some(conf) = &s.server().conf.proxy_ssl else { return Err(Some(Cause::Told(500))) };
    let name = name(s, group);
    let alpn: Vec<Vec<u8>> = conf.alpn.iter().map(|protocol| s.render(protocol)).collect();
    let alpn: Vec<&[u8]> = alpn.iter().map(Vec::as_slice).collect();
    let identity = identity(s).map_err(|text| {
        s.log(Level::Error, format_args!("{text}"));
        Some(Cause::Told(500))
    })?;
    let sni = conf.server_name && name.parse::<IpAddr>().is_err() && !name.is_empty();
    let key = SessionKey { context: context.digest(), peer: Arc::clone(&picked.name), name: name.as_str().into() };
    // A session is whose certificate it began with, so those of certificates by variables are not shared.
    let reuse = conf.context.session_reuse && group.lasting && identity.is_none();
    let session = if reuse { group.tls_sessions.borrow().get(&key).cloned() } else { None };
    let options = ConnectOptions {
        server_name: sni.then_some(name.as_str()),
        alpn: &alpn,
        session: session.as_ref(),
        identity: identity.as_deref(),
    };
    let stream = Stream::connect(Transport::new(Rc::clone(&socket)), context, &options).map_err(|error| {
        s.log(Level::Error, format_args!("{error}"));
        Some(Cause::Told(500))
    })?;
    let mut end = TlsEnd::new(Rc::new(RefCell::new(stream)), socket);
    let timeout = s.server().conf.proxy.connect_timeout;
    s.doing(Action::HandshakingUpstream);
    match reactor::timeout(timeout, super::tls::shake(&end)).await {
        Err(_elapsed) => return Err(None),
        Ok(Err(error)) => {
            tell(s, &error);
            return Err(None);
        }
        Ok(Ok(())) => {}
    }
    if conf.context.verify && !verified(s, &end, &name) {
        end.say_goodbye();
        return Err(None);
    }
    if reuse {
        end.remember = Some(key);
    }
    Ok(End::Tls(Box::new(end)))
}

/// The name to ask for and to verify: `proxy_ssl_name`, or the host of `proxy_pass`; without a
/// port.
fn name(s: &Session, group: &Group) -> String {
    let configured = s.server().conf.proxy_ssl.as_ref().and_then(|conf| conf.name.as_ref());
    let name = match configured {
        Some(template) => String::from_utf8_lossy(&s.render(template)).into_owned(),
        None => group.host.to_string(),
    };
    if name.starts_with('[') {
        return name.trim_start_matches('[').split(']').next().unwrap_or_default().to_owned();
    }
    match name.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host.to_owned(),
        _ => name,
    }
}

/// The certificate to show, where it is evaluated for each session.
fn identity(s: &Session) -> Result<Option<Arc<Identity>>, String> {
    let conf = s.server().conf.proxy_ssl.as_ref();
    let Some(certificate) = conf.and_then(|conf| conf.context.certificate.as_ref()) else { return Ok(None) };
    if !certificate.is_evaluated() {
        return Ok(None);
    }
    if matches!(&certificate.chain, Pem::Evaluated(template) if s.render(template).is_empty()) {
        return Ok(None);
    }
    let cache = conf.and_then(|conf| conf.context.certificate_cache);
    super::identity::load(s, certificate, &s.server().tls.proxy_passphrases, cache).map(Some)
}

fn tell(s: &Session, error: &HandshakeError) {
    match error {
        HandshakeError::Io(error) => {
            s.log(Level::Error, format_args!("{}{}", HandshakeError::Closed, errno(error)));
        }
        HandshakeError::Library(errors) if !errors.is_peers_fault() => {
            s.log(Level::Crit, format_args!("{error}"));
        }
        _ => s.log(Level::Error, format_args!("{error}")),
    }
}

/// `proxy_ssl_verify`: the chain, then the name.
fn verified(s: &Session, end: &TlsEnd, name: &str) -> bool {
    let stream = end.stream.borrow();
    let result = stream.verify_result();
    if !result.is_ok() {
        s.log(Level::Error, format_args!("upstream SSL certificate verify error: ({result})"));
        return false;
    }
    if !stream.matches_name(name) {
        s.log(Level::Error, format_args!("upstream SSL certificate does not match \"{name}\""));
        return false;
    }
    true
}

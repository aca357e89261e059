//! `ssl_*`: what a block says, and what holds in a server.

use std::path::PathBuf;
use std::sync::Arc;

use syntax::{Diagnostic, Place};

use super::{Certificate, ObjectCache, Ocsp, Pem, Protocols, SessionCache, Ssl, VerifyClient};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(super) handshake_timeout: Option<u64>,
    /// All that makes a context; `None` where the block says nothing of it.
    context: Option<Box<Context>>,
}

impl Settings {
    /// The part that makes a context, of which something is about to be said.
    pub(super) fn context(&mut self) -> &mut Context {
        self.context.get_or_insert_default()
    }
}

/// What makes a context. Empty paths and names, and caches of no entries, are those said to be none.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Each with its word, for messages.
    pub(super) certificates: Vec<(String, Pem)>,
    pub(super) keys: Vec<Pem>,
    pub(super) certificate_cache: Option<ObjectCache>,
    pub(super) certificate_compression: Option<bool>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) protocols: Option<Protocols>,
    pub(super) ciphers: Option<String>,
    pub(super) prefer_server_ciphers: Option<bool>,
    pub(super) dhparam: Option<PathBuf>,
    pub(super) ecdh_curve: Option<String>,
    pub(super) session_cache: Option<Builtin>,
    pub(super) session_zone: Option<(String, usize)>,
    pub(super) session_tickets: Option<bool>,
    pub(super) session_ticket_keys: Vec<PathBuf>,
    pub(super) session_timeout: Option<u64>,
    pub(super) verify_client: Option<VerifyClient>,
    pub(super) verify_client_at: Option<Place>,
    pub(super) verify_depth: Option<usize>,
    pub(super) client_certificate: Option<PathBuf>,
    pub(super) trusted_certificate: Option<PathBuf>,
    pub(super) crl: Option<PathBuf>,
    pub(super) ocsp: Option<Ocsp>,
    pub(super) ocsp_responder: Option<String>,
    pub(super) ocsp_cache: Option<(String, usize)>,
    pub(super) stapling: Option<bool>,
    pub(super) stapling_file: Option<PathBuf>,
    pub(super) stapling_responder: Option<String>,
    pub(super) stapling_verify: Option<bool>,
    pub(super) conf_commands: Vec<(String, String)>,
    pub(super) reject_handshake: Option<bool>,
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    pub(super) ech_files: Vec<PathBuf>,
}

/// The words of `ssl_session_cache` but `shared`, which is inherited apart from them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Builtin {
    Off,
    None,
    /// Only `shared` was given.
    Not,
    Of(usize),
}

/// `ssl_handshake_timeout` in force, milliseconds.
pub(crate) fn handshake_timeout(own: &Settings, outer: &Settings) -> u64 {
    own.handshake_timeout.or(outer.handshake_timeout).unwrap_or(60_000)
}

/// What holds in a server that says `own` within `outer`; `None` gives no context. `shared` is that
/// of all servers that say nothing of their own.
pub(crate) fn merge(
    own: &Settings,
    outer: &Settings,
    shared: &mut Option<Arc<Ssl>>,
) -> Result<Option<Arc<Ssl>>, Diagnostic> {
    let silent = Context::default();
    let above = outer.context.as_deref().unwrap_or(&silent);
    if let Some(own) = &own.context {
        return Ok(context(own, above)?.map(Arc::new));
    }
    if shared.is_none() {
        *shared = context(&silent, above)?.map(Arc::new);
    }
    Ok(shared.clone())
}

fn context(own: &Context, outer: &Context) -> Result<Option<Ssl>, Diagnostic> {
    let reject_handshake = own.reject_handshake.or(outer.reject_handshake).unwrap_or(false);
    let certificates = certificates(own, outer)?;
    if certificates.is_empty() && !reject_handshake {
        return Ok(None);
    }
    let path = |own: &Option<PathBuf>, outer: &Option<PathBuf>| {
        own.as_ref().or(outer.as_ref()).filter(|path| !path.as_os_str().is_empty()).cloned()
    };
    let url = |own: &Option<String>, outer: &Option<String>| {
        own.as_ref().or(outer.as_ref()).filter(|url| !url.is_empty()).cloned()
    };
    let text = |own: &Option<String>, outer: &Option<String>, default: &str| {
        own.as_ref().or(outer.as_ref()).cloned().unwrap_or_else(|| default.to_owned())
    };
    let ssl = Ssl {
        certificates,
        certificate_cache: own.certificate_cache.or(outer.certificate_cache).filter(|cache| cache.max > 0),
        certificate_compression: own.certificate_compression.or(outer.certificate_compression).unwrap_or(false),
        password_file: own.password_file.as_ref().or(outer.password_file.as_ref()).cloned(),
        protocols: own.protocols.or(outer.protocols).unwrap_or(Protocols::DEFAULT),
        ciphers: text(&own.ciphers, &outer.ciphers, "HIGH:!aNULL:!MD5"),
        prefer_server_ciphers: own.prefer_server_ciphers.or(outer.prefer_server_ciphers).unwrap_or(false),
        dhparam: path(&own.dhparam, &outer.dhparam),
        ecdh_curve: text(&own.ecdh_curve, &outer.ecdh_curve, "auto"),
        session_cache: session_cache(own, outer),
        session_tickets: own.session_tickets.or(outer.session_tickets).unwrap_or(true),
        session_ticket_keys: whole(&own.session_ticket_keys, &outer.session_ticket_keys),
        session_timeout: own.session_timeout.or(outer.session_timeout).unwrap_or(300),
        verify_client: own.verify_client.or(outer.verify_client).unwrap_or(VerifyClient::Off),
        asks_clients_at: own.verify_client_at.clone().filter(|_| own.verify_client != Some(VerifyClient::Off)),
        verify_depth: own.verify_depth.or(outer.verify_depth).unwrap_or(1),
        client_certificate: path(&own.client_certificate, &outer.client_certificate),
        trusted_certificate: path(&own.trusted_certificate, &outer.trusted_certificate),
        crl: path(&own.crl, &outer.crl),
        ocsp: own.ocsp.or(outer.ocsp).unwrap_or(Ocsp::Off),
        ocsp_responder: url(&own.ocsp_responder, &outer.ocsp_responder),
        ocsp_cache: own.ocsp_cache.as_ref().or(outer.ocsp_cache.as_ref()).filter(|(name, _)| !name.is_empty()).cloned(),
        stapling: own.stapling.or(outer.stapling).unwrap_or(false),
        stapling_file: path(&own.stapling_file, &outer.stapling_file),
        stapling_responder: url(&own.stapling_responder, &outer.stapling_responder),
        stapling_verify: own.stapling_verify.or(outer.stapling_verify).unwrap_or(false),
        conf_commands: whole(&own.conf_commands, &outer.conf_commands),
        reject_handshake,
        alpn: own.alpn.as_ref().or(outer.alpn.as_ref()).cloned().unwrap_or_default(),
        ech_files: whole(&own.ech_files, &outer.ech_files),
    };
    check(&ssl)?;
    Ok(Some(ssl))
}

/// Lists are replaced as a whole, never joined.
fn whole<T: Clone>(own: &[T], outer: &[T]) -> Vec<T> {
    if own.is_empty() { outer.to_vec() } else { own.to_vec() }
}

/// Each certificate with the key of the same number; keys without a certificate are ignored.
fn certificates(own: &Context, outer: &Context) -> Result<Vec<Certificate>, Diagnostic> {
    let chains = if own.certificates.is_empty() { &outer.certificates } else { &own.certificates };
    let keys = if own.keys.is_empty() { &outer.keys } else { &own.keys };
    if let Some((last, _)) = chains.last()
        && keys.len() < chains.len()
    {
        let text = format!("no \"ssl_certificate_key\" is defined for certificate \"{last}\"");
        return Err(Diagnostic::emerg(text));
    }
    let pair = |((_, chain), key): (&(String, Pem), &Pem)| Certificate { chain: chain.clone(), key: key.clone() };
    Ok(chains.iter().zip(keys).map(pair).collect())
}

fn session_cache(own: &Context, outer: &Context) -> SessionCache {
    let shared = own.session_zone.as_ref().or(outer.session_zone.as_ref()).cloned();
    match own.session_cache.or(outer.session_cache).unwrap_or(Builtin::None) {
        Builtin::Off => SessionCache::Off,
        Builtin::None => SessionCache::None,
        Builtin::Not => SessionCache::Kept { builtin: None, shared },
        Builtin::Of(sessions) => SessionCache::Kept { builtin: Some(sessions), shared },
    }
}

/// What contradicts itself whatever the files hold.
fn check(ssl: &Ssl) -> Result<(), Diagnostic> {
    let refuse = |text: &str| Err(Diagnostic::emerg(text));
    let trusted = ssl.client_certificate.is_some() || ssl.trusted_certificate.is_some();
    if matches!(ssl.verify_client, VerifyClient::On | VerifyClient::Optional) && !trusted {
        return refuse("no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client");
    }
    if ssl.ocsp != Ocsp::Off && ssl.verify_client == VerifyClient::OptionalNoCa {
        return refuse("\"ssl_ocsp\" is incompatible with \"ssl_verify_client optional_no_ca\"");
    }
    if ssl.stapling && ssl.certificate_compression {
        return refuse("\"ssl_stapling\" is incompatible with \"ssl_certificate_compression\"");
    }
    Ok(())
}

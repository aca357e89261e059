//! From `ssl_*` and `proxy_ssl*` to TLS contexts: files read once, servers that say the same
//! sharing one context, session caches kept over reloads.

mod files;
mod ocsp;
pub(crate) mod provider;
mod rotating;
mod transport;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::family::proxy_ssl::Context;
use config::family::ssl::{Certificate, Protocols, SessionCache, Ssl, VerifyClient};
use config::{Stream, World};
use syntax::Place;
use tls::{ClientSettings, ClientVerify, ServerSettings, SharedSessionCache, TicketKey};

pub use ocsp::Ocsp;
pub use rotating::Rotating;
pub use tls::{ClientContext, ServerContext};
pub use transport::{Connection, RECORD, SessionKey, Transport};

use crate::error::BuildError;
use crate::succession::Succession;
use files::{dhparam, ech, pairs, passphrases, pem_if_any, read, stapling};

/// What TLS needs in a configuration's servers, in their order.
#[derive(Debug, Default)]
pub struct Contexts(pub Vec<ServerTls>);

/// What TLS needs in one server.
#[derive(Debug, Default)]
pub struct ServerTls {
    /// Towards clients.
    pub server: Rotating<ServerContext>,
    /// What OCSP responders are asked for `server`.
    pub ocsp: Rotating<Ocsp>,
    /// Towards upstreams.
    pub client: Rotating<ClientContext>,
    /// `ssl_password_file`, for keys that are read for each handshake.
    pub passphrases: Vec<Vec<u8>>,
    /// `proxy_ssl_password_file`, likewise.
    pub proxy_passphrases: Vec<Vec<u8>>,
}

/// `ssl_session_cache shared:NAME:SIZE` by name.
#[derive(Debug, Default)]
pub struct SessionCaches {
    by_name: Succession<(usize, Arc<SharedSessionCache>)>,
}

/// What servers share by name, and plans with their successors.
#[derive(Debug, Default)]
pub struct Caches {
    sessions: SessionCaches,
    statuses: crate::ocsp::Caches,
}

impl SessionCaches {
    /// The cache of this name: the last configuration's, where that had the same size.
    fn of(&mut self, name: &str, size: usize, timeout: u64) -> Arc<SharedSessionCache> {
        let anew = || (size, Arc::new(SharedSessionCache::new(size, Duration::from_secs(timeout))));
        self.by_name.of(name, |(same, _)| *same == size, anew).1
    }
}

impl Caches {
    /// As [`Succession::begin`].
    pub(crate) fn begin(&mut self) {
        self.sessions.by_name.begin();
        self.statuses.begin();
    }

    /// As [`Succession::commit`].
    pub(crate) fn commit(&mut self) {
        self.sessions.by_name.commit();
        self.statuses.commit();
    }
}

impl Contexts {
    /// Builds what `stream` needs. What is met only in part is told through `warnings`.
    pub fn build(
        stream: &Stream,
        world: &dyn World,
        caches: &mut Caches,
        warnings: &mut Vec<String>,
    ) -> Result<Self, BuildError> {
        let mut known_servers: HashMap<*const Ssl, (Arc<ServerContext>, Arc<Ocsp>)> = HashMap::new();
        let mut known_clients: HashMap<*const Context, Arc<ClientContext>> = HashMap::new();
        let mut contexts = Self::default();
        for server in &stream.servers {
            let mut tls = ServerTls::default();
            if let Some(ssl) = &server.ssl {
                let known = known_servers.get(&Arc::as_ptr(ssl)).cloned();
                let (context, ocsp) =
                    known.map_or_else(|| server_context(ssl, &stream.end, world, caches, warnings), Ok)?;
                known_servers.entry(Arc::as_ptr(ssl)).or_insert_with(|| (Arc::clone(&context), Arc::clone(&ocsp)));
                tls.server = Rotating::new(context);
                tls.ocsp = Rotating::new(ocsp);
            }
            if let Some(conf) = server.proxy_ssl.as_ref().map(|ssl| &ssl.context) {
                let known = known_clients.get(&Arc::as_ptr(conf)).map(Arc::clone);
                let context = known.map_or_else(|| client_context(conf, world, warnings), Ok)?;
                known_clients.entry(Arc::as_ptr(conf)).or_insert_with(|| Arc::clone(&context));
                tls.client = Rotating::new(context);
            }
            if let Some(ssl) = server.ssl.as_ref().filter(|ssl| ssl.certificates.iter().any(Certificate::is_evaluated))
            {
                tls.passphrases = passphrases(world, ssl.password_file.as_deref())?;
            }
            let context = server.proxy_ssl.as_ref().map(|ssl| &ssl.context);
            if let Some(context) =
                context.filter(|conf| conf.certificate.as_ref().is_some_and(Certificate::is_evaluated))
            {
                tls.proxy_passphrases = passphrases(world, context.password_file.as_deref())?;
            }
            contexts.0.push(tls);
        }
        Ok(contexts)
    }
}

pub(crate) fn server_context(
    ssl: &Ssl,
    end: &Place,
    world: &dyn World,
    caches: &mut Caches,
    warnings: &mut Vec<String>,
) -> Result<(Arc<ServerContext>, Arc<Ocsp>), BuildError> {
    if !ssl.ech_files.is_empty() && !tls::ech_supported() {
        warnings.push("\"ssl_ech_file\" is not supported on this platform, ignored".to_owned());
    }
    let settings = server_settings(ssl, end, world, &mut caches.sessions)?;
    let (context, told) = ServerContext::build(&settings).map_err(|error| BuildError::Text(error.to_string()))?;
    warnings.extend(told.iter().map(ToString::to_string));
    let ocsp = Ocsp::build(ssl, &context, world, &mut caches.statuses, warnings)?;
    Ok((context, Arc::new(ocsp)))
}

pub(crate) fn client_context(
    conf: &Context,
    world: &dyn World,
    warnings: &mut Vec<String>,
) -> Result<Arc<ClientContext>, BuildError> {
    let settings = client_settings(conf, world)?;
    let (context, told) = ClientContext::build(&settings).map_err(|error| BuildError::Text(error.to_string()))?;
    warnings.extend(told.iter().map(ToString::to_string));
    Ok(context)
}

fn server_settings(
    ssl: &Ssl,
    end: &Place,
    world: &dyn World,
    caches: &mut SessionCaches,
) -> Result<ServerSettings, BuildError> {
    let mut ticket_keys = Vec::with_capacity(ssl.session_ticket_keys.len());
    for path in &ssl.session_ticket_keys {
        let bytes = read(world, path).map_err(|error| BuildError::Text(format!("{error} in {end}")))?;
        let key = TicketKey::parse(&bytes)
            .ok_or_else(|| BuildError::Text(format!("\"{}\" must be 48 or 80 bytes in {end}", path.display())))?;
        ticket_keys.push(key);
    }
    let session_cache = match &ssl.session_cache {
        SessionCache::Off => tls::SessionCache::Off,
        SessionCache::None => tls::SessionCache::None,
        SessionCache::Kept { builtin, shared } => tls::SessionCache::Stored {
            builtin: *builtin,
            shared: shared.as_ref().map(|(name, size)| caches.of(name, *size, ssl.session_timeout)),
        },
    };
    let optional = |path: &Option<PathBuf>| pem_if_any(world, path.as_deref(), "certificate");
    Ok(ServerSettings {
        certificates: pairs(&ssl.certificates, world)?,
        passphrases: passphrases(world, ssl.password_file.as_deref())?,
        protocols: protocols(ssl.protocols),
        ciphers: ssl.ciphers.clone(),
        prefer_server_ciphers: ssl.prefer_server_ciphers,
        ecdh_curve: ssl.ecdh_curve.clone(),
        dhparam: dhparam(world, ssl.dhparam.as_deref())?,
        verify: match ssl.verify_client {
            VerifyClient::Off => ClientVerify::Off,
            VerifyClient::On => ClientVerify::On,
            VerifyClient::Optional => ClientVerify::Optional,
            VerifyClient::OptionalNoCa => ClientVerify::OptionalNoCa,
        },
        verify_depth: ssl.verify_depth as u32,
        // Loaded only where a certificate is asked for, as the reference does.
        client_ca: if ssl.verify_client == VerifyClient::Off { None } else { optional(&ssl.client_certificate)? },
        trusted_ca: optional(&ssl.trusted_certificate)?,
        crl: pem_if_any(world, ssl.crl.as_deref(), "CRL")?,
        session_cache,
        tickets: ssl.session_tickets,
        ticket_keys,
        session_timeout: ssl.session_timeout,
        alpn: ssl.alpn.clone(),
        conf_commands: ssl.conf_commands.clone(),
        certificate_compression: ssl.certificate_compression,
        stapling: stapling(ssl, world)?,
        ech: if tls::ech_supported() { ech(&ssl.ech_files, world)? } else { Vec::new() },
        reject_handshake: ssl.reject_handshake,
    })
}

fn client_settings(context: &Context, world: &dyn World) -> Result<ClientSettings, BuildError> {
    let (trusted_ca, crl) = if context.verify {
        (
            pem_if_any(world, context.trusted_certificate.as_deref(), "certificate")?,
            pem_if_any(world, context.crl.as_deref(), "CRL")?,
        )
    } else {
        (None, None)
    };
    Ok(ClientSettings {
        protocols: protocols(context.protocols),
        ciphers: context.ciphers.clone(),
        verify: context.verify,
        verify_depth: context.verify_depth as u32,
        trusted_ca,
        crl,
        certificate: pairs(context.certificate.as_slice(), world)?.pop(),
        passphrases: passphrases(world, context.password_file.as_deref())?,
        conf_commands: context.conf_commands.clone(),
        session_reuse: context.session_reuse,
    })
}

fn protocols(set: Protocols) -> tls::Protocols {
    [
        (Protocols::SSL2, tls::Protocols::SSL_V2),
        (Protocols::SSL3, tls::Protocols::SSL_V3),
        (Protocols::TLS1, tls::Protocols::TLS_V1),
        (Protocols::TLS1_1, tls::Protocols::TLS_V1_1),
        (Protocols::TLS1_2, tls::Protocols::TLS_V1_2),
        (Protocols::TLS1_3, tls::Protocols::TLS_V1_3),
    ]
    .into_iter()
    .filter(|(ours, _)| set.has(*ours))
    .fold(tls::Protocols::NONE, |all, (_, theirs)| all | theirs)
}

//! Client contexts, for connections to upstreams. Never fails a handshake for the peer's certificate: the caller
//! asks for the verdict after it.

use std::ffi::c_int;
use std::sync::Arc;

use openssl::sha::Sha256;
use openssl::ssl::{Ssl, SslContext, SslSession, SslSessionCacheMode, SslVerifyMode};

use crate::backend;
use crate::ciphers;
use crate::conf_command::{self, Lists};
use crate::connection::Connection;
use crate::error::{TlsError, Warning};
use crate::error_text::LibraryErrors;
use crate::identity::Identity;
use crate::security_level;
use crate::server::{new_builder, trust_more};
use crate::settings::{ClientSettings, KeyPair, Pem};
use crate::{verified, verify};

/// The TLS of a `proxy_ssl on` block.
pub struct ClientContext {
    pub(crate) context: SslContext,
    lists: Lists,
    verify_depth: c_int,
    security_level: u32,
    digest: [u8; 32],
    expiries: Box<[i64]>,
}

impl std::fmt::Debug for ClientContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientContext").finish_non_exhaustive()
    }
}

/// What differs from one upstream connection to the next.
#[derive(Default)]
pub struct ConnectOptions<'a> {
    /// The name to send (`proxy_ssl_server_name on`); never an IP address.
    pub server_name: Option<&'a str>,
    /// Protocols to offer; empty and overlong names are left out.
    pub alpn: &'a [&'a [u8]],
    /// A session of an earlier connection to the same peer.
    pub session: Option<&'a SslSession>,
    /// The certificate to show instead of the context's.
    pub identity: Option<&'a Identity>,
}

impl ClientContext {
    /// What sets it apart from contexts of other settings, and of other files. Sessions are good for one with the same:
    /// another one may trust others.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Until when its certificate is good, Unix time, if it has one.
    pub fn expiries(&self) -> &[i64] {
        &self.expiries
    }

    /// Builds a context; the warnings are for the error log, at level warn.
    pub fn build(settings: &ClientSettings) -> Result<(Arc<Self>, Vec<Warning>), TlsError> {
        let mut warnings = Vec::new();
        #[cfg(feature = "aws-lc")]
        let mut lists = Lists { groups: Some(crate::groups::AUTO.to_owned()), ..Lists::default() };
        #[cfg(not(feature = "aws-lc"))]
        let mut lists = Lists::default();
        let mut builder = new_builder(settings.protocols, &mut warnings)?;
        if settings.protocols.has_legacy() && ciphers::security_level(&settings.ciphers).is_none() {
            backend::allow_legacy_context(&mut builder);
        }
        let level = ciphers::security_level(&settings.ciphers).unwrap_or(security_level::USUAL);
        let mut expiries = Vec::new();
        if let Some(pair) = &settings.certificate {
            let identity = Identity::load_for(pair, &settings.passphrases, level)?;
            identity.use_in_context(&mut builder)?;
            expiries.push(identity.expiry());
        }
        #[cfg(feature = "aws-lc")]
        backend::set_ciphersuites(&mut builder, conf_command::SUITES)?;
        ciphers::set(&mut builder, &mut lists, &settings.ciphers, &mut warnings)?;
        if settings.verify {
            // What is found later counts, as in nginx; the session asks for the result after the handshake.
            builder.set_verify_callback(SslVerifyMode::NONE, verify::note);
            trust_more(builder.cert_store_mut(), settings.trusted_ca.as_ref(), settings.crl.as_ref())?;
            if settings.crl.is_none() {
                verified::keep(&mut builder)?;
            }
        }
        if settings.session_reuse {
            builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
            builder.set_new_session_callback(|ssl, session| {
                if let Some(connection) = Connection::of_mut(ssl) {
                    connection.session = Some(session);
                }
            });
        }
        for (name, value) in &settings.conf_commands {
            conf_command::run(&mut builder, &mut lists, false, (name, value), &mut warnings)?;
        }
        let context = Self {
            context: builder.build(),
            lists,
            security_level: level,
            verify_depth: c_int::try_from(settings.verify_depth).unwrap_or(c_int::MAX),
            digest: digest(settings),
            expiries: expiries.into(),
        };
        Ok((Arc::new(context), warnings))
    }

    pub(crate) fn connection(&self, options: &ConnectOptions<'_>) -> Result<Ssl, TlsError> {
        let mut ssl = Ssl::new(&self.context)?;
        Connection::default().attach(&mut ssl)?;
        ssl.set_connect_state();
        backend::set_verify_depth(&mut ssl, self.verify_depth);
        self.lists.apply_groups(&mut ssl)?;
        #[cfg(feature = "aws-lc")]
        self.lists.apply_sigalgs(&mut ssl)?;
        if let Some(name) = options.server_name {
            let what = || format!("SSL_set_tlsext_host_name(\"{name}\")");
            ssl.set_hostname(name).map_err(|stack| TlsError::failed(&what(), &LibraryErrors::from(&stack)))?;
        }
        let mut protocols = Vec::new();
        for name in options.alpn {
            if let Some(length) = u8::try_from(name.len()).ok().filter(|length| *length > 0) {
                protocols.push(length);
                protocols.extend_from_slice(name);
            }
        }
        if !protocols.is_empty() {
            ssl.set_alpn_protos(&protocols)?;
        }
        if let Some(identity) = options.identity {
            identity.use_in_connection(&mut ssl, self.security_level)?;
        }
        if let Some(session) = options.session {
            backend::set_session(&mut ssl, session)?;
        }
        Ok(ssl)
    }
}

/// Of all that a handshake depends on; passphrases only open the key.
fn digest(settings: &ClientSettings) -> [u8; 32] {
    let ClientSettings {
        protocols,
        ciphers,
        verify,
        verify_depth,
        trusted_ca,
        crl,
        certificate,
        passphrases: _,
        conf_commands,
        session_reuse,
    } = settings;
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(format!("{protocols:?} {verify} {verify_depth} {session_reuse} {conf_commands:?}").as_bytes());
    part(ciphers.as_bytes());
    let (chain, key) = certificate.as_ref().map(|KeyPair { certificate, key }| (certificate, key)).unzip();
    for pem in [trusted_ca.as_ref(), crl.as_ref(), chain, key] {
        // None is something else than an empty one.
        part(&[u8::from(pem.is_some())]);
        part(pem.map_or(&[], |Pem { bytes, .. }| bytes));
    }
    hash.finish()
}

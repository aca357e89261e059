//! Server contexts: built once from settings, shared by all threads, and applied to a connection when its
//! `ClientHello` has told which server it wants.

use std::ffi::c_int;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{SslContext, SslOptions, SslRef, SslSessionRef, SslVerifyMode};

#[cfg(feature = "aws-lc")]
use crate::agreement::Terms;
use crate::backend::{self, VersionRange};
use crate::cache::SharedSessionCache;
use crate::conf_command::Lists;
use crate::connection::Connection;
use crate::error::{TlsError, Warning};
#[cfg(feature = "aws-lc")]
use crate::groups;
use crate::settings::{ClientVerify, ServerSettings};
use crate::staple::Staple;
use crate::tickets::TicketKeys;
use crate::verify;

mod build;
pub(crate) use build::{new_builder, trust_more};
mod session_id_context;

/// A virtual server's TLS.
pub struct ServerContext {
    pub(crate) context: SslContext,
    /// What the library does not copy when a connection changes contexts.
    per_connection: PerConnection,
    pub(crate) ticket_keys: Option<Arc<TicketKeys>>,
    shared_cache: Option<Arc<SharedSessionCache>>,
    pub(crate) rejects: bool,
    /// Whether hellos may be encrypted.
    pub(crate) takes_ech: bool,
    staples: Arc<[Arc<Staple>]>,
    expiries: Box<[i64]>,
}

struct PerConnection {
    #[cfg(feature = "aws-lc")]
    terms: Terms,
    options: SslOptions,
    versions: VersionRange,
    verify: ClientVerify,
    verify_depth: c_int,
    lists: Lists,
    security_level: u32,
    /// TLS 1.0 or 1.1 is listed, and no security level of the admin's forbids it.
    allows_legacy: bool,
}

impl std::fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerContext").field("rejects", &self.rejects).finish_non_exhaustive()
    }
}

impl ServerContext {
    /// Whether its protocols include TLS 1.3.
    pub(crate) fn speaks_tls13(&self) -> bool {
        !self.per_connection.options.contains(SslOptions::NO_TLSV1_3)
    }

    /// Builds a context; the warnings are for the error log, at level warn.
    pub fn build(settings: &ServerSettings) -> Result<(Arc<Self>, Vec<Warning>), TlsError> {
        let mut warnings = Vec::new();
        let context = build::server(settings, &mut warnings)?;
        Ok((Arc::new(context), warnings))
    }

    /// Until when each certificate of the settings is good, Unix time.
    pub fn expiries(&self) -> &[i64] {
        &self.expiries
    }

    /// The OCSP responses that are sent along, one for each certificate that can have one.
    pub fn staples(&self) -> &[Arc<Staple>] {
        &self.staples
    }

    /// Forgets a session in every cache of this context.
    pub(crate) fn remove_session(&self, session: &SslSessionRef) {
        backend::remove_session(&self.context, session);
        // AWS-LC tells the shared cache only of what its own cache held
        if let Some(cache) = &self.shared_cache {
            cache.remove(session.id());
        }
    }

    /// Holds the library to what OpenSSL would choose of the client's offer.
    #[cfg(feature = "aws-lc")]
    fn agree(&self, ssl: &mut SslRef, groups: &[u16]) -> Result<(), ErrorStack> {
        let Some(connection) = Connection::of_mut(ssl) else { return Ok(()) };
        let Some(offer) = connection.offer.take() else { return Ok(()) };
        let Some(agreement) = self.per_connection.terms.agree(&offer, groups) else {
            connection.forget_offer();
            return Ok(());
        };
        if let Some(version) = agreement.version {
            backend::set_version_range(ssl, (version, version))?;
        }
        if let Some(group) = agreement.group.and_then(groups::name) {
            backend::set_groups(ssl, group)?;
        }
        if !agreement.sigalgs.is_empty() {
            backend::set_own_sigalgs(ssl, &agreement.sigalgs)?;
        }
        agreement.suite.map_or(Ok(()), |suite| backend::set_ciphersuite(ssl, suite))
    }

    /// OpenSSL's security level of this server's connections.
    pub(crate) fn security_level(&self) -> u32 {
        self.per_connection.security_level
    }

    /// Makes this the server of a connection whose `ClientHello` has come. The groups stay those of the server that the
    /// connection began with, `first`: OpenSSL copies them when it makes one.
    pub(crate) fn apply(&self, ssl: &mut SslRef, first: &Self) -> Result<(), ErrorStack> {
        if !std::ptr::eq(ssl.ssl_context(), &raw const *self.context) {
            ssl.set_ssl_context(&self.context)?;
            self.per_connection.lists.apply_ciphers(ssl)?;
        }
        let PerConnection { options, versions, verify, verify_depth, allows_legacy, .. } = &self.per_connection;
        backend::set_options(ssl, *options);
        backend::set_version_range(ssl, *versions)?;
        backend::end_long_hello(ssl);
        if *verify == ClientVerify::Off {
            ssl.set_verify(SslVerifyMode::NONE);
        } else {
            // records the error and accepts: the session judges after the handshake
            ssl.set_verify_callback(SslVerifyMode::PEER, verify::note);
            backend::set_verify_depth(ssl, *verify_depth);
        }
        first.per_connection.lists.apply_groups(ssl)?;
        #[cfg(feature = "aws-lc")]
        {
            self.per_connection.lists.apply_sigalgs(ssl)?;
            self.agree(ssl, &first.per_connection.terms.groups)?;
        }
        let mut is_legacy = false;
        if let Some(connection) = Connection::of_mut(ssl) {
            connection.staples = Arc::clone(&self.staples);
            is_legacy = connection.hello.is_legacy;
        }
        if is_legacy && *allows_legacy {
            backend::allow_legacy(ssl);
        }
        Ok(())
    }
}

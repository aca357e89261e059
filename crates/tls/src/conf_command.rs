//! `ssl_conf_command` and `proxy_ssl_conf_command`. OpenSSL executes them itself but for the lists that are set per
//! connection; for AWS-LC the usual ones are carried out here, and any other is refused.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use openssl::ssl::SslContextBuilder;

use crate::backend;
use crate::error::{TlsError, Warning};
use crate::error_text::LibraryErrors;
use crate::groups;

#[cfg(feature = "aws-lc")]
mod emulation;
#[cfg(feature = "aws-lc")]
pub(crate) use emulation::signature_numbers;

/// The suites of TLS 1.3 in the order that OpenSSL has them.
#[cfg(feature = "aws-lc")]
pub(crate) const SUITES: &CStr = c"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/// Lists that cannot be taken back once set, and so are set on each connection after its server is chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    pub(crate) groups: Option<CString>,
    /// Ciphers of TLS 1.2 and older.
    pub(crate) ciphers: Option<Arc<CStr>>,
    /// Suites of TLS 1.3, if not the library's own.
    pub(crate) ciphersuites: Option<CString>,
    #[cfg(feature = "aws-lc")]
    pub(crate) sigalgs: Option<CString>,
    #[cfg(feature = "aws-lc")]
    pub(crate) peer_sigalgs: Option<Vec<u16>>,
}

impl Lists {
    /// For a connection that has changed contexts: AWS-LC copies cipher lists when a connection is made.
    pub(crate) fn apply_ciphers(&self, ssl: &mut openssl::ssl::SslRef) -> Result<(), openssl::error::ErrorStack> {
        backend::set_ciphers(ssl, self.ciphersuites.as_deref(), self.ciphers.as_deref())
    }

    pub(crate) fn apply_groups(&self, ssl: &mut openssl::ssl::SslRef) -> Result<(), openssl::error::ErrorStack> {
        self.groups.as_deref().map_or(Ok(()), |groups| backend::set_groups(ssl, groups))
    }

    #[cfg(feature = "aws-lc")]
    pub(crate) fn apply_sigalgs(&self, ssl: &mut openssl::ssl::SslRef) -> Result<(), openssl::error::ErrorStack> {
        if let Some(list) = &self.sigalgs {
            backend::set_sigalgs(ssl, list)?;
        }
        if let Some(numbers) = &self.peer_sigalgs {
            backend::set_peer_sigalgs(ssl, numbers)?;
        }
        Ok(())
    }
}

/// `SSL_CONF_cmd("NAME", "VALUE")`
fn what(name: &str, value: &str) -> String {
    format!("SSL_CONF_cmd(\"{name}\", \"{value}\")")
}

fn bad_value(name: &str, value: &str) -> LibraryErrors {
    LibraryErrors::single(0x0A00_0180, "SSL routines", "bad value", &format!("cmd={name}, value={value}"))
}

/// Carries out one command.
pub(crate) fn run(
    builder: &mut SslContextBuilder,
    lists: &mut Lists,
    is_server: bool,
    (name, value): (&str, &str),
    warnings: &mut Vec<Warning>,
) -> Result<(), TlsError> {
    if matches!(name.to_ascii_lowercase().as_str(), "groups" | "curves") {
        let parsed = groups::parse(value, warnings);
        lists.groups = Some(parsed.ok_or_else(|| TlsError::failed(&what(name, value), &bad_value(name, value)))?);
        return Ok(());
    }
    #[cfg(feature = "aws-lc")]
    return emulation::run(builder, lists, is_server, (name, value), warnings);
    #[cfg(not(feature = "aws-lc"))]
    {
        // OpenSSL takes on each side what concerns the other one.
        let _ = is_server;
        backend::conf_command(builder, name, value)
    }
}

//! `proxy_ssl*`: TLS towards the upstream.

mod directives;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use policy::template::Template;

use super::ssl::{Certificate, ObjectCache, Protocols};

pub(crate) use directives::DIRECTIVES;
pub(crate) use settings::{Settings, merge};

/// `proxy_ssl*` of a server that has `proxy_ssl on`.
#[derive(Debug)]
pub struct ProxySsl {
    /// `proxy_ssl_name`; `None` is the host of `proxy_pass`.
    pub name: Option<Template>,
    /// `proxy_ssl_server_name`: whether SNI is sent.
    pub server_name: bool,
    /// `proxy_ssl_alpn`, in written order.
    pub alpn: Vec<Template>,
    /// What makes the context; servers that say nothing of it share one.
    pub context: Arc<Context>,
}

/// The part of `proxy_ssl*` that makes a TLS context.
#[derive(Debug)]
pub struct Context {
    /// `proxy_ssl_protocols`.
    pub protocols: Protocols,
    /// `proxy_ssl_ciphers`.
    pub ciphers: String,
    /// `proxy_ssl_session_reuse`.
    pub session_reuse: bool,
    /// `proxy_ssl_verify`.
    pub verify: bool,
    /// `proxy_ssl_verify_depth`.
    pub verify_depth: usize,
    /// `proxy_ssl_trusted_certificate`; there when `verify` is on.
    pub trusted_certificate: Option<PathBuf>,
    /// `proxy_ssl_crl`.
    pub crl: Option<PathBuf>,
    /// `proxy_ssl_certificate` with `proxy_ssl_certificate_key`.
    pub certificate: Option<Certificate>,
    /// `proxy_ssl_certificate_cache`.
    pub certificate_cache: Option<ObjectCache>,
    /// `proxy_ssl_password_file`.
    pub password_file: Option<PathBuf>,
    /// `proxy_ssl_conf_command`s in written order.
    pub conf_commands: Vec<(String, String)>,
}

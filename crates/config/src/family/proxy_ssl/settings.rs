//! `proxy_ssl*`: what a block says, and what holds in a server.

use std::path::PathBuf;
use std::sync::Arc;

use policy::template::Template;
use syntax::Diagnostic;

use super::{Context, ProxySsl};
use crate::family::ssl::{Certificate, ObjectCache, Pem, Protocols};

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(super) on: Option<bool>,
    pub(super) name: Option<Template>,
    pub(super) server_name: Option<bool>,
    pub(super) alpn: Option<Vec<Template>>,
    /// All that makes a context; `None` where the block says nothing of it.
    context: Option<Box<Making>>,
}

impl Settings {
    /// The part that makes a context, of which something is about to be said.
    pub(super) fn context(&mut self) -> &mut Making {
        self.context.get_or_insert_default()
    }
}

/// What makes a context. Empty paths, and a cache of no entries, are those said to be none.
#[derive(Debug, Default)]
pub(super) struct Making {
    pub(super) protocols: Option<Protocols>,
    pub(super) ciphers: Option<String>,
    pub(super) session_reuse: Option<bool>,
    pub(super) verify: Option<bool>,
    pub(super) verify_depth: Option<usize>,
    pub(super) trusted_certificate: Option<PathBuf>,
    pub(super) crl: Option<PathBuf>,
    /// With its word, for messages; an empty one stands for none.
    pub(super) certificate: Option<(String, Pem)>,
    pub(super) key: Option<Pem>,
    pub(super) certificate_cache: Option<ObjectCache>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) conf_commands: Vec<(String, String)>,
}

/// What holds in a server that says `own` within `outer`; `None` unless `proxy_ssl on`. `shared` is
/// the context of all servers that say nothing of their own.
pub(crate) fn merge(
    own: &Settings,
    outer: &Settings,
    shared: &mut Option<Arc<Context>>,
) -> Result<Option<ProxySsl>, Diagnostic> {
    if !own.on.or(outer.on).unwrap_or(false) {
        return Ok(None);
    }
    let silent = Making::default();
    let above = outer.context.as_deref().unwrap_or(&silent);
    let context = match (&own.context, &*shared) {
        (Some(own), _) => Arc::new(context(own, above)?),
        (None, Some(known)) => Arc::clone(known),
        (None, None) => Arc::clone(shared.insert(Arc::new(context(&silent, above)?))),
    };
    Ok(Some(ProxySsl {
        name: own.name.as_ref().or(outer.name.as_ref()).cloned(),
        server_name: own.server_name.or(outer.server_name).unwrap_or(false),
        alpn: own.alpn.as_ref().or(outer.alpn.as_ref()).cloned().unwrap_or_default(),
        context,
    }))
}

fn context(own: &Making, outer: &Making) -> Result<Context, Diagnostic> {
    let path = |own: &Option<PathBuf>, outer: &Option<PathBuf>| {
        own.as_ref().or(outer.as_ref()).filter(|path| !path.as_os_str().is_empty()).cloned()
    };
    let commands = if own.conf_commands.is_empty() { &outer.conf_commands } else { &own.conf_commands };
    let context = Context {
        protocols: own.protocols.or(outer.protocols).unwrap_or(Protocols::DEFAULT),
        ciphers: own.ciphers.as_ref().or(outer.ciphers.as_ref()).cloned().unwrap_or_else(|| "DEFAULT".to_owned()),
        session_reuse: own.session_reuse.or(outer.session_reuse).unwrap_or(true),
        verify: own.verify.or(outer.verify).unwrap_or(false),
        verify_depth: own.verify_depth.or(outer.verify_depth).unwrap_or(1),
        trusted_certificate: path(&own.trusted_certificate, &outer.trusted_certificate),
        crl: path(&own.crl, &outer.crl),
        certificate: certificate(own, outer)?,
        certificate_cache: own.certificate_cache.or(outer.certificate_cache).filter(|cache| cache.max > 0),
        password_file: own.password_file.as_ref().or(outer.password_file.as_ref()).cloned(),
        conf_commands: commands.clone(),
    };
    if context.verify && context.trusted_certificate.is_none() {
        return Err(Diagnostic::emerg("no proxy_ssl_trusted_certificate for proxy_ssl_verify"));
    }
    Ok(context)
}

fn certificate(own: &Making, outer: &Making) -> Result<Option<Certificate>, Diagnostic> {
    let chain = own.certificate.as_ref().or(outer.certificate.as_ref()).filter(|(word, _)| !word.is_empty());
    let key = own.key.as_ref().or(outer.key.as_ref());
    match (chain, key) {
        (None, _) => Ok(None),
        (Some((_, chain)), Some(key)) => Ok(Some(Certificate { chain: chain.clone(), key: key.clone() })),
        (Some((word, _)), None) => {
            Err(Diagnostic::emerg(format!("no \"proxy_ssl_certificate_key\" is defined for certificate \"{word}\"")))
        }
    }
}

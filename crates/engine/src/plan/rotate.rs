//! Certificates of a plan over time: which files they are made of, taking those that have changed, and when they
//! expire.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use config::World;
use config::family::proxy_ssl::Context;
use config::family::ssl::{Certificate, Pem, Ssl};

use super::{Kept, Plan};
use crate::tls::{self, Rotating};

/// What came of taking changed files.
#[derive(Debug, Default)]
pub struct Rotated {
    /// What is met only in part.
    pub warnings: Vec<String>,
    /// What was refused, so that the old stays in use.
    pub errors: Vec<String>,
}

impl Plan {
    /// Certificates, keys with their passphrases, trusted authorities, revocation lists, ticket keys and what else a
    /// handshake takes from files that were read before it; none where `certificate_watch` is off.
    pub fn certificate_files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        if self.main.certificate_watch {
            for server in &self.servers {
                files.extend(server.conf.ssl.iter().flat_map(|ssl| of_server(ssl)));
                files.extend(server.conf.proxy_ssl.iter().flat_map(|ssl| of_client(&ssl.context)));
            }
        }
        files
    }

    /// Has handshakes that begin from now on take the files that have `changed`. What does not fit together, or
    /// has expired, is refused; all else is taken.
    pub fn rotate(&self, changed: &BTreeSet<PathBuf>, world: &dyn World, kept: &mut Kept) -> Rotated {
        // Caches are those in force, and not of a plan that was refused.
        kept.begin();
        let mut rotated = Rotated::default();
        let (mut servers, mut clients) = (BTreeMap::new(), BTreeMap::new());
        for server in &self.servers {
            if let Some(ssl) = server.conf.ssl.as_ref().filter(|ssl| of_server(ssl).any(|path| changed.contains(&path)))
            {
                let (fresh, ocsp) = servers.entry(Arc::as_ptr(ssl)).or_insert_with(|| {
                    let caches = &mut kept.tls_caches;
                    let built = tls::server_context(ssl, &self.end, world, caches, &mut rotated.warnings);
                    let fresh = built.map_err(|error| error.to_string()).and_then(|(fresh, ocsp)| {
                        let current = server.tls.server.current();
                        let known = current.as_ref().map_or(&[][..], |current| current.expiries());
                        still_good(&ssl.certificates, fresh.expiries(), known)?;
                        Ok((Rotating::new(fresh), Rotating::new(ocsp)))
                    });
                    fresh.map_err(|error| rotated.errors.push(error)).unwrap_or_default()
                });
                server.tls.server.replace(fresh);
                server.tls.ocsp.replace(ocsp);
            }
            let conf = server.conf.proxy_ssl.as_ref().map(|ssl| &ssl.context);
            if let Some(conf) = conf.filter(|conf| of_client(conf).any(|path| changed.contains(&path))) {
                let fresh = clients.entry(Arc::as_ptr(conf)).or_insert_with(|| {
                    let built = tls::client_context(conf, world, &mut rotated.warnings);
                    let fresh = built.map_err(|error| error.to_string()).and_then(|fresh| {
                        let current = server.tls.client.current();
                        let known = current.as_ref().map_or(&[][..], |current| current.expiries());
                        still_good(conf.certificate.as_slice(), fresh.expiries(), known).map(|()| Rotating::new(fresh))
                    });
                    fresh.map_err(|error| rotated.errors.push(error)).unwrap_or_default()
                });
                server.tls.client.replace(fresh);
            }
        }
        // Servers that share a file have the same to say of it.
        for texts in [&mut rotated.warnings, &mut rotated.errors] {
            let mut seen = HashSet::new();
            texts.retain(|text| seen.insert(text.clone()));
        }
        rotated
    }

    /// Until when the certificates in use are good, Unix time, by the names of their files.
    pub fn expiries(&self) -> BTreeMap<String, i64> {
        let mut expiries = BTreeMap::new();
        let mut seen = HashSet::new();
        for server in &self.servers {
            if let (Some(ssl), Some(context)) = (&server.conf.ssl, server.tls.server.current())
                && seen.insert(Arc::as_ptr(&context).cast::<()>())
            {
                expiries.extend(named(&ssl.certificates, context.expiries()));
            }
            let conf = server.conf.proxy_ssl.as_ref().and_then(|ssl| ssl.context.certificate.as_ref());
            if let (Some(conf), Some(context)) = (conf, server.tls.client.current())
                && seen.insert(Arc::as_ptr(&context).cast::<()>())
            {
                expiries.extend(named(std::slice::from_ref(conf), context.expiries()));
            }
        }
        expiries
    }
}

fn named<'a>(certificates: &'a [Certificate], expiries: &'a [i64]) -> impl Iterator<Item = (String, i64)> {
    certificates.iter().zip(expiries).filter_map(|(certificate, at)| match &certificate.chain {
        Pem::File(path) => Some((path.display().to_string(), *at)),
        Pem::Data(_) | Pem::Evaluated(_) | Pem::Provider(_) => None,
    })
}

/// Refuses a certificate that has expired, unless it is the one in use.
fn still_good(certificates: &[Certificate], fresh: &[i64], known: &[i64]) -> Result<(), String> {
    let (now, _) = os::time::realtime();
    match named(certificates, fresh).find(|(_, at)| *at < now && !known.contains(at)) {
        Some((name, _)) => Err(format!("certificate \"{name}\" has expired")),
        None => Ok(()),
    }
}

fn of_server(ssl: &Ssl) -> impl Iterator<Item = PathBuf> {
    let others = [&ssl.client_certificate, &ssl.trusted_certificate, &ssl.crl, &ssl.stapling_file];
    let others = others.into_iter().chain([&ssl.password_file, &ssl.dhparam]).flatten();
    let others = others.chain(&ssl.session_ticket_keys).chain(&ssl.ech_files).cloned();
    ssl.certificates.iter().flat_map(of_pair).chain(others)
}

fn of_client(conf: &Context) -> impl Iterator<Item = PathBuf> {
    let others = [&conf.trusted_certificate, &conf.crl, &conf.password_file].into_iter().flatten().cloned();
    conf.certificate.iter().flat_map(of_pair).chain(others)
}

fn of_pair(certificate: &Certificate) -> impl Iterator<Item = PathBuf> {
    [&certificate.chain, &certificate.key].into_iter().filter_map(|pem| match pem {
        Pem::File(path) => Some(path.clone()),
        Pem::Data(_) | Pem::Evaluated(_) | Pem::Provider(_) => None,
    })
}

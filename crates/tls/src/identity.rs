//! A certificate, its chain and its private key, parsed once and set on contexts or single connections.

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslContextBuilder, SslRef};
use openssl::x509::{X509, X509Crl, X509Ref};

use crate::backend;
use crate::error::TlsError;
use crate::error_text::LibraryErrors;
use crate::pem;
use crate::private_key;
use crate::security_level;
use crate::settings::{KeyPair, Pem};

const NO_START_LINE: (u32, &str, &str) = (0x0480_006C, "PEM routines", "no start line");

/// The label of a certificate with what it is to be trusted for.
const TRUSTED: &str = "TRUSTED CERTIFICATE";

/// A certificate chain with its key. May be cached and shared.
pub struct Identity {
    pub(crate) leaf: X509,
    pub(crate) chain: Vec<X509>,
    pub(crate) key: PKey<Private>,
    names: (String, String),
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Identity {
    /// Until when the certificate is good, Unix time.
    pub(crate) fn expiry(&self) -> i64 {
        expiry(&self.leaf)
    }

    /// Parses both files of a pair for one connection; `passphrases` are tried in order on an encrypted key.
    pub fn load(pair: &KeyPair, passphrases: &[Vec<u8>]) -> Result<Self, TlsError> {
        // Only for contexts does OpenSSL ask the terminal.
        let nothing = [Vec::new()];
        Self::read(pair, if passphrases.is_empty() { &nothing } else { passphrases }, 0, "SSL_use_PrivateKey")
    }

    /// The same for a context of this security level, which is looked at before the key.
    pub(crate) fn load_for(pair: &KeyPair, passphrases: &[Vec<u8>], level: u32) -> Result<Self, TlsError> {
        Self::read(pair, passphrases, level, "SSL_CTX_use_PrivateKey")
    }

    /// `setter` is what OpenSSL would refuse a key in that is not the certificate's.
    fn read(pair: &KeyPair, passphrases: &[Vec<u8>], level: u32, setter: &str) -> Result<Self, TlsError> {
        let mut certificates = certificates(&pair.certificate, true)?.into_iter();
        let Some(leaf) = certificates.next() else {
            return Err(no_certificate(&pair.certificate));
        };
        let chain: Vec<X509> = certificates.collect();
        let whole = || std::iter::once(&*leaf).chain(chain.iter().map(|issuer| &**issuer));
        security_level::check(whole(), level, "SSL_CTX_use_certificate", &pair.certificate.name)?;
        let key = private_key(&pair.key, passphrases)?;
        let identity = Self { leaf, chain, key, names: (pair.certificate.name.clone(), pair.key.name.clone()) };
        identity.check(setter)?;
        Ok(identity)
    }

    /// What the certificate was loaded from.
    pub(crate) fn name(&self) -> &str {
        &self.names.0
    }

    /// Refuses a key that is not the certificate's.
    fn check(&self, setter: &str) -> Result<(), TlsError> {
        let public = self.leaf.public_key()?;
        if public.public_eq(&self.key) {
            return Ok(());
        }
        drop(ErrorStack::get());
        let (code, reason) = if public.id() == self.key.id() {
            (0x0580_0074, "key values mismatch")
        } else {
            (0x0580_0073, "key type mismatch")
        };
        let what = format!("{setter}(\"{}\")", self.names.1);
        Err(TlsError::failed(&what, &LibraryErrors::single(code, "x509 certificate routines", reason, "")))
    }

    pub(crate) fn use_in_context(&self, builder: &mut SslContextBuilder) -> Result<(), TlsError> {
        let (certificate, key) = &self.names;
        builder.set_certificate(&self.leaf).map_err(|e| failed("SSL_CTX_use_certificate", certificate, &e))?;
        for issuer in &self.chain {
            backend::add_chain(builder, issuer).map_err(|e| failed("SSL_CTX_add1_chain_cert", certificate, &e))?;
        }
        builder.set_private_key(&self.key).map_err(|e| failed("SSL_CTX_use_PrivateKey", key, &e))
    }

    /// `level` is the security level of the connection.
    pub(crate) fn use_in_connection(&self, ssl: &mut SslRef, level: u32) -> Result<(), TlsError> {
        let (certificate, key) = &self.names;
        security_level::check(std::iter::once(&*self.leaf), level, "SSL_use_certificate", certificate)?;
        ssl.set_certificate(&self.leaf).map_err(|e| failed("SSL_use_certificate", certificate, &e))?;
        backend::clear_connection_chain(ssl);
        for issuer in &self.chain {
            backend::add_connection_chain(ssl, issuer).map_err(|e| failed("SSL_add1_chain_cert", certificate, &e))?;
        }
        ssl.set_private_key(&self.key).map_err(|e| failed("SSL_use_PrivateKey", key, &e))
    }
}

/// Until when a certificate is good, Unix time. One whose date makes no sense never was.
pub(crate) fn expiry(certificate: &X509Ref) -> i64 {
    const DAY: i64 = 86_400;
    let left = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(certificate.not_after()));
    left.map_or(0, |left| i64::from(left.days) * DAY + i64::from(left.secs))
}

fn failed(function: &str, name: &str, stack: &ErrorStack) -> TlsError {
    TlsError::failed(&format!("{function}(\"{name}\")"), &LibraryErrors::from(stack))
}

/// All certificates of a file, at least one. `is_chain`: all but the first read as nginx reads a chain.
pub(crate) fn certificates(source: &Pem, is_chain: bool) -> Result<Vec<X509>, TlsError> {
    let mut found = Vec::new();
    for block in pem::blocks(&source.bytes, &["CERTIFICATE", "X509 CERTIFICATE", TRUSTED]) {
        let is_issuer = is_chain && !found.is_empty();
        if is_issuer && pem::is_labelled(block, TRUSTED) {
            continue;
        }
        let function = if is_issuer { "PEM_read_bio_X509()" } else { "PEM_read_bio_X509_AUX()" };
        found.push(certificate(block).map_err(|stack| {
            let what = format!("cannot load certificate \"{}\": {function}", source.name);
            TlsError::failed(&what, &LibraryErrors::from(&stack))
        })?);
    }
    if found.is_empty() { Err(no_certificate(source)) } else { Ok(found) }
}

/// The certificate of a block. Labels other than the usual one are older, or tell that more follows it: for whom it is
/// to be trusted, which is not looked at.
fn certificate(block: &[u8]) -> Result<X509, ErrorStack> {
    match pem::content(block) {
        Some(bytes) if !pem::is_labelled(block, "CERTIFICATE") => X509::from_der(&bytes),
        _ => X509::from_pem(block),
    }
}

fn no_certificate(source: &Pem) -> TlsError {
    no_block(&format!("cannot load certificate \"{}\": PEM_read_bio_X509_AUX()", source.name), TRUSTED)
}

/// The error for PEM text without the wanted block.
pub(crate) fn no_block(what: &str, expected: &str) -> TlsError {
    let (code, library, reason) = NO_START_LINE;
    TlsError::failed(what, &LibraryErrors::single(code, library, reason, &format!("Expecting: {expected}")))
}

/// All CRLs of a file, at least one.
pub(crate) fn crls(source: &Pem) -> Result<Vec<X509Crl>, TlsError> {
    let what = format!("cannot load CRL \"{}\": PEM_read_bio_X509_CRL()", source.name);
    let mut found = Vec::new();
    for block in pem::blocks(&source.bytes, &["X509 CRL"]) {
        found.push(X509Crl::from_pem(block).map_err(|stack| TlsError::failed(&what, &LibraryErrors::from(&stack)))?);
    }
    if found.is_empty() { Err(no_block(&what, "X509 CRL")) } else { Ok(found) }
}

fn private_key(source: &Pem, passphrases: &[Vec<u8>]) -> Result<PKey<Private>, TlsError> {
    let what = format!("cannot load certificate key \"{}\": PEM_read_bio_PrivateKey()", source.name);
    private_key::read(&source.bytes, passphrases).map_err(|errors| TlsError::failed(&what, &errors))
}

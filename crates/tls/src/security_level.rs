//! What OpenSSL's `@SECLEVEL=n` asks of our own certificates, for the library that has no such levels.

use openssl::dh::Dh;
use openssl::nid::Nid;
use openssl::pkey::{Id, Params};
use openssl::x509::X509Ref;

use crate::error::TlsError;
use crate::error_text::LibraryErrors;

/// OpenSSL's level where none is given.
pub(crate) const USUAL: u32 = 2;

const SMALL_KEY: (u32, &str) = (0x0A00_018F, "ee key too small");
const SMALL_ISSUER_KEY: (u32, &str) = (0x0A00_018D, "ca key too small");
const WEAK_DIGEST: (u32, &str) = (0x0A00_018E, "ca md too weak");

/// Refuses a chain, leaf first, that is too weak for the level (`SSL_CTX_set_security_level(3)`). `setter` is what
/// OpenSSL would refuse the leaf in.
pub(crate) fn check<'a>(
    chain: impl Iterator<Item = &'a X509Ref>,
    level: u32,
    setter: &str,
    name: &str,
) -> Result<(), TlsError> {
    if cfg!(not(feature = "aws-lc")) || level == 0 {
        return Ok(());
    }
    for (index, certificate) in chain.enumerate() {
        let small = if index == 0 { SMALL_KEY } else { SMALL_ISSUER_KEY };
        let fault = if !has_large_key(certificate, level) {
            Some(small)
        } else if is_signed_weakly(certificate) {
            Some(WEAK_DIGEST)
        } else {
            None
        };
        if let Some((code, reason)) = fault {
            let function = if index == 0 { setter } else { "SSL_CTX_add0_chain_cert" };
            let errors = LibraryErrors::single(code, "SSL routines", reason, "");
            return Err(TlsError::failed(&format!("{function}(\"{name}\")"), &errors));
        }
    }
    Ok(())
}

/// Refuses parameters for DHE that are too small for the level; `setter` is what OpenSSL would refuse them in.
pub(crate) fn check_group(parameters: &Dh<Params>, level: u32, setter: &str) -> Result<(), TlsError> {
    if parameters.prime_p().num_bits() >= least_bits(Id::DH, level) {
        return Ok(());
    }
    Err(TlsError::failed(setter, &LibraryErrors::single(0x0A00_018A, "SSL routines", "dh key too small", "")))
}

/// A key that the library does not know is refused elsewhere.
fn has_large_key(certificate: &X509Ref, level: u32) -> bool {
    let Ok(key) = certificate.public_key() else { return true };
    i64::from(key.bits()) >= i64::from(least_bits(key.id(), level))
}

/// The size of a key of this kind that a level asks for.
fn least_bits(kind: Id, level: u32) -> i32 {
    let sizes = if [Id::RSA, Id::RSA_PSS, Id::DSA, Id::DH].contains(&kind) {
        [0, 1024, 2048, 3072, 7680, 15360]
    } else {
        [0, 160, 224, 256, 384, 512]
    };
    let [.., highest] = sizes;
    usize::try_from(level).ok().and_then(|level| sizes.get(level)).copied().unwrap_or(highest)
}

/// No level takes SHA-1 and MD5. Nobody relies on how a certificate has signed itself.
fn is_signed_weakly(certificate: &X509Ref) -> bool {
    let algorithm = certificate.signature_algorithm().object().nid();
    let digest = algorithm.signature_algorithms().map(|algorithms| algorithms.digest);
    let is_weak = digest.is_some_and(|digest| digest == Nid::SHA1 || digest == Nid::MD5);
    let same_name = || certificate.subject_name().to_der().ok() == certificate.issuer_name().to_der().ok();
    is_weak && !same_name()
}

//! The key sizes that OpenSSL's `@SECLEVEL=n` asks of a certificate, for the library that has no such levels.

use openssl::pkey::Id;

use crate::error::TlsError;
use crate::error_text::LibraryErrors;
use crate::identity::Identity;

/// Refuses a certificate whose key is too small for the level (`SSL_CTX_set_security_level(3)`).
pub(crate) fn check(identity: &Identity, level: u32, name: &str) -> Result<(), TlsError> {
    let needed = match (identity.key.id(), level) {
        (_, 0) => 0,
        (Id::RSA | Id::RSA_PSS | Id::DSA, 1) => 1024,
        (Id::RSA | Id::RSA_PSS | Id::DSA, 2) => 2048,
        (Id::RSA | Id::RSA_PSS | Id::DSA, 3) => 3072,
        (Id::RSA | Id::RSA_PSS | Id::DSA, 4) => 7680,
        (Id::RSA | Id::RSA_PSS | Id::DSA, _) => 15360,
        (_, 1) => 160,
        (_, 2) => 224,
        (_, 3) => 256,
        (_, 4) => 384,
        (_, _) => 512,
    };
    if identity.key.bits() >= needed {
        return Ok(());
    }
    let small = LibraryErrors::single(0x0A00_018F, "SSL routines", "ee key too small", "");
    Err(TlsError::failed(&format!("SSL_CTX_use_certificate(\"{name}\")"), &small))
}

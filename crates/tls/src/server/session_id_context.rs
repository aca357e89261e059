//! The identifier that binds a session to the servers it may be resumed at: those with the same certificates and the
//! same rule for client certificates. Elsewhere the handshake is simply a full one.

use openssl::sha::Sha256;

use crate::identity::Identity;
use crate::settings::{Pem, ServerSettings};

/// 32 bytes, the longest the libraries take.
pub(super) fn digest(settings: &ServerSettings, identities: &[Identity]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"STREAM");
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for identity in identities {
        part(&identity.leaf.to_der().unwrap_or_default());
    }
    part(&[settings.verify as u8]);
    part(&settings.verify_depth.to_be_bytes());
    for source in [&settings.client_ca, &settings.trusted_ca, &settings.crl] {
        part(source.as_ref().map_or(&[], |Pem { bytes, .. }| bytes));
    }
    hash.finish()
}

//! Certificates for the demo: a CA for each side, and one for an impostor. Made anew each time,
//! valid for a day, on P-256 so that making them takes no time.

use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use super::Failed;

/// A side's folder: `ca.crt`, and `server.crt` with `server.key` signed by it.
#[derive(Debug)]
pub(crate) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Makes a CA and a certificate for the DNS name `host` in `folder`.
    pub(crate) fn make(folder: PathBuf, ca_name: &str, host: &str) -> Result<Self, Failed> {
        std::fs::create_dir_all(&folder)?;
        let ca_key = key()?;
        let ca = certificate(ca_name, &ca_key, None, None)?;
        let leaf_key = key()?;
        let leaf = certificate(host, &leaf_key, Some(host), Some((&ca, &ca_key)))?;
        let pki = Self { folder };
        std::fs::write(pki.ca(), ca.to_pem()?)?;
        std::fs::write(pki.certificate(), leaf.to_pem()?)?;
        std::fs::write(pki.key(), leaf_key.private_key_to_pem_pkcs8()?)?;
        Ok(pki)
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The side's certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// Its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Where all of them are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn name(common: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", common)?;
    Ok(name.build())
}

/// A certificate signed by `issuer`, or a CA that signs itself.
fn certificate(
    common: &str,
    key: &PKey<Private>,
    host: Option<&str>,
    issuer: Option<(&X509, &PKey<Private>)>,
) -> Result<X509, ErrorStack> {
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    let subject = name(common)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(&*subject, |(ca, _)| ca.subject_name()))?;
    let (from, until) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(1)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    builder.set_pubkey(key)?;
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    }
    if let Some(host) = host {
        let alternative = SubjectAlternativeName::new().dns(host).build(&builder.x509v3_context(None, None))?;
        builder.append_extension(alternative)?;
    }
    builder.sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
    Ok(builder.build())
}

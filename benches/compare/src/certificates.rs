//! Makes the certificates of a comparison: an authority and what it has signed.
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

type Key = PKey<Private>;

fn ec_key() -> Result<Key, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn rsa_key(bits: u32) -> Result<Key, ErrorStack> {
    PKey::from_rsa(Rsa::generate(bits)?)
}

fn name(text: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509Name::builder()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, text)?;
    Ok(builder.build())
}

/// A certificate for `names`, signed by `issuer`, or by itself if there is none. The first name is the subject's.
fn certificate(names: &[&str], key: &Key, issuer: Option<&(X509, Key)>) -> Result<X509, ErrorStack> {
    let subject = names.first().copied().unwrap_or_default();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(3650)?)?;
    builder.set_subject_name(&*name(subject)?)?;
    builder.set_pubkey(key)?;
    match issuer {
        Some((issuer, issuer_key)) => {
            builder.set_issuer_name(issuer.subject_name())?;
            builder.append_extension(BasicConstraints::new().build()?)?;
            let context = builder.x509v3_context(Some(issuer), None);
            let mut alternatives = SubjectAlternativeName::new();
            for name in names {
                alternatives.dns(name);
            }
            builder.append_extension(alternatives.build(&context)?)?;
            builder.sign(issuer_key, MessageDigest::sha256())?;
        }
        None => {
            builder.set_issuer_name(&*name(subject)?)?;
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
            builder.sign(key, MessageDigest::sha256())?;
        }
    }
    Ok(builder.build())
}

/// Writes NAME.crt, NAME.key, and NAME.pem, which holds both.
fn write(directory: &Path, name: &str, certificate: &X509, key: &Key) -> Result<(), Box<dyn Error>> {
    let (certificate, key) = (certificate.to_pem()?, key.private_key_to_pem_pkcs8()?);
    fs::write(directory.join(format!("{name}.pem")), [&key[..], &certificate].concat())?;
    fs::write(directory.join(format!("{name}.crt")), certificate)?;
    fs::write(directory.join(format!("{name}.key")), key)?;
    Ok(())
}

/// Makes in `directory`: the authority `ca`; `ec`, `rsa` and `rsa4096` for `bench.test`; `two` for `small.test`, too; `client`.
pub fn make(directory: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let key = ec_key()?;
    let authority = (certificate(&["authority of the comparison"], &key, None)?, key);
    write(directory, "ca", &authority.0, &authority.1)?;
    let keys = [
        ("ec", &["bench.test"][..], ec_key()?),
        ("rsa", &["bench.test"], rsa_key(2048)?),
        ("rsa4096", &["bench.test"], rsa_key(4096)?),
        ("two", &["bench.test", "small.test"], ec_key()?),
        ("client", &["client"], ec_key()?),
    ];
    for (file, names, key) in keys {
        write(directory, file, &certificate(names, &key, Some(&authority))?, &key)?;
    }
    Ok(())
}

/// Makes `count` certificates h0000000.bench.test… in `into`, signed by the authority that is in `directory`.
pub fn many(directory: &Path, into: &Path, count: u64) -> Result<(), Box<dyn Error>> {
    if let Err(error) = fs::create_dir(into)
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    let authority = (
        X509::from_pem(&fs::read(directory.join("ca.crt"))?)?,
        PKey::private_key_from_pem(&fs::read(directory.join("ca.key"))?)?,
    );
    for number in 0..count {
        let (name, key) = (format!("h{number:07}.bench.test"), ec_key()?);
        write(into, &name, &certificate(&[&name], &key, Some(&authority))?, &key)?;
    }
    Ok(())
}

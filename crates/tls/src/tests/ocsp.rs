//! Responses made byte by byte, so that nothing about them is left to chance.

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::ocsp::OcspRequest;
use openssl::sha::sha1;
use openssl::sign::Signer as Signing;
use openssl::ssl::{SslContext, SslMethod};
use openssl::x509::X509;
use openssl::x509::extension::ExtendedKeyUsage;

use super::kit::*;
use crate::ocsp::{Answer, CertificateStatus, Inquiry, Signer, verified_chain};
use crate::{ServerSettings, Stapling};

const GOOD: &[u8] = &[0x80, 0];
const REVOKED: &[u8] = b"\xa1\x11\x18\x0f20200101000000Z";
const UNKNOWN: &[u8] = &[0x82, 0];

/// One element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = match length {
        0..128 => vec![tag, length as u8],
        128..256 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    out.extend_from_slice(content);
    out
}

/// A time so many seconds from now.
fn time(seconds: i64) -> Vec<u8> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    // Nov 23 13:07:22 2026 GMT
    let text = Asn1Time::from_unix(now + seconds).unwrap().to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    let month = MONTHS.find(words[0]).unwrap() / 3 + 1;
    let clock = words[2].replace(':', "");
    der(0x18, format!("{}{month:02}{:0>2}{clock}Z", words[3], words[1]).as_bytes())
}

/// What a response is made of.
struct Response<'a> {
    about: &'a X509,
    issuer: &'a Made,
    signer: &'a Made,
    status: &'a [u8],
    this_update: i64,
    next_update: Option<i64>,
    enclosed: Vec<&'a Made>,
}

impl<'a> Response<'a> {
    fn new(about: &'a X509, issuer: &'a Made) -> Self {
        let enclosed = Vec::new();
        Self { about, issuer, signer: issuer, status: GOOD, this_update: -60, next_update: Some(3600), enclosed }
    }

    fn id(&self) -> Vec<u8> {
        let key = self.issuer.key.public_key_to_der().unwrap();
        // The uncompressed point of a P-256 key is the end of its info.
        let key = sha1(&key[key.len() - 65..]);
        let name = sha1(&self.issuer.certificate.subject_name().to_der().unwrap());
        let serial = self.about.serial_number().to_bn().unwrap().to_vec();
        let algorithm = der(0x30, &[&b"\x06\x05\x2b\x0e\x03\x02\x1a"[..], &[5, 0]].concat());
        der(0x30, &[algorithm, der(4, &name), der(4, &key), der(2, &serial)].concat())
    }

    fn der(&self) -> Vec<u8> {
        let mut single = [self.id(), self.status.to_vec(), time(self.this_update)].concat();
        if let Some(next) = self.next_update {
            single.extend(der(0xa0, &time(next)));
        }
        let by_name = der(0xa1, &self.signer.certificate.subject_name().to_der().unwrap());
        let data = der(0x30, &[by_name, time(self.this_update), der(0x30, &der(0x30, &single))].concat());
        let mut signing = Signing::new(MessageDigest::sha256(), &self.signer.key).unwrap();
        let mut signature = vec![0];
        signature.extend(signing.sign_oneshot_to_vec(&data).unwrap());
        let algorithm = der(0x30, b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
        let mut basic = [data, algorithm, der(3, &signature)].concat();
        if !self.enclosed.is_empty() {
            let all: Vec<u8> = self.enclosed.iter().flat_map(|made| made.certificate.to_der().unwrap()).collect();
            basic.extend(der(0xa0, &der(0x30, &all)));
        }
        let kind = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01";
        let bytes = der(0x30, &[kind.to_vec(), der(4, &der(0x30, &basic))].concat());
        der(0x30, &[vec![10, 1, 0], der(0xa0, &bytes)].concat())
    }
}

fn trusting(root: &Made) -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls()).unwrap();
    builder.cert_store_mut().add_cert(root.certificate.clone()).unwrap();
    builder.build()
}

fn inquiry(certificate: &Made, issuer: &Made, signer: Signer) -> Inquiry {
    let chain = [certificate.certificate.clone(), issuer.certificate.clone()];
    Inquiry::new(&chain, trusting(issuer), signer).unwrap()
}

/// A certificate by `issuer` that may sign responses for it.
fn delegate(issuer: &Made) -> Made {
    make_with(&name(&[("CN", "delegate")]), ec_key(), Some(issuer), |builder| {
        builder.append_extension(ExtendedKeyUsage::new().other("OCSPSigning").build().unwrap()).unwrap();
    })
}

#[test]
fn the_three_statuses() {
    let root = authority("root");
    let leaf = signed("leaf", &root);
    let inquiry = inquiry(&leaf, &root, Signer::Verified);
    for (status, expected) in
        [(GOOD, CertificateStatus::Good), (REVOKED, CertificateStatus::Revoked), (UNKNOWN, CertificateStatus::Unknown)]
    {
        let response = Response { status, next_update: None, ..Response::new(&leaf.certificate, &root) };
        assert_eq!(inquiry.verify(&response.der()), Ok(Answer { status: expected, holds: None }));
    }
}

#[test]
fn it_holds_until_the_next_update() {
    let root = authority("root");
    let leaf = signed("leaf", &root);
    let inquiry = inquiry(&leaf, &root, Signer::Verified);
    let at = |this_update, next_update| {
        let response =
            Response { this_update, next_update: Some(next_update), ..Response::new(&leaf.certificate, &root) };
        inquiry.verify(&response.der())
    };
    for (this_update, next_update) in [(-60, 3600), (-600, -200), (200, 3600)] {
        let holds = at(this_update, next_update).unwrap().holds.unwrap();
        assert!((next_update - 5..=next_update).contains(&holds), "{holds} for {next_update}");
    }
    for (this_update, next_update) in [(-900, -400), (400, 3600), (-10, -100)] {
        let error = at(this_update, next_update).unwrap_err().to_string();
        assert!(error.starts_with("OCSP_check_validity() failed (SSL: error:138000"), "{error}");
    }
}

#[test]
fn who_may_sign() {
    let (root, other) = (authority("root"), authority("other"));
    let leaf = signed("leaf", &root);
    let (delegate, foreign) = (delegate(&root), delegate(&other));
    let verdict = |signer, by: &Made, enclosed: bool| {
        let enclosed = if enclosed { vec![by] } else { Vec::new() };
        let response = Response { signer: by, enclosed, ..Response::new(&leaf.certificate, &root) };
        inquiry(&leaf, &root, signer).verify(&response.der()).map(|answer| answer.status).map_err(|it| it.to_string())
    };
    let good = Ok(CertificateStatus::Good);
    for signer in [Signer::Verified, Signer::OwnChain, Signer::Any] {
        assert_eq!(verdict(signer, &root, false), good, "{signer:?}: the issuer need not be enclosed");
        assert_eq!(verdict(signer, &delegate, true), good, "{signer:?}");
        assert!(verdict(signer, &delegate, false).is_err(), "{signer:?}: nobody knows the delegate's key");
    }
    for (what, by) in [("the certificate itself", &leaf), ("another's delegate", &foreign), ("another issuer", &other)]
    {
        for signer in [Signer::Verified, Signer::OwnChain] {
            let error = verdict(signer, by, true).unwrap_err();
            assert!(error.starts_with("OCSP_basic_verify() failed (SSL: error:138000"), "{what}, {signer:?}: {error}");
        }
        assert_eq!(verdict(Signer::Any, by, true), good, "{what}");
    }
}

#[test]
fn no_changed_byte_changes_what_it_says() {
    let root = authority("root");
    let leaf = signed("leaf", &root);
    let inquiry = inquiry(&leaf, &root, Signer::Verified);
    let whole = Response { status: REVOKED, ..Response::new(&leaf.certificate, &root) }.der();
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            if let Ok(answer) = inquiry.verify(&changed) {
                assert_eq!(answer.status, CertificateStatus::Revoked, "byte {at}");
            }
        }
    }
}

#[test]
fn every_prefix_is_refused_and_what_follows_is_not_looked_at() {
    let root = authority("root");
    let leaf = signed("leaf", &root);
    let inquiry = inquiry(&leaf, &root, Signer::Verified);
    let mut whole = Response::new(&leaf.certificate, &root).der();
    for end in 0..whole.len() {
        let error = inquiry.verify(&whole[..end]).unwrap_err().to_string();
        assert!(error.starts_with("d2i_OCSP_RESPONSE() failed"), "{end}: {error}");
    }
    whole.extend_from_slice(b"more");
    assert_eq!(inquiry.verify(&whole).unwrap().status, CertificateStatus::Good);
}

#[test]
fn a_response_about_another_certificate() {
    let (root, other) = (authority("root"), authority("other"));
    let (leaf, stranger) = (signed("leaf", &root), signed("stranger", &other));
    let response = Response { signer: &root, ..Response::new(&stranger.certificate, &other) };
    let error = inquiry(&leaf, &root, Signer::Verified).verify(&response.der()).unwrap_err();
    // Refused in either case; which comes first is the library's business.
    let error = error.to_string();
    assert!(error.starts_with("OCSP_basic_verify() failed") || error.starts_with("certificate status not"), "{error}");
    let error = inquiry(&leaf, &root, Signer::Any).verify(&response.der()).unwrap_err();
    assert_eq!(error.to_string(), "certificate status not found in the OCSP response");
}

#[test]
fn responders_that_cannot_tell() {
    let root = authority("root");
    let inquiry = inquiry(&signed("leaf", &root), &root, Signer::Verified);
    for (code, text) in [(1, "malformedrequest"), (3, "trylater"), (6, "unauthorized"), (9, "(UNKNOWN)")] {
        let error = inquiry.verify(&[0x30, 3, 10, 1, code]).unwrap_err().to_string();
        assert_eq!(error, format!("OCSP response not successful ({code}: {text})"));
    }
    let empty = inquiry.verify(&[0x30, 3, 10, 1, 0]).unwrap_err().to_string();
    assert!(empty.starts_with("OCSP_response_get1_basic() failed"), "{empty}");
}

#[test]
fn a_request_names_the_certificate_and_its_issuer() {
    let (root, other) = (authority("root"), authority("other"));
    let inquiry_of = |issuer: &Made| inquiry(&signed("leaf", issuer), issuer, Signer::Verified);
    let request = inquiry_of(&root).request().unwrap();
    assert!(OcspRequest::from_der(&request).is_ok());
    let leaf = signed("leaf", &root);
    let id = Response::new(&leaf.certificate, &root).id();
    assert!(request.windows(id.len()).any(|part| part == id), "the same id as in responses");
    assert_ne!(inquiry_of(&root).key().unwrap(), inquiry_of(&other).key().unwrap());
    assert_eq!(inquiry_of(&root).responder(), None);
}

#[test]
fn chains_are_built_up_to_a_trusted_root() {
    let root = authority("root");
    let middle = make(&name(&[("CN", "middle")]), ec_key(), Some(&root), true, &[]);
    let leaf = signed("leaf", &middle);
    let mut sent = openssl::stack::Stack::new().unwrap();
    sent.push(middle.certificate.clone()).unwrap();
    let context = trusting(&root);
    let chain = verified_chain(&leaf.certificate, Some(&sent), context.cert_store()).unwrap();
    assert!(chain == [&leaf, &middle, &root].map(|made| made.certificate.clone()), "{} certificates", chain.len());
    let error = verified_chain(&leaf.certificate, None, context.cert_store()).unwrap_err();
    assert!(error.to_string().starts_with("X509_verify_cert() failed"), "{error}");
}

fn fetching(leaf: &Made, root: &Made) -> ServerSettings {
    ServerSettings { stapling: Stapling::Fetched { verify: true }, trusted_ca: Some(root.pem()), ..settings(leaf) }
}

#[test]
fn a_staple_is_fetched_once_at_a_time_and_replaced_by_good_ones_only() {
    let root = authority("root");
    let leaf = signed("leaf", &root);
    let context = server(&fetching(&leaf, &root));
    let staple = &context.staples()[0];
    assert!(staple.is_due() && !staple.is_due());
    let answer = |status| Answer { status, holds: Some(900) };
    let der = Response::new(&leaf.certificate, &root).der();
    let refused = staple.replace(&der, answer(CertificateStatus::Revoked)).unwrap_err();
    assert_eq!(refused.to_string(), "certificate status \"revoked\" in the OCSP response");
    assert_eq!(staple.response(), None);
    staple.replace(&[&der[..], b"more"].concat(), answer(CertificateStatus::Good)).unwrap();
    assert_eq!(staple.response().as_deref(), Some(&der[..]), "without what followed it");
    staple.replace(&der, Answer { status: CertificateStatus::Good, holds: Some(-9) }).unwrap();
    assert_eq!(staple.response(), None, "it has expired");
    assert!(!staple.is_due(), "and is not asked for at once");
}

#[test]
fn who_has_issued_our_certificate_has_to_be_known() {
    let root = authority("root");
    let (leaf, stranger) = (signed("leaf", &root), authority("stranger"));
    let (context, warnings) = crate::ServerContext::build(&fetching(&leaf, &stranger)).unwrap();
    assert!(context.staples().is_empty());
    let expected = "\"ssl_stapling\" ignored, issuer certificate not found for certificate \"cert.pem\"";
    assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    let mut chained = fetching(&leaf, &stranger);
    chained.certificates[0].certificate.bytes.extend(root.certificate.to_pem().unwrap());
    assert_eq!(server(&chained).staples().len(), 1, "the chain has it");
}

#[test]
fn a_staple_from_a_file_is_never_fetched() {
    let root = authority("root");
    let leaf = signed("leaf", &root);
    let der = Response::new(&leaf.certificate, &root).der();
    let given = |bytes| ServerSettings { stapling: Stapling::Given("file".to_owned(), bytes), ..settings(&leaf) };
    let context = server(&given(der.clone()));
    let staple = &context.staples()[0];
    assert!(!staple.is_due() && staple.inquiry().is_none());
    assert_eq!(staple.response().as_deref(), Some(&der[..]));
    let error = crate::ServerContext::build(&given(b"odd".to_vec())).unwrap_err().to_string();
    assert!(error.starts_with("d2i_OCSP_RESPONSE_bio(\"file\") failed (SSL: error:"), "{error}");
}

//! OCSP (RFC 6960): requests about certificates, and what responses say of them. Sends and keeps nothing.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspBasicResponse, OcspCertId, OcspCertStatus, OcspFlag, OcspRequest, OcspResponse};
use openssl::ocsp::{OcspResponseStatus, OcspStatus};
use openssl::sha::sha1;
use openssl::ssl::SslContext;
use openssl::stack::{Stack, StackRef};
use openssl::x509::store::X509StoreRef;
use openssl::x509::{X509, X509Ref, X509StoreContext, X509VerifyResult};

use crate::backend;
use crate::error::TlsError;
use crate::error_text::LibraryErrors;

/// By how many seconds clocks may differ.
const TOLERANCE: u32 = 300;

/// What a responder says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Not revoked.
    Good,
    /// Revoked, for good or for a while.
    Revoked,
    /// The responder does not know the certificate.
    Unknown,
}

impl CertificateStatus {
    /// Its name in messages.
    pub fn text(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// A response that holds: signed by whom it has to be, about the certificate, of this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub status: CertificateStatus,
    /// Seconds from now up to which it holds; negative within the tolerance, `None` where it does not say.
    pub holds: Option<i64>,
}

/// Who may have signed a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The issuer or its delegate, by a chain up to a trusted root.
    Verified,
    /// The same, or any certificate of the own chain (`ssl_stapling_verify on`).
    OwnChain,
    /// Whoever the response names (`ssl_stapling_verify off`).
    Any,
}

/// A certificate whose status is asked for.
pub struct Inquiry {
    certificate: X509,
    issuer: X509,
    /// Candidates for the signer, and links of the chain to it.
    signers: Stack<X509>,
    /// Has the trusted certificates.
    context: SslContext,
    signer: Signer,
}

impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiry").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl Inquiry {
    /// `chain` begins with the certificate and its issuer; `None` where it does not.
    pub(crate) fn new(chain: &[X509], context: SslContext, signer: Signer) -> Option<Self> {
        let (certificate, above) = chain.split_first()?;
        let mut signers = Stack::new().ok()?;
        // Not the certificate itself: it would vouch for itself.
        for other in above {
            signers.push(other.clone()).ok()?;
        }
        Some(Self { certificate: certificate.clone(), issuer: above.first()?.clone(), signers, context, signer })
    }

    /// Where the certificate says that its status is known: the first URL of its authority information access.
    pub fn responder(&self) -> Option<String> {
        let all = self.certificate.ocsp_responders();
        drop(ErrorStack::get());
        all.ok()?.iter().next().map(ToString::to_string)
    }

    /// The request in DER, without a nonce.
    pub fn request(&self) -> Result<Vec<u8>, TlsError> {
        let mut request = OcspRequest::new().map_err(failed("OCSP_REQUEST_new()"))?;
        request.add_id(self.id()?).map_err(failed("OCSP_request_add0_id()"))?;
        request.to_der().map_err(failed("i2d_OCSP_REQUEST()"))
    }

    /// What tells certificates of all issuers apart: a digest of the request.
    pub fn key(&self) -> Result<[u8; 20], TlsError> {
        self.request().map(|request| sha1(&request))
    }

    /// What `response` (DER, more bytes may follow it) says of the certificate at this time. An error is the
    /// line for the error log, at level error.
    pub fn verify(&self, response: &[u8]) -> Result<Answer, TlsError> {
        let response = OcspResponse::from_der(response).map_err(failed("d2i_OCSP_RESPONSE()"))?;
        let status = response.status();
        if status != OcspResponseStatus::SUCCESSFUL {
            let text = response_status(status);
            return Err(TlsError(format!("OCSP response not successful ({}: {text})", status.as_raw())));
        }
        let basic = response.basic().map_err(failed("OCSP_response_get1_basic()"))?;
        self.verify_signature(&basic)?;
        let id = self.id()?;
        let single = basic.find_status(&id);
        drop(ErrorStack::get());
        let Some(single) = single else {
            return Err(TlsError("certificate status not found in the OCSP response".to_owned()));
        };
        single.check_validity(TOLERANCE, None).map_err(failed("OCSP_check_validity()"))?;
        Ok(Answer { status: certificate_status(&single), holds: holds(&single)? })
    }

    fn verify_signature(&self, basic: &OcspBasicResponse) -> Result<(), TlsError> {
        let flags = match self.signer {
            Signer::Verified => OcspFlag::empty(),
            Signer::OwnChain => OcspFlag::TRUST_OTHER,
            Signer::Any => OcspFlag::NO_VERIFY,
        };
        basic.verify(&self.signers, self.context.cert_store(), flags).map_err(failed("OCSP_basic_verify()"))
    }

    fn id(&self) -> Result<OcspCertId, TlsError> {
        OcspCertId::from_cert(MessageDigest::sha1(), &self.certificate, &self.issuer)
            .map_err(failed("OCSP_cert_to_id()"))
    }
}

/// The chain from `leaf` up to its root, by the certificates that its owner sent and those of `store`. It is built
/// anew, since no library keeps it over the resumption of a session.
pub(crate) fn verified_chain(
    leaf: &X509Ref,
    sent: Option<&StackRef<X509>>,
    store: &X509StoreRef,
) -> Result<Vec<X509>, TlsError> {
    let mut others = Stack::new()?;
    for other in sent.into_iter().flatten() {
        others.push(other.to_owned())?;
    }
    let mut context = X509StoreContext::new()?;
    let chain = context.init(store, leaf, &others, |context| {
        let verified = context.verify_cert()?;
        Ok(verified.then(|| context.chain().into_iter().flatten().map(ToOwned::to_owned).collect::<Vec<_>>()))
    })?;
    chain.ok_or_else(|| TlsError::failed("X509_verify_cert()", &LibraryErrors::take()))
}

/// Whether `issuer` is the one that the certificate names.
pub(crate) fn has_issued(issuer: &X509, certificate: &X509) -> bool {
    issuer.issued(certificate) == X509VerifyResult::OK
}

fn failed(what: &'static str) -> impl Fn(ErrorStack) -> TlsError {
    move |stack| TlsError::failed(what, &LibraryErrors::from(&stack))
}

fn certificate_status(single: &OcspStatus<'_>) -> CertificateStatus {
    match single.status {
        OcspCertStatus::GOOD => CertificateStatus::Good,
        OcspCertStatus::REVOKED => CertificateStatus::Revoked,
        _ => CertificateStatus::Unknown,
    }
}

fn holds(single: &OcspStatus<'_>) -> Result<Option<i64>, TlsError> {
    let Some(next) = single.next_update() else { return Ok(None) };
    match backend::seconds_until(next) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(TlsError("invalid nextUpdate time in certificate status".to_owned())),
    }
}

/// The names of RFC 6960, section 4.2.1, as OpenSSL writes them.
fn response_status(status: OcspResponseStatus) -> &'static str {
    match status.as_raw() {
        0 => "successful",
        1 => "malformedrequest",
        2 => "internalerror",
        3 => "trylater",
        5 => "sigrequired",
        6 => "unauthorized",
        _ => "(UNKNOWN)",
    }
}

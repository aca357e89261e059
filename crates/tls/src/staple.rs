//! OCSP responses that are sent with our certificates: which one, and when it is to be fetched anew. Fetches nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use openssl::error::ErrorStack;
use openssl::ocsp::OcspResponse;
use openssl::ssl::{SslContext, SslRef};
use openssl::x509::X509;

use crate::backend;
use crate::connection::Connection;
use crate::error::{TlsError, Warning};
use crate::error_text::LibraryErrors;
use crate::identity::Identity;
use crate::ocsp::{self, Answer, CertificateStatus, Inquiry, Signer};

/// No response is fetched sooner after another, seconds; and this long before it expires there is a new one.
const SOONEST: i64 = 300;
/// What a response begins with.
const SEQUENCE: u8 = 0x30;
/// No response is kept longer, seconds.
const LATEST: i64 = 3600;

/// The response for one certificate.
#[derive(Debug)]
pub struct Staple {
    certificate: X509,
    name: String,
    /// `None` for a response from a file.
    inquiry: Option<Inquiry>,
    state: Mutex<State>,
}

/// All times are seconds since 1970.
#[derive(Debug, Default)]
struct State {
    response: Option<Arc<[u8]>>,
    /// Up to when `response` may be sent; `None` for ever.
    valid: Option<i64>,
    /// From when on the responder may be asked again.
    refresh: i64,
}

impl Staple {
    /// A response from a file.
    pub(crate) fn given(identity: &Identity, response: &[u8]) -> Self {
        let state = State { response: Some(response.into()), ..State::default() };
        Self {
            certificate: identity.leaf.clone(),
            name: identity.name().to_owned(),
            inquiry: None,
            state: Mutex::new(state),
        }
    }

    /// A response to be fetched; `None`, and a warning, where it is not known who issued the certificate.
    pub(crate) fn fetched(
        identity: &Identity,
        trusted: &[X509],
        context: SslContext,
        verify: bool,
        warnings: &mut Vec<Warning>,
    ) -> Option<Self> {
        let name = identity.name();
        let issues = |issuer: &&X509| ocsp::has_issued(issuer, &identity.leaf);
        let issuer = identity.chain.iter().find(issues).or_else(|| trusted.iter().find(issues));
        let Some(issuer) = issuer else {
            let text = format!("\"ssl_stapling\" ignored, issuer certificate not found for certificate \"{name}\"");
            warnings.push(Warning(text));
            return None;
        };
        let mut chain = vec![identity.leaf.clone(), issuer.clone()];
        chain.extend(identity.chain.iter().cloned());
        let signer = if verify { Signer::OwnChain } else { Signer::Any };
        Some(Self {
            certificate: identity.leaf.clone(),
            name: name.to_owned(),
            inquiry: Inquiry::new(&chain, context, signer),
            state: Mutex::default(),
        })
    }

    /// What the certificate was loaded from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is asked of the responder; `None` where a file has the response.
    pub fn inquiry(&self) -> Option<&Inquiry> {
        self.inquiry.as_ref()
    }

    /// Whether a response is to be fetched now. After a yes it is not for a while, whatever comes of it.
    pub fn is_due(&self) -> bool {
        let now = now();
        let mut state = self.state();
        let due = self.inquiry.is_some() && state.refresh < now;
        if due {
            state.refresh = now + SOONEST;
        }
        due
    }

    /// Takes what was fetched, a response in DER and what [`Inquiry::verify`] says of it. Only a good one takes the
    /// place of the last. An error is the line for the error log.
    pub fn replace(&self, response: &[u8], answer: Answer) -> Result<(), TlsError> {
        if answer.status != CertificateStatus::Good {
            let text = answer.status.text();
            return Err(TlsError(format!("certificate status \"{text}\" in the OCSP response")));
        }
        // Bytes behind the response are not sent on.
        let response = OcspResponse::from_der(response).and_then(|response| response.to_der())?;
        let now = now();
        let mut state = self.state();
        state.response = Some(response.into());
        state.valid = answer.holds.map(|seconds| now + seconds);
        let before_it_expires = answer.holds.map_or(LATEST, |seconds| seconds - SOONEST);
        state.refresh = now + before_it_expires.clamp(SOONEST, LATEST);
        Ok(())
    }

    pub(crate) fn response(&self) -> Option<Arc<[u8]>> {
        let state = self.state();
        let valid = state.valid.is_none_or(|until| until >= now());
        state.response.clone().filter(|_| valid)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks that a file holds a response (`ssl_stapling_file`).
pub(crate) fn check(name: &str, response: &[u8]) -> Result<(), TlsError> {
    let what = format!("d2i_OCSP_RESPONSE_bio(\"{name}\")");
    OcspResponse::from_der(response).map(drop).map_err(|stack| TlsError::failed(&what, &unreadable(response, &stack)))
}

/// OpenSSL reads as many bytes as the first ones tell, and then looks at them.
fn unreadable(bytes: &[u8], stack: &ErrorStack) -> LibraryErrors {
    let asn1 = |code, reason, data| LibraryErrors::single(code, "asn1 encoding routines", reason, data);
    let nested = |data| asn1(0x0688_010A, "nested asn1 error", data);
    if cfg!(not(feature = "aws-lc")) || bytes.is_empty() {
        return if bytes.is_empty() { LibraryErrors::default() } else { LibraryErrors::from(stack) };
    }
    match told_length(bytes) {
        None => asn1(0x0680_007B, "header too long", ""),
        Some(length) if length > bytes.len() => asn1(0x0680_008E, "not enough data", ""),
        Some(_) if bytes.first() == Some(&SEQUENCE) => {
            let field = nested("Field=responseStatus, Type=OCSP_RESPONSE");
            asn1(0x0680_00A8, "wrong tag", "").and(nested("")).and(field)
        }
        Some(_) => asn1(0x0680_00A8, "wrong tag", "").and(nested("Type=OCSP_RESPONSE")),
    }
}

/// How long an element of DER is by its first bytes, those included; `None` if they make no sense.
fn told_length(bytes: &[u8]) -> Option<usize> {
    let tag = if bytes.first()? & 0x1F == 0x1F {
        2 + bytes.iter().skip(1).take_while(|byte| **byte >= 0x80).count()
    } else {
        1
    };
    let (first, rest) = bytes.get(tag..)?.split_first()?;
    let more = usize::from(first & 0x7F);
    if *first < 0x80 {
        return Some(tag + 1 + more);
    }
    let length = rest.get(..more).filter(|length| length.len() <= 8)?;
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    length.checked_add(tag + 1 + more)
}

/// Called when the client asks for a response and our certificate is known: staples it, if there is one.
pub(crate) fn on_request(ssl: &mut SslRef) -> bool {
    let Some(staples) = Connection::of(ssl).map(|connection| Arc::clone(&connection.staples)) else { return false };
    let is_ours = |staple: &&Arc<Staple>| ssl.certificate().is_some_and(|ours| *ours == *staple.certificate);
    let Some(staple) = staples.iter().find(is_ours) else { return false };
    let response = staple.response();
    let stapled = response.is_some_and(|response| backend::staple(ssl, &response));
    if let Some(connection) = Connection::of_mut(ssl) {
        connection.staple = Some(Arc::clone(staple));
    }
    stapled
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

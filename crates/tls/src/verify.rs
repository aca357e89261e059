//! The result of certificate verification and OpenSSL 3's words for it, whichever library found it.

use std::fmt;

use openssl::asn1::Asn1Time;
use openssl::x509::{X509Ref, X509StoreContextRef};

use crate::backend;

/// `unable to verify the first certificate`
const LEAF_UNVERIFIED: i32 = 21;
/// `certificate is not yet valid`
const NOT_YET_VALID: i32 = 9;
/// `certificate has expired`
const EXPIRED: i32 = 10;

/// Called with each step of a verification: accepts all, so that the result is judged after the handshake.
///
/// The last error is the result. AWS-LC does not look at the dates of a certificate alone whose issuer is unknown;
/// OpenSSL ends with them.
pub(crate) fn note(is_ok: bool, context: &mut X509StoreContextRef) -> bool {
    if cfg!(feature = "aws-lc") && !is_ok && context.error().as_raw() == LEAF_UNVERIFIED {
        let dated = context.current_cert().and_then(out_of_date);
        if let Some(code) = dated {
            backend::set_verify_error(context, code);
        }
    }
    true
}

fn out_of_date(certificate: &X509Ref) -> Option<i32> {
    let now = Asn1Time::days_from_now(0).ok()?;
    if certificate.not_before() > now {
        Some(NOT_YET_VALID)
    } else if certificate.not_after() < now {
        Some(EXPIRED)
    } else {
        None
    }
}

/// An X509 verification code; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyResult(i32);

impl VerifyResult {
    /// Success, also when no certificate was asked for.
    pub const OK: Self = Self(0);

    pub(crate) fn new(code: i32) -> Self {
        Self(code)
    }

    /// The number.
    pub fn code(self) -> i32 {
        self.0
    }

    /// Whether verification succeeded.
    pub fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether the only trouble is an unknown CA, which `ssl_verify_client optional_no_ca` forgives.
    pub fn is_unknown_ca(self) -> bool {
        matches!(self.0, 18 | 19 | 20 | 21 | 27)
    }

    /// OpenSSL 3's text.
    pub fn text(self) -> &'static str {
        match self.0 {
            0 => "ok",
            1 => "unspecified certificate verification error",
            2 => "unable to get issuer certificate",
            3 => "unable to get certificate CRL",
            4 => "unable to decrypt certificate's signature",
            5 => "unable to decrypt CRL's signature",
            6 => "unable to decode issuer public key",
            7 => "certificate signature failure",
            8 => "CRL signature failure",
            9 => "certificate is not yet valid",
            10 => "certificate has expired",
            11 => "CRL is not yet valid",
            12 => "CRL has expired",
            13 => "format error in certificate's notBefore field",
            14 => "format error in certificate's notAfter field",
            15 => "format error in CRL's lastUpdate field",
            16 => "format error in CRL's nextUpdate field",
            17 => "out of memory",
            18 => "self-signed certificate",
            19 => "self-signed certificate in certificate chain",
            20 => "unable to get local issuer certificate",
            21 => "unable to verify the first certificate",
            22 => "certificate chain too long",
            23 => "certificate revoked",
            24 => "issuer certificate doesn't have a public key",
            25 => "path length constraint exceeded",
            26 => "unsuitable certificate purpose",
            27 => "certificate not trusted",
            28 => "certificate rejected",
            29 => "subject issuer mismatch",
            30 => "authority and subject key identifier mismatch",
            31 => "authority and issuer serial number mismatch",
            32 => "key usage does not include certificate signing",
            33 => "unable to get CRL issuer certificate",
            34 => "unhandled critical extension",
            35 => "key usage does not include CRL signing",
            36 => "unhandled critical CRL extension",
            37 => "invalid non-CA certificate (has CA markings)",
            38 => "proxy path length constraint exceeded",
            39 => "key usage does not include digital signature",
            40 => "proxy certificates not allowed, please set the appropriate flag",
            41 => "invalid or inconsistent certificate extension",
            42 => "invalid or inconsistent certificate policy extension",
            43 => "no explicit policy",
            44 => "different CRL scope",
            45 => "unsupported extension feature",
            46 => "RFC 3779 resource not subset of parent's resources",
            47 => "permitted subtree violation",
            48 => "excluded subtree violation",
            49 => "name constraints minimum and maximum not supported",
            50 => "application verification failure",
            51 => "unsupported name constraint type",
            52 => "unsupported or invalid name constraint syntax",
            53 => "unsupported or invalid name syntax",
            54 => "CRL path validation error",
            62 => "hostname mismatch",
            63 => "email address mismatch",
            64 => "IP address mismatch",
            66 => "EE certificate key too weak",
            67 => "CA certificate key too weak",
            68 => "CA signature digest algorithm too weak",
            69 => "invalid certificate verification context",
            79 => "invalid CA certificate",
            _ => "unknown certificate verification error",
        }
    }
}

impl fmt::Display for VerifyResult {
    /// `18:self-signed certificate`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.text())
    }
}

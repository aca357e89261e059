//! A peer's certificate as the `$ssl_client_*` variables show it.

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::X509;

use crate::backend;
use crate::name_match;

/// The certificate a peer showed.
pub struct PeerCertificate(pub(crate) X509);

impl std::fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PeerCertificate").field(&self.serial()).finish()
    }
}

impl PeerCertificate {
    /// `$ssl_client_raw_cert`
    pub fn pem(&self) -> Option<Vec<u8>> {
        self.0.to_pem().ok()
    }

    /// `$ssl_client_s_dn`: RFC 2253, most specific part first, UTF-8 left as it is.
    pub fn subject(&self) -> Option<Vec<u8>> {
        backend::name_text(self.0.subject_name())
    }

    /// `$ssl_client_i_dn`
    pub fn issuer(&self) -> Option<Vec<u8>> {
        backend::name_text(self.0.issuer_name())
    }

    /// The subject's first common name as UTF-8 (PROXY protocol v2).
    pub fn common_name(&self) -> Option<String> {
        let entry = self.0.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
        entry.data().to_string().ok()
    }

    /// `$ssl_client_serial`: upper-case hex without separators.
    pub fn serial(&self) -> String {
        let number = self.0.serial_number().to_bn().ok();
        let digits = number.as_ref().map(|number| hex(&number.to_vec()).to_uppercase()).unwrap_or_default();
        let sign = if number.is_some_and(|number| number.is_negative()) { "-" } else { "" };
        if digits.is_empty() { "00".to_owned() } else { format!("{sign}{digits}") }
    }

    /// `$ssl_client_fingerprint`: SHA-1 of the DER form, lower-case hex.
    pub fn fingerprint(&self) -> Option<String> {
        Some(hex(&self.0.digest(MessageDigest::sha1()).ok()?))
    }

    /// `$ssl_client_v_start`: `Nov 23 13:07:22 2026 GMT`
    pub fn valid_from(&self) -> String {
        date(self.0.not_before())
    }

    /// `$ssl_client_v_end`
    pub fn valid_until(&self) -> String {
        date(self.0.not_after())
    }

    /// `$ssl_client_v_remain`: whole days left, 0 once expired.
    pub fn days_left(&self) -> u32 {
        let left = Asn1Time::days_from_now(0).and_then(|now| now.diff(self.0.not_after()));
        left.ok().and_then(|left| u32::try_from(left.days).ok()).unwrap_or(0)
    }

    /// Whether the certificate is for `name`: by its DNS names, or its common name when it has no DNS name; a
    /// wildcard covers one left label; IP entries are not consulted (`proxy_ssl_verify`).
    pub fn matches_name(&self, name: &str) -> bool {
        let alternatives = self.0.subject_alt_names();
        let mut has_dns_name = false;
        for pattern in alternatives.iter().flatten().filter_map(|entry| entry.dnsname()) {
            has_dns_name = true;
            if name_match::matches(pattern, name) {
                return true;
            }
        }
        !has_dns_name
            && self
                .0
                .subject_name()
                .entries_by_nid(Nid::COMMONNAME)
                .any(|entry| entry.data().to_string().is_ok_and(|pattern| name_match::matches(&pattern, name)))
    }
}

fn date(time: &Asn1TimeRef) -> String {
    time.to_string()
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]).map(char::from).collect()
}

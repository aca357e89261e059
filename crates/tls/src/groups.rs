//! Lists of key exchange groups in OpenSSL's syntax. AWS-LC knows fewer of them, and fewer names: what it cannot do is
//! taken out here, and told.

use std::ffi::CString;

use openssl::ssl::Ssl;

use crate::backend;
use crate::error::Warning;

/// The groups of a list as the library takes them; `None` if it does not.
pub(crate) fn parse(list: &str, warnings: &mut Vec<Warning>) -> Option<CString> {
    let list = backend::c_text(&usable(list, warnings))?;
    on_scratch(|ssl| backend::set_groups(ssl, &list))?;
    Some(list)
}

/// What OpenSSL means by `auto`, as far as the library can, and before that what it does not know yet.
#[cfg(feature = "aws-lc")]
pub(crate) const AUTO: &std::ffi::CStr =
    c"X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024:X25519:P-256:P-521:P-384";

/// The names that the library knows, and the numbers in the protocol.
#[cfg(feature = "aws-lc")]
const NUMBERS: &[(&std::ffi::CStr, &str, u16)] = &[
    (c"P-224", "secp224r1", 21),
    (c"P-256", "prime256v1", 23),
    (c"P-384", "secp384r1", 24),
    (c"P-521", "secp521r1", 25),
    (c"X25519", "x25519", 29),
    (c"SecP256r1MLKEM768", "", 0x11EB),
    (c"X25519MLKEM768", "", 0x11EC),
    (c"SecP384r1MLKEM1024", "", 0x11ED),
];

/// The numbers of the groups of a list that [`parse`] has taken.
#[cfg(feature = "aws-lc")]
pub(crate) fn numbers(list: &std::ffi::CStr) -> Vec<u16> {
    let number = |name: &str| {
        let known = |row: &&(&std::ffi::CStr, &str, u16)| {
            row.0.to_bytes().eq_ignore_ascii_case(name.as_bytes()) || row.1.eq_ignore_ascii_case(name)
        };
        NUMBERS.iter().find(known).map(|row| row.2)
    };
    list.to_string_lossy().split(':').filter_map(number).collect()
}

/// The library's name of a group.
#[cfg(feature = "aws-lc")]
pub(crate) fn name(number: u16) -> Option<&'static std::ffi::CStr> {
    NUMBERS.iter().find(|row| row.2 == number).map(|row| row.0)
}

/// What comes of a setting on a connection that is not used.
pub(crate) fn on_scratch<T>(set: impl FnOnce(&mut Ssl) -> Result<T, openssl::error::ErrorStack>) -> Option<T> {
    let context = openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls()).ok()?.build();
    let result = Ssl::new(&context).and_then(|mut ssl| set(&mut ssl));
    drop(openssl::error::ErrorStack::get());
    result.ok()
}

#[cfg(not(feature = "aws-lc"))]
fn usable(list: &str, _: &mut Vec<Warning>) -> String {
    list.to_owned()
}

#[cfg(feature = "aws-lc")]
fn usable(list: &str, warnings: &mut Vec<Warning>) -> String {
    let mut kept = Vec::new();
    let mut unknown = Vec::new();
    for name in list.split(':') {
        if name.eq_ignore_ascii_case("secp256r1") {
            kept.push("P-256");
        } else if is_foreign(name) {
            unknown.push(name);
        } else {
            kept.push(name);
        }
    }
    // One without any that is known is refused as it is.
    if kept.is_empty() {
        return list.to_owned();
    }
    if !unknown.is_empty() {
        let unknown = unknown.join(":");
        warnings.push(Warning(format!("groups \"{unknown}\" are not supported by AWS-LC, ignored")));
    }
    kept.join(":")
}

/// Whether a name is one of OpenSSL's that AWS-LC does not know.
#[cfg(feature = "aws-lc")]
fn is_foreign(name: &str) -> bool {
    const OTHERS: [&str; 9] =
        ["X448", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192", "secp256k1", "prime192v1", "P-192"];
    let lower = name.to_ascii_lowercase();
    let family = |prefix: &str| lower.starts_with(prefix);
    let old = ["brainpoolp", "sect", "secp160", "secp192", "secp224k", "k-", "b-"].into_iter().any(family);
    (old || OTHERS.iter().any(|other| other.eq_ignore_ascii_case(name)))
        && backend::c_text(name).and_then(|one| on_scratch(|ssl| backend::set_groups(ssl, &one))).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_groups() {
        let mut warnings = Vec::new();
        assert!(parse("X25519:secp256r1:secp384r1", &mut warnings).is_some_and(|_| warnings.is_empty()));
        assert!(parse("foo", &mut warnings).is_none() && parse("X25519:foo", &mut warnings).is_none());
        assert!(warnings.is_empty());
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn every_group_has_its_number() {
        assert_eq!(numbers(c"x25519:prime256v1:P-521"), [29, 23, 25]);
        assert!(on_scratch(|ssl| backend::set_groups(ssl, AUTO)).is_some());
        assert_eq!(numbers(AUTO).len(), 7);
        for number in numbers(AUTO) {
            assert_eq!(name(number).map(numbers), Some(vec![number]));
        }
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn groups_that_are_left_out_are_told() {
        let mut warnings = Vec::new();
        assert!(parse("X448", &mut warnings).is_none() && warnings.is_empty());
        let list = parse("X448:X25519:ffdhe2048:brainpoolP256r1", &mut warnings).unwrap();
        assert_eq!(list.to_str(), Ok("X25519"));
        assert_eq!(
            warnings[0].to_string(),
            "groups \"X448:ffdhe2048:brainpoolP256r1\" are not supported by AWS-LC, ignored"
        );
    }
}

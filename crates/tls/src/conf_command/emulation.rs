//! The configuration commands that AWS-LC can follow. Names are OpenSSL's, in any case; what is known there but not
//! possible here is refused with the remedy, or told.

use openssl::ssl::{SslContextBuilder, SslOptions, SslVersion};

use super::{Lists, bad_value, what};
use crate::backend;
use crate::error::{TlsError, Warning};
use crate::error_text::LibraryErrors;
use crate::groups::{self, on_scratch};

const NOT_HERE: &[&str] = &[
    "certificate",
    "chaincafile",
    "chaincapath",
    "clientcafile",
    "clientcapath",
    "dhparameters",
    "encryptthenmac",
    "antireplay",
    "privatekey",
    "recordpadding",
    "requestcafile",
    "requestcapath",
    "serverinfofile",
    "verifycafile",
    "verifycapath",
    "verifymode",
    "ignoreunexpectedeof",
];

/// Options of OpenSSL that ask for what the library does anyhow, does not do in any case, or may do and need not.
const WITHOUT_EFFECT: &[&str] = &[
    "allownodhekex",
    "antireplay",
    "bugs",
    "canames",
    "clientrenegotiation",
    "compression",
    "dhsingle",
    "ecdhsingle",
    "emptyfragments",
    "encryptthenmac",
    "ignoreunexpectedeof",
    "ktls",
    "ktlstxzerocopysendfile",
    "middleboxcompat",
    "norenegotiation",
    "noresumptiononrenegotiation",
    "prefernodhekex",
    "rxcertificatecompression",
    "txcertificatecompression",
    "unsafelegacyrenegotiation",
    "unsafelegacyserverconnect",
];

const SIGALGS: &[(&str, u16)] = &[
    ("rsa+sha1", 0x0201),
    ("rsa+sha256", 0x0401),
    ("rsa+sha384", 0x0501),
    ("rsa+sha512", 0x0601),
    ("ecdsa+sha1", 0x0203),
    ("ecdsa+sha256", 0x0403),
    ("ecdsa+sha384", 0x0503),
    ("ecdsa+sha512", 0x0603),
    ("rsa-pss+sha256", 0x0804),
    ("rsa-pss+sha384", 0x0805),
    ("rsa-pss+sha512", 0x0806),
    ("pss+sha256", 0x0804),
    ("pss+sha384", 0x0805),
    ("pss+sha512", 0x0806),
    ("ed25519", 0x0807),
    ("rsa_pkcs1_sha1", 0x0201),
    ("rsa_pkcs1_sha256", 0x0401),
    ("rsa_pkcs1_sha384", 0x0501),
    ("rsa_pkcs1_sha512", 0x0601),
    ("ecdsa_sha1", 0x0203),
    ("ecdsa_secp256r1_sha256", 0x0403),
    ("ecdsa_secp384r1_sha384", 0x0503),
    ("ecdsa_secp521r1_sha512", 0x0603),
    ("rsa_pss_rsae_sha256", 0x0804),
    ("rsa_pss_rsae_sha384", 0x0805),
    ("rsa_pss_rsae_sha512", 0x0806),
];

pub(super) fn run(
    builder: &mut SslContextBuilder,
    lists: &mut Lists,
    is_server: bool,
    (name, value): (&str, &str),
    warnings: &mut Vec<Warning>,
) -> Result<(), TlsError> {
    let command = name.to_ascii_lowercase();
    let done = match command.as_str() {
        "ciphersuites" => return ciphersuites(builder, lists, name, value),
        "cipherstring" => {
            let set = crate::ciphers::set(builder, lists, value, &mut Vec::new());
            return set.map_err(|_| no_cipher_match(name, value));
        }
        "minprotocol" => bound(value, true, |version| builder.set_min_proto_version(version)),
        "maxprotocol" => bound(value, false, |version| builder.set_max_proto_version(version)),
        "protocol" => each_signed(value, |word, on| protocol(builder, word, on)),
        "options" => each_signed(value, |word, on| option(builder, word, on, warnings)),
        "ecdhparameters" => curve(lists, value, warnings),
        "signaturealgorithms" => signature_algorithms(lists, value),
        "clientsignaturealgorithms" if is_server => peer_signature_algorithms(lists, value),
        "numtickets" => leading_number(value).map(|tickets| backend::set_num_tickets(builder, tickets)),
        other if NOT_HERE.contains(&other) => {
            return Err(TlsError(format!(
                "{} is not supported with AWS-LC, use the build with OpenSSL",
                what(name, value)
            )));
        }
        _ => {
            let unknown =
                LibraryErrors::single(0x0A00_0182, "SSL routines", "unknown cmd name", &format!("cmd={name}"));
            return Err(TlsError::failed(&what(name, value), &unknown));
        }
    };
    done.ok_or_else(|| {
        drop(LibraryErrors::take());
        TlsError::failed(&what(name, value), &bad_value(name, value))
    })
}

fn ciphersuites(builder: &mut SslContextBuilder, lists: &mut Lists, name: &str, value: &str) -> Result<(), TlsError> {
    // The library takes commas for colons, too.
    let list = backend::c_text(value).filter(|_| !value.contains(','));
    if let Some(list) = list.filter(|list| backend::set_ciphersuites(builder, list).is_ok()) {
        lists.ciphersuites = Some(list);
        return Ok(());
    }
    Err(no_cipher_match(name, value))
}

fn no_cipher_match(name: &str, value: &str) -> TlsError {
    let errors = LibraryErrors::single(0x0A00_00B9, "SSL routines", "no cipher match", "");
    TlsError::failed(&what(name, value), &errors.and(bad_value(name, value)))
}

/// Sets a bound by its name; `None` stands for the library's own.
fn bound(
    value: &str,
    is_least: bool,
    set: impl FnOnce(Option<SslVersion>) -> Result<(), openssl::error::ErrorStack>,
) -> Option<()> {
    let version = match value {
        "None" | "SSLv3" if is_least => None,
        "None" => None,
        "TLSv1" => Some(SslVersion::TLS1),
        "TLSv1.1" => Some(SslVersion::TLS1_1),
        "TLSv1.2" => Some(SslVersion::TLS1_2),
        "TLSv1.3" => Some(SslVersion::TLS1_3),
        _ => return None,
    };
    set(version).ok()
}

/// Runs over `A,-B,+C`: each word, and whether it is to be on.
fn each_signed(value: &str, mut apply: impl FnMut(&str, bool) -> Option<()>) -> Option<()> {
    value.split(',').try_for_each(|word| {
        let word = word.trim();
        match word.strip_prefix('-') {
            Some(word) => apply(word, false),
            None => apply(word.strip_prefix('+').unwrap_or(word), true),
        }
    })
}

fn protocol(builder: &mut SslContextBuilder, word: &str, on: bool) -> Option<()> {
    let all = SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1 | SslOptions::NO_TLSV1_2 | SslOptions::NO_TLSV1_3;
    let bits = match word.to_ascii_lowercase().as_str() {
        "all" => all,
        "tlsv1" => SslOptions::NO_TLSV1,
        "tlsv1.1" => SslOptions::NO_TLSV1_1,
        "tlsv1.2" => SslOptions::NO_TLSV1_2,
        "tlsv1.3" => SslOptions::NO_TLSV1_3,
        // They are off for good.
        "sslv2" | "sslv3" => SslOptions::empty(),
        _ => return None,
    };
    if on {
        builder.clear_options(bits)
    } else {
        builder.set_options(bits)
    };
    Some(())
}

fn option(builder: &mut SslContextBuilder, word: &str, on: bool, warnings: &mut Vec<Warning>) -> Option<()> {
    let lower = word.to_ascii_lowercase();
    let (bits, set) = match lower.as_str() {
        "serverpreference" => (SslOptions::CIPHER_SERVER_PREFERENCE, on),
        "sessionticket" => (SslOptions::NO_TICKET, !on),
        word if WITHOUT_EFFECT.contains(&word) => return Some(()),
        "extendedmastersecret" if on => return Some(()),
        "prioritizechacha" | "strictcertcheck" if !on => return Some(()),
        "prioritizechacha" | "strictcertcheck" | "extendedmastersecret" => {
            let sign = if on { "" } else { "-" };
            warnings.push(Warning(format!("\"{sign}{word}\" is not supported by AWS-LC, ignored")));
            return Some(());
        }
        _ => return None,
    };
    if set {
        builder.set_options(bits)
    } else {
        builder.clear_options(bits)
    };
    Some(())
}

/// One curve; a library that chooses by itself need not be told to.
fn curve(lists: &mut Lists, value: &str, warnings: &mut Vec<Warning>) -> Option<()> {
    if matches!(value.to_ascii_lowercase().as_str(), "automatic" | "+automatic") {
        return Some(());
    }
    lists.groups = Some(groups::parse(value, warnings).filter(|_| !value.contains(':'))?);
    Some(())
}

/// The number that a text begins with, 0 where there is none; none below.
fn leading_number(text: &str) -> Option<usize> {
    let text = text.trim_start();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    match digits.get(..end)? {
        "" if text.starts_with('-') => None,
        "" => Some(0),
        number => number.parse().ok(),
    }
}

fn signature_algorithms(lists: &mut Lists, value: &str) -> Option<()> {
    let list = backend::c_text(value)?;
    on_scratch(|ssl| backend::set_sigalgs(ssl, &list))?;
    lists.sigalgs = Some(list);
    Some(())
}

fn peer_signature_algorithms(lists: &mut Lists, value: &str) -> Option<()> {
    lists.peer_sigalgs = Some(value.split(':').map(signature_number).collect::<Option<_>>()?);
    Some(())
}

fn signature_number(name: &str) -> Option<u16> {
    let name = name.to_ascii_lowercase();
    SIGALGS.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// The numbers of a list that the library has taken.
pub(crate) fn signature_numbers(list: &std::ffi::CStr) -> Vec<u16> {
    list.to_string_lossy().split(':').filter_map(signature_number).collect()
}

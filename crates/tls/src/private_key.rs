//! Reads private keys, encrypted ones too, and tells in OpenSSL's words why one cannot be read.

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};

use crate::error_text::LibraryErrors;
use crate::pem;

const LABELS: &[&str] = &[
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "ANY PRIVATE KEY",
];

/// The first key in PEM text; `passphrases` are tried in order on an encrypted one. Errors are those of the last try.
pub(crate) fn read(text: &[u8], passphrases: &[Vec<u8>]) -> Result<PKey<Private>, LibraryErrors> {
    let Some(block) = pem::blocks(text, LABELS).next() else { return Err(unsupported()) };
    let nothing = Vec::new();
    let mut last = unsupported();
    for passphrase in passphrases.iter().chain(passphrases.is_empty().then_some(&nothing)) {
        let mut is_asked = false;
        let read = PKey::private_key_from_pem_callback(block, |buffer| {
            is_asked = true;
            let Some(place) = buffer.get_mut(..passphrase.len()) else { return Ok(0) };
            place.copy_from_slice(passphrase);
            Ok(passphrase.len())
        });
        match read {
            Ok(key) => return Ok(key),
            Err(stack) => last = told(&stack, block, is_asked, passphrases.is_empty(), passphrase),
        }
    }
    Err(last)
}

/// What OpenSSL tells of a key that could not be read.
fn told(stack: &ErrorStack, block: &[u8], is_asked: bool, is_terminal_asked: bool, passphrase: &[u8]) -> LibraryErrors {
    if cfg!(not(feature = "aws-lc")) {
        return LibraryErrors::from(stack);
    }
    let is_pkcs8 = pem::is_labelled(block, "ENCRYPTED PRIVATE KEY");
    match (is_asked, is_terminal_asked) {
        (false, _) => broken(block),
        (true, true) => unasked(is_pkcs8),
        (true, false) => undecrypted(is_pkcs8, passphrase),
    }
}

fn unsupported() -> LibraryErrors {
    let told = "No supported data to decode. Input type: PEM";
    LibraryErrors::single(0x1E08_010C, "DECODER routines", "unsupported", told)
}

/// A key that is not encrypted, or whose headers do not tell how.
fn broken(block: &[u8]) -> LibraryErrors {
    let is_encrypted = block.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"Proc-Type: 4,ENCRYPTED"));
    if !is_encrypted {
        return unsupported();
    }
    let cipher = block.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"DEK-Info: "));
    let (code, reason) = match cipher {
        None => (0x0480_0069, "not dek info"),
        Some(cipher) if is_known_cipher(cipher) => (0x0480_0067, "bad iv chars"),
        Some(_) => (0x0480_0072, "unsupported encryption"),
    };
    LibraryErrors::single(code, "PEM routines", reason, "")
}

fn is_known_cipher(info: &[u8]) -> bool {
    let name = info.split(|byte| *byte == b',').next().unwrap_or_default();
    [&b"AES-128-CBC"[..], b"AES-192-CBC", b"AES-256-CBC", b"DES-EDE3-CBC", b"DES-CBC"].contains(&name)
}

/// OpenSSL asks the terminal where no passphrases are given, which a service has none of.
fn unasked(is_pkcs8: bool) -> LibraryErrors {
    let question = || {
        LibraryErrors::single(0x1400_006B, "UI routines", "processing error", "while reading strings")
            .and(LibraryErrors::single(0x0480_006D, "PEM routines", "problems getting password", ""))
            .and(LibraryErrors::single(0x0788_0109, "common libcrypto routines", "interrupted or cancelled", ""))
    };
    let cancelled = LibraryErrors::single(0x0788_0109, "common libcrypto routines", "interrupted or cancelled", "");
    let bad_read = LibraryErrors::single(0x0480_0068, "PEM routines", "bad password read", "");
    let first = question().and(cancelled);
    if !is_pkcs8 {
        return first.and(bad_read);
    }
    let missing = LibraryErrors::single(0x1C80_009F, "Provider routines", "unable to get passphrase", "");
    first.and(missing).and(question()).and(bad_read)
}

/// A passphrase that did not open the key. OpenSSL tries twice on PKCS #8: with its decoders, and as of old.
fn undecrypted(is_pkcs8: bool, passphrase: &[u8]) -> LibraryErrors {
    let bad_decrypt = LibraryErrors::single(0x1C80_0064, "Provider routines", "bad decrypt", "");
    if !is_pkcs8 {
        return bad_decrypt.and(LibraryErrors::single(0x0480_0065, "PEM routines", "bad decrypt", ""));
    }
    let told = if passphrase.is_empty() { "empty password" } else { "maybe wrong password" };
    let once = bad_decrypt.and(LibraryErrors::single(0x1180_0074, "PKCS12 routines", "pkcs12 cipherfinal error", told));
    once.clone().and(once)
}

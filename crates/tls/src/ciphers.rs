//! Cipher strings in OpenSSL's syntax. AWS-LC knows fewer ciphers and no security levels: what it cannot do is
//! taken out here, and told.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::Arc;

use openssl::ssl::SslContextBuilder;

use crate::backend;
#[cfg(feature = "aws-lc")]
use crate::cipher_order;
use crate::conf_command::Lists;
use crate::error::{TlsError, Warning};
use crate::error_text::LibraryErrors;

/// The highest security level there is.
#[cfg(feature = "aws-lc")]
const HIGHEST_LEVEL: u32 = 5;

/// The `@SECLEVEL=n` of a cipher string, if any.
pub(crate) fn security_level(list: &str) -> Option<u32> {
    tokens(list).find_map(|token| token.split_once("@SECLEVEL=")?.1.parse().ok())
}

fn tokens(list: &str) -> impl Iterator<Item = &str> {
    list.split([':', ',', ';', ' ']).filter(|token| !token.is_empty())
}

/// Sets the ciphers of TLS 1.2 and older.
pub(crate) fn set(
    builder: &mut SslContextBuilder,
    lists: &mut Lists,
    list: &str,
    warnings: &mut Vec<Warning>,
) -> Result<(), TlsError> {
    let usable = usable(list);
    if let Some(unknown) = &usable.unknown {
        warnings.push(Warning(format!("ciphers \"{unknown}\" are not supported by AWS-LC, ignored")));
    }
    if usable.ciphers.is_empty() {
        return Err(failed(list, LibraryErrors::default()));
    }
    builder.set_cipher_list(&usable.ciphers).map_err(|stack| failed(list, LibraryErrors::from(&stack)))?;
    lists.ciphers = usable.text;
    Ok(())
}

/// What the library can do of a list.
#[derive(Debug, Clone, Default)]
struct Usable {
    ciphers: Rc<str>,
    /// The same, for C.
    text: Option<Arc<CStr>>,
    /// What it cannot, to be warned of.
    unknown: Option<Rc<str>>,
}

/// What the library can do of `list`. Most servers have the same, so the last one is kept.
fn usable(list: &str) -> Usable {
    thread_local!(static LAST: RefCell<(String, Usable)> = RefCell::default());
    LAST.with_borrow_mut(|(last, usable)| {
        if last != list {
            *usable = look_up(list);
            list.clone_into(last);
        }
        usable.clone()
    })
}

fn failed(list: &str, mut errors: LibraryErrors) -> TlsError {
    if errors.is_empty() {
        errors = LibraryErrors::single(0x0A00_00B9, "SSL routines", "no cipher match", "");
    }
    TlsError::failed(&format!("SSL_CTX_set_cipher_list(\"{list}\")"), &errors)
}

#[cfg(not(feature = "aws-lc"))]
fn look_up(list: &str) -> Usable {
    Usable { ciphers: list.into(), text: backend::c_text(list).map(Into::into), unknown: None }
}

/// Of a list with a security level that is none, nothing is usable.
#[cfg(feature = "aws-lc")]
fn look_up(list: &str) -> Usable {
    let mut kept = Vec::new();
    let mut unknown = Vec::new();
    for token in tokens(list) {
        let (token, level) = token.split_once("@SECLEVEL=").unwrap_or((token, "0"));
        if level.parse().map_or(true, |level: u32| level > HIGHEST_LEVEL) {
            return Usable::default();
        }
        // what is only excluded or moved may be absent; TLS 1.3 suites have a list of their own
        let is_added = !token.starts_with(['!', '-', '+', '@']) && !token.starts_with("TLS_");
        match token {
            "" => {}
            token if is_added && !is_known(token) => unknown.push(token),
            token => kept.push(token),
        }
    }
    let unknown = (!unknown.is_empty() && !kept.is_empty()).then(|| unknown.join(":").into());
    let ciphers = cipher_order::ordered(kept.into_iter());
    Usable { text: backend::c_text(&ciphers).map(Into::into), ciphers: ciphers.into(), unknown }
}

#[cfg(feature = "aws-lc")]
fn is_known(token: &str) -> bool {
    use openssl::ssl::{SslContext, SslMethod};

    let known = SslContext::builder(SslMethod::tls()).and_then(|mut scratch| scratch.set_cipher_list(token)).is_ok();
    drop(openssl::error::ErrorStack::get());
    known
}

#[cfg(test)]
mod tests {
    use openssl::ssl::{SslContext, SslMethod};

    use super::*;

    fn try_list(list: &str) -> (Result<(), TlsError>, Vec<Warning>) {
        let mut warnings = Vec::new();
        let mut builder = SslContext::builder(SslMethod::tls()).unwrap();
        (set(&mut builder, &mut Lists::default(), list, &mut warnings), warnings)
    }

    #[test]
    fn usual_lists_pass_without_a_word() {
        for list in [
            "HIGH:!aNULL:!MD5",
            "DEFAULT",
            "ECDHE-RSA-AES128-GCM-SHA256:@STRENGTH",
            "HIGH:@SECLEVEL=0",
            "DEFAULT@SECLEVEL=1",
        ] {
            let (result, warnings) = try_list(list);
            assert_eq!((result, warnings), (Ok(()), vec![]), "{list}");
        }
    }

    #[test]
    fn a_list_without_any_known_cipher_fails_as_in_nginx() {
        assert_eq!(
            try_list("foo").0.unwrap_err().to_string(),
            "SSL_CTX_set_cipher_list(\"foo\") failed (SSL: error:0A0000B9:SSL routines::no cipher match)"
        );
    }

    #[test]
    fn lists_of_nothing_and_levels_that_are_none_fail() {
        for list in ["", ":", "@SECLEVEL=1", "DEFAULT:@SECLEVEL=9", "DEFAULT@SECLEVEL=x", "foo:bar"] {
            assert!(try_list(list).0.is_err(), "{list}");
        }
        for list in ["foo:HIGH", "ECDHE+foo:HIGH", "CAMELLIA:HIGH"] {
            assert!(try_list(list).0.is_ok(), "{list}");
        }
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn ciphers_that_are_left_out_are_told() {
        let (result, warnings) = try_list("DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:!foo");
        assert!(result.is_ok());
        assert_eq!(
            warnings[0].to_string(),
            "ciphers \"DHE-RSA-AES128-GCM-SHA256\" are not supported by AWS-LC, ignored"
        );
    }

    #[test]
    fn levels_are_found() {
        assert_eq!(security_level("HIGH:!aNULL@SECLEVEL=3"), Some(3));
        assert_eq!(security_level("@SECLEVEL=0:ALL"), Some(0));
        assert_eq!(security_level("HIGH"), None);
    }
}

//! The library's error queue in OpenSSL 3's words, and which errors are the peer's fault.

use std::fmt::{self, Write};

use openssl::error::{Error, ErrorStack};

#[cfg(feature = "aws-lc")]
mod reasons;
#[cfg(test)]
mod tests;

/// The queue's text after a certificate of the connection could not be loaded
/// ([`HandshakeError::Certificate`](crate::HandshakeError::Certificate)).
pub const CERT_CB_ERROR: &str = "error:0A000179:SSL routines::cert cb error";

/// The reason of an alert is this and its number.
#[cfg(feature = "aws-lc")]
const ALERT: u32 = 1000;

/// Library number of TLS itself within an OpenSSL 3 error code.
const LIB_SSL: u32 = 20;
/// The same of OCSP, whose reasons have the same numbers in both libraries.
#[cfg(feature = "aws-lc")]
const LIB_OCSP: u32 = 39;

/// What the library had queued, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryErrors(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    code: u32,
    library: String,
    reason: String,
    data: String,
}

impl LibraryErrors {
    /// Takes all errors out of this thread's queue.
    pub(crate) fn take() -> Self {
        Self::from(&ErrorStack::get())
    }

    /// One error made here, where the library says nothing or something else.
    pub(crate) fn single(code: u32, library: &str, reason: &str, data: &str) -> Self {
        Self(vec![Entry { code, library: library.to_owned(), reason: reason.to_owned(), data: data.to_owned() }])
    }

    /// An alert of the peer that the library did not understand.
    #[cfg(feature = "aws-lc")]
    pub(crate) fn alert(description: u8) -> Self {
        let number = ALERT + u32::from(description);
        let reason = alert_reason(number);
        Self::single(LIB_SSL << 23 | number, "SSL routines", &reason, &format!("SSL alert number {description}"))
    }

    /// The same with another error behind.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether the first is one of TLS itself with this reason, OpenSSL's number.
    pub(crate) fn is(&self, reason: u32) -> bool {
        self.0.first().is_some_and(|entry| entry.code == LIB_SSL << 23 | reason)
    }

    /// Whether nothing was queued.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the peer caused this and it is part of everyday life, by the last error: nginx logs such errors of
    /// clients at info, of upstreams at error; all others at crit.
    pub fn is_peers_fault(&self) -> bool {
        self.0.last().is_some_and(|entry| entry.code >> 23 == LIB_SSL && everyday(entry.code & 0x7F_FFFF))
    }
}

impl From<&ErrorStack> for LibraryErrors {
    fn from(stack: &ErrorStack) -> Self {
        let mut entries: Vec<_> = stack.errors().iter().filter_map(entry).collect();
        // AWS-LC tells some errors at two depths
        if cfg!(feature = "aws-lc") {
            entries.dedup();
        }
        Self(entries)
    }
}

impl fmt::Display for LibraryErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char(' ')?;
            }
            write!(f, "error:{:08X}:{}::{}", entry.code, entry.library, entry.reason)?;
            if !entry.data.is_empty() {
                write!(f, ":{}", entry.data)?;
            }
        }
        Ok(())
    }
}

/// Empties this thread's error queue into the text nginx puts after `SSL: `.
pub fn error_queue_text() -> String {
    LibraryErrors::take().to_string()
}

/// OpenSSL's words for an alert of the peer.
#[cfg(feature = "aws-lc")]
fn alert_reason(number: u32) -> String {
    const MISSING_EXTENSION: u32 = ALERT + 109;
    if number == MISSING_EXTENSION {
        return "tlsv13 alert missing extension".to_owned();
    }
    let known = reasons::SSL_REASONS.iter().find(|row| row.1 == number);
    known.map_or_else(|| format!("reason({number})"), |row| row.2.to_owned())
}

#[cfg(not(feature = "aws-lc"))]
#[expect(clippy::unnecessary_wraps, reason = "the other library drops some entries")]
fn entry(error: &Error) -> Option<Entry> {
    let code = error.code() as u32;
    Some(Entry {
        code,
        library: error.library().map_or_else(|| format!("lib({})", error.library_code()), str::to_owned),
        reason: error.reason().map_or_else(|| format!("reason({})", error.reason_code()), str::to_owned),
        data: error.data().unwrap_or_default().to_owned(),
    })
}

#[cfg(feature = "aws-lc")]
fn entry(error: &Error) -> Option<Entry> {
    let library = error.library().unwrap_or_default();
    let reason = error.reason().unwrap_or_default();
    // a remark about the entry before it, of which OpenSSL knows nothing
    if reason == "HANDSHAKE_FAILURE_ON_CLIENT_HELLO" {
        return None;
    }
    let data = error.data().unwrap_or_default().to_owned();
    if library == "SSL routines"
        && let Ok(index) = reasons::SSL_REASONS.binary_search_by_key(&reason, |row| row.0)
        && let Some((_, number, text)) = reasons::SSL_REASONS.get(index)
    {
        return Some(Entry {
            code: LIB_SSL << 23 | number,
            library: library.to_owned(),
            reason: (*text).to_owned(),
            // What the library adds to others than alerts is its own.
            data: if data.starts_with("SSL alert number") { data } else { String::new() },
        });
    }
    if let Some((_, code, library, text)) = reasons::OTHER_REASONS.iter().find(|row| row.0 == reason) {
        return Some(Entry {
            code: *code,
            library: (*library).to_owned(),
            reason: (*text).to_owned(),
            // What the library adds is its own, but for the type that was not read.
            data: if data.starts_with("Type=") { data } else { String::new() },
        });
    }
    let number = error.reason_code() as u32;
    if library == "SSL routines" && (ALERT..=ALERT + u32::from(u8::MAX)).contains(&number) {
        return Some(Entry {
            code: LIB_SSL << 23 | number,
            library: library.to_owned(),
            reason: alert_reason(number),
            data,
        });
    }
    let library = if library.is_empty() { "unknown library" } else { library };
    let reason = match error.reason() {
        Some(text) => text.to_lowercase().replace('_', " "),
        None => format!("reason({})", error.reason_code()),
    };
    // AWS-LC keeps the library in the top byte and TLS at 16 there: never mistaken for OpenSSL's numbers
    let code = match library {
        "OCSP routines" => LIB_OCSP << 23 | error.reason_code() as u32,
        _ => error.code(),
    };
    Some(Entry { code, library: library.to_owned(), reason, data })
}

/// The reasons (OpenSSL's numbers) that bad or strange peers cause every day.
fn everyday(reason: u32) -> bool {
    matches!(
        reason,
        101 // no suitable key share
            | 103 // bad change cipher spec
            | 108 // bad key share
            | 110 // bad extension
            | 111 // bad digest length
            | 112 // missing sigalgs extension
            | 115 // bad packet length
            | 118 // no suitable signature algorithm
            | 122 // bad key update
            | 129 // block cipher pad is wrong
            | 133 // ccs received early
            | 145 // data between ccs and finished
            | 146 // data length too long
            | 147 // decryption failed
            | 149 // digest check failed
            | 150 // encrypted length too long
            | 151 // error in received cipher list
            | 152 // excessive message size
            | 154 // got a fin before a ccs
            | 155 // https proxy request
            | 156 // http request
            | 159 // length mismatch
            | 160 // length too short
            | 183 // no ciphers specified
            | 186 // bad cipher
            | 187 // no compression specified
            | 193 // no shared cipher
            | 198 // packet length too long
            | 205 // invalid alert
            | 213 // record length mismatch
            | 226 // clienthello tlsext
            | 227 // parse tlsext
            | 234 // callback failed
            | 235 // no application protocol
            | 244 // unexpected message
            | 245 // unexpected record
            | 246 // unknown alert type
            | 252 // unknown protocol
            | 258 // unsupported protocol
            | 267 // wrong version number
            | 271 // bad length
            | 281 // decryption failed or bad record mac
            | 291 // application data after close notify
            | 292 // bad legacy version
            | 293 // mixed handshake and non handshake data
            | 298 // record too small
            | 300 // ssl3 session id too long
            | 306 // bad ecpoint
            | 313 // record layer failure
            | 335 // renegotiate ext too long
            | 336 // renegotiation encoding err
            | 337 // renegotiation mismatch
            | 338 // unsafe legacy renegotiation disabled
            | 339 // no renegotiation
            | 345 // scsv received when renegotiating
            | 373 // inappropriate fallback
            | 376 // no shared signature algorithms
            | 377 // cert cb error
            | 396 // version too low
            | 409 // too many warn alerts
            | 443 // bad record type
            | 1000..=1121 // alerts of the peer
    )
}

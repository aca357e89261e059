//! All calls the safe `openssl` crate lacks, as safe functions. What both libraries have under one name stands
//! here; what differs stands in `backend::library`, which exposes the same functions for either library.
#![expect(unsafe_code, reason = "the TLS library is C, and its safe bindings lack these calls")]

use std::ffi::{CString, c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use foreign_types::ForeignTypeRef;
use openssl::asn1::Asn1GeneralizedTimeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslContextRef, SslRef, SslSession, SslSessionRef, SslStream, SslVerifyMode};
use openssl::stack::StackRef;
use openssl::x509::store::X509StoreBuilderRef;
use openssl::x509::{X509, X509CrlRef, X509NameRef, X509StoreContextRef, X509VerifyResult};

use crate::cache::SharedSessionCache;
use crate::connection::{Connection, SecondHello};
use crate::tickets::TicketKey;
use crate::verified;

#[cfg(feature = "aws-lc")]
#[path = "backend/aws_lc.rs"]
mod library;
#[cfg(not(feature = "aws-lc"))]
#[path = "backend/openssl.rs"]
mod library;

use library::sys;
pub(crate) use library::*;

/// The connection inside a stream, for changes the safe crate does not foresee once there is a stream.
pub(crate) fn ssl_mut<S>(stream: &mut SslStream<S>) -> &mut SslRef {
    // SAFETY: the pointer is the stream's own and lives as long as it; the exclusive borrow of the stream makes
    // this the only reference.
    unsafe { SslRef::from_ptr_mut(stream.ssl().as_ptr()) }
}

/// Takes a session out of the context's caches.
pub(crate) fn remove_session(context: &SslContextRef, session: &SslSessionRef) {
    // SAFETY: a session unknown to the context's cache is looked up and left alone.
    unsafe { context.remove_session(session) };
}

/// Looks sessions up in the shared cache.
pub(crate) fn set_session_lookup(builder: &mut SslContextBuilder, cache: Arc<SharedSessionCache>) {
    // SAFETY: each session is decoded afresh, so it belongs to no other context.
    unsafe {
        builder.set_get_session_callback(move |_, id| SslSession::from_der(&cache.find(id, Instant::now())?).ok());
    }
}

/// `ssl_session_timeout`
pub(crate) fn set_session_timeout(builder: &mut SslContextBuilder, seconds: u64) {
    set_timeout(builder, u32::try_from(seconds).unwrap_or(u32::MAX));
}

/// Adds a CRL to a store; the store keeps its own reference.
pub(crate) fn add_crl(store: &mut X509StoreBuilderRef, crl: &X509CrlRef) -> Result<(), ErrorStack> {
    // SAFETY: both pointers are valid for the call, and the library takes its own reference.
    check(unsafe { sys::X509_STORE_add_crl(store.as_ptr(), crl.as_ptr()) })
}

/// Replaces what a verification has found.
pub(crate) fn set_verify_error(context: &mut X509StoreContextRef, code: c_int) {
    // SAFETY: any number is an error code to the library.
    context.set_error(unsafe { X509VerifyResult::from_raw(code) });
}

/// A distinguished name as RFC 2253 writes it, bytes beyond ASCII escaped.
pub(crate) fn name_text(name: &X509NameRef) -> Option<Vec<u8>> {
    // SAFETY: the BIO is created, read and freed here; the name is valid for the call; the buffer's length is passed
    // along with it.
    unsafe {
        let bio = sys::BIO_new(sys::BIO_s_mem());
        if bio.is_null() {
            return None;
        }
        let printed = sys::X509_NAME_print_ex(bio, name.as_ptr(), 0, NAME_FLAGS) >= 0;
        let mut text = Vec::new();
        let mut chunk = [0_u8; 256];
        loop {
            let read = sys::BIO_read(bio, chunk.as_mut_ptr().cast::<c_void>(), 256);
            let Some(bytes) = usize::try_from(read).ok().and_then(|read| chunk.get(..read)) else {
                break;
            };
            if bytes.is_empty() {
                break;
            }
            text.extend_from_slice(bytes);
        }
        sys::BIO_free_all(bio);
        // reading an empty memory BIO leaves nothing in the error queue, printing might
        printed.then_some(text)
    }
}

/// How far `time` is ahead of now; negative when it is past, `None` when it is no time.
pub(crate) fn seconds_until(time: &Asn1GeneralizedTimeRef) -> Option<i64> {
    let (mut days, mut seconds) = (0, 0);
    // SAFETY: both times have the same layout in C; without a beginning, now stands for it.
    let known = unsafe {
        sys::ASN1_TIME_diff(&raw mut days, &raw mut seconds, ptr::null(), time.as_ptr().cast_const().cast()) == 1
    };
    known.then(|| i64::from(days) * 86_400 + i64::from(seconds))
}

/// Has [`Connection::messages`] told of every message of the handshake.
pub(crate) fn watch_messages(ssl: &mut SslRef) {
    // SAFETY: a live connection, and a callback of the documented type.
    unsafe { sys::SSL_set_msg_callback(ssl.as_ptr(), Some(on_message)) };
}

/// # Safety
/// To be called by the library only.
unsafe extern "C" fn on_message(
    is_ours: c_int,
    _: c_int,
    content: c_int,
    data: *const c_void,
    length: usize,
    ssl: *mut sys::SSL,
    _: *mut c_void,
) {
    const HANDSHAKE: c_int = 22;
    if content != HANDSHAKE || data.is_null() {
        return;
    }
    // SAFETY: the library passes a live connection, which nobody else borrows meanwhile, and a message that is valid
    // for the call.
    let (ssl, message) = unsafe { (SslRef::from_ptr_mut(ssl), std::slice::from_raw_parts(data.cast::<u8>(), length)) };
    let Some(connection) = Connection::of_mut(ssl) else { return };
    if let Some(messages) = &mut connection.messages {
        messages.pass(is_ours == 1, message);
    }
    if connection.second_hello == SecondHello::Awaited && is_ours == 0 {
        // No certificate is asked for but to make room for it.
        connection.second_hello = SecondHello::Come;
        ssl.set_verify(SslVerifyMode::NONE);
        end_long_hello(ssl);
    }
}

/// Has [`verified::verify`] verify what peers show.
pub(crate) fn set_verifier(builder: &mut SslContextBuilder) {
    // SAFETY: a valid context, and a callback of the documented type.
    unsafe { sys::SSL_CTX_set_cert_verify_callback(builder.as_ptr(), Some(on_verify), ptr::null_mut()) };
}

/// # Safety
/// To be called by the library only.
unsafe extern "C" fn on_verify(store: *mut sys::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: the library passes a store context that nobody else borrows meanwhile.
    let store = unsafe { X509StoreContextRef::from_ptr_mut(store) };
    c_int::from(verified::verify(store))
}

/// The chain that is to be verified, as the peer has shown it.
pub(crate) fn shown_chain(store: &X509StoreContextRef) -> Option<&StackRef<X509>> {
    // SAFETY: a live store context; the stack is its own and lives as long as it.
    unsafe {
        let chain = sys::X509_STORE_CTX_get0_untrusted(store.as_ptr());
        (!chain.is_null()).then(|| StackRef::from_ptr(chain))
    }
}

/// A C string of text that holds no NUL.
pub(crate) fn c_text(text: &str) -> Option<CString> {
    CString::new(text).ok()
}

fn check(result: c_int) -> Result<(), ErrorStack> {
    if result > 0 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Encrypts and decrypts tickets with the keys of the connection (RFC 5077 §4, with HMAC-SHA256 and AES-CBC).
///
/// # Safety
/// To be called by the library only, with its documented arguments.
unsafe extern "C" fn on_ticket(
    ssl: *mut sys::SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut sys::EVP_CIPHER_CTX,
    hmac: *mut sys::HMAC_CTX,
    encrypt: c_int,
) -> c_int {
    const FAILED: c_int = -1;
    const UNKNOWN: c_int = 0;
    const USED: c_int = 1;
    const RENEW: c_int = 2;

    // SAFETY: the library passes a live connection and 16 bytes each for the key's name and the IV.
    let (connection, name, iv) = unsafe {
        (
            Connection::of(SslRef::from_ptr(ssl)),
            std::slice::from_raw_parts_mut(name, 16),
            std::slice::from_raw_parts_mut(iv, 16),
        )
    };
    let Some(keys) = connection.and_then(|connection| connection.ticket_keys.as_ref()) else {
        return FAILED;
    };
    let now = Instant::now();
    if encrypt == 1 {
        let Some(key) = keys.encrypting(now) else { return FAILED };
        name.copy_from_slice(&key.name);
        if openssl::rand::rand_bytes(iv).is_err() {
            return FAILED;
        }
        // SAFETY: the contexts are the library's own, fresh for this ticket.
        let ready = unsafe { start_ticket(&key, iv, cipher, hmac, true) };
        return if ready { USED } else { FAILED };
    }
    let Some((key, is_current)) = keys.find(name, now) else { return UNKNOWN };
    // SAFETY: as above.
    if !unsafe { start_ticket(&key, iv, cipher, hmac, false) } {
        return FAILED;
    }
    // a TLS 1.3 ticket is to be used once, so a new one always follows
    // SAFETY: a live connection, as above.
    let is_tls13 = unsafe { sys::SSL_version(ssl) } == 0x0304;
    if is_current && !is_tls13 { USED } else { RENEW }
}

/// # Safety
/// Both contexts must be valid; the IV has 16 bytes.
unsafe fn start_ticket(
    key: &TicketKey,
    iv: &[u8],
    cipher: *mut sys::EVP_CIPHER_CTX,
    hmac: *mut sys::HMAC_CTX,
    encrypt: bool,
) -> bool {
    // SAFETY: the caller vouches for the contexts; key and IV lengths match the algorithm, since TicketKey only
    // holds keys of 16 or 32 bytes; static algorithm tables are always valid.
    unsafe {
        let algorithm = if key.aes.len() == 32 { sys::EVP_aes_256_cbc() } else { sys::EVP_aes_128_cbc() };
        let init = if encrypt { sys::EVP_EncryptInit_ex } else { sys::EVP_DecryptInit_ex };
        init_hmac(hmac, &key.hmac) && init(cipher, algorithm, ptr::null_mut(), key.aes.as_ptr(), iv.as_ptr()) == 1
    }
}

/// Notes both directions as ended, so that the library keeps the session.
pub(crate) fn mark_ended<S>(stream: &mut SslStream<S>) {
    // SAFETY: a live connection; 3 = sent and received.
    unsafe { sys::SSL_set_shutdown(stream.ssl().as_ptr(), 3) };
}

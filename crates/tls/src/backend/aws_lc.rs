//! The part of the backend that is AWS-LC's own.

use std::ffi::{CStr, c_int, c_void};
use std::io::Write;
use std::ptr;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{
    Error, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionRef, SslStream, SslVerifyMode,
};
use openssl::x509::X509Ref;

use super::{check, on_ticket};
use crate::connection::{Connection, Phase};
use crate::ech::EchKey;
use crate::hello::ClientHello;

pub(super) use aws_lc_sys as sys;

/// RFC 2253, bytes beyond ASCII escaped.
pub(super) const NAME_FLAGS: std::ffi::c_ulong = sys::XN_FLAG_RFC2253 as std::ffi::c_ulong;

/// Signatures accepted of peers, in OpenSSL's order as far as the library knows them. Its own list leaves out some keys
/// that OpenSSL takes.
const PEER_SIGNATURES: [u16; 11] =
    [0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201];

pub(crate) fn version_text() -> String {
    let version = sys::AWSLC_VERSION_NUMBER_STRING;
    format!("AWS-LC {}", CStr::from_bytes_until_nul(version).unwrap_or_default().to_string_lossy())
}

/// Lets [`Connection::on_hello`] decide on each `ClientHello`.
pub(crate) fn install_hello_callback(builder: &mut SslContextBuilder) {
    // SAFETY: a valid context, and a callback of the documented type.
    unsafe { sys::SSL_CTX_set_select_certificate_cb(builder.as_ptr(), Some(on_hello)) };
}

/// # Safety
/// To be called by the library only.
unsafe extern "C" fn on_hello(hello: *const sys::SSL_CLIENT_HELLO) -> sys::ssl_select_cert_result_t {
    // SAFETY: the library passes a ClientHello that is valid for the call, its slices included, and whose connection
    // nobody else borrows meanwhile.
    let (ssl, hello) = unsafe {
        let raw = &*hello;
        let extension = |kind: u16| {
            let (mut data, mut length) = (ptr::null(), 0);
            let found = sys::SSL_early_callback_ctx_extension_get(hello, kind, &raw mut data, &raw mut length);
            (found == 1).then(|| bytes(data, length))
        };
        let seen = ClientHello {
            legacy_version: raw.version,
            ciphers: bytes(raw.cipher_suites, raw.cipher_suites_len),
            server_name: extension(0),
            supported_versions: extension(43),
            groups: extension(10),
            sigalgs: extension(13),
            alpn: extension(16),
            key_shares: extension(51),
            encrypted_hello: extension(0xfe0d),
        };
        (SslRef::from_ptr_mut(raw.ssl), seen)
    };
    match Connection::of_mut(ssl).map(|connection| connection.on_hello(&hello)) {
        Some(Phase::Waiting | Phase::Choosing) => sys::ssl_select_cert_result_t_ssl_select_cert_retry,
        Some(Phase::Chosen) => sys::ssl_select_cert_result_t_ssl_select_cert_success,
        None => sys::ssl_select_cert_result_t_ssl_select_cert_error,
    }
}

/// # Safety
/// `data` must be valid for `length` bytes, or null.
unsafe fn bytes<'a>(data: *const u8, length: usize) -> &'a [u8] {
    if data.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts(data, length) }
}

/// The keys that encrypted hellos can be read with.
pub(crate) fn set_ech_keys(builder: &mut SslContextBuilder, keys: &[EchKey]) -> Result<(), ErrorStack> {
    // SAFETY: what is made here is freed here, and null is nowhere taken for more than that; lengths are passed along
    // with their slices; the context takes its own reference.
    unsafe {
        let all = sys::SSL_ECH_KEYS_new();
        let add = |EchKey { private, config }: &EchKey| {
            let key = sys::EVP_HPKE_KEY_new();
            let kem = sys::EVP_hpke_x25519_hkdf_sha256();
            let added = !key.is_null()
                && sys::EVP_HPKE_KEY_init(key, kem, private.as_ptr(), private.len()) == 1
                && sys::SSL_ECH_KEYS_add(all, 1, config.as_ptr(), config.len(), key) == 1;
            sys::EVP_HPKE_KEY_free(key);
            added
        };
        let set = !all.is_null() && keys.iter().all(add) && sys::SSL_CTX_set1_ech_keys(builder.as_ptr(), all) == 1;
        sys::SSL_ECH_KEYS_free(all);
        check(c_int::from(set))
    }
}

/// Whether the hello was an encrypted one that could be read.
pub(crate) fn ech_accepted(ssl: &SslRef) -> bool {
    // SAFETY: a live connection.
    unsafe { sys::SSL_ech_accepted(ssl.as_ptr()) == 1 }
}

/// Has a client encrypt its hello.
#[cfg(test)]
pub(crate) fn offer_ech(ssl: &SslRef, list: &[u8]) -> bool {
    // SAFETY: a live connection that has not begun; the library copies the bytes.
    unsafe { sys::SSL_set1_ech_config_list(ssl.as_ptr(), list.as_ptr(), list.len()) == 1 }
}

/// Whether the handshake stopped for the choice of a server.
pub(crate) fn is_paused(error: &Error) -> bool {
    error.code().as_raw() == sys::SSL_ERROR_PENDING_CERTIFICATE
}

/// Sends the session tickets that the library keeps for the first write: what a client has to say next may wait for that.
pub(crate) fn send_tickets<S: std::io::Read + Write>(stream: &mut SslStream<S>) {
    // SAFETY: the connection lives, and no byte is read from the pointer. What the socket does not take now goes out with the
    // next write.
    unsafe { sys::SSL_write(stream.ssl().as_ptr(), ptr::NonNull::<u8>::dangling().as_ptr().cast(), 0) };
    drop(ErrorStack::get());
}

/// Ends a paused handshake with an alert; a full socket loses it.
pub(crate) fn abort<S: std::io::Read + Write>(stream: &mut SslStream<S>, alert: u8) {
    // SAFETY: a live connection.
    unsafe { sys::SSL_send_fatal_alert(stream.ssl().as_ptr(), alert) };
    drop(ErrorStack::get());
}

/// Reads from the socket take as much as there is, not one record's header at a time.
pub(crate) fn set_read_ahead(builder: &mut SslContextBuilder) {
    builder.set_read_ahead(true);
}

/// Makes room for reads of this size.
pub(crate) fn read_ahead(ssl: &mut SslRef, bytes: usize) {
    // SAFETY: a live connection.
    unsafe { sys::SSL_set_default_read_buffer_len(ssl.as_ptr(), bytes) };
}

/// Offers a session for resumption.
pub(crate) fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: the library takes a reference of its own and checks that protocol and cipher still fit; sessions are
    // only made by contexts of this crate, which all use the same method.
    unsafe { ssl.set_session(session) }
}

/// What contexts have in common. The library neither compresses nor renegotiates, and the stream takes a lost
/// `close_notify` for one.
pub(crate) fn set_defaults(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let list = &PEER_SIGNATURES;
    // SAFETY: a valid context; the slice's length is passed along.
    check(unsafe { sys::SSL_CTX_set_verify_algorithm_prefs(builder.as_ptr(), list.as_ptr(), list.len()) })
}

/// Takes a `ClientHello` of up to 128 KiB, as OpenSSL does. The library has such room only for peers that may send
/// certificates, so one is asked for until the chosen server says whether it is.
pub(crate) fn allow_long_hello(ssl: &mut SslRef) {
    const MOST: usize = 131_396;
    ssl.set_verify(SslVerifyMode::PEER);
    // SAFETY: a live connection.
    unsafe { sys::SSL_set_max_cert_list(ssl.as_ptr(), MOST) };
}

/// Whether the client was asked for another hello, with another key share.
pub(crate) fn has_asked_for_another_hello(ssl: &SslRef) -> bool {
    // SAFETY: a live connection.
    unsafe { sys::SSL_used_hello_retry_request(ssl.as_ptr()) == 1 }
}

/// Takes certificates of the usual size after the `ClientHello`.
pub(crate) fn end_long_hello(ssl: &mut SslRef) {
    // SAFETY: a live connection.
    unsafe { sys::SSL_set_max_cert_list(ssl.as_ptr(), sys::SSL_MAX_CERT_LIST_DEFAULT as usize) };
}

/// Replaces the options of a connection.
pub(crate) fn set_options(ssl: &mut SslRef, options: SslOptions) {
    let options = options.bits();
    // SAFETY: a live connection.
    unsafe {
        sys::SSL_clear_options(ssl.as_ptr(), !options);
        sys::SSL_set_options(ssl.as_ptr(), options);
    }
}

pub(crate) fn set_verify_depth(ssl: &mut SslRef, depth: c_int) {
    // SAFETY: a live connection.
    unsafe { sys::SSL_set_verify_depth(ssl.as_ptr(), depth) };
}

pub(crate) fn set_groups(ssl: &mut SslRef, groups: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: a live connection and a C string.
    check(unsafe { sys::SSL_set1_groups_list(ssl.as_ptr(), groups.as_ptr()) })
}

pub(crate) fn set_sigalgs(ssl: &mut SslRef, list: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: a live connection and a C string.
    check(unsafe { sys::SSL_set1_sigalgs_list(ssl.as_ptr(), list.as_ptr()) })
}

/// Signature algorithms for what is signed here, the best first.
pub(crate) fn set_own_sigalgs(ssl: &mut SslRef, numbers: &[u16]) -> Result<(), ErrorStack> {
    // SAFETY: a live connection; the slice's length is passed along.
    check(unsafe { sys::SSL_set_signing_algorithm_prefs(ssl.as_ptr(), numbers.as_ptr(), numbers.len()) })
}

/// Signature algorithms accepted of the peer only.
pub(crate) fn set_peer_sigalgs(ssl: &mut SslRef, numbers: &[u16]) -> Result<(), ErrorStack> {
    // SAFETY: a live connection; the slice's length is passed along.
    check(unsafe { sys::SSL_set_verify_algorithm_prefs(ssl.as_ptr(), numbers.as_ptr(), numbers.len()) })
}

/// Suites of TLS 1.3 (or the library's own) and ciphers of older versions, for a connection that has changed contexts.
pub(crate) fn set_ciphers(ssl: &mut SslRef, suites: Option<&CStr>, ciphers: Option<&CStr>) -> Result<(), ErrorStack> {
    let suites = suites.unwrap_or(c"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    // SAFETY: a live connection and C strings.
    unsafe {
        check(sys::SSL_set_ciphersuites(ssl.as_ptr(), suites.as_ptr()))?;
        ciphers.map_or(Ok(()), |list| check(sys::SSL_set_cipher_list(ssl.as_ptr(), list.as_ptr())))
    }
}

/// The ciphers that a word of a cipher string stands for, by name.
pub(crate) fn ciphers_of(word: &str) -> Vec<String> {
    let context = SslContext::builder(SslMethod::tls()).and_then(|mut builder| {
        builder.set_cipher_list(word)?;
        Ok(builder.build())
    });
    let ssl = context.and_then(|context| Ssl::new(&context));
    drop(ErrorStack::get());
    let Ok(ssl) = ssl else { return Vec::new() };
    let name = |place: c_int| {
        // SAFETY: a live connection; null is returned past the end of its list, and names are static.
        let name = unsafe { sys::SSL_get_cipher_list(ssl.as_ptr(), place) };
        // SAFETY: as above.
        (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
    };
    (0..).map_while(name).collect()
}

/// The suites of TLS 1.3: their names, and their numbers in the protocol.
const SUITES: [(&CStr, u16); 3] = [
    (c"TLS_AES_128_GCM_SHA256", 0x1301),
    (c"TLS_AES_256_GCM_SHA384", 0x1302),
    (c"TLS_CHACHA20_POLY1305_SHA256", 0x1303),
];

/// The number of a suite of TLS 1.3.
pub(crate) fn suite_number(name: &str) -> Option<u16> {
    SUITES.iter().find(|suite| suite.0.to_bytes() == name.as_bytes()).map(|suite| suite.1)
}

/// The only suite of TLS 1.3 on a connection.
pub(crate) fn set_ciphersuite(ssl: &mut SslRef, number: u16) -> Result<(), ErrorStack> {
    let Some((name, _)) = SUITES.iter().find(|suite| suite.1 == number) else { return Ok(()) };
    // SAFETY: a live connection and a C string.
    check(unsafe { sys::SSL_set_ciphersuites(ssl.as_ptr(), name.as_ptr()) })
}

/// TLS 1.3 suites of a context.
pub(crate) fn set_ciphersuites(builder: &mut SslContextBuilder, list: &CStr) -> Result<(), ErrorStack> {
    // SAFETY: a valid context and a C string.
    check(unsafe { sys::SSL_CTX_set_ciphersuites(builder.as_ptr(), list.as_ptr()) })
}

pub(crate) fn set_num_tickets(builder: &mut SslContextBuilder, tickets: usize) {
    // SAFETY: a valid context.
    unsafe { sys::SSL_CTX_set_num_tickets(builder.as_ptr(), tickets) };
}

/// Adds to the chain of the context's current certificate.
pub(crate) fn add_chain(builder: &mut SslContextBuilder, certificate: &X509Ref) -> Result<(), ErrorStack> {
    // SAFETY: valid for the call; the library takes its own reference.
    check(unsafe { sys::SSL_CTX_add1_chain_cert(builder.as_ptr(), certificate.as_ptr()) })
}

/// Adds to the chain of the connection's current certificate.
pub(crate) fn add_connection_chain(ssl: &mut SslRef, certificate: &X509Ref) -> Result<(), ErrorStack> {
    // SAFETY: as above.
    check(unsafe { sys::SSL_add1_chain_cert(ssl.as_ptr(), certificate.as_ptr()) })
}

/// Forgets the chain of the connection's current certificate.
pub(crate) fn clear_connection_chain(ssl: &mut SslRef) {
    // SAFETY: a live connection.
    unsafe { sys::SSL_clear_chain_certs(ssl.as_ptr()) };
}

pub(super) fn set_timeout(builder: &mut SslContextBuilder, seconds: u32) {
    // SAFETY: a valid context.
    unsafe {
        sys::SSL_CTX_set_timeout(builder.as_ptr(), seconds);
        // tickets of TLS 1.3 have a lifetime of their own here
        sys::SSL_CTX_set_session_psk_dhe_timeout(builder.as_ptr(), seconds);
    }
}

/// Tickets are made and read with the keys of the connection.
pub(crate) fn install_ticket_callback(builder: &mut SslContextBuilder) {
    // SAFETY: a valid context, and a callback of the documented type.
    unsafe { sys::SSL_CTX_set_tlsext_ticket_key_cb(builder.as_ptr(), Some(on_ticket)) };
}

/// # Safety
/// The context must be valid.
pub(super) unsafe fn init_hmac(hmac: *mut sys::HMAC_CTX, key: &[u8]) -> bool {
    // SAFETY: the caller vouches for the context; the key's length is passed along.
    unsafe {
        sys::HMAC_Init_ex(hmac, key.as_ptr().cast::<c_void>(), key.len(), sys::EVP_sha256(), ptr::null_mut()) == 1
    }
}

/// The short name of the group the keys were agreed in.
pub(crate) fn group(ssl: &SslRef) -> Option<String> {
    // SAFETY: a live connection.
    let number = unsafe { sys::SSL_get_group_id(ssl.as_ptr()) };
    if number == 0 {
        return None;
    }
    Some(crate::names::group(number).map_or_else(|| format!("0x{number:04x}"), str::to_owned))
}

/// The response stapled on this connection.
pub(crate) fn staple(ssl: &mut SslRef, response: &[u8]) -> bool {
    // SAFETY: a live connection; the library copies the bytes.
    unsafe { sys::SSL_set_ocsp_response(ssl.as_ptr(), response.as_ptr(), response.len()) == 1 }
}

/// zlib among the algorithms of RFC 8879.
pub(crate) const ZLIB: u16 = 1;

/// Compresses certificates for clients that offer to take them so (RFC 8879); false where the library cannot.
pub(crate) fn compress_certificates(builder: &mut SslContextBuilder) -> Result<bool, ErrorStack> {
    // SAFETY: a valid context, and a callback of the documented type.
    check(unsafe { sys::SSL_CTX_add_cert_compression_alg(builder.as_ptr(), ZLIB, Some(compress), None) })?;
    Ok(true)
}

/// # Safety
/// To be called by the library only.
unsafe extern "C" fn compress(_: *mut sys::SSL, out: *mut sys::CBB, data: *const u8, length: usize) -> c_int {
    // SAFETY: the library passes a message that is valid for the call.
    let plain = unsafe { bytes(data, length) };
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(plain).and_then(|()| encoder.finish()) {
        // SAFETY: the library passes a buffer that can grow; pointer and length describe `packed`.
        Ok(packed) => unsafe { sys::CBB_add_bytes(out, packed.as_ptr(), packed.len()) },
        Err(_) => 0,
    }
}

/// Nothing to do: there are no security levels.
pub(crate) fn allow_legacy(_: &mut SslRef) {}

/// Nothing to do: there are no security levels.
pub(crate) fn allow_legacy_context(_: &mut SslContextBuilder) {}

/// The lowest and highest version a context allows.
pub(crate) type VersionRange = (u16, u16);

pub(crate) fn version_range(builder: &mut SslContextBuilder) -> VersionRange {
    // SAFETY: a valid context.
    unsafe {
        (sys::SSL_CTX_get_min_proto_version(builder.as_ptr()), sys::SSL_CTX_get_max_proto_version(builder.as_ptr()))
    }
}

pub(crate) fn set_version_range(ssl: &mut SslRef, (lowest, highest): VersionRange) -> Result<(), ErrorStack> {
    // SAFETY: a live connection.
    unsafe {
        check(sys::SSL_set_min_proto_version(ssl.as_ptr(), lowest))?;
        check(sys::SSL_set_max_proto_version(ssl.as_ptr(), highest))
    }
}

//! The part of the backend that is OpenSSL 3's own, with declarations of what `openssl-sys` leaves out.

use std::ffi::{CStr, c_int, c_long, c_ulong, c_void};
use std::ptr;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ssl::{
    Error, SslContextBuilder, SslMode, SslOptions, SslRef, SslSession, SslSessionRef, SslStream, SslVersion,
};
use openssl::x509::X509Ref;

use super::{check, on_ticket};
use crate::connection::{Connection, Phase};
use crate::error::TlsError;
use crate::error_text::LibraryErrors;
use crate::hello::ClientHello;

/// `openssl-sys` and what it lacks.
pub(super) mod sys {
    use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

    pub(in crate::backend) use openssl_sys::*;

    /// The state of `SSL_CONF_cmd`.
    pub(in crate::backend) enum SslConf {}

    /// Sees each message: whose it is, version, content type, bytes, connection, and nothing more.
    pub(in crate::backend) type OnMessage =
        unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut SSL, *mut c_void);

    unsafe extern "C" {
        pub(in crate::backend) fn SSL_set_msg_callback(ssl: *mut SSL, callback: Option<OnMessage>);
        pub(in crate::backend) fn X509_STORE_add_crl(store: *mut X509_STORE, crl: *mut X509_CRL) -> c_int;
        pub(in crate::backend) fn X509_NAME_print_ex(
            out: *mut BIO,
            name: *const X509_NAME,
            indent: c_int,
            flags: c_ulong,
        ) -> c_int;
        pub(in crate::backend) fn X509_STORE_CTX_get0_untrusted(store: *const X509_STORE_CTX) -> *mut stack_st_X509;
        pub(in crate::backend) fn SSL_CTX_set_cert_verify_callback(
            context: *mut SSL_CTX,
            callback: Option<unsafe extern "C" fn(*mut X509_STORE_CTX, *mut c_void) -> c_int>,
            argument: *mut c_void,
        );
        pub(in crate::backend) fn SSL_SESSION_dup(session: *const SSL_SESSION) -> *mut SSL_SESSION;
        pub(in crate::backend) fn SSL_set_options(ssl: *mut SSL, options: u64) -> u64;
        pub(in crate::backend) fn SSL_clear_options(ssl: *mut SSL, options: u64) -> u64;
        pub(in crate::backend) fn SSL_set_verify_depth(ssl: *mut SSL, depth: c_int);
        pub(in crate::backend) fn SSL_CONF_CTX_new() -> *mut SslConf;
        pub(in crate::backend) fn SSL_CONF_CTX_free(conf: *mut SslConf);
        pub(in crate::backend) fn SSL_CONF_CTX_set_flags(conf: *mut SslConf, flags: c_uint) -> c_uint;
        pub(in crate::backend) fn SSL_CONF_CTX_set_ssl_ctx(conf: *mut SslConf, context: *mut SSL_CTX);
        pub(in crate::backend) fn SSL_CONF_CTX_finish(conf: *mut SslConf) -> c_int;
        pub(in crate::backend) fn SSL_CONF_cmd(conf: *mut SslConf, name: *const c_char, value: *const c_char) -> c_int;
    }
}

const SSL_CONF_FLAG_FILE: u32 = 0x2;
const SSL_CONF_FLAG_CLIENT: u32 = 0x4;
const SSL_CONF_FLAG_SERVER: u32 = 0x8;
const SSL_CONF_FLAG_SHOW_ERRORS: u32 = 0x10;
const SSL_CONF_FLAG_CERTIFICATE: u32 = 0x20;
const SSL_CTRL_SET_TIMEOUT: c_int = 9;
const SSL_CTRL_SET_TICKET_KEY_CB: c_int = 72;
const SSL_CTRL_CHAIN: c_int = 88;
const SSL_CTRL_GET_NEGOTIATED_GROUP: c_int = 134;
/// Set in the answer of the above for groups without a NID.
const UNKNOWN_GROUP: c_long = 0x0100_0000;

/// RFC 2253, bytes beyond ASCII escaped, in the bits of `x509.h` and `asn1.h`: `XN_FLAG_RFC2253`.
pub(super) const NAME_FLAGS: c_ulong = 0x1 | 0x2 | 0x4 | 0x10 | 0x100 | 0x200 | (1 << 16) | (1 << 20) | (1 << 24);

pub(crate) fn version_text() -> String {
    openssl::version::version().to_owned()
}

/// Lets [`Connection::on_hello`] decide on each `ClientHello`.
pub(crate) fn install_hello_callback(builder: &mut SslContextBuilder) {
    // SAFETY: a valid context, and a callback of the documented type.
    unsafe { sys::SSL_CTX_set_client_hello_cb(builder.as_ptr(), Some(on_hello), ptr::null_mut()) };
}

/// # Safety
/// To be called by the library only.
unsafe extern "C" fn on_hello(ssl: *mut sys::SSL, alert: *mut c_int, _: *mut c_void) -> c_int {
    // SAFETY: the library passes a live connection, nobody else borrows it meanwhile, and the ClientHello's parts are
    // valid for the call.
    let (connection, hello) = unsafe {
        let extension = |kind: u32| {
            let (mut data, mut length) = (ptr::null(), 0);
            let found = sys::SSL_client_hello_get0_ext(ssl, kind, &raw mut data, &raw mut length);
            (found == 1).then(|| bytes(data, length))
        };
        let mut ciphers = ptr::null();
        let length = sys::SSL_client_hello_get0_ciphers(ssl, &raw mut ciphers);
        let seen = ClientHello {
            legacy_version: sys::SSL_client_hello_get0_legacy_version(ssl) as u16,
            ciphers: bytes(ciphers, length),
            server_name: extension(0),
            supported_versions: extension(43),
            groups: extension(10),
            sigalgs: extension(13),
            alpn: extension(16),
            encrypted_hello: extension(0xfe0d),
        };
        (Connection::of_mut(SslRef::from_ptr_mut(ssl)), seen)
    };
    match connection.map(|connection| connection.on_hello(&hello)) {
        Some(Phase::Waiting | Phase::Choosing) => sys::SSL_CLIENT_HELLO_RETRY,
        Some(Phase::Chosen) => sys::SSL_CLIENT_HELLO_SUCCESS,
        Some(Phase::Abort(code)) => {
            // SAFETY: the library passes a place for the alert.
            unsafe { *alert = c_int::from(code) };
            sys::SSL_CLIENT_HELLO_ERROR
        }
        None => sys::SSL_CLIENT_HELLO_ERROR,
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

/// Never: the oldest version that is supported knows no encrypted hellos.
pub(crate) fn ech_accepted(_: &SslRef) -> bool {
    false
}

/// Whether the handshake stopped for the choice of a server.
pub(crate) fn is_paused(error: &Error) -> bool {
    error.code().as_raw() == sys::SSL_ERROR_WANT_CLIENT_HELLO_CB
}

/// OpenSSL sends session tickets at once.
pub(crate) fn send_tickets<S>(_: &mut SslStream<S>) {}

/// Ends a paused handshake with an alert; a full socket loses it.
pub(crate) fn abort<S: std::io::Read + std::io::Write>(stream: &mut SslStream<S>, alert: u8) {
    if let Some(connection) = Connection::of_mut(super::ssl_mut(stream)) {
        connection.phase = Phase::Abort(alert);
    }
    // runs the callback again, which has the alert sent
    drop(stream.do_handshake());
    drop(ErrorStack::get());
}

/// OpenSSL reads whole records already and keeps a read-ahead buffer while idle: left alone, but for the
/// buffers, which are given back between records.
pub(crate) fn set_read_ahead(builder: &mut SslContextBuilder) {
    builder.set_mode(SslMode::RELEASE_BUFFERS);
}

/// Nothing to do: what is read ahead would keep its buffer while idle.
pub(crate) fn read_ahead(_: &mut SslRef, _: usize) {}

/// Offers a session for resumption.
pub(crate) fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // a session is spoiled by being used in TLS 1.3: only a copy is
    // SAFETY: the copy is released here; the library takes a reference of its own and checks that protocol and cipher
    // still fit; sessions are only made by contexts of this crate, which all use the same method.
    unsafe {
        let copy = sys::SSL_SESSION_dup(session.as_ptr());
        if copy.is_null() {
            return Err(ErrorStack::get());
        }
        ssl.set_session(&SslSession::from_ptr(copy))
    }
}

/// Nothing to do: lists follow the context a connection changes to.
#[expect(clippy::unnecessary_wraps, reason = "the other library can fail here")]
pub(crate) fn set_ciphers(_: &mut SslRef, _: Option<&CStr>, _: Option<&CStr>) -> Result<(), ErrorStack> {
    Ok(())
}

/// No compression, no renegotiation, a lost `close_notify` is no error; system-wide bans of versions are lifted.
#[expect(clippy::unnecessary_wraps, reason = "the other library may fail")]
pub(crate) fn set_defaults(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    builder.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION | SslOptions::IGNORE_UNEXPECTED_EOF);
    builder.clear_options(SslOptions::NO_SSL_MASK);
    Ok(())
}

/// Nothing to do: the library takes a `ClientHello` of up to 128 KiB.
pub(crate) fn allow_long_hello(_: &mut SslRef) {}

/// Nothing to do.
pub(crate) fn end_long_hello(_: &mut SslRef) {}

/// Of no interest here: there is always room for it.
pub(crate) fn has_asked_for_another_hello(_: &SslRef) -> bool {
    false
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
    control(ssl, sys::SSL_CTRL_SET_GROUPS_LIST, 0, groups.as_ptr().cast_mut().cast())
}

/// Adds to the chain of the context's current certificate.
pub(crate) fn add_chain(builder: &mut SslContextBuilder, certificate: &X509Ref) -> Result<(), ErrorStack> {
    let certificate = certificate.as_ptr().cast();
    // SAFETY: valid for the call; with 1 the library takes its own reference.
    check(unsafe { sys::SSL_CTX_ctrl(builder.as_ptr(), sys::SSL_CTRL_CHAIN_CERT, 1, certificate) } as c_int)
}

/// Adds to the chain of the connection's current certificate.
pub(crate) fn add_connection_chain(ssl: &mut SslRef, certificate: &X509Ref) -> Result<(), ErrorStack> {
    control(ssl, sys::SSL_CTRL_CHAIN_CERT, 1, certificate.as_ptr().cast())
}

/// Forgets the chain of the connection's current certificate.
pub(crate) fn clear_connection_chain(ssl: &mut SslRef) {
    drop(control(ssl, SSL_CTRL_CHAIN, 0, ptr::null_mut()));
}

fn control(ssl: &mut SslRef, command: c_int, number: c_long, pointer: *mut c_void) -> Result<(), ErrorStack> {
    // SAFETY: a live connection; the callers pass what the command documents, valid for the call.
    check(unsafe { sys::SSL_ctrl(ssl.as_ptr(), command, number, pointer) } as c_int)
}

pub(super) fn set_timeout(builder: &mut SslContextBuilder, seconds: u32) {
    // SAFETY: a valid context.
    unsafe { sys::SSL_CTX_ctrl(builder.as_ptr(), SSL_CTRL_SET_TIMEOUT, c_long::from(seconds), ptr::null_mut()) };
}

/// Tickets are made and read with the keys of the connection.
pub(crate) fn install_ticket_callback(builder: &mut SslContextBuilder) {
    type OnTicket = unsafe extern "C" fn(
        *mut sys::SSL,
        *mut u8,
        *mut u8,
        *mut sys::EVP_CIPHER_CTX,
        *mut sys::HMAC_CTX,
        c_int,
    ) -> c_int;
    let callback: OnTicket = on_ticket;
    // SAFETY: the command takes a callback of this type in the guise of a generic one.
    unsafe {
        let callback = std::mem::transmute::<OnTicket, unsafe extern "C" fn()>(callback);
        sys::SSL_CTX_callback_ctrl__fixed_rust(builder.as_ptr(), SSL_CTRL_SET_TICKET_KEY_CB, Some(callback));
    }
}

/// # Safety
/// The context must be valid.
pub(super) unsafe fn init_hmac(hmac: *mut sys::HMAC_CTX, key: &[u8]) -> bool {
    // SAFETY: the caller vouches for the context; the key's length is passed along.
    unsafe {
        let length = key.len() as c_int;
        sys::HMAC_Init_ex(hmac, key.as_ptr().cast::<c_void>(), length, sys::EVP_sha256(), ptr::null_mut()) == 1
    }
}

/// The short name of the group the keys were agreed in.
pub(crate) fn group(ssl: &SslRef) -> Option<String> {
    // SAFETY: a live connection; the command only reads.
    let answer = unsafe { sys::SSL_ctrl(ssl.as_ptr(), SSL_CTRL_GET_NEGOTIATED_GROUP, 0, ptr::null_mut()) };
    if answer <= 0 {
        return None;
    }
    if answer & UNKNOWN_GROUP != 0 {
        let number = answer as u16;
        return Some(crate::names::group(number).map_or_else(|| format!("0x{number:04x}"), str::to_owned));
    }
    // SAFETY: answers NULL for unknown numbers, else a static string.
    let name = unsafe { sys::OBJ_nid2sn(answer as c_int) };
    // SAFETY: as above.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

/// The response stapled on this connection.
pub(crate) fn staple(ssl: &mut SslRef, response: &[u8]) -> bool {
    ssl.set_ocsp_status(response).is_ok()
}

/// The oldest version that is supported cannot compress certificates.
#[expect(clippy::unnecessary_wraps, reason = "the other library can fail here")]
pub(crate) fn compress_certificates(_: &mut SslContextBuilder) -> Result<bool, ErrorStack> {
    Ok(false)
}

/// TLS 1.0 and 1.1 sign with SHA-1 and MD5, which OpenSSL 3 allows at security level 0 only.
pub(crate) fn allow_legacy(ssl: &mut SslRef) {
    ssl.set_security_level(0);
}

/// The same for every connection of a context.
pub(crate) fn allow_legacy_context(builder: &mut SslContextBuilder) {
    builder.set_security_level(0);
}

/// `ssl_conf_command` and `proxy_ssl_conf_command`: all that `SSL_CONF_cmd` knows.
pub(crate) fn conf_command(builder: &mut SslContextBuilder, name: &str, value: &str) -> Result<(), TlsError> {
    let what = format!("SSL_CONF_cmd(\"{name}\", \"{value}\")");
    let failed = || TlsError::failed(&what, &LibraryErrors::take());
    let (Some(c_name), Some(c_value)) = (super::c_text(name), super::c_text(value)) else {
        return Err(failed());
    };
    let sides = SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CLIENT;
    let flags = SSL_CONF_FLAG_FILE | sides | SSL_CONF_FLAG_CERTIFICATE | SSL_CONF_FLAG_SHOW_ERRORS;
    // SAFETY: the state is created, used and freed here; context and strings are valid meanwhile.
    let result = unsafe {
        let conf = sys::SSL_CONF_CTX_new();
        if conf.is_null() {
            return Err(failed());
        }
        sys::SSL_CONF_CTX_set_flags(conf, flags);
        sys::SSL_CONF_CTX_set_ssl_ctx(conf, builder.as_ptr());
        let mut result = sys::SSL_CONF_cmd(conf, c_name.as_ptr(), c_value.as_ptr());
        if result > 0 && sys::SSL_CONF_CTX_finish(conf) != 1 {
            result = 0;
        }
        sys::SSL_CONF_CTX_free(conf);
        result
    };
    if result > 0 { Ok(()) } else { Err(failed()) }
}

/// The lowest and highest version a context allows; `None` for the library's own.
pub(crate) type VersionRange = (Option<SslVersion>, Option<SslVersion>);

pub(crate) fn version_range(builder: &mut SslContextBuilder) -> VersionRange {
    (builder.min_proto_version(), builder.max_proto_version())
}

pub(crate) fn set_version_range(ssl: &mut SslRef, (lowest, highest): VersionRange) -> Result<(), ErrorStack> {
    ssl.set_min_proto_version(lowest)?;
    ssl.set_max_proto_version(highest)
}

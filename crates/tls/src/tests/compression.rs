//! Certificates compressed for clients that offer to take them so.
#![expect(unsafe_code, reason = "the client's side of it is not wrapped by anything")]

use std::ffi::c_int;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_sys as sys;
use flate2::read::ZlibDecoder;
use foreign_types::ForeignType;

use super::kit::{client, connect, self_signed, server, settings};
use crate::{ClientSettings, ConnectOptions, ServerSettings};

static UNPACKED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn unpack(
    _: *mut sys::SSL,
    out: *mut *mut sys::CRYPTO_BUFFER,
    room: usize,
    data: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: the library passes a message that is valid for the call, and wants a new buffer in `out`.
    unsafe {
        let packed = std::slice::from_raw_parts(data, length);
        let mut plain = Vec::new();
        if ZlibDecoder::new(packed).read_to_end(&mut plain).is_err() || plain.len() != room {
            return 0;
        }
        *out = sys::CRYPTO_BUFFER_new(plain.as_ptr(), plain.len(), std::ptr::null_mut());
        UNPACKED.store(length, Ordering::SeqCst);
        c_int::from(!(*out).is_null())
    }
}

#[test]
fn a_client_that_offers_it_gets_a_smaller_certificate() {
    let made = self_signed(&"a".repeat(60));
    let compressing = ServerSettings { certificate_compression: true, ..settings(&made) };
    let taking = client(&ClientSettings::default());
    // SAFETY: a live context, and a callback of the documented type.
    let added = unsafe { sys::SSL_CTX_add_cert_compression_alg(taking.context.as_ptr(), 1, None, Some(unpack)) };
    assert_eq!(added, 1);

    connect(&server(&settings(&made)), &taking, &ConnectOptions::default()).established();
    assert_eq!(UNPACKED.load(Ordering::SeqCst), 0, "it has to be switched on");
    connect(&server(&compressing), &client(&ClientSettings::default()), &ConnectOptions::default()).established();
    assert_eq!(UNPACKED.load(Ordering::SeqCst), 0, "the client has to offer it");
    connect(&server(&compressing), &taking, &ConnectOptions::default()).established();
    let packed = UNPACKED.load(Ordering::SeqCst);
    let plain = made.certificate.to_der().unwrap().len();
    assert!(0 < packed && packed < plain, "{packed} of {plain}");
}

//! Any bytes as the answer of an OCSP responder: its head lies in the bytes, comes out the same however they arrive, and is never found
//! before its end. Text as the URL of a responder.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::responder::Responder;
use wire::ocsp::{Head, request};

fuzz_target!(|data: &[u8]| {
    let whole = Head::read(data);
    if let Ok(Some(head)) = &whole {
        assert!(head.body <= data.len() && data[..head.body].ends_with(b"\n"));
        assert!(head.code < 1000);
        assert_eq!(Head::read(&data[..head.body]), whole, "what follows is not looked at");
        assert_eq!(Head::read(&data[..head.body - 1]), Ok(None), "one byte less is not enough");
    }
    if whole == Ok(None) {
        for end in [data.len() / 2, data.len().saturating_sub(1)] {
            assert_eq!(Head::read(&data[..end]), Ok(None), "what may still become a head could before");
        }
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(responder) = Responder::parse(text) {
        assert!(!responder.path.is_empty());
        let sent = request(&responder.name, &responder.path, data);
        assert!(sent.starts_with(b"GET ") && sent.ends_with(b"\r\n\r\n"));
        assert_eq!(sent.iter().filter(|byte| **byte == b'\n').count(), 3, "no line but ours");
    }
});

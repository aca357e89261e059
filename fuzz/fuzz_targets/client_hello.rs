//! Any bytes as the start of a connection: an answer that is final stays when more bytes come, and names lie in the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::client_hello::{Hello, Progress};

fuzz_target!(|data: &[u8]| {
    let mut hello = Hello::new();
    let whole = hello.feed(data);
    let named = hello.server_name().map_or(0, <[u8]>::len) + hello.alpn().map_or(0, <[u8]>::len);
    assert!(named <= data.len(), "more names than bytes");
    let _ = hello.protocol();

    let mut half = Hello::new();
    let before = half.feed(&data[..data.len() / 2]);
    if before != Progress::NeedMore {
        assert_eq!(before, whole, "a final answer changed");
        assert_eq!(half.server_name(), hello.server_name());
        assert_eq!(half.alpn(), hello.alpn());
        assert_eq!(half.protocol(), hello.protocol());
    }
});

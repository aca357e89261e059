//! Any bytes as messages of a handshake, and as the parts of a `ClientHello` that variables read: names that are found lie in
//! the bytes, and lists are read to their end or not at all.

#![no_main]

// The crate itself brings the TLS library, which is not what is tried here.
#[expect(dead_code, reason = "the library has more of it than the rest of the crate uses here")]
#[path = "../../crates/tls/src/hello.rs"]
mod hello;
#[path = "../../crates/tls/src/messages.rs"]
mod messages;
#[expect(dead_code, reason = "the same")]
#[path = "../../crates/tls/src/names.rs"]
mod names;

use hello::{ClientHello, Hello};
use libfuzzer_sys::fuzz_target;
use messages::Messages;

fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

fuzz_target!(|data: &[u8]| {
    let mut seen = Messages::default();
    for is_ours in [true, false] {
        seen.pass(is_ours, data);
    }
    if let Some(name) = &seen.open_name {
        assert!(!name.is_empty() && lies_in(name, data));
    }
    let (first, second) = data.split_at(data.len() / 2);
    let offered = ClientHello {
        legacy_version: 0x0303,
        ciphers: first,
        server_name: Some(data),
        supported_versions: Some(second),
        groups: Some(second),
        sigalgs: Some(first),
        alpn: Some(data),
        encrypted_hello: None,
    };
    let kept = Hello::of(&offered, true);
    if let Some(name) = &kept.server_name {
        assert!(!name.is_empty() && lies_in(name, data));
    }
    let Some(lists) = kept.lists else { return };
    assert_eq!(lists.ciphers().split(':').filter(|name| !name.is_empty()).count(), first.len() / 2);
    let _ = (lists.groups(), lists.sigalgs());
    if let Some(protocols) = lists.alpn() {
        let length: usize = protocols.iter().map(|name| name.len() + 1).sum();
        assert_eq!(length + 2, data.len(), "no byte is left over");
    }
});

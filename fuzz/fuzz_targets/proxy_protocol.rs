//! Any bytes as a PROXY header: its length lies in the bytes, what follows it does not matter, and what it says can be sent on.

#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use wire::proxy_protocol::{V2, parse, v1, v2};

fuzz_target!(|data: &[u8]| {
    // What is compared as a whole is not found by chance: the first byte chooses how the header begins.
    let Some((start, rest)) = data.split_first() else {
        return;
    };
    let prefix: &[u8] = match start % 4 {
        0 => b"",
        1 => b"PROXY TCP4 ",
        2 => b"PROXY TCP6 ",
        _ => b"\r\n\r\n\0\r\nQUIT\n",
    };
    let data = &[prefix, rest].concat()[..];
    let Ok((header, length)) = parse(data) else {
        return;
    };
    assert!(length <= data.len(), "a header longer than the bytes");
    assert_eq!(parse(&data[..length]), Ok((header.clone(), length)));
    for name in
        ["alpn", "authority", "unique_id", "ssl", "netns", "0x04", "ssl_version", "ssl_cn", "ssl_verify", "ssl_0x30"]
    {
        if let Ok(Some(value)) = header.tlv(name) {
            assert!(value.len() < length, "a value longer than the header");
        }
    }
    // Of texts that are no addresses nothing is sent on.
    let source = header.source().and_then(|(text, port)| Some(SocketAddr::new(text.parse().ok()?, port)));
    let Some(source) = source else {
        return;
    };
    assert_source(&v1(Some(source), Some(source)), source);
    let binary = v2(&V2 { source: Some(source), destination: Some(source), datagram: false, ssl: None });
    assert_source(&binary, SocketAddr::new(source.ip().to_canonical(), source.port()));
});

fn assert_source(header: &[u8], source: SocketAddr) {
    let (header, _) = parse(header).expect("what was written is read");
    assert_eq!(header.source(), Some((source.ip().to_string().as_str(), source.port())));
}

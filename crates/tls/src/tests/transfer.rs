use crate::tests::kit::*;
use crate::{ClientSettings, ConnectOptions, HandshakeError, Protocols, Shutdown, Stream, Transfer};

fn pair_of(protocols: Protocols) -> Pair {
    let client = ClientSettings { protocols, ..ClientSettings::default() };
    connect_settings(&settings(&self_signed("localhost")), &client).established()
}

fn both() -> [Protocols; 2] {
    [Protocols::TLS_V1_2, Protocols::TLS_V1_3]
}

#[test]
fn bulk_arrives_whole() {
    for protocols in both() {
        let mut pair = pair_of(protocols);
        let data: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut sent = 0;
        while sent < data.len() {
            let Transfer::Bytes(count) = pair.server.write(&data[sent..]).unwrap() else { panic!("pipe is full") };
            sent += count;
        }
        let mut received = Vec::new();
        let mut buffer = [0; 5000];
        while let Transfer::Bytes(count) = pair.client.read(&mut buffer).unwrap() {
            received.extend_from_slice(&buffer[..count]);
        }
        assert!(received == data);
        assert!(pair.client.socket().is_empty());
        assert_eq!(pair.client.pending(), 0);
    }
}

#[test]
fn close_notify_is_sent_awaited_and_seen() {
    for protocols in both() {
        let mut pair = pair_of(protocols);
        assert_eq!(pair.server.shutdown().unwrap(), Shutdown::Sent);
        assert_eq!(pair.server.shutdown().unwrap(), Shutdown::WantRead);
        assert_eq!(pair.client.read(&mut [0; 9]).unwrap(), Transfer::Eof);
        assert!(pair.client.is_read_closed());
        assert_eq!(pair.client.shutdown().unwrap(), Shutdown::Complete);
        assert_eq!(pair.server.shutdown().unwrap(), Shutdown::Complete);
    }
}

#[test]
fn data_before_a_truncated_end_is_kept_and_the_end_is_clean() {
    for protocols in both() {
        let mut pair = pair_of(protocols);
        assert_eq!(pair.client.write(b"last words").unwrap(), Transfer::Bytes(10));
        pair.client.socket().close();
        let mut buffer = [0; 64];
        assert_eq!(pair.server.read(&mut buffer).unwrap(), Transfer::Bytes(10));
        assert_eq!(pair.server.read(&mut buffer).unwrap(), Transfer::Eof);
        assert_eq!(pair.server.read(&mut buffer).unwrap(), Transfer::Eof);
    }
}

#[test]
fn a_quiet_end_sends_nothing() {
    let mut pair = pair_of(Protocols::TLS_V1_3);
    pair.server.set_quiet_shutdown();
    assert_eq!(pair.server.shutdown().unwrap(), Shutdown::Complete);
    assert!(pair.client.socket().is_empty());
}

#[test]
fn garbage_on_an_established_connection_is_an_error() {
    use std::io::Write;
    let mut pair = pair_of(Protocols::TLS_V1_3);
    pair.client.socket_mut().write_all(b"\x17\x03\x03\x00\x20garbage garbage garbage garbage ").unwrap();
    let error = pair.server.read(&mut [0; 9]).unwrap_err().to_string();
    assert!(error.contains("error:0A000119:SSL routines::decryption failed or bad record mac"), "{error}");
}

#[test]
fn a_peer_that_leaves_in_the_handshake_has_closed() {
    use std::io::Write;
    let context = server(&settings(&self_signed("localhost")));
    for bytes in [&b""[..], b"\x16", b"\x16\x03\x01\x00\x20\x01\x00"] {
        let (near, mut far) = pipe(usize::MAX);
        far.write_all(bytes).unwrap();
        far.close();
        let mut stream = Stream::accept(near, context.clone(), None, crate::Capture::default()).unwrap();
        assert!(matches!(stream.handshake(), Err(HandshakeError::Closed)), "{bytes:?}");
        assert_eq!(stream.cipher(), "(NONE)");
        assert_eq!(stream.curve(), None);
        assert_eq!(stream.shutdown().unwrap(), Shutdown::Complete);
    }
    let (near, far) = pipe(usize::MAX);
    far.close();
    let mut stream = Stream::connect(near, &client(&ClientSettings::default()), &ConnectOptions::default()).unwrap();
    assert!(matches!(stream.handshake(), Err(HandshakeError::Closed)));
}

use super::*;

const SNI: &[u8] = b"\x00\x0e\x00\x00\x0bexample.com";

#[test]
fn the_host_name_is_kept_as_sent() {
    let hello = ClientHello { server_name: Some(b"\x00\x06\x00\x00\x03A.b"), ..ClientHello::default() };
    assert_eq!(Hello::of(&hello, false).server_name.as_deref(), Some(&b"A.b"[..]));
    assert!(Hello::of(&hello, false).lists.is_none());
}

#[test]
fn every_prefix_of_a_server_name_is_no_name() {
    assert_eq!(host_name(SNI), Some(&b"example.com"[..]));
    for end in 0..SNI.len() {
        assert_eq!(host_name(&SNI[..end]), None, "{end}");
    }
}

#[test]
fn lists_read_as_openssl_names_or_numbers() {
    let hello = ClientHello {
        legacy_version: 0x0303,
        ciphers: &[0x13, 0x01, 0xc0, 0x2f, 0x5a, 0x5a, 0x00, 0xff],
        groups: Some(&[0, 6, 0, 29, 0, 23, 0x2a, 0x2a]),
        sigalgs: Some(&[0, 4, 4, 3, 5, 3]),
        alpn: Some(b"\x00\x06\x02h2\x02xy"),
        ..ClientHello::default()
    };
    let lists = Hello::of(&hello, true).lists.unwrap();
    assert_eq!(
        lists.ciphers(),
        "TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256:0x5a5a:TLS_EMPTY_RENEGOTIATION_INFO_SCSV"
    );
    assert_eq!(lists.groups().unwrap(), "X25519:prime256v1:0x2a2a");
    assert_eq!(lists.sigalgs().unwrap(), "0x0403:0x0503");
    assert_eq!(lists.alpn().unwrap(), [&b"h2"[..], b"xy"]);
}

#[test]
fn only_clients_without_tls_1_2_are_legacy() {
    let old = ClientHello { legacy_version: 0x0302, ..ClientHello::default() };
    assert!(Hello::of(&old, false).is_legacy);
    assert!(!Hello::of(&ClientHello { legacy_version: 0x0303, ..old }, false).is_legacy);
    assert!(!Hello::of(&ClientHello { supported_versions: Some(&[2, 3, 4]), ..old }, false).is_legacy);
}

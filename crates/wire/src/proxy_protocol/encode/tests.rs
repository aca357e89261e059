use super::*;
use crate::proxy_protocol::parse;

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n";

fn ends(source: &str, destination: &str) -> (Option<SocketAddr>, Option<SocketAddr>) {
    (source.parse().ok(), destination.parse().ok())
}

fn binary(source: &str, destination: &str, ssl: Option<SslInfo>) -> Vec<u8> {
    let (source, destination) = ends(source, destination);
    v2(&V2 { source, destination, datagram: false, ssl })
}

fn ssl_info() -> SslInfo {
    SslInfo {
        sni: Some(b"example.org".to_vec()),
        alpn: Some(b"h2".to_vec()),
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        verify: 18,
        client_cert: true,
        resumed: false,
        common_name: Some("client".to_owned()),
        signature: Some("RSA-SHA256".to_owned()),
        key: Some("RSA2048".to_owned()),
    }
}

#[test]
fn lines_written() {
    for (source, destination, line) in [
        ("192.0.2.1:5000", "192.0.2.2:443", LINE),
        ("[2001:db8::1]:1", "[::1]:2", b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n"),
        ("[::ffff:1.2.3.4]:1", "1.2.3.4:2", b"PROXY TCP6 ::ffff:1.2.3.4 1.2.3.4 1 2\r\n"),
        ("unix:", "1.2.3.4:2", b"PROXY UNKNOWN\r\n"),
        ("1.2.3.4:2", "unix:", b"PROXY UNKNOWN\r\n"),
    ] {
        let (source, destination) = ends(source, destination);
        let written = v1(source, destination);
        assert_eq!(written.escape_ascii().to_string(), line.escape_ascii().to_string());
        let (header, length) = parse(&written).unwrap();
        let told = source.filter(|_| destination.is_some()).map(|source| (source.ip().to_string(), source.port()));
        assert_eq!(header.source().map(|(text, port)| (text.to_owned(), port)), told);
        assert_eq!(length, written.len());
    }
}

#[test]
fn addresses_survive_the_binary_form() {
    for (source, destination, family, told) in [
        ("192.0.2.1:5000", "192.0.2.2:443", 0x11, "192.0.2.1:5000 192.0.2.2:443"),
        ("[2001:db8::1]:1", "[::1]:2", 0x21, "2001:db8::1:1 ::1:2"),
        ("1.2.3.4:1", "[::1]:2", 0x21, "::ffff:1.2.3.4:1 ::1:2"),
        ("[::1]:1", "1.2.3.4:2", 0x21, "::1:1 ::ffff:1.2.3.4:2"),
        ("[::ffff:1.2.3.4]:1", "[::ffff:5.6.7.8]:2", 0x11, "1.2.3.4:1 5.6.7.8:2"),
        ("[::ffff:1.2.3.4]:1", "[::1]:2", 0x21, "::ffff:1.2.3.4:1 ::1:2"),
    ] {
        let written = binary(source, destination, None);
        assert_eq!(written[12..14], [0x21, family], "{source}");
        let (header, length) = parse(&written).unwrap();
        assert_eq!(length, written.len());
        let a = header.addresses().unwrap();
        assert_eq!(format!("{}:{} {}:{}", a.source, a.source_port, a.destination, a.destination_port), told);
    }
}

#[test]
fn datagrams_and_unix_sockets_have_kinds_of_their_own() {
    for (source, kind) in [("1.2.3.4:1", 0x12), ("[::1]:1", 0x22)] {
        let (source, destination) = ends(source, source);
        let written = v2(&V2 { source, destination, datagram: true, ssl: None });
        assert_eq!(written[12..14], [0x21, kind]);
    }
    let written = binary("unix:", "1.2.3.4:1", None);
    assert_eq!(written[12..20], [0x20, 0, 0, 7, 3, 0, 4, written[19]]);
    assert_eq!(written.len(), 16 + 7);
}

/// The check value comes from an independent bitwise division (RFC 3720, appendix B.4).
#[test]
fn the_checksum_is_last_and_right() {
    let written = binary("1.2.3.4:1", "[::1]:2", Some(ssl_info()));
    let (head, tail) = written.split_at(written.len() - 7);
    assert_eq!(tail[..3], [3, 0, 4]);
    let zeroed = [head, &[3, 0, 4, 0, 0, 0, 0]].concat();
    assert_eq!(tail[3..], crc32c(&zeroed).to_be_bytes());
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }))
    })
}

#[test]
fn what_tls_knows_survives_in_order() {
    let written = binary("1.2.3.4:1", "1.2.3.4:2", Some(ssl_info()));
    let (header, _) = parse(&written).unwrap();
    for (name, value) in [
        ("authority", "example.org"),
        ("alpn", "h2"),
        ("ssl_version", "TLSv1.3"),
        ("ssl_cn", "client"),
        ("ssl_cipher", "TLS_AES_128_GCM_SHA256"),
        ("ssl_sig_alg", "RSA-SHA256"),
        ("ssl_key_alg", "RSA2048"),
        ("ssl_verify", "18"),
        ("ssl_0x22", "client"),
    ] {
        assert_eq!(header.tlv(name), Ok(Some(value.as_bytes().to_vec())), "{name}");
    }
    let kinds = |mut list: &[u8]| {
        let mut kinds = Vec::new();
        while let [kind, high, low, rest @ ..] = list {
            kinds.push(*kind);
            list = &rest[u16::from_be_bytes([*high, *low]) as usize..];
        }
        kinds
    };
    assert_eq!(kinds(&written[16 + 12..]), [2, 1, 0x20, 3]);
    let ssl = header.tlv("ssl").unwrap().unwrap();
    assert_eq!(kinds(&ssl[5..]), [0x21, 0x22, 0x23, 0x24, 0x25]);
}

#[test]
fn flags_of_the_client_certificate() {
    for (client_cert, resumed, flags, verify) in
        [(false, false, 1, "1"), (false, true, 1, "1"), (true, false, 7, "18"), (true, true, 5, "18")]
    {
        let ssl = SslInfo { client_cert, resumed, sni: None, alpn: None, common_name: None, ..ssl_info() };
        let (header, _) = parse(&binary("1.2.3.4:1", "1.2.3.4:2", Some(ssl))).unwrap();
        assert_eq!(header.tlv("ssl_verify"), Ok(Some(verify.as_bytes().to_vec())));
        assert_eq!(header.tlv("ssl").unwrap().unwrap()[0], flags);
        for name in ["authority", "alpn", "ssl_cn"] {
            assert_eq!(header.tlv(name), Ok(None), "{name}");
        }
    }
}

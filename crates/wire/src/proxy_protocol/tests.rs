use super::*;

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n";

/// A header with addresses and an SSL element with one inner element.
fn sample() -> Vec<u8> {
    let ssl = [&[0x20, 0, 10, 1, 0, 0, 0, 1][..], &[0x21, 0, 2, b'v', b'1'], &[4, 0, 0]].concat();
    raw(0x21, 0x21, &[&[1; 36][..], &ssl].concat())
}

/// A version 2 header with the given bytes after the signature's two bytes of kind.
fn raw(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.extend([version_command, family]);
    out.extend((body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn with_tlvs(tlvs: &[u8]) -> Header {
    let (header, _) = parse(&raw(0x21, 0x11, &[&[0; 12], tlvs].concat())).unwrap_or_default();
    assert!(header.addresses().is_some());
    header
}

#[test]
fn a_line_is_kept_as_received() {
    let line = b"PROXY TCP6 2001:DB8::1 1.2.3 0 65535\r\n";
    let (header, length) = parse(&[&line[..], b"rest"].concat()).unwrap();
    assert_eq!(length, line.len());
    let addresses = header.addresses().unwrap();
    assert_eq!((addresses.source.as_str(), addresses.destination.as_str()), ("2001:DB8::1", "1.2.3"));
    assert_eq!((addresses.source_port, addresses.destination_port), (0, 65535));
    assert_eq!(header.source(), Some(("2001:DB8::1", 0)));
    assert_eq!(header.tlv("alpn"), Ok(None));
    assert_eq!(header.tlv("x"), Err(TlvError::Unknown("x".to_owned())));
}

#[test]
fn a_source_that_is_no_address_is_text() {
    let (header, _) = parse(b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n").unwrap();
    assert!(header.addresses().is_some());
    assert_eq!(header.source(), Some(("1.2.3", 1)));
}

#[test]
fn unknown_ends_at_the_first_line_end() {
    for line in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN what\rever \n ff\r\n", b"PROXY UNKNOWNS\r\n"] {
        let (header, length) = parse(&[line, b"\r\n"].concat()).unwrap();
        assert_eq!((header.tlv("x"), header.tlv("0x")), (Ok(None), Ok(None)));
        assert_eq!((header, length), (Header::default(), line.len()));
    }
}

#[test]
fn broken_lines() {
    for line in [
        &b""[..],
        b"\r\n",
        b"GET / HTTP/1.1\r\n",
        b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
        b"PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
        b"PROXY TCP4 1.1.1.g 2.2.2.2 1 2\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 99999999999999999999 2\r\n",
        b"PROXY TCP4 \xff 2.2.2.2 1 2\r\n",
    ] {
        assert_eq!(parse(line), Err(HeaderError::Broken), "{}", line.escape_ascii());
    }
}

#[test]
fn every_prefix_is_refused() {
    for length in 0..LINE.len() {
        assert_eq!(parse(&LINE[..length]), Err(HeaderError::Broken), "{length} bytes");
    }
    assert_eq!(parse(LINE).map(|(_, length)| length), Ok(LINE.len()));

    let header = sample();
    for length in 0..header.len() {
        let expected = if length < 16 { HeaderError::Broken } else { HeaderError::TooLarge };
        assert_eq!(parse(&header[..length]), Err(expected), "{length} bytes");
    }
    assert_eq!(parse(&header).map(|(_, length)| length), Ok(header.len()));
}

#[test]
fn kinds_of_binary_headers() {
    let body = [1; 36];
    assert_eq!(parse(&raw(0x11, 0x11, &body)), Err(HeaderError::UnknownVersion(1)));
    assert_eq!(parse(&raw(0xf0, 0, &[])), Err(HeaderError::UnknownVersion(15)));
    for (command, family) in [(0x20, 0x11), (0x22, 0x11), (0x21, 0x12), (0x21, 0x31), (0x21, 0), (0x21, 0x22)] {
        assert_eq!(parse(&raw(command, family, &body)), Ok((Header::default(), 52)), "{command:x} {family:x}");
    }
    for (family, needed) in [(0x11, 12), (0x21, 36)] {
        for length in 0..needed {
            let short = parse(&raw(0x21, family, &body[..length]));
            assert_eq!(short, Err(HeaderError::ShortAddresses), "{length} bytes");
        }
        assert!(parse(&raw(0x21, family, &body[..needed])).is_ok_and(|(header, _)| header.addresses().is_some()));
    }
}

#[test]
fn values_by_name() {
    let tlvs = [&[1, 0, 2][..], b"h2", &[1, 0, 1], b"x", &[2, 0, 0, 5, 0, 1, 9, 0x30, 0, 1], b"n", &[0xe0, 0, 1, 7]];
    let header = with_tlvs(&tlvs.concat());
    for (name, value) in [
        ("alpn", Some(&b"h2"[..])),
        ("0x1", Some(b"h2")),
        ("0x01", Some(b"h2")),
        ("authority", Some(b"")),
        ("unique_id", Some(&[9])),
        ("netns", Some(b"n")),
        ("0xE0", Some(&[7])),
        ("0x06", None),
        ("0x101", None),
        ("ssl", None),
        ("ssl_cn", None),
        ("ssl_verify", None),
    ] {
        assert_eq!(header.tlv(name), Ok(value.map(<[u8]>::to_vec)), "{name}");
    }
}

#[test]
fn names_that_cannot_be() {
    let header = with_tlvs(&[0x20, 0, 5, 1, 0, 0, 0, 0]);
    for name in ["x", "", "ssl_x", "ssl_", "alpn_", "ALPN"] {
        let error = header.tlv(name).unwrap_err();
        assert_eq!(error.to_string(), format!("unknown PROXY protocol TLV \"{name}\""));
    }
    for name in ["0x", "0xg", "0x1g", "ssl_0x", "0x-1", "0x+1", "0xffffffffffffffffffff"] {
        let error = header.tlv(name).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid PROXY protocol TLV \"{name}\""));
    }
}

#[test]
fn every_prefix_of_a_list() {
    let list = [1, 0, 1, b'a', 2, 0, 2, b'b', b'c'];
    for length in 1..list.len() {
        let found = with_tlvs(&list[..length]).tlv("authority");
        let expected = if length == 4 { Ok(None) } else { Err(TlvError::Broken) };
        assert_eq!(found, expected, "{length} bytes");
        let found = with_tlvs(&list[..length]).tlv("alpn");
        let expected = if length < 4 { Err(TlvError::Broken) } else { Ok(Some(b"a".to_vec())) };
        assert_eq!(found, expected, "{length} bytes");
    }
    assert_eq!(TlvError::Broken.to_string(), "broken PROXY protocol TLV");
    for length in 0..5 {
        let tlvs = [vec![0x20, 0, length], vec![0; length as usize]].concat();
        for name in ["ssl_verify", "ssl_x"] {
            assert_eq!(with_tlvs(&tlvs).tlv(name), Ok(None), "{name} in an SSL element of {length} bytes");
        }
    }
}

/// Any byte replaced: no panic, and no header longer than what was seen.
#[test]
fn garbage_never_panics() {
    for whole in [LINE.to_vec(), sample()] {
        for at in 0..whole.len() {
            for value in 0..=255 {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Ok((header, length)) = parse(&bytes) {
                    assert!(length <= bytes.len());
                    let _ = (header.source(), header.tlv("0xff"), header.tlv("ssl_0xff"), header.tlv("ssl_verify"));
                }
            }
        }
    }
}

use super::*;

fn with_length(prefix: usize, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let mut out = length.get(4 - prefix..).unwrap_or_default().to_vec();
    out.extend_from_slice(body);
    out
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), with_length(2, body)].concat()
}

fn name(host: &str) -> Vec<u8> {
    extension(SERVER_NAME, &with_length(2, &[vec![0], with_length(2, host.as_bytes())].concat()))
}

fn protocols(names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| with_length(1, name.as_bytes())).collect();
    extension(ALPN, &with_length(2, &list))
}

fn versions() -> Vec<u8> {
    extension(SUPPORTED_VERSIONS, &[2, 3, 3])
}

/// The handshake message, without a record around it; none: no extensions at all.
fn message(version: [u8; 2], extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.extend(with_length(1, &[8; 32]));
    body.extend(with_length(2, &[0x13, 1, 0x13, 2]));
    body.extend(with_length(1, &[0]));
    if let Some(extensions) = extensions {
        body.extend(with_length(2, extensions));
    }
    [vec![CLIENT_HELLO], with_length(3, &body)].concat()
}

fn record(part: &[u8]) -> Vec<u8> {
    [vec![HANDSHAKE_RECORD, 3, 1], with_length(2, part)].concat()
}

fn typical() -> Vec<u8> {
    message([3, 3], Some(&[name("Example.org"), protocols(&["h2", "http/1.1"]), versions()].concat()))
}

fn fed(bytes: &[u8]) -> (Progress, Hello) {
    let mut hello = Hello::new();
    (hello.feed(bytes), hello)
}

fn assert_typical(bytes: &[u8]) {
    let (progress, hello) = fed(bytes);
    assert_eq!(progress, Progress::Done);
    assert_eq!(hello.server_name(), Some(&b"Example.org"[..]));
    assert_eq!(hello.alpn(), Some(&b"h2,http/1.1"[..]));
    assert_eq!(hello.protocol(), Some("TLSv1.3"));
}

/// Every proper prefix asks for more, the whole is done, and more bytes do not change that.
#[test]
fn every_prefix_and_growth_by_one_byte() {
    let whole = record(&typical());
    let mut hello = Hello::new();
    for length in 0..whole.len() {
        assert_eq!(hello.feed(&whole[..length]), Progress::NeedMore, "{length} bytes");
        assert_eq!(hello.server_name(), None, "{length} bytes");
    }
    assert_eq!(hello.feed(&whole), Progress::Done);
    assert_typical(&[whole, b"\x17\x03\x03".to_vec()].concat());
}

#[test]
fn the_message_may_be_spread_over_many_records() {
    let message = typical();
    for size in 1..message.len() {
        let records: Vec<u8> = message.chunks(size).flat_map(record).collect();
        assert_typical(&records);
        let cut = &records[..records.len() - 1];
        assert_eq!(fed(cut).0, Progress::NeedMore);
    }
}

/// What passes over extensions as a whole comes to the same as what takes them byte by byte, whatever they claim.
#[test]
fn extensions_are_the_same_as_a_whole_and_in_pieces() {
    let mut state = 1_u32;
    let mut any = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut ends = std::collections::BTreeMap::new();
    for _ in 0..10_000 {
        let extensions: Vec<u8> = (0..any(6))
            .flat_map(|_| match any(12) {
                0 => name("a.b"),
                1 => protocols(&["h2", "x"]),
                2 => versions(),
                kind => extension(kind as u16 * 7, &vec![9; any(5) as usize]),
            })
            .collect();
        let mut message = message([3, 3], Some(&extensions));
        // A length of an extension, of them all, or of the message is a little off.
        for _ in 0..any(3) {
            let at = if any(2) == 0 { 3 } else { any(message.len() as u32) as usize };
            message[at] = message[at].wrapping_add(any(5) as u8).wrapping_sub(2);
        }
        let seen = |bytes: &[u8]| {
            let (progress, hello) = fed(bytes);
            let said = (hello.server_name().map(<[u8]>::to_vec), hello.alpn().map(<[u8]>::to_vec), hello.protocol());
            (progress, said)
        };
        let whole = seen(&record(&message));
        for size in [1, 2, 5] {
            let pieces: Vec<u8> = message.chunks(size).flat_map(record).collect();
            assert_eq!(seen(&pieces), whole, "{message:02x?}");
        }
        *ends.entry(format!("{:?}", whole.0)).or_insert(0) += 1;
    }
    assert!(ends.len() == 3 && ends.values().all(|times| *times > 100), "{ends:?}");
}

#[test]
fn records_of_no_length_are_passed_over() {
    let message = typical();
    let records: Vec<u8> = message.chunks(1).flat_map(|part| [record(&[]), record(part)].concat()).collect();
    assert_typical(&records);
    assert_eq!(fed(&record(&[])).0, Progress::NeedMore);
}

#[test]
fn what_an_unfinished_hello_said_is_known() {
    let message = message([3, 3], Some(&[name("a.b"), protocols(&["h2", "h3"])].concat()));
    let (progress, hello) = fed(&record(&message[..message.len() - 2]));
    assert_eq!((progress, hello.server_name()), (Progress::NeedMore, Some(&b"a.b"[..])));
    assert_eq!((hello.alpn(), hello.protocol()), (Some(&b"h2,"[..]), Some("TLSv1.2")));
}

#[test]
fn sizes_from_small_to_large() {
    for padding in [1_usize, 500, 1024, 4096, 16_000] {
        let extensions =
            [extension(21, &vec![0; padding]), name("Example.org"), protocols(&["h2", "http/1.1"]), versions()];
        let message = message([3, 1], Some(&extensions.concat()));
        assert_typical(&record(&message));
        let records: Vec<u8> = message.chunks(1000).flat_map(record).collect();
        assert_typical(&records);
    }
}

#[test]
fn a_hello_without_extensions_is_done() {
    for (version, text) in [
        ([3, 0], Some("SSLv3")),
        ([3, 1], Some("TLSv1")),
        ([3, 2], Some("TLSv1.1")),
        ([3, 3], Some("TLSv1.2")),
        ([3, 4], Some("TLSv1.3")),
        ([0, 2], Some("SSLv2")),
        ([3, 5], None),
        ([2, 0], None),
    ] {
        for extensions in [None, Some(&[][..])] {
            let (progress, hello) = fed(&record(&message(version, extensions)));
            assert_eq!((progress, hello.protocol()), (Progress::Done, text));
            assert_eq!((hello.server_name(), hello.alpn()), (None, None));
        }
    }
}

#[test]
fn the_old_format_tells_only_a_version() {
    assert_eq!(fed(&[0x80, 46, 1, 3]).0, Progress::NeedMore);
    for (bytes, text) in [([0x80, 46, 1, 3, 1], "TLSv1"), ([0xff, 0, 1, 0, 2], "SSLv2")] {
        let (progress, hello) = fed(&bytes);
        assert_eq!((progress, hello.protocol(), hello.server_name()), (Progress::Done, Some(text), None));
    }
    assert_eq!(fed(&[0x80, 46, 2, 3, 1]).0, Progress::NotTls);
    assert_eq!(fed(&[0x80, 46, 1, 2, 1]).0, Progress::NotTls);
}

#[test]
fn other_protocols_are_told_at_five_bytes() {
    for text in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x\r\n", b"\x15\x03\x01\0\x02", b"\x16\x02\0\0\0", b"\0\0\0\0\0"]
    {
        assert_eq!(fed(&text[..4]).0, Progress::NeedMore);
        assert_eq!(fed(text).0, Progress::NotTls, "{text:?}");
    }
    // The third byte does not matter, and a record that is no handshake may come second.
    assert_eq!(fed(b"\x16\x03\xff\0\0").0, Progress::NeedMore);
    assert_eq!(fed(b"\x16\x03\x01\0\0\x17\x03\x01\0\0").0, Progress::NotTls);
    assert_eq!(fed(&record(&[2, 0, 0, 38])).0, Progress::NotTls);
}

#[test]
fn only_the_first_name_and_list_count() {
    let lists = [name("first"), protocols(&["a"]), protocols(&["b"]), name("second")];
    let (progress, hello) = fed(&record(&message([3, 3], Some(&lists.concat()))));
    assert_eq!(progress, Progress::Done);
    assert_eq!((hello.server_name(), hello.alpn()), (Some(&b"first"[..]), Some(&b"a"[..])));

    let two = [vec![0], with_length(2, b"one"), vec![0], with_length(2, b"two")].concat();
    let (progress, hello) = fed(&record(&message([3, 3], Some(&extension(SERVER_NAME, &with_length(2, &two))))));
    assert_eq!((progress, hello.server_name()), (Progress::Done, Some(&b"one"[..])));

    let (progress, hello) = fed(&record(&message([3, 3], Some(&name("")))));
    assert_eq!((progress, hello.server_name()), (Progress::Done, Some(&b""[..])));
}

#[test]
fn odd_lists_are_given_up() {
    for (what, body) in [
        ("a name of another type", extension(SERVER_NAME, &[0, 4, 1, 0, 1, b'a'])),
        ("a name longer than its list", extension(SERVER_NAME, &[0, 4, 0, 0, 2, b'a', b'b'])),
        ("a list of names beyond the message", extension(SERVER_NAME, &[0, 9, 0, 0, 1, b'a'])),
        ("an empty list of protocols", extension(ALPN, &[0, 0, 0])),
        ("an empty protocol", extension(ALPN, &[0, 3, 1, b'a', 0])),
        ("a protocol longer than its list", extension(ALPN, &[0, 2, 2, b'a', b'b'])),
        ("versions beyond the message", extension(SUPPORTED_VERSIONS, &[9, 3, 4])),
        ("another extension beyond the message", vec![0, 9, 0, 1]),
        ("half an extension", vec![0, 9, 0]),
    ] {
        assert_eq!(fed(&record(&message([3, 3], Some(&body)))).0, Progress::NotTls, "{what}");
    }
}

#[test]
fn the_inner_length_rules_over_the_outer_one() {
    let mut lying = name("a.b");
    lying[2..4].copy_from_slice(&[0xff, 0xff]);
    let (progress, hello) = fed(&record(&message([3, 3], Some(&lying))));
    assert_eq!((progress, hello.server_name()), (Progress::Done, Some(&b"a.b"[..])));
}

/// Whatever the length of the message claims, no byte outside of it is taken for a part of it.
#[test]
fn a_budget_too_small_is_given_up() {
    let whole = typical();
    let real = whole.len() - 4;
    // Right after the compression methods, nothing more is needed.
    let bare = message([3, 3], None).len() - 4;
    for claimed in 0..real {
        let mut message = whole.clone();
        message[1..4].copy_from_slice(&(claimed as u32).to_be_bytes()[1..]);
        let (progress, _) = fed(&record(&message));
        let boundaries = [bare, bare + 2, bare + 2 + name("Example.org").len(), real - versions().len()];
        let expected = if boundaries.contains(&claimed) { Progress::Done } else { Progress::NotTls };
        assert_eq!(progress, expected, "{claimed} of {real}");
    }
}

/// Any byte replaced by any other, and noise: an answer always comes, and it is stable once final.
#[test]
fn garbage_never_panics_and_final_answers_stay() {
    let whole = record(&typical());
    for at in 0..whole.len() {
        for value in [0, 1, 3, 0x16, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert_stable(&bytes);
        }
    }
    let mut state = 1_u32;
    for length in 0..2000 {
        let noise: Vec<u8> = (0..length % 97)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert_stable(&noise);
        assert_stable(&record(&[vec![CLIENT_HELLO, 0, 0, 60], noise].concat()));
    }
}

fn assert_stable(bytes: &[u8]) {
    let last = fed(bytes).0;
    let mut known = Progress::NeedMore;
    for length in 0..=bytes.len() {
        let progress = fed(&bytes[..length]).0;
        if known != Progress::NeedMore {
            assert_eq!(progress, known, "{length} of {bytes:?}");
        }
        known = progress;
    }
    assert_eq!(known, last);
}

use super::*;

fn cases(parse: impl Fn(&[u8]) -> Option<u64>, cases: &[(&str, Option<u64>)]) {
    for (text, expected) in cases {
        assert_eq!(parse(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn numbers() {
    cases(
        number,
        &[
            ("0", Some(0)),
            ("007", Some(7)),
            ("9223372036854775807", Some(MAX)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
            ("99999999999999999999999", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("0x1", None),
            ("1 ", None),
            ("1k", None),
        ],
    );
}

#[test]
fn sizes() {
    cases(
        size,
        &[
            ("1", Some(1)),
            ("1k", Some(1024)),
            ("2K", Some(2048)),
            ("1m", Some(1 << 20)),
            ("3M", Some(3 << 20)),
            ("9223372036854775807", Some(MAX)),
            ("9007199254740991k", Some(9_007_199_254_740_991 << 10)),
            ("9007199254740992k", None),
            ("8796093022207m", Some(8_796_093_022_207 << 20)),
            ("8796093022208m", None),
            ("1g", None),
            ("k", None),
            ("", None),
            ("1kk", None),
        ],
    );
}

#[test]
fn offsets() {
    cases(
        offset,
        &[
            ("1g", Some(1 << 30)),
            ("1G", Some(1 << 30)),
            ("1k", Some(1024)),
            ("5", Some(5)),
            ("8589934591g", Some(8_589_934_591 << 30)),
            ("8589934592g", None),
            ("g", None),
        ],
    );
}

#[test]
fn milliseconds() {
    cases(
        |text| Some(msec(text)?.as_millis().try_into().unwrap()),
        &[
            ("1", Some(1000)),
            ("0", Some(0)),
            ("1s", Some(1000)),
            ("15ms", Some(15)),
            ("1m1ms", Some(60_001)),
            ("1h30m", Some(5_400_000)),
            ("1h30", Some(3_630_000)),
            ("1h 30m 5s", Some(5_405_000)),
            ("1h  2m", Some(3_720_000)),
            ("1w1d", Some(8 * 86_400_000)),
            ("1hm", Some(3_600_000)),
            (" 1", Some(1000)),
            ("1  ", Some(1000)),
            ("500ms 1", Some(1500)),
            ("9223372036854775", Some(9_223_372_036_854_775_000)),
            ("9223372036854776", None),
            ("106751991167d", Some(106_751_991_167 * 86_400_000)),
            ("106751991168d", None),
            ("9223372036854775s808ms", None),
            ("h", None),
            ("", None),
            (" ", None),
            (" 1s", None),
            ("1 h", None),
            ("1M", None),
            ("1y", None),
            ("1ms1s", None),
            ("5s1h", None),
            ("1mm", None),
            ("1.5s", None),
            ("1S", None),
            ("-1", None),
        ],
    );
}

#[test]
fn seconds() {
    cases(
        |text| Some(sec(text)?.as_secs()),
        &[
            ("1y", Some(31_536_000)),
            ("1M", Some(2_592_000)),
            ("1y1M1w1d1h1m1s", Some(31_536_000 + 2_592_000 + 604_800 + 86_400 + 3_661)),
            ("292471208677y", Some(292_471_208_677 * 31_536_000)),
            ("292471208678y", None),
            ("9223372036854775807", Some(MAX)),
            ("9223372036854775808", None),
            ("9223372036854775807s1", None),
            (" 5", Some(5)),
            ("5s 5", Some(10)),
            ("1M1y", None),
            ("1y1y", None),
            ("1ms", None),
            ("1m1ms", None),
        ],
    );
}

#[test]
fn no_prefix_of_a_scalar_panics() {
    let text = b"9y9M9w9d9h9m9s9ms 99999999999999999999k";
    for end in 0..=text.len() {
        let prefix = &text[..end];
        let parsed = sec(prefix).is_some();
        assert_eq!(parsed, (1..=15).contains(&end), "{end}");
        assert_eq!(msec(prefix).is_some(), end == 1, "{end}");
        assert_eq!(number(prefix).is_some(), end == 1, "{end}");
        assert_eq!(size(prefix).is_some(), end == 1, "{end}");
    }
}

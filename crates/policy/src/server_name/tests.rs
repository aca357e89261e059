use super::*;

fn names(words: &[&str]) -> ServerNames<usize> {
    let (mut names, mut variables) = (ServerNames::default(), Variables::new());
    for (number, word) in words.iter().enumerate() {
        let (name, _) = Name::parse(word.as_bytes()).unwrap();
        assert!(names.add(&name, number, &mut variables).unwrap(), "{word}");
    }
    names
}

#[test]
fn exact_then_wildcards_then_expressions() {
    let names = names(&["a.com", "*.a.com", "*.b.a.com", "mail.*", "~^x\\d+$", "~^y(?<id>.)", "", "~^Case", "~^x1"]);
    for (host, server) in [
        ("a.com", Some(0)),
        ("A.COM.", Some(0)),
        ("a.com:443", Some(0)),
        ("w.a.com", Some(1)),
        ("w.b.a.com", Some(2)),
        ("mail.de", Some(3)),
        ("x12", Some(4)),
        ("yz", Some(5)),
        ("cAsE", Some(7)),
        ("x1.", Some(4)),
        ("z", None),
        ("a..com", None),
        ("a com", None),
        ("", None),
    ] {
        assert_eq!(names.peek(host.as_bytes()), server, "{host}");
    }
    assert!(names.has_captures());
}

#[test]
fn a_name_belongs_to_who_had_it_first() {
    let (mut names, mut variables) = (ServerNames::default(), Variables::new());
    let mut add = |word: &str, server| {
        let (name, _) = Name::parse(word.as_bytes()).unwrap();
        names.add(&name, server, &mut variables).unwrap()
    };
    let taken: Vec<_> = ["*.a", ".a", "a", ".b", "b", "*.B", "", "", "~a", "~a", "c"]
        .into_iter()
        .enumerate()
        .map(|(server, word)| add(word, server))
        .collect();
    // The refused `.a` keeps `a` from everybody.
    assert_eq!(taken, [true, false, false, true, false, false, true, false, true, true, true]);
    assert_eq!(["x.a", "b", "x.b", "c", "xax"].map(|host| names.peek(host.as_bytes())), [0, 3, 3, 10, 8].map(Some));
    assert_eq!(names.peek(b"a"), Some(8));
}

#[test]
fn refusals() {
    let refused = |word: &str| Name::parse(word.as_bytes()).unwrap_err().to_string();
    for word in ["*", ".", "*a.com", "*."] {
        assert_eq!(refused(word), format!("server name \"{word}\" is invalid"));
    }
    assert_eq!(refused("~"), "empty regex in server name \"~\"");
    for (word, suspicious) in [("a/b", true), ("~a/b", true), ("a.b", false), ("~a", false)] {
        assert_eq!(Name::parse(word.as_bytes()).unwrap().1, suspicious, "{word}");
    }
    for word in ["a.*.b", "B*", "a..b", ".."] {
        let (name, _) = Name::parse(word.as_bytes()).unwrap();
        let error = ServerNames::default().add(&name, 1, &mut Variables::new()).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid server name or wildcard \"{}\"", word.to_lowercase()));
    }
    let (name, _) = Name::parse(b"~(?<pid>b)").unwrap();
    let error = ServerNames::default().add(&name, 1, &mut Variables::new()).unwrap_err();
    assert_eq!(error.to_string(), "the duplicate \"pid\" variable");
}

#[test]
fn the_first_name_as_the_variable_says_it() {
    for (word, said) in [("A.b", "a.b"), (".a.b", "a.b"), ("*.A.b", "*.a.b"), ("~^A(.)$", "~^A(.)$"), ("", "")] {
        assert_eq!(Name::parse(word.as_bytes()).unwrap().0.first(), said.as_bytes());
    }
}

#[test]
fn hosts_are_checked() {
    for (host, name) in [
        ("a.B.", "a.b"),
        ("a.b:", "a.b"),
        ("a.b.:44", "a.b"),
        (".a", ".a"),
        ("%41-_~!$&'()*+,;=", "%41-_~!$&'()*+,;="),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("[::G]:", "[::g]"),
        ("[]", "[]"),
        ("[::1.]", "[::1.]"),
        ("[v1.a!]", "[v1.a!]"),
    ] {
        assert_eq!(normalise(host.as_bytes()).as_deref(), Some(name.as_bytes()), "{host}");
    }
    for host in [
        "",
        ".",
        "..",
        "a..b",
        "a.b..",
        "a.b:x",
        "a.b:4:4",
        ":80",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[::1].",
        "a[b]",
        "a]b",
        "[a..b]",
        "[fe80::1%25eth0]",
        "[[a]]",
        "a\0b",
        "a b",
        "a/b",
        "../etc/passwd",
        "ä",
    ] {
        assert_eq!(normalise(host.as_bytes()), None, "{host}");
    }
    for byte in 0..=255_u8 {
        let fine = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
        let name = normalise(&[b'x', byte, b'y']);
        assert_eq!(name.is_some(), fine, "{byte}");
    }
}

#[test]
fn every_prefix_of_a_host_is_normal_or_refused() {
    for host in [&b"Www.example.com.:443"[..], b"[2001:db8::1]:443", b"[[x]:1"] {
        for end in 0..=host.len() {
            let once = normalise(&host[..end]);
            if let Some(name) = &once {
                assert_eq!(normalise(name), once, "what is normal stays so");
            }
        }
    }
}

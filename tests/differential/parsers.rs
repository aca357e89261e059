//! Parsers of what clients say, and tables of the configuration, on input that chance made, from a seed.

use std::fmt::Write as _;

use testkit::{Gateway, Hello};

use super::side_by_side::compare;

/// Numbers that look random, the same in each run.
struct Chance(u64);

impl Chance {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.below(256) as u8).collect()
    }

    /// Some damage: bytes that change, go or come, an end that is cut off.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at.min(60)] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => drop(bytes.splice(at..at, self.bytes(3))),
                _ => drop(bytes.drain(at..bytes.len().min(at + 3))),
            }
        }
    }
}

/// Says each of `said` in a session of its own and ends it.
fn say_all(gw: &Gateway, said: &[Vec<u8>]) -> String {
    for bytes in said {
        let mut peer = gw.connect("in");
        // What is refused early may end with a reset.
        let _ = peer.try_send(bytes);
        peer.finish_sending();
        while peer.recv_some().is_ok_and(|part| !part.is_empty()) {}
    }
    gw.access(said.len());
    String::new()
}

fn hello(chance: &mut Chance) -> Vec<u8> {
    let mut hello = Hello::new().version(3, chance.below(5) as u8);
    for _ in 0..chance.below(6) {
        hello = match chance.below(6) {
            0 => hello.name(chance.pick(&["a.test", "", "B.Test.", "with space", "q\"\\", &"x".repeat(90)])),
            1 => hello.alpn(&["h2", "http/1.1", "x"][..chance.below(4)]),
            2 => hello.tls13(),
            3 => hello.extension(chance.pick(&[&0, &16, &43]).to_owned(), chance.bytes(30)),
            _ => hello.extension(chance.below(70) as u16, chance.bytes(30)),
        };
    }
    if chance.once_in(12) {
        hello = hello.without_extensions();
    }
    if chance.once_in(3) {
        hello = hello.records_of(1 + chance.below(60));
    }
    let mut bytes = hello.bytes();
    if !chance.once_in(3) {
        chance.damage(&mut bytes);
    }
    if chance.once_in(30) {
        bytes = [&[0x80 | chance.below(128) as u8, chance.below(256) as u8, 1, 3][..], &chance.bytes(6)].concat();
    }
    bytes
}

#[test]
fn hellos() {
    let mut chance = Chance(7);
    let hellos: Vec<Vec<u8>> = (0..1500).map(|_| hello(&mut chance)).collect();
    let values = "[$ssl_preread_server_name] [$ssl_preread_protocol] [$ssl_preread_alpn_protocols]";
    let stream = format!(
        "log_format seen '{values} $server_name';\nssl_preread on; preread_buffer_size 300;\n\
         access_log %dir/access.log compared; access_log %dir/seen.log seen;\n\
         server {{ listen 127.0.0.1:%in; server_name all; return x; }}\n\
         server {{ listen 127.0.0.1:%in; server_name a.test b.test; return x; }}"
    );
    compare(&stream).also("seen.log").run(hellos.len(), |gw| say_all(gw, &hellos));
}

fn text_header(chance: &mut Chance) -> Vec<u8> {
    let address = |chance: &mut Chance| {
        let long = "a".repeat(chance.below(60));
        let all = ["1.2.3.4", "::1", "2001:DB8::a", "1.2.3", "x", "", "1.2.3.4.5", "::ffff:1.2.3.4", &long];
        all[chance.below(all.len())].to_owned()
    };
    let port = |chance: &mut Chance| chance.pick(&["1", "0", "65535", "65536", "-1", "", "01", "1a", "80", "443"]);
    let family = chance.pick(&["TCP4", "TCP6", "UNKNOWN", "TCP5", "UDP4", "TCP"]);
    let words = [family.to_owned(), address(chance), address(chance), port(chance).into(), port(chance).into()];
    let end = chance.pick(&["\r\n", "\r\n", "\r\n", "\n", " \r\n", ""]);
    format!("PROXY {}{end}", words.join(if chance.once_in(12) { "  " } else { " " })).into_bytes()
}

fn binary_header(chance: &mut Chance) -> Vec<u8> {
    let field = |chance: &mut Chance, kind: usize, data: &[u8]| {
        let length = if chance.once_in(15) { chance.below(60) } else { data.len() } as u16;
        [&[kind as u8][..], &length.to_be_bytes(), data].concat()
    };
    let printable = |chance: &mut Chance| -> Vec<u8> { chance.bytes(20).iter().map(|byte| byte % 90 + 33).collect() };
    let mut fields = Vec::new();
    for _ in 0..chance.below(6) {
        let kind = *chance.pick(&[&1, &2, &3, &5, &0x20, &0x20, &0x30, &0xe0]);
        let data = if kind == 0x20 {
            let mut data = vec![chance.below(8) as u8];
            data.extend((chance.below(3) as u32 * 20).to_be_bytes());
            for _ in 0..chance.below(5) {
                let (kind, inner) = (0x21 + chance.below(6), printable(chance));
                data.extend(field(chance, kind, &inner));
            }
            data
        } else {
            printable(chance)
        };
        fields.extend(field(chance, kind, &data));
    }
    let family = *chance.pick(&[&0x11, &0x11, &0x21, &0x12, &0x22, &0x31, &0, &0x10]);
    let size = match family >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    let mut body: Vec<u8> = (0..size).map(|_| chance.below(256) as u8).collect();
    body.extend(fields);
    let length = if chance.once_in(15) { chance.below(300) } else { body.len() } as u16;
    let command = *chance.pick(&[&0x21, &0x21, &0x21, &0x21, &0x20, &0x22, &0x31]);
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length.to_be_bytes(), &body].concat()
}

#[test]
fn proxy_protocol_headers() {
    let mut chance = Chance(11);
    let headers: Vec<Vec<u8>> = (0..1500)
        .map(|_| {
            let mut header = if chance.once_in(3) { text_header(&mut chance) } else { binary_header(&mut chance) };
            if chance.once_in(4) {
                chance.damage(&mut header);
            }
            header.extend(chance.pick(&[&b""[..], b"", b"PROXY "]));
            header
        })
        .collect();
    let fields = [
        "alpn",
        "authority",
        "unique_id",
        "ssl",
        "netns",
        "0x03",
        "0xE0",
        "ssl_version",
        "ssl_cn",
        "ssl_cipher",
        "ssl_sig_alg",
        "ssl_key_alg",
        "ssl_verify",
        "ssl_0x26",
    ];
    let fields = fields.map(|field| format!("{field}=[$proxy_protocol_tlv_{field}]")).join(" ");
    let stream = format!(
        "log_format seen '$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr \
         $proxy_protocol_server_port $realip_remote_addr {fields}';\n\
         access_log %dir/access.log compared; access_log %dir/seen.log seen;\n\
         server {{ listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; return x; }}"
    );
    // Lines of the error log show what came, its control characters escaped here.
    compare(&stream).also("seen.log").level("crit").run(headers.len(), |gw| say_all(gw, &headers));
}

/// A session whose PROXY header names `key`, in a field and, if it is one, as the client's address.
fn ask_about(gw: &Gateway, key: &str) -> String {
    let mut peer = gw.connect("in");
    let address: Vec<u8> = match key.parse() {
        Ok(std::net::Ipv4Addr::BROADCAST) | Err(_) => vec![192, 0, 2, 9],
        Ok(address) => address.octets().to_vec(),
    };
    let field = [&[2, 0, key.len() as u8], key.as_bytes()].concat();
    let body = [&address[..], &[0; 8], &field].concat();
    peer.send([b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", &[body.len() as u8][..], &body].concat());
    format!("{key}: {}\n", peer.recv_all())
}

/// Servers whose answers are the values of the variables `$v0` to `$vCOUNT` that `blocks` define.
fn tables(blocks: &str, count: usize, keys: &[String]) {
    let values: String = (0..count).fold(String::new(), |mut all, number| {
        let _ = write!(all, "$v{number}|");
        all
    });
    let stream = format!(
        "{blocks}\nserver {{ listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; return '{values}'; }}"
    );
    compare(&stream).run(keys.len(), |gw| keys.iter().map(|key| ask_about(gw, key)).collect());
}

#[test]
fn maps() {
    let mut chance = Chance(13);
    let words = ["a", "b.c", "x.y", "foo", "foo.bar", "bar.foo.com", "10", "www.example.com", "example.org"];
    let patterns = ["^a", "o+", "(.)b", "\\\\.com$", "^(.*)\\\\.(.*)$", "[0-9]+", "^$", "E"];
    for _ in 0..8 {
        let mut blocks = String::new();
        for number in 0..20 {
            let hostnames = chance.once_in(2);
            let mut used: Vec<&str> = Vec::new();
            let mut entries = String::new();
            for place in 0..chance.below(9) {
                let word = chance.pick(&words);
                if used.iter().any(|used| used.contains(word) || word.contains(used)) {
                    continue;
                }
                used.push(word);
                let _ = match chance.below(5) {
                    0 if hostnames => write!(entries, "*.{word} v{place}; "),
                    1 if hostnames => write!(entries, ".{word} v{place}; "),
                    2 if hostnames => write!(entries, "{word}.* v{place}; "),
                    3 => {
                        write!(entries, "\"~{}{}\" 'v{place}-$1-$2'; ", chance.pick(&["", "*"]), chance.pick(&patterns))
                    }
                    _ => write!(
                        entries,
                        "{} v{place}; ",
                        if chance.once_in(2) { word.to_uppercase() } else { word.into() }
                    ),
                };
            }
            let hostnames = if hostnames { "hostnames; " } else { "" };
            let default = if chance.once_in(2) { "default d; " } else { "" };
            let _ = writeln!(blocks, "map $proxy_protocol_tlv_authority $v{number} {{ {hostnames}{entries}{default}}}");
        }
        let keys = [
            "",
            "A",
            "a.B",
            "X.y",
            "foo.BAR",
            "www.bar.foo.com",
            "foo.x",
            "z.example.org",
            "example.org.",
            "10",
            "aob",
        ];
        tables(&blocks, 20, &keys.map(str::to_owned));
    }
}

fn ip(chance: &mut Chance) -> String {
    let mut part = || *chance.pick(&[&0, &1, &10, &127, &128, &192, &254, &255_u8]);
    let ip = [part(), part(), part(), part()].map(|part| part.to_string()).join(".");
    if ip == "255.255.255.255" { "255.255.255.254".to_owned() } else { ip }
}

#[test]
fn networks() {
    let mut chance = Chance(17);
    for _ in 0..6 {
        let mut blocks = String::new();
        for number in 0..16 {
            let mut entries = String::new();
            for place in 0..chance.below(10) {
                let _ = if chance.once_in(8) {
                    write!(entries, "{}/{} w{place}; ", chance.pick(&["2001:db8::", "fe80::"]), 16 + chance.below(100))
                } else {
                    write!(entries, "{}/{} v{place}; ", ip(&mut chance), chance.below(33))
                };
            }
            let default = if chance.once_in(2) { "default d; " } else { "" };
            let source = if chance.once_in(2) { "$proxy_protocol_tlv_authority " } else { "" };
            let _ = writeln!(blocks, "geo {source}$v{number} {{ {entries}{default}}}");
        }
        let mut keys: Vec<String> = (0..25).map(|_| ip(&mut chance)).collect();
        keys.extend(["2001:db8::1", "fe80::1", "::ffff:10.1.2.3", "x", ""].map(str::to_owned));
        tables(&blocks, 16, &keys);
    }
}

#[test]
fn shares() {
    let mut chance = Chance(19);
    let mut blocks = String::new();
    for number in 0..30 {
        let mut left = 10_000;
        let mut entries = String::new();
        for place in 0..=chance.below(5) {
            let part = 1 + chance.below(left / 2);
            left -= part;
            let _ = write!(entries, "{}.{:02}% s{place}; ", part / 100, part % 100);
        }
        let rest = if chance.once_in(2) { "* rest; " } else { "" };
        let _ =
            writeln!(blocks, "split_clients \"$proxy_protocol_tlv_authority{number}\" $v{number} {{ {entries}{rest}}}");
    }
    let keys: Vec<String> = (0..60).map(|_| "k".repeat(chance.below(40)) + &chance.below(1000).to_string()).collect();
    tables(&blocks, 30, &keys);
}

#[test]
fn rules() {
    let mut chance = Chance(23);
    for _ in 0..8 {
        let mut rules = String::new();
        for _ in 0..=chance.below(6) {
            let _ = write!(rules, "{} {}/{}; ", chance.pick(&["allow", "deny"]), ip(&mut chance), chance.below(17));
        }
        let last = chance.pick(&["", "deny all;", "allow ::/1; deny all;"]);
        let stream = format!(
            "server {{ listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; {rules}{last} return ok; }}"
        );
        let keys: Vec<String> = (0..25).map(|_| ip(&mut chance)).collect();
        compare(&stream).run(keys.len(), |gw| keys.iter().map(|key| ask_about(gw, key)).collect());
    }
}

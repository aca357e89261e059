//! The PROXY protocol: read on `listen`, believed by `set_real_ip_from`, sent by `proxy_protocol`.

use std::time::Duration;

use testkit::{Gateway, Peer, TcpBackend, UdpBackend, UdpPeer};

use crate::{gateway, is_nginx};

const VARS: &str = "$proxy_protocol_addr|$proxy_protocol_port|$proxy_protocol_server_addr|$proxy_protocol_server_port";

/// A server that wants the header and answers what was in it.
fn reading(more: &str) -> Gateway {
    gateway(&format!(
        "log_format f '$status {VARS}'; access_log %dir/access.log f;\n\
         server {{ listen 127.0.0.1:%in proxy_protocol; {more} return '{VARS}|$remote_addr|$bytes_received'; }}"
    ))
    .start()
}

/// A version 2 header: command byte, family byte, addresses and TLVs as they are.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut out = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    out.extend([command, family]);
    out.extend((rest.len() as u16).to_be_bytes());
    out.extend(rest);
    out
}

const V4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0x01, 0xbb];

#[test]
fn version_1() {
    let gw = reading("");
    assert_eq!(
        gw.ask("in", "PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\n"),
        "192.0.2.1|12345|192.0.2.2|443|127.0.0.1|0"
    );
    assert_eq!(gw.ask("in", "PROXY TCP6 2001:DB8::1 ::2 1 2\r\n"), "2001:DB8::1|1|::2|2|127.0.0.1|0");
}

#[test]
fn version_1_unknown() {
    let gw = reading("");
    assert_eq!(gw.ask("in", "PROXY UNKNOWN whatever there is\r\n"), "||||127.0.0.1|0");
    assert_eq!(gw.access(1), ["200 -|-|-|-"]);
}

#[test]
fn version_2() {
    let gw = reading("");
    assert_eq!(gw.ask("in", v2(0x21, 0x11, V4)), "192.0.2.1|12345|192.0.2.2|443|127.0.0.1|0");
    let mut v6 = [0; 36];
    (v6[0], v6[1], v6[15], v6[31], v6[33], v6[35]) = (0x20, 0x01, 1, 2, 80, 81);
    assert_eq!(gw.ask("in", v2(0x21, 0x21, &v6)), "2001::1|80|::2|81|127.0.0.1|0");
}

#[test]
fn version_2_without_addresses() {
    let gw = reading("");
    for header in [v2(0x20, 0x00, b""), v2(0x20, 0x11, V4), v2(0x21, 0x31, &[0; 216]), v2(0x21, 0x12, V4)] {
        assert_eq!(gw.ask("in", header), "||||127.0.0.1|0");
    }
}

#[test]
fn values_of_version_2() {
    let tlvs = [
        &[0x02, 0, 6][..],
        b"a.test",
        &[0x01, 0, 2],
        b"h2",
        &[0xEA, 0, 1],
        b"x",
        &[0x20, 0, 22, 1, 0, 0, 0, 7, 0x21, 0, 7],
        b"TLSv1.3",
        &[0x22, 0, 4],
        b"name",
    ]
    .concat();
    let rest = [V4, &tlvs].concat();
    let conf = "server { listen 127.0.0.1:%in proxy_protocol; return '$proxy_protocol_tlv_authority|$proxy_protocol_tlv_alpn|$proxy_protocol_tlv_0xea|\
                $proxy_protocol_tlv_ssl_version|$proxy_protocol_tlv_ssl_cn|$proxy_protocol_tlv_ssl_verify|$proxy_protocol_tlv_unique_id|'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", v2(0x21, 0x11, &rest)), "a.test|h2|x|TLSv1.3|name|7||");
}

#[test]
fn what_follows_the_header_reaches_the_upstream() {
    let up = TcpBackend::line();
    let gw = gateway("server { listen 127.0.0.1:%in proxy_protocol; proxy_pass %up; }").with("up", up.addr()).start();
    assert_eq!(gw.ask("in", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello\n"), "got:hello\n");
    let mut header = v2(0x21, 0x11, V4);
    header.extend(b"again\n");
    assert_eq!(gw.ask("in", header), "got:again\n");
}

#[test]
fn broken_headers() {
    let gw = reading("");
    let cases: [&[u8]; 6] = [
        b"GET / HTTP/1.0\r\n\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 70000\r\n",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 host 5.6.7.8 1 2\r\n",
        b"PROXY",
    ];
    for header in cases {
        assert_eq!(gw.ask("in", header), "", "{}", String::from_utf8_lossy(header));
    }
    let lines = gw.wait_errors("broken header", cases.len());
    let expected = format!(
        "broken header: \"GET / HTTP/1.0\" while reading PROXY protocol, client: 127.0.0.1, server: {}",
        gw.addr("in")
    );
    assert_eq!((lines[0].level.as_str(), lines[0].text.as_str()), ("error", expected.as_str()));
    for line in gw.access(cases.len()) {
        assert_eq!(line, "400 -|-|-|-");
    }
}

#[test]
fn broken_headers_of_version_2() {
    let gw = reading("");
    assert_eq!(gw.ask("in", v2(0x31, 0x11, V4)), "");
    gw.wait_error("unknown PROXY protocol version: 3 while reading PROXY protocol, client: ");
    let mut long = v2(0x21, 0x11, V4);
    long[15] = 200;
    assert_eq!(gw.ask("in", long), "");
    gw.wait_error("header is too large while reading PROXY protocol, client: ");
    assert_eq!(gw.ask("in", v2(0x21, 0x11, &V4[..8])), "");
    assert_eq!(gw.access(3), ["400 -|-|-|-"; 3]);
}

#[test]
fn the_end_before_any_byte() {
    let gw = reading("");
    drop(gw.connect("in"));
    gw.wait_error("broken header: \"\" while reading PROXY protocol, client: ");
    assert_eq!(gw.access(1), ["400 -|-|-|-"]);
}

#[test]
fn waiting_for_the_header_has_an_end() {
    let gw = reading("proxy_protocol_timeout 300ms;");
    gw.connect("in").wait_for_end();
    let line = gw.wait_error("client timed out");
    assert_eq!(line.level, "info");
    let expected = format!(
        "client timed out (110: Connection timed out) while reading PROXY protocol, client: 127.0.0.1, server: {}",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    assert_eq!(gw.access(1), ["200 -|-|-|-"]);
}

#[test]
fn before_tls() {
    let conf = "server { listen 127.0.0.1:%in proxy_protocol ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; return '$proxy_protocol_addr'; }\n\
                server { listen 127.0.0.1:%out; proxy_protocol on; proxy_ssl on; proxy_pass 127.0.0.1:%in; }";
    let gw = gateway(conf).start();
    assert_eq!(Peer::connect_from("127.0.0.5", &gw.addr("out")).recv_all(), "127.0.0.5");
}

#[test]
fn real_addresses_from_those_who_are_trusted() {
    let show = "'$remote_addr|$remote_port|$realip_remote_addr|$realip_remote_port|$proxy_protocol_addr'";
    let conf = format!(
        "log_format f '$remote_addr'; access_log %dir/access.log f;\n\
         server {{ listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; return {show}; }}\n\
         server {{ listen 127.0.0.1:%other proxy_protocol; set_real_ip_from 10.0.0.0/8; return {show}; }}"
    );
    let gw = gateway(&conf).start();
    for (name, expected) in
        [("in", "192.0.2.1|12345|127.0.0.1|PORT|192.0.2.1"), ("other", "127.0.0.1|PORT|127.0.0.1|PORT|192.0.2.1")]
    {
        let mut client = gw.connect(name);
        let port = client.local_port().to_string();
        client.send("PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\n");
        assert_eq!(client.recv_all(), expected.replace("PORT", &port));
    }
    assert_eq!(gw.access(2), ["192.0.2.1", "127.0.0.1"]);
}

#[test]
fn real_addresses_rule_access_and_the_log() {
    let conf =
        "server { listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.0/8; deny 192.0.2.1; return in; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", "PROXY TCP4 192.0.2.1 1.1.1.1 1 2\r\n"), "");
    gw.wait_error("access forbidden by rule while initializing session, client: 192.0.2.1, server: ");
    assert_eq!(gw.ask("in", "PROXY TCP4 192.0.2.9 1.1.1.1 1 2\r\n"), "in");
}

#[test]
fn text_that_is_no_address_is_not_taken() {
    let conf = "server { listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; return '$remote_addr $proxy_protocol_addr'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", "PROXY TCP4 1.2.3 1.1.1.1 1 2\r\n"), "127.0.0.1 1.2.3");
}

#[test]
fn sends_version_1() {
    let up = TcpBackend::collect();
    let gw =
        gateway("server { listen 127.0.0.1:%in; proxy_protocol on; proxy_pass %up; }").with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("data");
    client.finish_sending();
    client.recv_all();
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\ndata", client.local_port(), gw.port("in"));
    assert_eq!(String::from_utf8(up.received(0)).unwrap(), expected);
}

#[test]
fn sends_unknown_for_unix_clients() {
    let up = TcpBackend::collect();
    let gw = gateway("server { listen unix:%dir/s; proxy_protocol on; proxy_pass %up; }").with("up", up.addr()).start();
    let mut client = Peer::connect(&format!("unix:{}", gw.path("s").display()));
    client.send("x");
    client.finish_sending();
    assert_eq!(up.received(0), b"PROXY UNKNOWN\r\nx");
}

#[test]
fn sends_the_real_address() {
    let up = TcpBackend::collect();
    let conf = "server { listen 127.0.0.1:%in proxy_protocol; set_real_ip_from 127.0.0.1; proxy_protocol on; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\nx");
    client.finish_sending();
    let expected = format!("PROXY TCP4 192.0.2.1 127.0.0.1 12345 {}\r\nx", gw.port("in"));
    assert_eq!(String::from_utf8(up.received(0)).unwrap(), expected);
}

#[test]
fn the_header_counts_as_sent_upstream_only() {
    let up = TcpBackend::collect();
    let conf = "log_format f '$bytes_received $upstream_bytes_sent'; access_log %dir/access.log f;\n\
                server { listen 127.0.0.1:%in; proxy_protocol on; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    let client = gw.connect("in");
    client.finish_sending();
    let header = up.received(0).len();
    assert_eq!(gw.access(1), [format!("0 {header}")]);
}

#[test]
fn to_a_tls_upstream_the_header_goes_in_front() {
    let up = TcpBackend::start(|peer| {
        let line = peer.recv_line().into_bytes();
        let first = peer.recv(1);
        [line, first].concat()
    });
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_protocol on; proxy_ssl on; proxy_pass %up; }")
        .with("up", up.addr())
        .start();
    gw.ask("in", "");
    let got = up.received(0);
    assert!(got.starts_with(b"PROXY TCP4 127.0.0.1 127.0.0.1 ") && got.ends_with(b"\r\n\x16"), "{got:?}");
}

#[test]
fn every_attempt_gets_the_header() {
    let up = TcpBackend::collect();
    let conf = "upstream u { server 127.0.0.1:%dead; server %up; }\nserver { listen 127.0.0.1:%in; proxy_protocol on; proxy_pass u; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    gw.connect("in").finish_sending();
    let got = String::from_utf8(up.received(0)).unwrap();
    assert!(got.starts_with("PROXY TCP4 ") && got.matches("PROXY").count() == 1, "{got}");
}

#[test]
fn udp_gets_it_before_the_first_datagram() {
    let up = UdpBackend::echo();
    let gw = gateway("server { listen 127.0.0.1:%in udp; proxy_protocol on; proxy_pass %up; }")
        .with("up", up.addr())
        .start();
    let client = UdpPeer::connect(&gw.addr("in"));
    client.send("one");
    client.recv();
    client.send("two");
    let seen = up.wait_for(2);
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\none", client.local_port(), gw.port("in"));
    assert_eq!(String::from_utf8_lossy(&seen[0].0), expected);
    assert_eq!(seen[1].0, b"two");
}

#[test]
fn from_one_gateway_to_the_next() {
    let conf = format!(
        "server {{ listen 127.0.0.1:%in; proxy_protocol on; proxy_pass 127.0.0.1:%next; }}\n\
         server {{ listen 127.0.0.1:%next proxy_protocol; return '{VARS}'; }}"
    );
    let gw = gateway(&conf).start();
    let mut client = gw.connect("in");
    let port = client.local_port();
    assert_eq!(client.recv_all(), format!("127.0.0.1|{port}|127.0.0.1|{}", gw.port("in")));
}

#[test]
fn sends_version_2_with_a_checksum() {
    if is_nginx() {
        // It came with 1.31.4.
        return;
    }
    let up = TcpBackend::collect();
    let gw =
        gateway("server { listen 127.0.0.1:%in; proxy_protocol v2; proxy_pass %up; }").with("up", up.addr()).start();
    let client = gw.connect("in");
    client.finish_sending();
    let got = up.received(0);
    let (head, crc) = got.split_at(got.len() - 4);
    let mut addresses = vec![127, 0, 0, 1, 127, 0, 0, 1];
    addresses.extend(client.local_port().to_be_bytes());
    addresses.extend(gw.port("in").to_be_bytes());
    addresses.extend([3, 0, 4]);
    let mut expected = v2(0x21, 0x11, &[&addresses[..], &[0; 4]].concat());
    expected.truncate(expected.len() - 4);
    assert_eq!(head, expected);
    assert_eq!(crc, crc32c(&[head, &[0; 4]].concat()).to_be_bytes());
}

#[test]
fn version_2_tells_of_the_clients_tls() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key; ssl_alpn h2; proxy_protocol v2; proxy_pass 127.0.0.1:%next; }\n\
                server { listen 127.0.0.1:%next proxy_protocol; return '<<<$proxy_protocol_tlv_authority|$proxy_protocol_tlv_alpn|$proxy_protocol_tlv_ssl_version|$proxy_protocol_tlv_ssl_verify|$proxy_protocol_tlv_ssl_key_alg>>>'; }";
    let gw = gateway(conf).start();
    let done = gw.tls("in").args("-servername a.test -alpn h2 -tls1_3").run();
    assert!(done.stdout.contains("<<<a.test|h2|TLSv1.3|1|EC256>>>"), "{}", done.stdout);
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn a_header_in_pieces_is_refused() {
    let gw = reading("");
    let mut client = gw.connect("in");
    client.send("PROXY TCP4 192.0.2.1 ");
    client.wait_for_end();
    gw.wait_error("broken header: \"PROXY TCP4 192.0.2.1 \" while reading PROXY protocol");
    assert!(!client.is_quiet_for(Duration::from_millis(1)));
}

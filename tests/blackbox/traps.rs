//! Traps that gateways have fallen into, each by its name: hellos that hide their name, names that are more than
//! names, sessions and headers used where they do not belong.

use std::io::{Read, Write};
use std::net::TcpStream;

use testkit::{Gateway, Hello, Peer, Scratch, TcpBackend, TlsServer};

use super::ssl::{CERT, answer};
use crate::{gateway, is_nginx};

/// Says which server a hello leads to, without (`%in`) and with (`%tls`) its TLS being ended.
fn by_name(more: &str) -> Gateway {
    let conf = format!(
        "{CERT}\n{more}\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; return '<<<default>>>'; }}\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; server_name a.example.com; return '<<<named>>>'; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; return '<<<default>>>'; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; server_name a.example.com; return '<<<named>>>'; }}"
    );
    gateway(&conf).start()
}

/// Which server the bytes of a hello lead to.
fn preread(gw: &Gateway, bytes: &[u8]) -> String {
    gw.ask("in", bytes).replace("<<<", "").replace(">>>", "")
}

/// A relay to the gateway that hands on the client's first record as `change` makes it.
fn rewriting(to: String, change: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> TcpBackend {
    TcpBackend::start(move |peer| {
        let header = peer.recv(5);
        let body = peer.recv(usize::from(u16::from_be_bytes([header[3], header[4]])));
        let mut out = TcpStream::connect(&to).unwrap();
        out.set_nodelay(true).unwrap();
        for piece in change(&body) {
            if out.write_all(&piece).is_err() {
                break;
            }
        }
        let (mut from, mut back) = (out.try_clone().unwrap(), peer.socket().try_clone().unwrap());
        let returning = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(std::net::Shutdown::Both);
        });
        let mut rest = [0; 4096];
        while let Ok(count) = peer.socket().read(&mut rest) {
            if count == 0 || out.write_all(&rest[..count]).is_err() {
                break;
            }
        }
        let _ = out.shutdown(std::net::Shutdown::Both);
        let _ = returning.join();
        Vec::new()
    })
}

fn record(part: &[u8]) -> Vec<u8> {
    let mut out = vec![22, 3, 1];
    out.extend((part.len() as u16).to_be_bytes());
    out.extend(part);
    out
}

fn client(addr: &str, args: &str) -> Option<String> {
    answer(&testkit::TlsClient::new(addr).args(args).run()).map(str::to_owned)
}

const NAMED: &str = "-servername a.example.com";

/// CVE-2026-32305: the fall to a weaker default was a way around client certificates.
#[test]
fn an_incomplete_hello_is_never_one_without_a_name() {
    let gw = by_name("");
    let hello = Hello::named("a.example.com");
    let mut bytewise = gw.connect("in");
    bytewise.send_bytewise(&hello.bytes());
    assert_eq!(bytewise.recv_all(), "<<<named>>>");
    for size in [1, 3, 50] {
        assert_eq!(preread(&gw, &hello.clone().records_of(size).bytes()), "named", "{size}");
    }
    let empty_first = [record(&[]), hello.bytes()].concat();
    assert_eq!(preread(&gw, &empty_first), "named");
}

#[test]
fn a_hello_in_pieces_leads_a_handshake_to_its_name() {
    let gw = by_name("");
    let single_bytes = rewriting(gw.addr("tls"), |body| record(body).chunks(1).map(<[u8]>::to_vec).collect());
    assert_eq!(client(single_bytes.addr(), NAMED).as_deref(), Some("named"));
    for size in [7, 100] {
        let records = rewriting(gw.addr("tls"), move |body| body.chunks(size).map(record).collect());
        let led = client(records.addr(), NAMED);
        assert_eq!(led.as_deref(), Some("named"), "records of {size} bytes");
    }
    // Of 2, 15 and 61 KB.
    for protocols in [8, 60, 250] {
        let alpn: Vec<String> = (0..protocols).map(|n| format!("p{n:0240}")).collect();
        let led = client(&gw.addr("tls"), &format!("{NAMED} -alpn {}", alpn.join(",")));
        assert_eq!(led.as_deref(), Some("named"), "{protocols} protocols");
    }
    let empty_first = rewriting(gw.addr("tls"), |body| vec![record(&[]), record(body)]);
    assert_ne!(client(empty_first.addr(), NAMED).as_deref(), Some("default"));
}

/// The client offers no key share that will do, and is asked for another hello, which is as long as the first.
#[test]
fn the_second_of_two_hellos_may_be_long_too() {
    for certificates in ["off", "optional_no_ca"] {
        let conf = format!(
            "{CERT}ssl_ecdh_curve secp384r1; ssl_verify_client {certificates};\n\
             server {{ listen 127.0.0.1:%tls ssl; return '<<<default>>>'; }}\n\
             server {{ listen 127.0.0.1:%tls ssl; server_name a.example.com; return '<<<$ssl_curve>>>'; }}"
        );
        let gw = gateway(&conf).start();
        // Of 2, 24 and 61 KB.
        for protocols in [8, 100, 250] {
            let alpn: Vec<String> = (0..protocols).map(|n| format!("p{n:0240}")).collect();
            let args = format!("{NAMED} -groups X25519:P-384 -alpn {}", alpn.join(","));
            let done = gw.tls("tls").args(&args).run();
            assert_eq!(answer(&done), Some("secp384r1"), "{protocols} protocols: {}", done.stdout);
            let asked = done.stdout.contains("Requested Signature Algorithms");
            assert_eq!(asked, certificates != "off", "{}", done.stdout);
        }
    }
}

#[test]
fn a_large_hello_with_its_name_last_is_read_to_its_end() {
    let gw = by_name("preread_buffer_size 80k;");
    for kilobytes in [2, 4, 8, 15, 17, 33, 62] {
        let bytes = padded(kilobytes);
        assert_eq!(preread(&gw, &bytes), "named", "{} bytes", bytes.len());
    }
    // The key share of X25519MLKEM768 (1216 bytes) comes before the name.
    let share = [&[0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0][..], &[7; 1216]].concat();
    assert_eq!(preread(&gw, &Hello::new().tls13().extension(51, share).name("a.example.com").bytes()), "named");
}

#[test]
fn key_shares_of_ml_kem_go_through_preread_and_handshake() {
    if !crate::binary().run(["-V"]).stderr.contains("AWS-LC") {
        return;
    }
    let conf = format!(
        "{CERT}map $ssl_preread_server_name $to {{ a.example.com 127.0.0.1:%tls; default 127.0.0.1:%dead; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%pre; proxy_ssl on; proxy_ssl_server_name on;\
           proxy_ssl_name a.example.com; proxy_ssl_conf_command Groups X25519MLKEM768; }}\n\
         server {{ listen 127.0.0.1:%pre; ssl_preread on; proxy_pass $to; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; ssl_ecdh_curve X25519MLKEM768; return '$ssl_curve $ssl_server_name'; }}"
    );
    let gw = gateway(&conf).start();
    assert_eq!(gw.ask("in", ""), "X25519MLKEM768 a.example.com");
}

/// A hello with its name behind so many KB of other extensions.
fn padded(kilobytes: u16) -> Vec<u8> {
    let mut hello = Hello::new();
    for part in 0..kilobytes {
        hello = hello.extension(0x5a5a + part, vec![0; 1020]);
    }
    hello.name("a.example.com").bytes()
}

#[test]
fn above_ssl_hello_limit_a_hello_ends_with_a_line_and_leads_nowhere() {
    if is_nginx() {
        return;
    }
    for (kilobytes, limit) in [(4, 4096), (21, 20480)] {
        let gw = by_name(&format!("ssl_hello_limit {limit};"));
        let mut peer = gw.connect("tls");
        let _ = peer.try_send(padded(kilobytes));
        assert_eq!(peer.recv_end().0, b"");
        let line = gw.wait_error("ClientHello of more than ");
        let expected = format!(
            "ClientHello of more than {limit} bytes, see \"ssl_hello_limit\" while SSL handshaking, \
             client: 127.0.0.1, server: {}",
            gw.addr("tls")
        );
        assert_eq!((line.level.as_str(), line.text), ("error", expected));
        assert_eq!(client(&gw.addr("tls"), NAMED).as_deref(), Some("named"), "others are served");
    }
}

#[test]
fn above_the_limit_a_hello_ends_with_a_line_and_leads_nowhere() {
    let gw = by_name("preread_buffer_size 4k;");
    let large = Hello::new().extension(0x5a5a, vec![0; 8000]).name("a.example.com").bytes();
    assert_eq!(preread(&gw, &large), "");
    let line = gw.wait_error("preread buffer full while prereading client data, client: 127.0.0.1");
    assert_eq!(line.level, "error");
    let mut huge = Hello::named("a.example.com");
    for kind in 0..9 {
        huge = huge.extension(0x5a5a + kind, vec![0; 7000]);
    }
    let mut client = gw.connect("tls");
    let _ = client.try_send(huge.bytes());
    let (said, _) = client.recv_end();
    assert!(!said.windows(3).any(|part| part == b"<<<") && said.first() != Some(&22), "{said:?}");
    gw.wait_error("SSL_do_handshake() failed (SSL:");
}

/// A hello with this `server_name` extension.
fn raw_names(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, name) in entries {
        list.push(*kind);
        list.extend((name.len() as u16).to_be_bytes());
        list.extend(*name);
    }
    Hello::new().extension(0, [&(list.len() as u16).to_be_bytes()[..], &list].concat()).bytes()
}

/// CVE-2026-53622: one look-up knew a name in capitals, or with a dot behind it, and the other did not.
#[test]
fn one_normaliser_for_names_of_every_look_up() {
    let gw = by_name("");
    let long = format!("{}.example.com", "a".repeat(243));
    for (name, led) in [
        ("a.example.com", "named"),
        ("A.EXAMPLE.com", "named"),
        ("a.example.com.", "named"),
        ("a.example.com..", "default"),
        ("a.example.com/", "default"),
        ("../a.example.com", "default"),
        ("127.0.0.1", "default"),
        ("[::1]", "default"),
        ("ä.example.com", "default"),
        ("*.example.com", "default"),
        (".example.com", "default"),
        (&long, "default"),
    ] {
        assert_eq!(preread(&gw, &Hello::named(name).bytes()), led, "{name}");
        // The library may refuse what is no name; it never leads elsewhere.
        let ended = client(&gw.addr("tls"), &format!("-servername {name}"));
        assert!(ended.as_deref().is_none_or(|ended| ended == led), "{name}: {ended:?}");
    }
    for (entries, led) in [
        (&[(0, &b"a.example.com\0.test"[..])][..], "default"),
        (&[(0, b"a.example.com"), (0, b"b.test")], "named"),
        (&[(0, b"b.test"), (0, b"a.example.com")], "default"),
        (&[(1, b"b.test"), (0, b"a.example.com")], "default"),
        (&[(0, b"")], "default"),
        (&[(0, b"\xff\xfe")], "default"),
    ] {
        assert_eq!(preread(&gw, &raw_names(entries)), led, "{entries:?}");
    }
}

#[test]
fn a_name_that_is_a_path_loads_no_certificate() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/$ssl_server_name.crt;\
                ssl_certificate_key %dir/$ssl_server_name.key; return '<<<x>>>'; }";
    let pki = testkit::pki();
    let gw = gateway(conf).file("known.crt", pki.text("other.crt")).file("known.key", pki.text("other.key")).start();
    let ask = |name: &str| client(&gw.addr("in"), &format!("-servername {name}"));
    assert_eq!(ask("known").as_deref(), Some("x"));
    let dir = gw.path("").display().to_string();
    let above = format!("../{}/known", gw.path("").file_name().unwrap().to_string_lossy());
    for name in ["./known", ".//known", &above, &format!("{dir}known")] {
        assert_eq!(ask(name), None, "{name}");
    }
    assert!(gw.wait_errors("cannot load certificate ", 4).iter().all(|line| line.text.contains(": unsafe path ")));
    // Nor does one that names another kind of place.
    let conf = conf.replace("%dir/", "").replace(".crt", "").replace(".key", "");
    let gw = gateway(&conf).start();
    for (n, name) in ["data:none", "store:file:known.crt", "engine:e:known"].into_iter().enumerate() {
        assert_eq!(client(&gw.addr("in"), &format!("-servername {name}")), None, "{name}");
        let lines = gw.wait_errors("cannot load certificate ", n + 1);
        assert!(lines[n].text.contains(&format!("\"{name}\": unsafe path ")), "{}", lines[n].text);
    }
}

#[test]
fn a_name_that_is_a_path_leads_a_log_nowhere_else() {
    if is_nginx() {
        return;
    }
    let conf = "log_format f x; access_log %dir/log-$ssl_preread_server_name f;\n\
                server { listen 127.0.0.1:%in; ssl_preread on; return x; }";
    let gw = gateway(conf).start();
    std::fs::create_dir(gw.path("log-")).unwrap();
    std::fs::create_dir(gw.path("sub")).unwrap();
    let above = format!("/../../{}/escaped", gw.path("").file_name().unwrap().to_string_lossy());
    gw.ask("in", Hello::named(&above).bytes());
    assert_eq!(gw.wait_error(" is outside of its directory").level, "error");
    gw.ask("in", Hello::named("a.test").bytes());
    assert_eq!(gw.access_in("log-a.test", 1), ["x"]);
    assert!(!gw.path("escaped").exists());
}

/// CVE-2025-23419.
#[test]
fn a_session_is_not_resumed_where_another_rule_for_client_certificates_holds() {
    if is_nginx() {
        // A handshake that is over in one step, as happens on a busy machine, it judges by the default server's rules.
        return;
    }
    let server = |name: &str, verify: &str| {
        format!(
            "server {{ listen 127.0.0.1:%in ssl; server_name {name}.example.com; {verify} \
             return '<<<{name} $ssl_session_reused $ssl_client_verify>>>'; }}\n"
        )
    };
    for keeping in ["ssl_session_cache shared:S:1m; ssl_session_tickets off;", "ssl_session_cache shared:S:1m;", ""] {
        let conf = format!(
            "{CERT}{keeping}\n{}{}{}",
            server("open", ""),
            server("one", "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;"),
            server("two", "ssl_verify_client on; ssl_client_certificate %pki/ca2.crt;"),
        );
        let gw = gateway(&conf).start();
        let dir = Scratch::new();
        for version in ["-tls1_2", "-tls1_3"] {
            let session = dir.path().join(version).display().to_string();
            // Without tickets TLS 1.3 gives none.
            let offering =
                || if std::fs::exists(&session).unwrap() { format!("-sess_in {session}") } else { String::new() };
            let certified = "-cert %pki/client.crt -key %pki/client.key";
            let ask = |name: &str, more: &str| {
                client(&gw.addr("in"), &format!("{version} -servername {name}.example.com {more}"))
            };
            assert_eq!(ask("open", &format!("-sess_out {session}")).as_deref(), Some("open . NONE"));
            assert_eq!(ask("one", &offering()), None, "{keeping} {version}");
            let given = ask("one", &format!("{certified} -sess_out {session}"));
            assert_eq!(given.as_deref(), Some("one . SUCCESS"));
            assert_eq!(ask("two", &offering()), None, "{keeping} {version}");
            // The handshake is done in full, with the certificate that is asked for there.
            let other = "-cert %pki/client2.crt -key %pki/client2.key";
            let in_full = ask("two", &format!("{other} {}", offering()));
            assert_eq!(in_full.as_deref(), Some("two . SUCCESS"), "{keeping} {version}");
            assert_eq!(ask("open", &offering()).as_deref(), Some("open . NONE"), "{keeping} {version}");
        }
    }
}

/// `HAProxy`'s issue 3195: a session was kept by the name of the server, whatever name was verified.
#[test]
fn a_session_with_an_upstream_is_not_resumed_by_servers_that_trust_others() {
    if is_nginx() {
        return;
    }
    for version in ["TLSv1.2", "TLSv1.3"] {
        let conf = format!(
            "{CERT}upstream u {{ server 127.0.0.1:%tls; }}\n\
             proxy_ssl on; proxy_ssl_verify on; proxy_ssl_protocols {version};\n\
             proxy_ssl_trusted_certificate %pki/ca1.crt;\n\
             server {{ listen 127.0.0.1:%tls ssl; return '$ssl_session_reused'; }}\n\
             server {{ listen 127.0.0.1:%good; proxy_pass u; proxy_ssl_name a.example.com;\
               proxy_ssl_trusted_certificate %pki/ca1.crt; }}\n\
             server {{ listen 127.0.0.1:%otherca; proxy_pass u; proxy_ssl_name a.example.com;\
               proxy_ssl_trusted_certificate %pki/ca2.crt; }}\n\
             server {{ listen 127.0.0.1:%othername; proxy_pass u; proxy_ssl_name other.test;\
               proxy_ssl_trusted_certificate %pki/ca1.crt; }}"
        );
        let gw = gateway(&conf).start();
        assert_eq!([gw.ask("good", ""), gw.ask("good", "")], [".", "r"]);
        assert_eq!([gw.ask("otherca", ""), gw.ask("othername", "")], ["", ""]);
        gw.wait_error("upstream SSL certificate verify error: (");
        gw.wait_error("upstream SSL certificate does not match \"other.test\"");
        assert_eq!(gw.ask("good", ""), "r");
    }
}

#[test]
fn a_session_with_an_upstream_is_not_resumed_under_another_certificate() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "{CERT}map $remote_addr $who {{ 127.0.0.1 client; default client2; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; ssl_verify_client optional_no_ca; return '$ssl_client_s_dn'; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%tls; proxy_ssl on;\
           proxy_ssl_certificate %pki/$who.crt; proxy_ssl_certificate_key %pki/$who.key; }}"
    );
    let gw = gateway(&conf).start();
    assert_eq!(gw.ask("in", ""), "CN=client,O=Lockgate\\, Inc");
    let other = Peer::connect_from("127.0.0.8", &gw.addr("in")).recv_all();
    assert_eq!(other, "CN=client2,O=Lockgate Test");
}

/// CVE-2021-23214: what came before the handshake was taken for a part of the session.
#[test]
fn plain_bytes_before_the_clients_tls_are_fatal() {
    let up = TcpBackend::collect();
    let gw =
        gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}")).with("up", up.addr()).start();
    let injecting = rewriting(gw.addr("in"), |body| vec![b"injected command\r\n".to_vec(), record(body)]);
    let done = testkit::TlsClient::new(injecting.addr()).request("x").run();
    assert!(!done.stdout.contains("BEGIN CERTIFICATE"), "{}", done.stdout);
    gw.wait_error("SSL_do_handshake() failed (SSL:");
    // Application data may not come before the handshake either.
    let early = rewriting(gw.addr("in"), |body| vec![record(body), [&[23, 3, 3, 0, 8][..], b"injected"].concat()]);
    let done = testkit::TlsClient::new(early.addr()).args("-tls1_2").request("x").run();
    assert!(!done.stdout.contains("Verify return code: 0"), "{}", done.stdout);
    gw.wait_errors("SSL_do_handshake() failed (SSL:", 2);
    assert_eq!(up.accepted(), 0);
}

/// CVE-2021-23222 and CVE-2026-1642.
#[test]
fn plain_bytes_before_the_upstreams_tls_are_fatal_and_reach_nobody() {
    let server = TlsServer::start("-cert %pki/server.crt -key %pki/server.key");
    for before_the_hello in [true, false] {
        let to = server.addr();
        let injecting = TcpBackend::start(move |peer| {
            if before_the_hello {
                let _ = peer.try_send("injected answer\r\n");
            }
            let mut out = TcpStream::connect(&to).unwrap();
            let hello = peer.recv_some().unwrap_or_default();
            let _ = out.write_all(&hello);
            if !before_the_hello {
                let _ = peer.try_send([&[23, 3, 3, 0, 8][..], b"injected"].concat());
            }
            let mut flight = [0; 4096];
            let count = out.read(&mut flight).unwrap_or_default();
            let _ = peer.try_send(&flight[..count]);
            while peer.recv_some().is_ok_and(|part| !part.is_empty()) {}
            Vec::new()
        });
        let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; }")
            .with("up", injecting.addr())
            .start();
        assert_eq!(gw.ask("in", "question\n"), "");
        let line = gw.wait_error("SSL_do_handshake() failed (SSL:");
        assert!(line.text.contains(" while SSL handshaking to upstream, "), "{}", line.text);
    }
}

#[test]
fn names_and_certificates_write_no_lines_of_their_own_into_logs() {
    let forged = "x.test\n2026/11/24 00:00:00 [emerg] 1#1: *1 forged\u{1b}[2J";
    let conf = "log_format f '$ssl_preread_server_name|$ssl_client_s_dn'; access_log %dir/access.log f;\n\
                server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass $ssl_preread_server_name:1; }\n\
                server { listen 127.0.0.1:%tls ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\
                  ssl_verify_client optional_no_ca; return x; }";
    let gw = gateway(conf).start();
    gw.ask("in", Hello::named(forged).bytes());
    gw.wait_error("x.test");
    let dir = Scratch::new();
    let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj"])
        .arg(format!("/CN={}", forged.replace('/', "-")))
        .arg("-out")
        .arg(&cert)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    gw.tls("tls").args(&format!("-cert {} -key {}", cert.display(), key.display())).run();
    let lines = gw.access(2);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("forged") && !line.contains('\u{1b}')), "{lines:?}");
    if !is_nginx() {
        assert!(!gw.errors().iter().any(|line| line.level == "emerg"), "{}", gw.error_text());
        assert!(!gw.error_text().contains('\u{1b}') && gw.error_text().contains("\\x0A"), "{}", gw.error_text());
    }
}

#[test]
fn proxy_headers_come_only_from_those_who_may_send_them() {
    if is_nginx() {
        return;
    }
    let conf = "log_format f '$status'; access_log %dir/access.log f;\nproxy_protocol_from 127.0.0.2 127.0.1.0/24 unix:;\n\
                server { listen 127.0.0.1:%in proxy_protocol; return '$proxy_protocol_addr'; }\n\
                server { listen unix:%dir/sock proxy_protocol; return '$proxy_protocol_addr'; }\n\
                server { listen 127.0.0.1:%plain; return plain; }";
    let gw = gateway(conf).start();
    let header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    for peer in ["127.0.0.2", "127.0.1.9"] {
        assert_eq!(Peer::connect_from(peer, &gw.addr("in")).ask(header), "192.0.2.1");
    }
    assert_eq!(Peer::connect(&format!("unix:{}", gw.path("sock").display())).ask(header), "192.0.2.1");
    assert_eq!(gw.ask("in", header), "");
    let line = gw.wait_error("PROXY protocol forbidden by \"proxy_protocol_from\"");
    assert_eq!(line.level, "error");
    let expected = format!(
        "PROXY protocol forbidden by \"proxy_protocol_from\" while reading PROXY protocol, client: 127.0.0.1, server: {}",
        gw.addr("in")
    );
    assert_eq!(line.text, expected);
    assert_eq!(gw.access(4)[3], "403");
    assert_eq!(gw.ask("plain", ""), "plain", "where no header is wanted nobody is asked");
}

/// nginx's issue 872: they were never looked at.
#[test]
fn rules_of_a_server_found_by_name_hold() {
    if is_nginx() {
        return;
    }
    let conf = format!(
        "log_format f '$status $server_name'; access_log %dir/access.log f;\n{CERT}\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; return '<<<default>>>'; }}\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; server_name a.example.com; allow 127.0.0.2; deny all;\
           return '<<<named>>>'; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; return '<<<default>>>'; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; server_name a.example.com; deny all; return '<<<named>>>'; }}"
    );
    let gw = gateway(&conf).start();
    let hello = Hello::named("a.example.com").bytes();
    assert_eq!(preread(&gw, &hello), "");
    let line = gw.wait_error("access forbidden by rule");
    assert_eq!(line.level, "error");
    assert_eq!(gw.access(1), ["403 a.example.com"]);
    assert_eq!(Peer::connect_from("127.0.0.2", &gw.addr("in")).ask(&hello), "<<<named>>>");
    assert_eq!(preread(&gw, &Hello::named("b.test").bytes()), "default");
    assert_eq!(client(&gw.addr("tls"), NAMED), None);
    assert_eq!(client(&gw.addr("tls"), "-servername b.example.com").as_deref(), Some("default"));
}

#[test]
fn a_loop_to_oneself_ends_with_a_line_and_leaves_a_gateway_that_serves() {
    let conf =
        "server { listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%in; }\nserver { listen 127.0.0.1:%ok; return ok; }";
    let gw = gateway(conf).connections(60).start();
    let mut client = gw.connect("in");
    let _ = client.try_send("round and round");
    client.wait_for_end();
    let line = gw.wait_error("60 worker_connections are not enough");
    assert_eq!(line.level, "alert");
    testkit::poll("the gateway serves", || (gw.ask("ok", "") == "ok").then_some(()));
}

/// CVE-2026-6860: a cache that clients fill with names grew without bound.
#[test]
fn what_is_kept_by_names_that_clients_make_up_is_bounded() {
    let conf = "log_format f x; open_log_file_cache max=8 inactive=1h valid=1h min_uses=1;\n\
                server { listen 127.0.0.1:%in; ssl_preread on; access_log %dir/log-$ssl_preread_server_name f; return x; }";
    let gw = gateway(conf).start();
    let ask = |name: &str| gw.ask("in", Hello::named(name).bytes());
    ask("first.test");
    let worker = if is_nginx() { None } else { Some(gw.pid()) };
    let before = worker.map(testkit::descriptors);
    for n in 0..100 {
        assert_eq!(ask(&format!("n{n}.test")), "x");
    }
    gw.access_in("log-n99.test", 1);
    if let (Some(worker), Some(before)) = (worker, before) {
        testkit::poll("log files are closed", || (testkit::descriptors(worker) <= before + 8).then_some(()));
    }
}

#[test]
fn the_open_name_of_an_encrypted_hello_is_what_preread_goes_by() {
    let gw = by_name("");
    // What it hides nobody but the holder of the key can read.
    let hidden = [&[0, 0, 1, 0, 1, 7, 0, 4][..], &[1, 2, 3, 4], &[0, 32], &[9; 32]].concat();
    let hello = Hello::new().tls13().extension(0xfe0d, hidden);
    assert_eq!(preread(&gw, &hello.clone().name("a.example.com").bytes()), "named");
    assert_eq!(preread(&gw, &hello.clone().name("public.test").bytes()), "default");
    assert_eq!(preread(&gw, &hello.bytes()), "default");
}

/// A relay that hands on bytes and ends as they come, and keeps what the client said.
pub(super) fn tap(to: String) -> TcpBackend {
    TcpBackend::start(move |peer| {
        let mut out = TcpStream::connect(&to).unwrap();
        let (mut from, mut back) = (out.try_clone().unwrap(), peer.socket().try_clone().unwrap());
        let returning = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(std::net::Shutdown::Write);
        });
        let (mut said, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = peer.socket().read(&mut part) {
            said.extend_from_slice(&part[..count]);
            let _ = out.write_all(&part[..count]);
        }
        let _ = out.shutdown(std::net::Shutdown::Write);
        let _ = returning.join();
        said
    })
}

/// The type of the last of the records.
pub(super) fn last_record(mut bytes: &[u8]) -> u8 {
    let mut last = 0;
    while let Some((header, rest)) = bytes.split_first_chunk::<5>() {
        last = header[0];
        bytes = rest.get(usize::from(u16::from_be_bytes([header[3], header[4]]))..).unwrap_or_default();
    }
    last
}

#[test]
fn half_close_is_passed_on_in_both_directions_through_tls() {
    let late = TcpBackend::start(|peer| {
        let got = peer.recv_end().0;
        peer.send("late answer");
        got
    });
    let early = TcpBackend::start(|peer| {
        peer.send("greeting");
        peer.finish_sending();
        peer.recv_end().0
    });
    let conf = format!(
        "{CERT}proxy_half_close on; proxy_timeout 1h;\n\
         server {{ listen 127.0.0.1:%tls1 ssl; proxy_pass %late; }}\n\
         server {{ listen 127.0.0.1:%tls2 ssl; proxy_pass %early; }}"
    );
    let far = gateway(&conf).with("late", late.addr()).with("early", early.addr()).start();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let tapped = [tap(far.addr("tls1")), tap(far.addr("tls2"))];
        let conf = format!(
            "proxy_half_close on; proxy_timeout 1h; proxy_ssl on; proxy_ssl_protocols {version};\n\
             server {{ listen 127.0.0.1:%late; proxy_pass {}; }}\nserver {{ listen 127.0.0.1:%early; proxy_pass {}; }}",
            tapped[0].addr(),
            tapped[1].addr()
        );
        let near = gateway(&conf).start();
        let mut client = near.connect("late");
        client.send("all I have");
        client.finish_sending();
        assert_eq!(client.recv_all(), "late answer", "{version}");
        let mut client = near.connect("early");
        assert_eq!(client.recv_all(), "greeting", "{version}");
        client.send("still here");
        drop(client);
        let nth = usize::from(version == "TLSv1.3");
        assert_eq!((late.received(nth), early.received(nth)), (b"all I have".to_vec(), b"still here".to_vec()));
        if !is_nginx() && version == "TLSv1.2" {
            const ALERT: u8 = 21;
            assert_eq!(last_record(&tapped[0].received(0)), ALERT, "close_notify");
        }
    }
}

//! Sessions of every family: what clients, logs and error logs say of them.

use std::time::Duration;

use testkit::{Dns, Hello, TcpBackend, TlsServer, UdpBackend, UdpPeer};

use super::side_by_side::compare;

const TLS: &str = "ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;";

/// A session at `%in` that says `request` and reads to the end.
fn ask(stream: &str, request: impl AsRef<[u8]>) {
    compare(stream).run(1, |gw| gw.ask("in", &request));
}

#[test]
fn content() {
    for content in ["return hello;", "return '';", "return '$remote_addr $server_port $protocol $bytes_sent';", ""] {
        ask(&format!("server {{ listen 127.0.0.1:%in; {content} }}"), "");
    }
}

#[test]
fn variables_in_a_return() {
    let values = "$binary_remote_addr|$bytes_received|$bytes_sent|$connection|$limit_conn_status|$nginx_version_is|\
                  $proxy_protocol_addr|$proxy_protocol_tlv_alpn|$realip_remote_addr|$remote_addr|$server_addr|\
                  $server_name|$ssl_cipher|$ssl_preread_server_name|$ssl_client_verify|$status|$upstream_addr|\
                  $upstream_bytes_sent|$upstream_connect_time|$protocol|$1";
    let stream = format!(
        "map $remote_addr $nginx_version_is {{ default ''; }}\nserver {{ listen 127.0.0.1:%in; server_name x y; return '{values}'; }}"
    );
    ask(&stream, "");
}

#[test]
fn access_rules() {
    for rules in [
        "deny all;",
        "allow 127.0.0.1; deny all;",
        "deny 127.0.0.0/8; allow all;",
        "allow 10.0.0.0/8;",
        "allow unix:; deny all;",
        "deny ::/0;",
        "deny 0.0.0.0/0;",
    ] {
        ask(&format!("server {{ listen 127.0.0.1:%in; {rules} return ok; }}"), "");
    }
}

#[test]
fn maps() {
    for map in [
        "default d; 127.0.0.1 a;",
        "~^127 a; default b;",
        "~^(?<first>\\d+)\\.(\\d+) $first-$2; default b;",
        "127.0.0.2 a;",
        "hostnames; *.0.0.1 a; default b;",
        "hostnames; 127.* a; default b;",
        "127.0.0.1 $server_port;",
        "127.0.0.1 '';",
    ] {
        let stream = format!("map $remote_addr $m {{ {map} }}\nserver {{ listen 127.0.0.1:%in; return '[$m]'; }}");
        ask(&stream, "");
    }
}

#[test]
fn geo_split_and_set() {
    for blocks in [
        "geo $m { default a; 127.0.0.0/8 b; 127.0.0.1 c; }",
        "geo $m { ranges; default a; 127.0.0.0-127.0.0.9 b; 127.0.0.2-127.0.0.3 c; }",
        "geo $server_addr $m { 127.0.0.1 b; }",
        "geo $server_name $m { default a; 255.255.255.255 none; }",
        "split_clients x $m { 20% a; 30% b; * c; }",
        "split_clients y $m { 0.5% a; 99.5% b; }",
        "split_clients $remote_addr $m { 1% a; }",
    ] {
        ask(&format!("{blocks}\nserver {{ listen 127.0.0.1:%in; return '[$m]'; }}"), "");
    }
    ask("server { listen 127.0.0.1:%in; set $a x; set $b $a$a; set $a y; return '$a $b'; }", "");
    ask("server { listen 127.0.0.1:%in; set $a $bytes_sent; return '$a$a'; }", "");
}

#[test]
fn limits() {
    for dry in ["", "limit_conn_dry_run on;"] {
        let stream = format!(
            "limit_conn_zone $remote_addr zone=z:64k;\n\
             server {{ listen 127.0.0.1:%in; limit_conn z 1; {dry} proxy_pass %up; }}"
        );
        let up = TcpBackend::echo();
        compare(&stream).with("up", up.addr()).run(2, |gw| {
            let mut first = gw.connect("in");
            first.send("a");
            let held = first.recv(1);
            let mut second = gw.connect("in");
            let refused = if dry.is_empty() {
                second.recv_all()
            } else {
                second.send("b");
                String::from_utf8_lossy(&second.recv(1)).into_owned()
            };
            drop(second);
            gw.access(1);
            format!("{held:?} {refused}")
        });
    }
}

#[test]
fn relays() {
    let up = TcpBackend::echo();
    for more in ["", "proxy_half_close on;", "proxy_buffer_size 1;", "tcp_nodelay off;", "proxy_protocol on;"] {
        let stream = format!("server {{ listen 127.0.0.1:%in; proxy_pass %up; {more} }}");
        compare(&stream).with("up", up.addr()).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send("hello");
            let header = if more.contains("protocol") { peer.recv_line() } else { String::new() };
            // What is left unread would end the connection with a reset, at some time or other.
            format!("{} {:?}", header.replace(&peer.local_port().to_string(), "#"), peer.recv(5))
        });
    }
}

#[test]
fn ends_of_sessions() {
    let up = TcpBackend::banner("bye");
    compare("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).run(1, |gw| gw.ask("in", ""));
    let up = TcpBackend::echo();
    let stream = "server { listen 127.0.0.1:%in; proxy_pass %up; proxy_timeout 200ms; }";
    compare(stream).with("up", up.addr()).run(1, |gw| gw.connect("in").recv_all());
    compare("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).run(1, |gw| {
        let mut peer = gw.connect("in");
        peer.send("x");
        peer.recv(1);
        peer.reset();
        String::new()
    });
}

#[test]
fn failing_upstreams() {
    for (servers, more) in [
        ("server 127.0.0.1:%dead;", ""),
        ("server 127.0.0.1:%dead; server 127.0.0.1:%dead2;", ""),
        ("server 127.0.0.1:%dead; server %up;", ""),
        ("server 127.0.0.1:%dead; server %up;", "proxy_next_upstream off;"),
        ("server 127.0.0.1:%dead; server 127.0.0.1:%dead2; server %up;", "proxy_next_upstream_tries 2;"),
        ("server 127.0.0.1:%dead; server %up backup;", ""),
        ("server %up down;", ""),
        ("server unix:%dir/nothing;", ""),
        ("server 127.0.0.1:%dead max_fails=0; server %up;", ""),
    ] {
        let stream = format!("upstream u {{ {servers} }}\nserver {{ listen 127.0.0.1:%in; proxy_pass u; {more} }}");
        let up = TcpBackend::banner("up");
        compare(&stream).with("up", up.addr()).run(3, |gw| (0..3).map(|_| gw.ask("in", "") + ",").collect());
    }
}

#[test]
fn targets_from_variables() {
    for target in ["127.0.0.1:%dead", "nothing", "127.0.0.1", "", "a:0", "unix:%dir/no", "name.test:80", "[::1:80", "u"]
    {
        let stream = format!(
            "upstream u {{ server 127.0.0.1:%dead; }}\nmap $remote_addr $to {{ default '{target}'; }}\n\
             server {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
        );
        ask(&stream, "");
    }
}

#[test]
fn names_from_a_resolver() {
    let dns = Dns::host("name.test", &["127.0.0.1"]);
    let up = TcpBackend::banner("found");
    let port = up.addr().rsplit(':').next().unwrap().to_owned();
    for name in ["name.test", "other.test"] {
        let stream = format!(
            "resolver %dns ipv6=off; map $remote_addr $to {{ default {name}:{port}; }}\n\
             server {{ listen 127.0.0.1:%in; proxy_pass $to; }}"
        );
        compare(&stream).with("dns", dns.addr()).run(1, |gw| gw.ask("in", ""));
    }
}

#[test]
fn peer_choices() {
    let ups: Vec<_> = (0..4).map(|number| TcpBackend::banner(&number.to_string())).collect();
    for method in [
        "server %a; server %b; server %c;",
        "server %a weight=1; server %b weight=2; server %c weight=1; server %d weight=3;",
        "server %a weight=5; server %b; server %c backup;",
        "least_conn; server %a; server %b weight=2; server %c;",
        "server %a down; server %b; server %c weight=3;",
        "hash $remote_port; server %a;",
        "hash fixed; server %a; server %b; server %c down; server %d weight=4;",
        "hash fixed2 consistent; server %a; server %b; server %c;",
        "hash ''; server %a; server %b;",
        "least_time connect; server %a; server %b;",
        "zone z 64k; server %a weight=2; server %b;",
    ] {
        let stream = format!("upstream u {{ {method} }}\nserver {{ listen 127.0.0.1:%in; proxy_pass u; }}");
        let mut comparison = compare(&stream);
        if method.starts_with("least_time") {
            // Times that were measured choose.
            comparison = comparison.racing();
        }
        for (name, up) in ["a", "b", "c", "d"].into_iter().zip(&ups) {
            comparison = comparison.with(name, up.addr());
        }
        comparison.run(9, |gw| (0..9).map(|_| gw.ask("in", "")).collect());
    }
}

#[test]
fn passing_on() {
    for target in
        ["127.0.0.1:%there", "127.0.0.1:%nowhere", "127.0.0.1:%in", "$remote_addr", "unix:%dir/x", "$server_name"]
    {
        let stream = format!(
            "server {{ listen 127.0.0.1:%in; pass {target}; }}\n\
             server {{ listen 127.0.0.1:%there; return '$server_port $connection'; }}\n\
             server {{ listen 127.0.0.1:%nowhere2; return no; }}"
        );
        if target.ends_with("%nowhere") {
            compare(&stream)
                .with("nowhere", "1")
                .run(1, |gw| gw.ask("in", "").replace(&gw.port("there").to_string(), "there"));
        } else {
            compare(&stream).run(1, |gw| gw.ask("in", "").replace(&gw.port("there").to_string(), "there"));
        }
    }
}

#[test]
fn preread() {
    let full = Hello::named("a.test").alpn(&["h2", "x"]).bytes();
    let old = Hello::named("B.test").version(3, 1).bytes();
    let bare = Hello::new().without_extensions().bytes();
    let cut = full[..20].to_vec();
    let wide = Hello::named("a.test").records_of(7).bytes();
    for request in [full, old, bare, cut, wide, b"GET / HTTP/1.0\r\n\r\n".to_vec(), b"\x16\x03".to_vec(), Vec::new()] {
        let stream = "server { listen 127.0.0.1:%in; ssl_preread on; preread_timeout 1s; preread_buffer_size 512;\n\
                      return '$ssl_preread_server_name|$ssl_preread_protocol|$ssl_preread_alpn_protocols'; }";
        compare(stream).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send(&request);
            peer.recv_end();
            String::new()
        });
    }
    // What is waited for is read before an upstream refuses.
    let hello = Hello::named("a.test").bytes();
    for parts in [vec![&hello[..]], vec![&hello[..7], &hello[7..]], vec![b"GET", b" / HTTP/1.0\r\n\r\n"]] {
        let stream = "server { listen 127.0.0.1:%in; ssl_preread on; proxy_pass 127.0.0.1:%dead; }";
        compare(stream).run(1, |gw| {
            let mut peer = gw.connect("in");
            for part in &parts {
                assert!(peer.is_quiet_for(Duration::from_millis(100)));
                peer.send(part);
            }
            peer.recv_end();
            String::new()
        });
    }
    let long = Hello::named("a.test").extension(99, vec![0; 900]).bytes();
    let stream = "server { listen 127.0.0.1:%in; ssl_preread on; preread_buffer_size 512; return x; }";
    compare(stream).run(1, |gw| {
        let mut peer = gw.connect("in");
        peer.send(&long);
        peer.recv_end();
        String::new()
    });
}

#[test]
fn proxy_protocol_headers() {
    let v2 = |command: u8, family: u8, rest: &[u8]| {
        let mut out = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        out.extend([command, family]);
        out.extend((rest.len() as u16).to_be_bytes());
        out.extend(rest);
        out
    };
    let v4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0x01, 0xbb];
    let tlv = [v4, &[1, 0, 2, b'h', b'2', 2, 0, 1, b'n']].concat();
    let requests: Vec<Vec<u8>> = vec![
        b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\n".to_vec(),
        b"PROXY TCP6 2001:DB8::1 ::1 1 2\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN what ever\r\nrest".to_vec(),
        b"PROXY TCP4 1.2.3 192.0.2.2 0 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 70000 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1  192.0.2.2 1 443\r\n".to_vec(),
        b"PROXY TCP5 192.0.2.1 192.0.2.2 1 443\r\n".to_vec(),
        b"PROXY TCP4 x y 1 2\r\n".to_vec(),
        b"PROXY TCP4 01.2.3.04 1.2.3.4 1 2\r\n".to_vec(),
        b"PROXY TCP4 1..3.4 1.2.3.4 1 2\r\n".to_vec(),
        b"PROXY TCP6 :1::2: ::1 1 2\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        b"PROXY".to_vec(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        b"hello".to_vec(),
        v2(0x21, 0x11, v4),
        v2(0x20, 0x11, v4),
        v2(0x20, 0, &[]),
        v2(0x31, 0x11, v4),
        v2(0x21, 0x12, v4),
        v2(0x21, 0x31, &[0; 216]),
        v2(0x21, 0x11, &[1, 2, 3]),
        v2(0x21, 0x11, &tlv),
        v2(0x21, 0x11, &[v4, &[9, 0, 99, 1]].concat()),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(),
    ];
    for request in requests {
        for realip in ["", "set_real_ip_from 127.0.0.0/8;"] {
            let stream = format!(
                "server {{ listen 127.0.0.1:%in proxy_protocol; proxy_protocol_timeout 5s; {realip}\n\
                 return '$remote_addr $proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr \
                 $proxy_protocol_server_port $realip_remote_addr $proxy_protocol_tlv_alpn $proxy_protocol_tlv_0x02 \
                 $proxy_protocol_tlv_nosuch'; }}"
            );
            compare(&stream).run(1, |gw| {
                let mut peer = gw.connect("in");
                peer.send(&request);
                let (bytes, _) = peer.recv_end();
                String::from_utf8_lossy(&bytes).into_owned()
            });
        }
    }
    for trust in
        ["::/0", "0.0.0.0/0", "127.0.0.1", "::ffff:127.0.0.1", "::ffff:0:0/96", "127.0.0.2; set_real_ip_from ::/1"]
    {
        let stream = format!(
            "server {{ listen [::]:%in ipv6only=off proxy_protocol; set_real_ip_from {trust}; return $remote_addr; }}"
        );
        compare(&stream).run(1, |gw| gw.ask("in", "PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\n"));
    }
    for content in ["", "return x;", "deny all;"] {
        let stream = format!(
            "log_format tlv '$proxy_protocol_tlv_nosuch'; access_log %dir/none/$server_port tlv;\n\
             server {{ listen 127.0.0.1:%in proxy_protocol; {content} }}"
        );
        compare(&stream).run(1, |gw| gw.ask("in", v2(0x21, 0x11, v4)));
    }
    compare("server { listen 127.0.0.1:%in proxy_protocol; proxy_protocol_timeout 100ms; return x; }")
        .run(1, |gw| gw.connect("in").recv_all());
}

#[test]
fn log_lines() {
    for escape in ["", "escape=json", "escape=none", "escape=default"] {
        let stream = format!(
            "log_format e {escape} '[$ssl_preread_server_name] [$upstream_addr] [$server_name] \"$odd\"';\n\
             map $remote_addr $odd {{ default 'a\"b\\\\c\td\u{e9}'; }}\n\
             server {{ listen 127.0.0.1:%in; ssl_preread on; access_log %dir/e.log e; access_log %dir/access.log compared; return x; }}"
        );
        compare(&stream).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send(Hello::named("q\"\\\u{7f}\u{1}z").bytes());
            peer.recv_end();
            gw.access_in("e.log", 1).join("\n")
        });
    }
    for condition in ["if=1", "if=0", "if=$server_name", "if=$remote_addr", "if=00"] {
        let stream = format!(
            "server {{ listen 127.0.0.1:%in; access_log %dir/e.log compared {condition}; access_log %dir/access.log compared; return x; }}"
        );
        compare(&stream).run(1, |gw| {
            gw.ask("in", "");
            gw.access(1);
            std::fs::read_to_string(gw.path("e.log")).unwrap_or_default()
        });
    }
    for logs in [["", "buffer=1k"], ["buffer=1k flush=1h", ""]] {
        let [first, second] = logs.map(|more| format!("access_log %dir/both.log compared {more};"));
        let stream = format!(
            "server {{ listen 127.0.0.1:%in; {first} {second} access_log %dir/access.log compared; return x; }}\n\
             server {{ listen 127.0.0.1:%other; access_log %dir/both.log compared; access_log %dir/access.log compared; return y; }}"
        );
        compare(&stream).also("both.log").run(4, |gw| {
            for (done, name) in ["in", "other", "in", "other"].into_iter().enumerate() {
                gw.ask(name, "");
                gw.access(done + 1);
            }
            std::fs::read_to_string(gw.path("both.log")).unwrap_or_default()
        });
    }
    let stream = "server { listen 127.0.0.1:%in; access_log %dir/$server_port/no.log compared; access_log %dir/access.log compared; return x; }";
    ask(stream, "");
}

#[test]
fn tls_handshakes() {
    for (more, args) in [
        ("", "-servername a.test"),
        ("", "-tls1_2 -servername a.test"),
        ("ssl_protocols TLSv1.2;", "-tls1_3"),
        ("ssl_protocols TLSv1.3;", "-tls1_2"),
        (
            "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256; ssl_protocols TLSv1.2;",
            "-cipher AES256-GCM-SHA384",
        ),
        ("ssl_alpn h2 x;", "-alpn x,h2"),
        ("ssl_alpn h2;", "-alpn y"),
        ("ssl_alpn h2;", ""),
        ("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;", ""),
        ("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;", "-cert %pki/client.crt -key %pki/client.key"),
        ("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;", "-cert %pki/client2.crt -key %pki/client2.key"),
        ("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;", "-cert %pki/expired.crt -key %pki/expired.key"),
        (
            "ssl_verify_client optional; ssl_client_certificate %pki/ca1.crt;",
            "-cert %pki/client2.crt -key %pki/client2.key",
        ),
        ("ssl_verify_client optional_no_ca;", "-cert %pki/client2.crt -key %pki/client2.key"),
        ("ssl_reject_handshake on;", "-servername a.test"),
    ] {
        let stream = format!(
            "server {{ listen 127.0.0.1:%in ssl; {TLS} {more}\n\
             return 'answer:$ssl_protocol $ssl_session_reused $ssl_server_name $ssl_alpn_protocol $ssl_client_verify \
             $ssl_client_s_dn $ssl_client_i_dn $ssl_client_serial:end'; }}"
        );
        compare(&stream).run(1, |gw| {
            let args = gw.fill(args);
            let done = gw.tls("in").args(&args).run();
            let answer = done
                .stdout
                .split("answer:")
                .nth(1)
                .and_then(|rest| rest.split(":end").next())
                .unwrap_or("none")
                .to_owned();
            let alert =
                done.stderr.lines().filter(|line| line.contains("alert number")).map(|line| line.rsplit(' ').next());
            format!("{answer} {:?}", alert.collect::<Vec<_>>())
        });
    }
}

#[test]
fn handshakes_that_are_none() {
    let hello = Hello::named("a.test").bytes();
    for request in
        [b"GET / HTTP/1.0\r\n\r\n".to_vec(), b"SSH-2.0-x\r\n".to_vec(), vec![0; 50], hello[..30].to_vec(), Vec::new()]
    {
        let stream = format!("server {{ listen 127.0.0.1:%in ssl; {TLS} ssl_handshake_timeout 5s; return x; }}");
        compare(&stream).run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send(&request);
            peer.finish_sending();
            peer.recv_end();
            String::new()
        });
    }
}

#[test]
fn tls_towards_upstreams() {
    let server = TlsServer::start("-cert %pki/server.crt -key %pki/server.key");
    let old = TlsServer::start("-cert %pki/server.crt -key %pki/server.key -tls1_2");
    let plain = TcpBackend::banner("220 plain text\r\n");
    for more in [
        "",
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate %pki/ca1.crt; proxy_ssl_name nobody.test;",
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate %pki/ca2.crt;",
        "proxy_ssl_protocols TLSv1.3;",
    ] {
        for up in [server.addr(), old.addr(), plain.addr().to_owned()] {
            let stream = format!("server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; {more} }}");
            compare(&stream).with("up", up).run(1, |gw| {
                let mut peer = gw.connect("in");
                // The other side may be gone already.
                let _ = peer.try_send("hello\n");
                let _ = peer.recv_some();
                drop(peer);
                String::new()
            });
        }
    }
}

#[test]
fn clients_that_spoke_before_the_upstreams_handshake_fails() {
    let up = TcpBackend::banner("no TLS");
    for more in ["", "abc"] {
        let stream = "server { listen 127.0.0.1:%in proxy_protocol; proxy_ssl on; proxy_pass %up; }";
        compare(stream).with("up", up.addr()).run(1, |gw| {
            let mut client = gw.connect("in");
            client.send(format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{more}"));
            client.recv_all()
        });
    }
}

#[test]
fn datagrams() {
    let (echo, silent) = (UdpBackend::echo(), UdpBackend::silent());
    for (up, more) in [
        (&echo, "proxy_responses 1;"),
        (&echo, "proxy_responses 1; proxy_requests 1;"),
        (&echo, "proxy_responses 1; proxy_protocol on;"),
        (&silent, "proxy_responses 0;"),
        (&silent, "proxy_responses 1; proxy_timeout 200ms;"),
        (&silent, "proxy_timeout 200ms;"),
    ] {
        let stream = format!("server {{ listen 127.0.0.1:%in udp; proxy_pass %up; {more} }}");
        compare(&stream).with("up", up.addr()).run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            client.send("hello");
            if up.addr() == echo.addr() {
                let answer = client.recv();
                return answer.len().min(5).to_string();
            }
            String::new()
        });
    }
    for content in ["return hello;", "", "pass 127.0.0.1:%in;", "deny all; return x;"] {
        let stream = format!("server {{ listen 127.0.0.1:%in udp; {content} }}");
        compare(&stream).run(1, |gw| {
            UdpPeer::connect(&gw.addr("in")).send("x");
            String::new()
        });
    }
}

#[test]
fn both_sides_of_sessions_are_connections_of_a_worker() {
    let up = TcpBackend::echo();
    let tcp = "server { listen 127.0.0.1:%in; proxy_pass %up; }";
    let two = "server { listen 127.0.0.1:%in; proxy_pass %up; }\nserver { listen 127.0.0.1:%other; return x; }";
    let next = "upstream u { server 127.0.0.1:1; server 127.0.0.1:2; server %up; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; }";
    for (stream, main, connections) in
        [(tcp, "", 3), (tcp, "", 5), (tcp, "master_process off;", 4), (two, "", 6), (next, "", 5)]
    {
        compare(stream).level("error").with("up", up.addr()).main(main).connections(connections).run(2, |gw| {
            let mut first = gw.connect("in");
            let _ = first.try_send("x");
            let said = first.recv_some().unwrap_or_default();
            let second = gw.connect("in").recv_end().0;
            format!("{said:?} {second:?}")
        });
    }
}

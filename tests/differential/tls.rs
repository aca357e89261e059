//! TLS of clients and towards upstreams: who is let in, what variables and logs say, sessions, names, errors.

use testkit::{Gateway, TcpBackend, TlsServer};

use super::side_by_side::{Comparison, compare};

const CERTIFICATE: &str = "ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;";

/// The variables that both programs can fill, whichever library is behind them.
const FACTS: [&str; 19] = [
    "ssl_protocol",
    "ssl_cipher",
    "ssl_ciphers",
    "ssl_curves",
    "ssl_sigalgs",
    "ssl_session_reused",
    "ssl_server_name",
    "ssl_alpn_protocol",
    "ssl_client_raw_cert",
    "ssl_client_cert",
    "ssl_client_escaped_cert",
    "ssl_client_s_dn",
    "ssl_client_i_dn",
    "ssl_client_serial",
    "ssl_client_fingerprint",
    "ssl_client_verify",
    "ssl_client_v_start",
    "ssl_client_v_end",
    "ssl_client_v_remain",
];

/// Servers at `%in` with the facts of each session in a log.
fn served(stream: &str) -> Comparison<'static> {
    let facts = FACTS.map(|fact| format!("{fact}=[${fact}]\n")).concat();
    let stream = format!(
        "log_format facts escape=json '{facts}';\n\
         access_log %dir/access.log compared; access_log %dir/facts.log facts;\n{stream}"
    );
    compare(&stream).also("facts.log")
}

fn server(settings: &str) -> String {
    format!("server {{ listen 127.0.0.1:%in ssl; {CERTIFICATE} {settings} return 'answer:$server_name:end'; }}")
}

/// What the server said, and the alert that it sent if it did.
fn shake(gw: &mut Gateway, args: &str) -> String {
    let args = gw.fill(args);
    let done = gw.tls("in").args(&args).run();
    let answer = done.stdout.split("answer:").nth(1).and_then(|rest| rest.split(":end").next()).unwrap_or("none");
    let alert = done.stderr.lines().find(|line| line.contains("alert number"));
    format!("{answer} {:?}\n", alert.and_then(|line| line.rsplit(' ').next()))
}

#[test]
fn certificates_of_clients() {
    for version in ["-tls1_2", "-tls1_3"] {
        for client in ["", "client", "client2", "expired", "revoked", "self", "deepclient", "odd", "ed25519", "p521"] {
            let args = match client {
                "" => version.to_owned(),
                "deepclient" => {
                    format!("{version} -cert %pki/deepclient.crt -key %pki/deepclient.key -cert_chain %pki/inter.crt")
                }
                name => format!("{version} -cert %pki/{name}.crt -key %pki/{name}.key"),
            };
            for settings in [
                "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;",
                "ssl_verify_client optional; ssl_trusted_certificate %pki/ca1.crt; ssl_verify_depth 0;",
                "ssl_verify_client optional_no_ca;",
                "ssl_verify_client optional_no_ca; ssl_client_certificate %pki/ca2.crt;",
                "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; ssl_crl %pki/ca1.crl;",
            ] {
                served(&server(settings)).run(1, |gw| shake(gw, &args));
            }
        }
    }
}

#[test]
fn ciphers_and_protocols() {
    for (settings, args) in [
        ("", "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256"),
        ("", "-tls1_2 -cipher AES128-SHA"),
        ("", "-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305:AES256-SHA"),
        ("ssl_ciphers AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256; ssl_prefer_server_ciphers on;", "-tls1_2"),
        ("ssl_ecdh_curve secp384r1;", "-tls1_3"),
        ("ssl_ecdh_curve secp384r1:prime256v1;", "-tls1_2 -groups P-256"),
        ("ssl_alpn h2 x;", "-tls1_3 -alpn x,h2"),
        ("ssl_alpn h2 x;", "-tls1_2 -alpn y,x"),
        ("ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key;", "-tls1_3"),
        ("ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key;", "-tls1_2 -cipher aRSA"),
        ("ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", "-tls1_3"),
        ("ssl_protocols TLSv1.3;", "-tls1_2"),
        ("ssl_protocols TLSv1.2;", "-tls1_3"),
        ("", "-tls1_1 -cipher ALL:@SECLEVEL=0"),
        ("ssl_protocols TLSv1 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;", "-tls1_3"),
        ("ssl_protocols TLSv1 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;", "-tls1 -cipher ALL:@SECLEVEL=0"),
        ("ssl_ecdh_curve secp384r1;", "-tls1_3 -groups P-256"),
        ("ssl_alpn h2;", "-tls1_2 -alpn y"),
        ("ssl_alpn h2;", "-tls1_3 -alpn y"),
    ] {
        served(&server(settings)).run(1, |gw| shake(gw, args));
    }
}

#[test]
fn preferences() {
    let ours = "ssl_prefer_server_ciphers on;";
    let suites = "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
    for (settings, args) in [
        (ours, "-tls1_2"),
        (ours, "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"),
        (ours, "-tls1_2 -cipher AES128-SHA:AES256-SHA"),
        (ours, suites),
        (ours, "-tls1_3"),
        ("", suites),
        ("ssl_prefer_server_ciphers on; ssl_ciphers AES128-SHA:HIGH;", "-tls1_2"),
        ("ssl_prefer_server_ciphers on; ssl_ciphers HIGH:+AES256;", "-tls1_2"),
        ("ssl_prefer_server_ciphers on; ssl_ciphers AES128-SHA:AES256-SHA:@STRENGTH;", "-tls1_2"),
        ("ssl_prefer_server_ciphers on; ssl_ciphers AES128-SHA:AES256-SHA:-AES128:kRSA;", "-tls1_2"),
        (
            "ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;",
            suites,
        ),
        ("ssl_conf_command Options ServerPreference;", suites),
        ("ssl_ecdh_curve secp521r1:prime256v1;", "-tls1_3"),
        ("ssl_ecdh_curve secp521r1:prime256v1;", "-tls1_2"),
        ("ssl_ecdh_curve secp384r1:prime256v1;", "-tls1_3 -groups P-256:P-384"),
        ("ssl_ecdh_curve X25519:secp384r1;", "-tls1_3 -groups P-384:X25519"),
        ("ssl_prefer_server_ciphers on; ssl_ecdh_curve X25519:secp384r1;", "-tls1_3 -groups P-384:X25519"),
        ("ssl_prefer_server_ciphers on; ssl_ecdh_curve X25519:secp384r1;", "-tls1_2 -groups P-384:X25519"),
        ("", "-tls1_3 -groups P-521:P-256"),
        ("", "-tls1_3 -groups P-521"),
        ("", "-tls1_2 -groups P-521"),
    ] {
        let stream = format!("log_format group '$ssl_cipher';\n{}", server(settings));
        served(&stream).run(1, |gw| {
            let args = gw.fill(args);
            let done = gw.tls("in").args(&args).run();
            let facts = done.stdout.lines().filter(|line| line.starts_with("Server Temp Key"));
            facts.collect()
        });
    }
}

#[test]
fn which_certificate() {
    for kinds in
        ["server ecdsa", "ed25519 ecdsa", "server ed25519", "p521 server", "server ecdsa ed25519", "ecdsa p521"]
    {
        let pair = |kind| format!("ssl_certificate %pki/{kind}.crt; ssl_certificate_key %pki/{kind}.key;\n");
        let pairs: String = kinds.split(' ').map(pair).collect();
        for settings in ["", "ssl_prefer_server_ciphers on;"] {
            let stream = format!("server {{ listen 127.0.0.1:%in ssl; {pairs} {settings} return answer:it:end; }}");
            let clients = [
                "-tls1_3",
                "-tls1_2",
                "-tls1_2 -sigalgs RSA+SHA256",
                "-tls1_2 -cipher aRSA",
                "-tls1_2 -sigalgs ed25519:ECDSA+SHA256:RSA+SHA256",
                "-tls1_3 -sigalgs RSA-PSS+SHA256:ECDSA+SHA256",
                "-tls1_3 -sigalgs RSA-PSS+SHA512:RSA-PSS+SHA256",
                "-tls1_3 -sigalgs ECDSA+SHA512",
            ];
            served(&stream).run(clients.len(), |gw| clients.iter().map(|args| signed_by(gw, args)).collect());
        }
    }
}

/// Whose certificate came, and how it was signed with.
fn signed_by(gw: &mut Gateway, args: &str) -> String {
    let done = gw.tls("in").args(args).run();
    let told = ["subject=", "Peer signing digest", "Peer signature type"];
    done.stdout.lines().filter(|line| told.iter().any(|start| line.starts_with(start))).collect()
}

#[test]
fn keys_from_stores() {
    for key in ["store:file:%pki/server.key", "store:%pki/server.key", "store:file://%pki/server.key"] {
        for name in ["server", "$ssl_server_name"] {
            let key = key.replace("server.key", &format!("{name}.key"));
            let stream = format!(
                "server {{ listen 127.0.0.1:%in ssl; ssl_certificate %pki/{name}.crt; ssl_certificate_key {key};\n\
                 return answer:it:end; }}"
            );
            let names = ["server", "nonesuch"];
            served(&stream).run(2, |gw| names.iter().map(|name| shake(gw, &format!("-servername {name}"))).collect());
        }
    }
}

#[test]
fn what_upstreams_choose_of() {
    for theirs in ["", "ssl_protocols TLSv1.2;", "ssl_ecdh_curve secp521r1;", "ssl_ciphers AES128-SHA:AES256-SHA;"] {
        for ours in [
            "",
            "proxy_ssl_protocols TLSv1.2;",
            "proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers HIGH:!AES256;",
            "proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers AES128:AES256;",
            "proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;",
            "proxy_ssl_conf_command Groups P-384:P-521;",
        ] {
            let stream = format!(
                "log_format chosen '$ssl_protocol $ssl_cipher';\n\
                 server {{ listen 127.0.0.1:%in; proxy_ssl on; proxy_pass 127.0.0.1:%up; {ours} }}\n\
                 server {{ listen 127.0.0.1:%up ssl; {CERTIFICATE} {theirs} return x;\n\
                 access_log %dir/access.log compared; access_log %dir/chosen.log chosen; }}"
            );
            compare(&stream).also("chosen.log").unordered().run(2, |gw| {
                let mut peer = gw.connect("in");
                String::from_utf8_lossy(&peer.recv_end().0).into_owned()
            });
        }
    }
}

#[test]
fn names() {
    for version in ["-tls1_2", "-tls1_3"] {
        for (first, second) in [
            ("", ""),
            ("ssl_alpn one;", "ssl_alpn two;"),
            ("ssl_alpn one;", ""),
            (
                "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;",
                "ssl_verify_client on; ssl_client_certificate %pki/ca2.crt;",
            ),
            ("set $x 1;", "set $x 2;"),
            ("ssl_reject_handshake on;", ""),
            ("", "ssl_reject_handshake on;"),
            ("ssl_protocols TLSv1.3;", "ssl_protocols TLSv1.2;"),
            ("", "error_log %dir/error.log crit;"),
        ] {
            let stream = format!(
                "{}\nserver {{ listen 127.0.0.1:%in ssl; server_name b.test *.b.test ~^zz; {second}\n\
                 ssl_certificate %pki/other.crt; ssl_certificate_key %pki/other.key;\n\
                 return 'answer:second $server_name:end'; }}",
                server(&format!("server_name a.test; {first}"))
            );
            // Where one of them asked for certificates only, nginx would let quick clients pass by chance.
            let names = ["a.test", "b.test", "B.TEST", "x.b.test", "zz9", "c.test"];
            served(&stream).run(names.len(), |gw| {
                let one = |name: &&str| shake(gw, &format!("{version} -servername {name} -alpn two,one"));
                names.iter().map(one).collect()
            });
        }
        for certificate in ["%pki/$ssl_server_name.crt", "%pki/none.crt$server_name"] {
            let stream = format!(
                "server {{ listen 127.0.0.1:%in ssl; ssl_certificate {certificate};\n\
                 ssl_certificate_key %pki/$ssl_server_name.key; return 'answer:x:end'; }}"
            );
            let names = ["server", "ecdsa"];
            served(&stream).run(names.len(), |gw| {
                names.iter().map(|name| shake(gw, &format!("{version} -servername {name}"))).collect()
            });
        }
    }
}

#[test]
fn groups_are_those_of_the_default_server() {
    for (first, second) in [("secp384r1", "prime256v1"), ("auto", "secp384r1"), ("secp521r1:X25519", "auto")] {
        for version in ["-tls1_2", "-tls1_3"] {
            let server = |name, curves| server(&format!("server_name {name}; ssl_ecdh_curve {curves};"));
            let stream = [server("a.test", first), server("b.test", second)].join("\n");
            compare(&stream).run(2, |gw| {
                let key = |name| {
                    let done = gw.tls("in").args(&format!("{version} -servername {name}")).run();
                    done.stdout.lines().filter(|line| line.starts_with("Server Temp Key")).collect::<String>()
                };
                ["a.test", "b.test"].map(key).join(" ")
            });
        }
    }
}

#[test]
fn sessions_resumed() {
    for version in ["-tls1_2", "-tls1_3"] {
        let cached = "ssl_session_cache shared:s:1m; ssl_session_tickets off;";
        for settings in [
            // AWS-LC keeps no sessions of TLS 1.3 but in tickets.
            if version == "-tls1_2" { cached } else { "" },
            "ssl_session_cache shared:s:1m;",
            "ssl_session_cache off;",
            "ssl_session_tickets off;",
            "ssl_verify_client optional; ssl_client_certificate %pki/ca1.crt;",
        ] {
            served(&server(settings)).run(3, |gw| {
                let kept = gw.path("kept").display().to_string();
                let client = "-cert %pki/client.crt -key %pki/client.key";
                let first = shake(gw, &format!("{version} {client} -sess_out {kept}"));
                if !gw.path("kept").exists() {
                    return first + &shake(gw, version) + &shake(gw, version);
                }
                let again = format!("{version} {client} -sess_in {kept}");
                first + &shake(gw, &again) + &shake(gw, &again)
            });
        }
    }
}

#[test]
fn beginnings_that_are_none() {
    let openings: [&[u8]; 7] = [
        b"\x16\x03\x01\0\x04\x02\0\0\0",
        b"G",
        b"CONNECT x\r\n\r\n",
        b"\x16\x03\x01",
        b"\x80\x2e\x01\x03\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"\x16\x03\x03\0\0",
        b"",
    ];
    for opening in openings {
        let stream = format!(
            "log_format protocol '$ssl_protocol $ssl_cipher [$ssl_server_name]'; access_log %dir/protocol.log protocol;\n\
             access_log %dir/access.log compared;\n{}",
            server("ssl_handshake_timeout 5s;")
        );
        compare(&stream).also("protocol.log").run(1, |gw| {
            let mut peer = gw.connect("in");
            peer.send(opening);
            peer.finish_sending();
            peer.recv_end();
            String::new()
        });
    }
}

#[test]
fn connections_passed_on() {
    let verify = |mode: &str| format!("ssl_verify_client {mode}; ssl_client_certificate %pki/ca1.crt;");
    let [asks, wants] = ["optional", "on"].map(verify);
    for client in ["", "-cert %pki/client.crt -key %pki/client.key"] {
        for first in ["", &asks] {
            for second in [String::new(), format!("ssl {CERTIFICATE}"), format!("ssl {CERTIFICATE} {wants}")] {
                let (ssl, settings) = second.split_once(' ').unwrap_or_default();
                let stream = format!(
                    "server {{ listen 127.0.0.1:%in ssl; {CERTIFICATE} {first} pass 127.0.0.1:%there; }}\n\
                     server {{ listen 127.0.0.1:%there {ssl}; {settings} return 'answer:$ssl_protocol:end'; }}"
                );
                served(&stream).run(1, |gw| shake(gw, &format!("{client} -servername a.test")));
            }
        }
    }
}

#[test]
fn upstreams() {
    // A refusal of the client's certificate comes in time with TLS 1.2 only.
    let servers = [
        "-cert %pki/server.crt -key %pki/server.key",
        "-cert %pki/server.crt -key %pki/server.key -tls1_2",
        "-cert %pki/ecdsa.crt -key %pki/ecdsa.key",
        "-cert %pki/ed25519.crt -key %pki/ed25519.key",
        "-cert %pki/named.crt -key %pki/named.key",
        "-cert %pki/impostor.crt -key %pki/impostor.key",
        "-cert %pki/expired.crt -key %pki/expired.key",
        "-cert %pki/deepserver.crt -key %pki/deepserver.key -cert_chain %pki/inter.crt",
        "-cert %pki/server.crt -key %pki/server.key -tls1_2 -Verify 1 -verify_return_error -CAfile %pki/ca1.crt",
    ];
    let servers = servers.map(TlsServer::start);
    let trust = "proxy_ssl_verify on; proxy_ssl_trusted_certificate %pki/ca1.crt;";
    for up in &servers {
        for more in [
            String::new(),
            trust.to_owned(),
            format!("{trust} proxy_ssl_name a.example.com; proxy_ssl_verify_depth 3;"),
            format!("{trust} proxy_ssl_name A.EXAMPLE.COM:443; proxy_ssl_verify_depth 0;"),
            format!("{trust} proxy_ssl_name .example.com;"),
            format!("proxy_ssl_server_name on; proxy_ssl_name {};", "a".repeat(256)),
            format!("{trust} proxy_ssl_name named.example.net; proxy_ssl_crl %pki/ca1.crl;"),
            "proxy_ssl_certificate %pki/client.crt; proxy_ssl_certificate_key %pki/client.key;".to_owned(),
            "proxy_ssl_certificate %pki/client2.crt; proxy_ssl_certificate_key %pki/client2.key;".to_owned(),
            "proxy_ssl_protocols TLSv1.2;".to_owned(),
        ] {
            let stream = format!("server {{ listen 127.0.0.1:%in; proxy_ssl on; proxy_pass %up; {more} }}");
            compare(&stream).with("up", up.addr()).run(1, |gw| {
                let mut peer = gw.connect("in");
                let _ = peer.try_send("hello\n");
                peer.recv_some().unwrap_or_default().len().to_string()
            });
        }
    }
    let plain = TcpBackend::banner("220 plain\r\n");
    let leaves = TcpBackend::start(|peer| peer.recv_some().unwrap_or_default());
    for up in [plain.addr(), leaves.addr()] {
        for more in ["", "proxy_next_upstream off;"] {
            let stream = format!(
                "upstream u {{ server %bad; server %good; }}\n\
                 server {{ listen 127.0.0.1:%in; proxy_ssl on; proxy_pass u; {more} }}"
            );
            let good = servers[0].addr();
            compare(&stream).with("bad", up).with("good", good).run(2, |gw| {
                let one = || {
                    let mut peer = gw.connect("in");
                    let _ = peer.try_send("hello\n");
                    peer.recv_some().unwrap_or_default().len().to_string()
                };
                let first = one();
                gw.access(1);
                first + &one()
            });
        }
    }
}

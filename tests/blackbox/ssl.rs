//! TLS towards clients: protocols, ciphers, certificates, ALPN, refusals. Sessions and client certificates have files of their own.

use std::time::{Duration, Instant};

use testkit::{Finished, Gateway, Hello, Peer, TcpBackend, ech_file, pki};

use crate::gateway;

pub(super) const CERT: &str = "ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n";
const LOG: &str = "log_format f '$status $ssl_protocol $ssl_client_verify'; access_log %dir/access.log f;\n";

/// A TLS server that answers `answer` at once.
pub(super) fn answering(answer: &str, more: &str) -> testkit::Builder {
    gateway(&format!("{LOG}{CERT}server {{ listen 127.0.0.1:%in ssl; {more} return '<<<{answer}>>>'; }}"))
}

/// What stands between the triple brackets in the client's output.
pub(super) fn answer(done: &Finished) -> Option<&str> {
    let (_, rest) = done.stdout.split_once("<<<")?;
    rest.split_once(">>>").map(|(text, _)| text)
}

/// The answer to a client with these options, if there was one.
pub(super) fn ask(gw: &Gateway, args: &str) -> Option<String> {
    answer(&gw.tls("in").args(args).run()).map(str::to_owned)
}

#[test]
fn terminates_and_passes_plain_bytes_on() {
    let up = TcpBackend::line();
    let gw =
        gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}")).with("up", up.addr()).start();
    let done = gw.tls("in").args("-CAfile %pki/ca1.crt -verify_return_error").request("secret\n").run();
    assert!(done.stdout.contains("got:secret\n"), "{}", done.stdout);
    assert!(done.stdout.contains("Verification: OK"), "{}", done.stdout);
    assert_eq!(up.received(0), b"secret\n");
}

#[test]
fn carries_bulk() {
    let up = TcpBackend::banner(&"0123456789".repeat(300_000));
    let gw =
        gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}")).with("up", up.addr()).start();
    let done = gw.tls("in").args("-quiet").run();
    assert_eq!(done.stdout.len(), 3_000_000);
    assert!(done.stdout.ends_with("0123456789"));
}

#[test]
fn a_client_that_refuses_the_certificate_is_quoted() {
    let gw = answering("never", "").level("info").start();
    let told = |args: &str, alert: &str| {
        assert_eq!(ask(&gw, &format!("{args} -verify_return_error")), None);
        let line = gw.wait_error(alert);
        assert_eq!(line.level, "info");
        assert!(line.text.starts_with("SSL_do_handshake() failed (SSL: error:0A000"), "{}", line.text);
    };
    for version in ["-tls1_3", "-tls1_2"] {
        told(version, "0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48) while SSL handshaking, ");
        let other_name = format!("{version} -CAfile %pki/ca1.crt -verify_hostname other.test");
        told(&other_name, " alert bad certificate:SSL alert number 42) while SSL ");
    }
    assert_eq!(gw.errors().iter().filter(|line| line.text.contains("SSL_do_handshake() failed")).count(), 4);
}

#[test]
fn tls_1_2_and_1_3_by_default() {
    let gw = answering("$ssl_protocol", "").start();
    assert_eq!(ask(&gw, "").as_deref(), Some("TLSv1.3"));
    assert_eq!(ask(&gw, "-tls1_2").as_deref(), Some("TLSv1.2"));
    assert_eq!(ask(&gw, "-tls1_1 -cipher DEFAULT@SECLEVEL=0"), None);
}

#[test]
fn protocols_can_be_narrowed() {
    let gw = answering("$ssl_protocol", "ssl_protocols TLSv1.2;").start();
    assert_eq!(ask(&gw, "").as_deref(), Some("TLSv1.2"));
    assert_eq!(ask(&gw, "-tls1_3"), None);
    let line = gw.wait_error("SSL_do_handshake() failed (SSL:");
    assert!(line.text.contains(" while SSL handshaking, client: 127.0.0.1, server: "), "{}", line.text);
    let gw = answering("$ssl_protocol", "ssl_protocols TLSv1.3;").start();
    assert_eq!(ask(&gw, "-tls1_2"), None);
    assert_eq!(ask(&gw, "").as_deref(), Some("TLSv1.3"));
}

#[test]
fn old_protocols_work_when_listed() {
    let gw = answering("$ssl_protocol", "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers DEFAULT@SECLEVEL=0;").start();
    assert_eq!(ask(&gw, "-tls1 -cipher DEFAULT@SECLEVEL=0").as_deref(), Some("TLSv1"));
    assert_eq!(ask(&gw, "-tls1_1 -cipher DEFAULT@SECLEVEL=0").as_deref(), Some("TLSv1.1"));
}

#[test]
fn ciphers() {
    let gw = answering("$ssl_cipher", "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384;").start();
    assert_eq!(ask(&gw, "-tls1_2").as_deref(), Some("ECDHE-RSA-AES256-GCM-SHA384"));
    assert_eq!(ask(&gw, "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256"), None);
}

#[test]
fn the_order_of_ciphers() {
    let list = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
    let offer = "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384";
    let gw = answering("$ssl_cipher", &format!("ssl_ciphers {list};")).start();
    assert_eq!(ask(&gw, offer).as_deref(), Some("ECDHE-RSA-AES128-GCM-SHA256"));
    let gw = answering("$ssl_cipher", &format!("ssl_ciphers {list}; ssl_prefer_server_ciphers on;")).start();
    assert_eq!(ask(&gw, offer).as_deref(), Some("ECDHE-RSA-AES256-GCM-SHA384"));
}

#[test]
fn curves() {
    let gw = answering("$ssl_curve $ssl_curves", "ssl_ecdh_curve secp384r1:prime256v1;").start();
    assert_eq!(ask(&gw, "-curves P-384").as_deref(), Some("secp384r1 secp384r1"));
    assert_eq!(ask(&gw, "-curves P-256").as_deref(), Some("prime256v1 prime256v1"));
    assert_eq!(ask(&gw, "-curves X25519"), None);
}

#[test]
fn the_certificate_fits_the_clients_algorithms() {
    let more = "ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key;\n\
                ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;";
    let gw = gateway(&format!("server {{ listen 127.0.0.1:%in ssl; {more} return x; }}")).start();
    let subject = |args: &str| gw.tls("in").args(args).run().stdout;
    assert!(subject("-sigalgs ecdsa_secp256r1_sha256").contains("CN = ecdsa"));
    assert!(subject("-sigalgs rsa_pss_rsae_sha256").contains("CN = server"));
    assert!(subject("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256").contains("CN = ecdsa"));
    assert!(subject("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256").contains("CN = server"));
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let conf = "server { listen 127.0.0.1:%in ssl; server_name a.example.com; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; return '<<<first>>>'; }\n\
                server { listen 127.0.0.1:%in ssl; server_name other.test; ssl_certificate %pki/other.crt; ssl_certificate_key %pki/other.key; return '<<<second>>>'; }";
    let gw = gateway(conf).start();
    let done = gw.tls("in").args("-servername other.test -CAfile %pki/ca1.crt -verify_hostname other.test").run();
    assert_eq!(answer(&done), Some("second"));
    assert!(done.stdout.contains("Verification: OK"), "{}", done.stdout);
    let done = gw.tls("in").args("-servername a.example.com -CAfile %pki/ca1.crt -verify_hostname a.example.com").run();
    assert_eq!(answer(&done), Some("first"));
    assert!(done.stdout.contains("Verification: OK"), "{}", done.stdout);
}

#[test]
fn settings_of_the_named_server_rule_its_handshakes() {
    let conf = format!(
        "{CERT}server {{ listen 127.0.0.1:%in ssl; server_name a.test; return '<<<$ssl_protocol>>>'; }}\n\
         server {{ listen 127.0.0.1:%in ssl; server_name b.test; ssl_protocols TLSv1.2; ssl_alpn two; return '<<<$ssl_protocol $ssl_alpn_protocol>>>'; }}"
    );
    let gw = gateway(&conf).start();
    assert_eq!(ask(&gw, "-servername a.test").as_deref(), Some("TLSv1.3"));
    assert_eq!(ask(&gw, "-servername b.test -alpn one,two").as_deref(), Some("TLSv1.2 two"));
    assert_eq!(ask(&gw, "-servername b.test -tls1_3"), None);
}

#[test]
fn sends_the_chain() {
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/deep.crt; ssl_certificate_key %pki/deepserver.key; return '<<<x>>>'; }";
    let gw = gateway(conf).start();
    let done = gw.tls("in").args("-CAfile %pki/ca1.crt").run();
    assert!(done.stdout.contains("Verification: OK"), "{}", done.stdout);
}

#[test]
fn an_encrypted_key_opens_with_one_of_the_passphrases() {
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/encrypted.key; ssl_password_file %pki/passwords; return '<<<x>>>'; }";
    let gw = gateway(conf).start();
    assert_eq!(ask(&gw, "").as_deref(), Some("x"));
    let conf = conf.replace("%pki/passwords", "%dir/wrong");
    let done = gateway(&conf).file("wrong", "nope\n").test();
    assert_eq!(done.code, Some(1));
    let line = &done.messages()[0];
    assert!(
        line.starts_with("[emerg] cannot load certificate key \"")
            && line.contains("encrypted.key\": PEM_read_bio_PrivateKey() failed (SSL:"),
        "{line}"
    );
}

#[test]
fn certificates_given_as_text() {
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate 'data:%cert'; ssl_certificate_key 'data:%key'; return '<<<x>>>'; }";
    let gw = gateway(conf).with("cert", pki().text("ecdsa.crt")).with("key", pki().text("ecdsa.key")).start();
    assert_eq!(ask(&gw, "").as_deref(), Some("x"));
}

#[test]
fn certificates_named_by_variables() {
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/$ssl_server_name.crt; ssl_certificate_key %dir/$ssl_server_name.key; return '<<<x>>>'; }";
    let gw = gateway(conf)
        .file("other.test.crt", pki().text("other.crt"))
        .file("other.test.key", pki().text("other.key"))
        .start();
    let done = gw.tls("in").args("-servername other.test -CAfile %pki/ca1.crt").run();
    assert_eq!(answer(&done), Some("x"));
    assert!(done.stdout.contains("CN = other.test"), "{}", done.stdout);
    assert_eq!(ask(&gw, "-servername none.test"), None);
    let line = gw.wait_error("cannot load certificate");
    assert_eq!(line.level, "error");
    assert!(line.text.contains("/none.test.crt\": "), "{}", line.text);
    assert!(line.text.contains(" while SSL handshaking, client: "), "{}", line.text);
}

#[test]
fn alpn() {
    let gw = answering("$ssl_alpn_protocol", "ssl_alpn h2 http/1.1;").start();
    assert_eq!(ask(&gw, "-alpn http/1.1,h2").as_deref(), Some("h2"));
    assert_eq!(ask(&gw, "-alpn http/1.1").as_deref(), Some("http/1.1"));
    assert_eq!(ask(&gw, "").as_deref(), Some(""));
    let done = gw.tls("in").args("-alpn imap").run();
    assert_eq!(answer(&done), None);
    assert!(done.stderr.contains("alert number 120"), "{}", done.stderr);
}

#[test]
fn alpn_is_ignored_where_it_is_not_set() {
    let gw = answering("$ssl_alpn_protocol", "").start();
    assert_eq!(ask(&gw, "-alpn h2").as_deref(), Some(""));
}

#[test]
fn rejecting_the_handshake() {
    let conf = format!(
        "{LOG}server {{ listen 127.0.0.1:%in ssl; ssl_reject_handshake on; }}\n\
         server {{ listen 127.0.0.1:%in ssl; server_name a.test; {CERT} return '<<<a>>>'; }}"
    );
    let gw = gateway(&conf).start();
    let done = gw.tls("in").args("-servername b.test").run();
    assert!(done.stderr.contains("alert number 112"), "{}", done.stderr);
    let line = gw.wait_error("handshake rejected");
    assert_eq!(line.level, "info");
    assert!(
        line.text.starts_with("handshake rejected while SSL handshaking, client: 127.0.0.1, server: "),
        "{}",
        line.text
    );
    assert_eq!(ask(&gw, "-servername a.test").as_deref(), Some("a"));
    let statuses: Vec<String> = gw.access(2).iter().map(|line| line[..3].to_owned()).collect();
    assert_eq!(statuses, ["500", "200"]);
}

#[test]
fn plain_text_instead_of_tls() {
    let gw = answering("x", "").start();
    let _ = gw.ask("in", "GET / HTTP/1.0\r\n\r\n");
    let line = gw.wait_error("SSL_do_handshake() failed (SSL:");
    assert_eq!(line.level, "info");
    assert!(line.text.contains(") while SSL handshaking, client: 127.0.0.1, server: "), "{}", line.text);
    assert!(gw.access(1)[0].starts_with("500 "));
}

#[test]
fn closing_in_the_handshake() {
    let gw = answering("x", "").start();
    drop(gw.connect("in"));
    let line = gw.wait_error("peer closed connection in SSL handshake");
    assert_eq!(line.level, "info");
    let expected = "peer closed connection in SSL handshake while SSL handshaking, client: 127.0.0.1, server: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    assert!(gw.access(1)[0].starts_with("500 "));
}

#[test]
fn handshake_timeout_is_silent() {
    let gw = answering("x", "ssl_handshake_timeout 300ms;").start();
    let start = Instant::now();
    let mut client = gw.connect("in");
    client.send(&Hello::named("a").bytes()[..20]);
    client.wait_for_end();
    assert!(start.elapsed() >= Duration::from_millis(290));
    assert!(gw.access(1)[0].starts_with("500 "));
    assert!(gw.errors().iter().all(|line| !line.text.contains("timed out")), "{}", gw.error_text());
}

#[test]
fn a_hello_in_single_bytes() {
    let gw = answering("x", "").start();
    let mut client = gw.connect("in");
    client.send_bytewise(&Hello::named("a.test").bytes());
    // A server flight, or an alert if the hello is too poor: a TLS record in any case.
    let record = client.recv(3);
    assert!(matches!(record[0], 0x15 | 0x16) && record[1] == 3, "{record:?}");
}

#[test]
fn several_connections_do_not_disturb_each_other() {
    let gw = answering("$ssl_server_name", "").start();
    let stuck: Vec<Peer> = (0..5).map(|_| gw.connect("in")).collect();
    assert_eq!(ask(&gw, "-servername free.test").as_deref(), Some("free.test"));
    drop(stuck);
}

#[test]
fn variables_of_the_session() {
    let gw = answering("$ssl_server_name|$ssl_cipher|$ssl_curve|$ssl_session_reused|$ssl_ciphers", "").start();
    let args = "-servername Mixed.Test -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -curves X25519";
    let line = ask(&gw, args).expect("an answer");
    assert!(line.starts_with("Mixed.Test|ECDHE-RSA-AES128-GCM-SHA256|X25519|.|ECDHE-RSA-AES128-GCM-SHA256"), "{line}");
}

#[test]
fn plain_connections_have_no_ssl_variables() {
    let conf = "log_format f '$ssl_protocol $ssl_cipher $ssl_server_name'; access_log %dir/access.log f; server { listen 127.0.0.1:%in; return '<<<$ssl_protocol>>>'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "<<<>>>");
    assert_eq!(gw.access(1), ["- - -"]);
}

#[test]
fn one_server_that_asks_for_tls_makes_the_address_tls() {
    let conf = format!(
        "{CERT}server {{ listen 127.0.0.1:%in; return '<<<plain>>>'; }}\nserver {{ listen 127.0.0.1:%in ssl; server_name b.test; return '<<<b>>>'; }}"
    );
    let gw = gateway(&conf).start();
    assert_eq!(ask(&gw, "-servername x.test").as_deref(), Some("plain"));
    assert_eq!(ask(&gw, "-servername b.test").as_deref(), Some("b"));
}

#[test]
fn preread_under_termination_reads_the_decrypted_bytes() {
    let up = TcpBackend::line();
    let gw = gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; ssl_preread on; proxy_pass %up; }}"))
        .with("up", up.addr())
        .start();
    let done = gw.tls("in").request("hello there\n").run();
    assert!(done.stdout.contains("got:hello there\n"), "{}", done.stdout);
}

#[test]
fn closing_sends_close_notify() {
    let gw = answering("x", "").start();
    let done = gw.tls("in").args("-msg").run();
    assert!(done.stdout.contains("close_notify"), "{}", done.stdout);
}

#[test]
fn commands_for_the_library() {
    let gw =
        answering("$ssl_protocol $ssl_cipher", "ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;").start();
    assert_eq!(ask(&gw, "").as_deref(), Some("TLSv1.3 TLS_CHACHA20_POLY1305_SHA256"));
    let gw = answering("$ssl_protocol", "ssl_conf_command MaxProtocol TLSv1.2;").start();
    assert_eq!(ask(&gw, "").as_deref(), Some("TLSv1.2"));
}

#[test]
fn inherited_certificates_are_replaced_as_a_whole() {
    let conf = format!(
        "{CERT}server {{ listen 127.0.0.1:%in ssl; ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key; return x; }}"
    );
    let gw = gateway(&conf).start();
    assert!(gw.tls("in").run().stdout.contains("CN = ecdsa"));
    assert!(!gw.tls("in").args("-sigalgs rsa_pss_rsae_sha256").run().stdout.contains("BEGIN CERTIFICATE"));
}

/// The subjects that a client sees before and after the files of a certificate named by variables change.
fn subjects_around_a_change(cache: &str) -> [bool; 2] {
    let conf = format!(
        "{cache} server {{ listen 127.0.0.1:%in ssl; ssl_certificate %dir/$ssl_server_name.crt;\n\
         ssl_certificate_key %dir/$ssl_server_name.key; return x; }}"
    );
    let gw = gateway(&conf).start();
    let put = |name: &str| {
        for kind in ["crt", "key"] {
            let there = gw.path(&format!("a.{kind}"));
            let _ = std::fs::remove_file(&there);
            std::fs::write(there, pki().text(&format!("{name}.{kind}"))).unwrap();
        }
    };
    let is_server = || {
        let done = gw.tls("in").args("-servername a").run();
        assert!(done.stdout.contains("BEGIN CERTIFICATE"), "{}{}", done.stdout, done.stderr);
        let wanted = pki().text("server.crt");
        let body = wanted.lines().nth(3).unwrap();
        done.stdout.contains(body)
    };
    put("server");
    let before = is_server();
    put("client");
    [before, is_server()]
}

#[test]
fn certificates_named_by_variables_are_read_for_each_handshake_or_kept() {
    assert_eq!(subjects_around_a_change(""), [true, false]);
    assert_eq!(subjects_around_a_change("ssl_certificate_cache max=10 valid=1h;"), [true, true]);
    assert_eq!(subjects_around_a_change("ssl_certificate_cache off;"), [true, false]);
    // It has room for the certificate and the key, or for one of them.
    assert_eq!(subjects_around_a_change("ssl_certificate_cache max=2 valid=1h;"), [true, true]);
    assert_eq!(subjects_around_a_change("ssl_certificate_cache max=1 valid=1h;"), [true, false]);
}

#[test]
fn variables_tell_the_algorithms_of_signatures() {
    // nginx needs OpenSSL 3.5 for them, which most builds have not.
    if crate::is_nginx() {
        return;
    }
    let more = "ssl_verify_client optional; ssl_client_certificate %pki/ca1.crt;";
    let gw = answering("$ssl_sigalg|$ssl_client_sigalg", more).start();
    let client = "-cert %pki/client.crt -key %pki/client.key";
    for version in ["-tls1_2", "-tls1_3"] {
        assert_eq!(ask(&gw, version).as_deref(), Some("rsa_pss_rsae_sha256|"));
        let with = ask(&gw, &format!("{version} {client}"));
        assert_eq!(with.as_deref(), Some("rsa_pss_rsae_sha256|ecdsa_secp256r1_sha256"));
    }
    assert_eq!(ask(&gw, "-sigalgs RSA+SHA384 -tls1_2").as_deref(), Some("rsa_pkcs1_sha384|"));
}

#[test]
fn keys_of_encrypted_hellos() {
    // The usual library of nginx has none, nor has OpenSSL behind Lockgate.
    if !crate::binary().run(["-V"]).stderr.contains("AWS-LC") {
        return;
    }
    let variables = "$ssl_ech_status|$ssl_ech_outer_server_name|$ssl_server_name";
    let gw = answering(variables, "ssl_ech_file %dir/ech.pem;").file("ech.pem", ech_file("outer.test")).start();
    assert_eq!(ask(&gw, "-servername a.test").as_deref(), Some("NOT_TRIED||a.test"));
    assert_eq!(ask(&gw, "-tls1_2 -servername a.test").as_deref(), Some("NOT_TRIED||a.test"));
    let gw = answering(variables, "").start();
    assert_eq!(ask(&gw, "-servername a.test").as_deref(), Some("||a.test"));
    for (file, told) in [
        ("none", "[emerg] BIO_new_file(\"%f\") failed (SSL: error:80000002:system library::No such file or directory"),
        ("odd", "[emerg] cannot load ECH keys \"%f\": no private key\n"),
    ] {
        let builder = answering("x", &format!("ssl_ech_file %dir/{file};")).file("odd", "odd");
        let told = told.replace("%f", &builder.dir().join(file).display().to_string());
        let tested = builder.test();
        assert!(tested.code == Some(1) && tested.stderr.contains(&told), "{}", tested.stderr);
    }
}

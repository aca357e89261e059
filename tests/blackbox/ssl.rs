//! TLS towards clients: protocols, certificates, sessions, client certificates, ALPN, refusals.

use std::time::{Duration, Instant};

use testkit::{Finished, Gateway, Hello, Peer, Scratch, TcpBackend, pki};

use crate::gateway;

const CERT: &str = "ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n";
const LOG: &str = "log_format f '$status $ssl_protocol $ssl_client_verify'; access_log %dir/access.log f;\n";

/// A TLS server that answers `answer` at once.
fn answering(answer: &str, more: &str) -> testkit::Builder {
    gateway(&format!("{LOG}{CERT}server {{ listen 127.0.0.1:%in ssl; {more} return '<<<{answer}>>>'; }}"))
}

/// What stands between the triple brackets in the client's output.
fn answer(done: &Finished) -> Option<&str> {
    let (_, rest) = done.stdout.split_once("<<<")?;
    rest.split_once(">>>").map(|(text, _)| text)
}

fn ask(gw: &Gateway, args: &str) -> Option<String> {
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

/// Connects twice, the second time with the session of the first, and gives both answers.
fn twice(gw: &Gateway, args: &str) -> (Option<String>, Option<String>) {
    let dir = Scratch::new();
    let file = dir.path().join("session").display().to_string();
    let first = ask(gw, &format!("{args} -sess_out {file}"));
    let offer = if dir.path().join("session").exists() { format!("-sess_in {file}") } else { String::new() };
    let second = ask(gw, &format!("{args} {offer}"));
    (first, second)
}

fn answers(first: &str, second: &str) -> (Option<String>, Option<String>) {
    (Some(first.to_owned()), Some(second.to_owned()))
}

#[test]
fn sessions_resume_by_ticket() {
    let gw = answering("$ssl_session_reused", "").start();
    assert_eq!(twice(&gw, ""), answers(".", "r"));
    assert_eq!(twice(&gw, "-tls1_2"), answers(".", "r"));
}

#[test]
fn without_tickets_nothing_resumes() {
    let gw = answering("$ssl_session_reused", "ssl_session_tickets off;").start();
    assert_eq!(twice(&gw, "-tls1_2"), answers(".", "."));
    let gw = answering("$ssl_session_reused", "ssl_session_tickets off; ssl_session_cache off;").start();
    assert_eq!(twice(&gw, "-tls1_2"), answers(".", "."));
}

#[test]
fn sessions_resume_from_the_cache() {
    for cache in ["builtin", "shared:SSL:1m", "builtin:100 shared:SSL:1m"] {
        let gw =
            answering("$ssl_session_reused", &format!("ssl_session_tickets off; ssl_session_cache {cache};")).start();
        assert_eq!(twice(&gw, "-tls1_2"), answers(".", "r"), "{cache}");
    }
}

#[test]
fn ticket_keys_from_a_file_outlive_the_process() {
    let dir = Scratch::new();
    let session = dir.path().join("session").display().to_string();
    let key: Vec<u8> = (0..80).collect();
    let start = || answering("$ssl_session_reused", "ssl_session_ticket_key %dir/key;").file("key", &key).start();
    assert_eq!(ask(&start(), &format!("-sess_out {session}")).as_deref(), Some("."));
    assert_eq!(ask(&start(), &format!("-sess_in {session}")).as_deref(), Some("r"));
}

#[test]
fn ticket_keys_of_the_older_length() {
    let key: Vec<u8> = (0..48).collect();
    let gw = answering("$ssl_session_reused", "ssl_session_ticket_key %dir/key;").file("key", &key).start();
    assert_eq!(twice(&gw, ""), answers(".", "r"));
}

#[test]
fn sessions_last_over_a_reload_with_a_shared_cache() {
    let dir = Scratch::new();
    let session = dir.path().join("session").display().to_string();
    let conf = format!(
        "{CERT}ssl_session_tickets off; ssl_session_cache shared:SSL:1m; server {{ listen 127.0.0.1:%in ssl; return '<<<$ssl_session_reused>>>'; }}"
    );
    let mut gw = gateway(&conf).start();
    assert_eq!(ask(&gw, &format!("-tls1_2 -sess_out {session}")).as_deref(), Some("."));
    gw.reload(&conf);
    assert_eq!(ask(&gw, &format!("-tls1_2 -sess_in {session}")).as_deref(), Some("r"));
}

const CLIENT: &str = "-cert %pki/client.crt -key %pki/client.key";
const CLIENT2: &str = "-cert %pki/client2.crt -key %pki/client2.key";

fn verifying(more: &str) -> Gateway {
    answering("$ssl_client_verify", more).start()
}

#[test]
fn verify_on() {
    let gw = verifying("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    assert_eq!(ask(&gw, CLIENT2), None);
    let line = gw.wait_error("client SSL certificate verify error");
    assert_eq!(line.level, "info");
    let rest = line.text.strip_prefix("client SSL certificate verify error: (").expect(&line.text);
    assert!(rest.contains(") while SSL handshaking, client: 127.0.0.1, server: "), "{rest}");
    assert_eq!(ask(&gw, ""), None);
    let line = gw.wait_error("client sent no required SSL certificate");
    assert_eq!(line.level, "info");
    let expected = "client sent no required SSL certificate while SSL handshaking, client: 127.0.0.1, server: ";
    assert!(line.text.starts_with(expected), "{}", line.text);
    let lines = gw.access(3);
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("200 TLSv1.3 SUCCESS", "500 TLSv1.3 NONE"));
    assert!(lines[1].starts_with("500 TLSv1.3 FAILED:"), "{}", lines[1]);
}

#[test]
fn the_handshake_itself_succeeds_before_a_refusal() {
    let gw = verifying("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;");
    let done = gw.tls("in").args("-tls1_2").run();
    assert!(done.stdout.contains("Cipher is ECDHE"), "{}", done.stdout);
    assert!(!done.stderr.contains("alert"), "{}", done.stderr);
}

#[test]
fn verify_optional() {
    let gw = verifying("ssl_verify_client optional; ssl_client_certificate %pki/ca1.crt;");
    assert_eq!(ask(&gw, "").as_deref(), Some("NONE"));
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    assert_eq!(ask(&gw, CLIENT2), None);
}

#[test]
fn verify_optional_no_ca() {
    let gw = verifying("ssl_verify_client optional_no_ca;");
    assert_eq!(ask(&gw, "").as_deref(), Some("NONE"));
    let failed = ask(&gw, CLIENT2).expect("an answer");
    assert!(failed.starts_with("FAILED:unable to "), "{failed}");
    let gw = verifying("ssl_verify_client optional_no_ca; ssl_client_certificate %pki/ca1.crt;");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    assert_eq!(ask(&gw, "-cert %pki/expired.crt -key %pki/expired.key"), None);
}

#[test]
fn verify_off_asks_for_nothing() {
    let gw = verifying("");
    let done = gw.tls("in").args(CLIENT).run();
    assert_eq!(answer(&done), Some("NONE"));
    assert!(done.stdout.contains("No client certificate CA names sent"), "{}", done.stdout);
}

#[test]
fn names_of_client_cas_are_sent_and_of_trusted_cas_not() {
    let gw =
        verifying("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; ssl_trusted_certificate %pki/ca2.crt;");
    let done = gw.tls("in").args(CLIENT2).run();
    assert_eq!(answer(&done), Some("SUCCESS"));
    let (_, names) = done.stdout.split_once("Acceptable client certificate CA names").expect("names");
    let names = names.split_once("Requested Signature").map_or(names, |(names, _)| names);
    assert!(names.contains("CN = ca1") && !names.contains("CN = ca2"), "{names}");
}

#[test]
fn verify_depth_counts_intermediates() {
    let chain = "-cert %pki/deepclient.crt -key %pki/deepclient.key -cert_chain %pki/inter.crt";
    for (depth, accepted) in [(1, true), (0, false)] {
        let gw =
            verifying(&format!("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; ssl_verify_depth {depth};"));
        assert_eq!(ask(&gw, chain).is_some(), accepted, "{depth}");
    }
}

#[test]
fn a_crl_refuses_revoked_clients() {
    let gw = verifying("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; ssl_crl %pki/ca1.crl;");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    assert_eq!(ask(&gw, "-cert %pki/revoked.crt -key %pki/revoked.key"), None);
    let line = gw.wait_error("verify error");
    assert!(
        line.text.starts_with("client SSL certificate verify error: (23:certificate revoked) while SSL handshaking"),
        "{}",
        line.text
    );
}

#[test]
fn an_issuer_without_a_crl_fails() {
    let gw = verifying("ssl_verify_client on; ssl_client_certificate %pki/ca2.crt; ssl_crl %pki/ca1.crl;");
    assert_eq!(ask(&gw, CLIENT2), None);
    let line = gw.wait_error("verify error");
    assert!(
        line.text.starts_with("client SSL certificate verify error: (3:unable to get certificate CRL) while"),
        "{}",
        line.text
    );
}

#[test]
fn an_expired_client_certificate() {
    let gw = verifying("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;");
    assert_eq!(ask(&gw, "-cert %pki/expired.crt -key %pki/expired.key"), None);
    let line = gw.wait_error("verify error");
    assert!(
        line.text.starts_with("client SSL certificate verify error: (10:certificate has expired) while"),
        "{}",
        line.text
    );
    assert_eq!(gw.access(1), ["500 TLSv1.3 FAILED:certificate has expired"]);
}

#[test]
fn a_self_signed_client_certificate() {
    let gw = verifying("ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;");
    assert_eq!(ask(&gw, "-cert %pki/self.crt -key %pki/self.key"), None);
    let line = gw.wait_error("verify error");
    assert!(
        line.text.starts_with("client SSL certificate verify error: (18:self-signed certificate) while"),
        "{}",
        line.text
    );
}

#[test]
fn variables_of_the_client_certificate() {
    let format = "$ssl_client_s_dn|$ssl_client_i_dn|$ssl_client_serial|$ssl_client_fingerprint|$ssl_client_v_end|$ssl_client_v_remain";
    let conf = format!(
        "{CERT}log_format f '{format}'; access_log %dir/access.log f;\n\
         server {{ listen 127.0.0.1:%in ssl; ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; return '<<<$ssl_client_cert>>>'; }}"
    );
    let gw = gateway(&conf).start();
    let cert = ask(&gw, CLIENT).expect("an answer");
    assert_eq!(cert, pki().text("client.crt").trim_end().replace('\n', "\n\t"));
    let line = gw.access(1).remove(0);
    let fields: Vec<&str> = line.split('|').collect();
    // The access log escapes the backslash of the name.
    assert_eq!(fields[..2], ["CN=client,O=Lockgate\\x5C, Inc", "CN=ca1,O=Lockgate Test"]);
    assert!(fields[2].len() == 4 && fields[2].starts_with("10"), "{line}");
    assert!(fields[3].len() == 40 && fields[3].bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
    assert!(fields[4].ends_with(" GMT"), "{line}");
    assert!(fields[5].parse::<u32>().is_ok_and(|days| days > 3000), "{line}");
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

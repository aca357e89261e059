//! The status of certificates: `ssl_ocsp` asks about those of clients, `ssl_stapling` sends what is said of ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::{Dns, Gateway, OpensslResponder, Port, Responder, Scratch, http, naming_responder, poll, response};

use super::ssl::{CERT, answering, ask};
use crate::{gateway, is_nginx};

const CLIENT: &str = "-cert %pki/client.crt -key %pki/client.key";
const REVOKED: &str = "-cert %pki/revoked.crt -key %pki/revoked.key";
const VERIFY: &str = "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; ssl_verify_depth 2;";
const FAILED: &str = "certificate status request failed";

/// A server that asks `url` about its clients.
fn asking(url: &str, more: &str) -> Gateway {
    answering("$ssl_client_verify", &format!("{VERIFY} ssl_ocsp on; ssl_ocsp_responder {url}; {more}")).start()
}

/// The client is refused for `reason`.
fn assert_refused(gw: &Gateway, client: &str, reason: &str) {
    assert_eq!(ask(gw, client), None);
    let line = gw.wait_error("client SSL certificate verify error");
    let start = format!(
        "client SSL certificate verify error: {reason} while SSL handshaking, client: 127.0.0.1, server: 127.0.0.1:"
    );
    assert!(line.level == "info" && line.text.starts_with(&start), "{line:?}");
    assert_eq!(gw.access(1), [format!("500 TLSv1.3 FAILED:{reason}")]);
}

/// Refused since nobody tells the status, for what is told at level error.
fn assert_untold(gw: &Gateway, told: &str) {
    assert_refused(gw, CLIENT, FAILED);
    let line = gw.wait_error(told);
    assert_eq!(line.level, "error");
    assert!(line.text.starts_with(told), "{}", line.text);
}

#[test]
fn a_responder_of_another_make() {
    let responder = OpensslResponder::start();
    let gw = asking(&responder.url(), "");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    let gw = asking(&responder.url(), "");
    assert_refused(&gw, REVOKED, "certificate revoked");
}

#[test]
fn the_question() {
    let responder = Responder::of_ca1();
    let gw = asking(&format!("http://127.0.0.1:{}/some/path", responder.port()), "");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    let asked = responder.asked();
    assert_eq!(asked.len(), 1, "nobody asks about the root");
    let (line, host) = asked[0].split_once("\r\n").expect("a request line");
    assert!(line.starts_with("GET /some/path/ME") && line.ends_with(" HTTP/1.0"), "{line}");
    assert_eq!(host, "Host: 127.0.0.1\r\n\r\n");
}

/// CVE-2026-28755: in `stream` nobody was asked.
#[test]
fn a_revoked_client() {
    let responder = Responder::of_ca1();
    for mode in ["on", "leaf"] {
        let more = format!("{VERIFY} ssl_ocsp {mode}; ssl_ocsp_responder {};", responder.url());
        let gw = answering("$ssl_client_verify", &more).start();
        assert_refused(&gw, REVOKED, "certificate revoked");
    }
}

#[test]
fn an_unknown_client() {
    let responder = Responder::start(|line| Some(http(&response(line, "ca1", "ca1", "no.index"))));
    assert_refused(&asking(&responder.url(), ""), CLIENT, "certificate status unknown");
}

#[test]
fn who_shows_no_certificate_is_not_asked_about() {
    let responder = Responder::of_ca1();
    let more = "ssl_verify_client optional; ssl_client_certificate %pki/ca1.crt; ssl_ocsp on; ssl_ocsp_responder";
    let gw = answering("$ssl_client_verify", &format!("{more} {};", responder.url())).start();
    assert_eq!(ask(&gw, "").as_deref(), Some("NONE"));
    assert_eq!(ask(&gw, "-cert %pki/client2.crt -key %pki/client2.key"), None);
    assert!(gw.access(2)[1].starts_with("500 TLSv1.3 FAILED:unable to "), "the library's reason");
    assert_eq!(responder.asked().len(), 0);
}

#[test]
fn a_chain_is_asked_about_up_to_the_root() {
    let client = "-cert %pki/deepclient.crt -key %pki/deepclient.key -cert_chain %pki/inter.crt";
    let asked_with = |mode: &str, index: &'static str| {
        let leaf = AtomicBool::new(true);
        let responder = Responder::start(move |line| {
            let is_leaf = leaf.swap(false, Ordering::SeqCst);
            let (ca, index) = if is_leaf { ("inter", "inter.index") } else { ("ca1", index) };
            Some(http(&response(line, ca, ca, index)))
        });
        let more = format!("{VERIFY} ssl_ocsp {mode}; ssl_ocsp_responder {};", responder.url());
        let gw = answering("$ssl_client_verify", &more).start();
        (ask(&gw, client), gw.access(1).remove(0), responder.asked().len())
    };
    let success = || Some("SUCCESS".to_owned());
    assert_eq!(asked_with("leaf", "ca1.index"), (success(), "200 TLSv1.3 SUCCESS".to_owned(), 1));
    assert_eq!(asked_with("on", "ca1.index"), (success(), "200 TLSv1.3 SUCCESS".to_owned(), 2));
    let refused = "500 TLSv1.3 FAILED:certificate status unknown".to_owned();
    assert_eq!(asked_with("on", "no.index"), (None, refused, 2), "the intermediate is not known");
}

#[test]
fn the_responder_that_the_certificate_names() {
    let responder = Responder::start(|line| Some(http(&response(line, "ca1", "ca1", "ca1.index"))));
    let named = naming_responder(&responder.url());
    let client = format!("-cert {0}/named.crt -key {0}/named.key", named.path().display());
    let gw = answering("$ssl_client_verify", &format!("{VERIFY} ssl_ocsp on;")).start();
    // The index does not know it: asked it was.
    assert_refused(&gw, &client, "certificate status unknown");
    assert_eq!(responder.asked().len(), 1);
    let gw = answering("$ssl_client_verify", &format!("{VERIFY} ssl_ocsp on;")).start();
    assert_untold(&gw, "no OCSP responder URL in certificate while SSL handshaking, client: 127.0.0.1, server: ");
    let secure = naming_responder("https://127.0.0.1/");
    let client = format!("-cert {0}/named.crt -key {0}/named.key", secure.path().display());
    let gw = answering("$ssl_client_verify", &format!("{VERIFY} ssl_ocsp on;")).start();
    assert_refused(&gw, &client, FAILED);
    gw.wait_error("invalid URL prefix in OCSP responder \"https://127.0.0.1/\" in certificate while SSL handshaking");
}

#[test]
fn a_responder_that_is_down() {
    let port = Port::lease();
    let gw = asking(&format!("http://127.0.0.1:{}/", port.number()), "");
    let context =
        format!("while requesting certificate status, responder: 127.0.0.1, peer: 127.0.0.1:{}", port.number());
    assert_untold(&gw, &format!("recv() failed (111: Connection refused) {context}"));
    gw.wait_error(&format!("OCSP responder prematurely closed connection {context}"));
}

#[test]
fn a_responder_that_says_nothing() {
    let responder = Responder::start(|_| None);
    let gw = asking(&responder.url(), "ssl_handshake_timeout 2s;");
    assert_eq!(ask(&gw, CLIENT), None);
    assert_eq!(gw.access(1), ["500 TLSv1.3 SUCCESS"]);
    assert_eq!(responder.asked().len(), 1);
    // The handshake's time is over, and that of the question with it.
    assert!(!gw.errors().iter().any(|line| line.text.contains("certificate status")), "{:?}", gw.errors());
}

#[test]
fn answers_that_are_none() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n";
    for (answer, told) in [
        ("foo\r\n\r\n".to_owned(), "OCSP responder sent invalid response while requesting certificate status"),
        (String::new(), "OCSP responder prematurely closed connection while requesting"),
        (head.to_owned(), "OCSP responder prematurely closed connection while requesting"),
        (format!("{head}X: {}", "x".repeat(20_000)), "OCSP responder prematurely closed connection while requesting"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>".to_owned(),
            "OCSP responder sent invalid \"Content-Type\" header: \"text/html\" while requesting certificate status",
        ),
        (format!("{head}\r\ngarbage"), "d2i_OCSP_RESPONSE() failed (SSL: error:"),
        // The whole of it is a status: "unauthorized".
        (
            format!("{head}\r\n0\u{3}\n\u{1}\u{6}"),
            "OCSP response not successful (6: unauthorized) while requesting certificate status, responder: 127.0.0.1, peer: ",
        ),
    ] {
        let responder = Responder::start(move |_| Some(answer.clone().into_bytes()));
        assert_untold(&asking(&responder.url(), ""), told);
    }
}

#[test]
fn nothing_is_told_of_other_codes() {
    let responder = Responder::start(|line| {
        let mut answer = b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec();
        answer.extend(response(line, "ca1", "ca1", "ca1.index"));
        Some(answer)
    });
    assert_refused(&asking(&responder.url(), ""), CLIENT, FAILED);
}

#[test]
fn what_follows_the_response_does_not_matter() {
    let responder = Responder::start(|line| {
        let mut body = response(line, "ca1", "ca1", "ca1.index");
        body.resize(40_000, 0);
        Some(http(&body))
    });
    assert_eq!(ask(&asking(&responder.url(), ""), CLIENT).as_deref(), Some("SUCCESS"));
}

#[test]
fn a_responder_that_keeps_its_connection() {
    // nginx waits for the end of the connection.
    if is_nginx() {
        return;
    }
    let responder = Responder::start_keeping(|line| {
        let body = response(line, "ca1", "ca1", "ca1.index");
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        Some(answer)
    });
    assert_eq!(ask(&asking(&responder.url(), ""), CLIENT).as_deref(), Some("SUCCESS"));
}

#[test]
fn only_the_issuer_or_its_delegate_may_sign() {
    let by =
        |signer: &'static str| Responder::start(move |line| Some(http(&response(line, "ca1", signer, "ca1.index"))));
    let delegate = by("ocsp");
    assert_eq!(ask(&asking(&delegate.url(), ""), CLIENT).as_deref(), Some("SUCCESS"));
    for signer in ["client", "ca2", "self"] {
        let other = by(signer);
        assert_untold(&asking(&other.url(), ""), "OCSP_basic_verify() failed (SSL: error:");
    }
}

#[test]
fn an_answer_about_another_certificate() {
    let first = Arc::new(std::sync::Mutex::new(String::new()));
    let responder = Responder::start(move |line| {
        let mut first = first.lock().unwrap();
        if first.is_empty() {
            line.clone_into(&mut first);
        }
        Some(http(&response(&first, "ca1", "ca1", "ca1.index")))
    });
    let gw = asking(&responder.url(), "");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    assert_eq!(ask(&gw, REVOKED), None);
    let line = gw.wait_error("certificate status not found in the OCSP response while requesting certificate status");
    assert_eq!(line.level, "error");
}

#[test]
fn names_of_responders() {
    let responder = Responder::of_ca1();
    let dns = Dns::host("ocsp.test", &["127.0.0.1"]);
    let named = naming_responder(&format!("http://ocsp.test:{}/", responder.port()));
    let client = format!("-cert {0}/named.crt -key {0}/named.key", named.path().display());
    let more = format!("{VERIFY} ssl_ocsp on; resolver {};", dns.addr());
    let gw = answering("$ssl_client_verify", &more).start();
    assert_refused(&gw, &client, "certificate status unknown");
    assert!(responder.asked()[0].contains("\r\nHost: ocsp.test\r\n"), "{:?}", responder.asked());
    let gw = answering("$ssl_client_verify", &format!("{VERIFY} ssl_ocsp on;")).start();
    assert_refused(&gw, &client, FAILED);
    let line = gw.wait_error("no resolver defined to resolve ocsp.test while requesting certificate status, ");
    assert_eq!((line.level.as_str(), line.text.ends_with("responder: ocsp.test")), ("error", true), "{}", line.text);
    let dns = Dns::start(|_| testkit::Reply::Code(3));
    let gw = answering("$ssl_client_verify", &format!("{VERIFY} ssl_ocsp on; resolver {};", dns.addr())).start();
    assert_refused(&gw, &client, FAILED);
    gw.wait_error("ocsp.test could not be resolved (3: Host not found) while requesting certificate status, ");
}

#[test]
fn a_responder_known_at_load_needs_no_resolver() {
    let responder = Responder::of_ca1();
    let gw = asking(&format!("http://localhost:{}/", responder.port()), "");
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    let line = gw.wait_error("no resolver defined to resolve localhost while requesting certificate status");
    assert_eq!(line.level, "warn");
}

/// Connects twice with the session of the first, whose certificate is revoked in between.
fn revoked_in_between(more: &str, client: &str) -> (Option<String>, Option<String>) {
    let dir = Scratch::new();
    let before: String = testkit::pki().text("ca1.index").lines().map(|line| not_revoked(line) + "\n").collect();
    let before = dir.write("index", before).display().to_string();
    let revoked = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&revoked);
    let responder = Responder::start(move |line| {
        let index = if now.load(Ordering::SeqCst) { "ca1.index" } else { &before };
        Some(http(&response(line, "ca1", "ca1", index)))
    });
    let gw = asking(&responder.url(), more);
    let session = dir.path().join("session").display().to_string();
    let first = ask(&gw, &format!("{client} {REVOKED} -sess_out {session}"));
    revoked.store(true, Ordering::SeqCst);
    let second = ask(&gw, &format!("{client} {REVOKED} -sess_in {session}"));
    (first, second)
}

#[test]
fn a_resumed_session_does_not_get_a_revoked_client_in() {
    let cached = "ssl_session_cache shared:s:1m; ssl_session_tickets off;";
    for (more, client) in [("", "-tls1_2"), ("", "-tls1_3"), (cached, "-tls1_2")] {
        let (first, second) = revoked_in_between(more, client);
        assert_eq!((first.as_deref(), second), (Some("SUCCESS"), None), "{more} {client}");
    }
}

/// A line of an index as it was before the certificate was revoked.
fn not_revoked(line: &str) -> String {
    let mut fields: Vec<&str> = line.split('\t').collect();
    if fields[0] == "R" {
        (fields[0], fields[2]) = ("V", "");
    }
    fields.join("\t")
}

#[test]
fn answers_are_kept_in_the_cache() {
    let responder = Responder::of_ca1();
    let conf = format!(
        "{CERT}ssl_ocsp_cache shared:status:1m;\n\
         server {{ listen 127.0.0.1:%in ssl; {VERIFY} ssl_ocsp on; ssl_ocsp_responder {}; return '<<<$ssl_client_verify>>>'; }}",
        responder.url()
    );
    let mut gw = gateway(&conf).workers(2).start();
    for _ in 0..3 {
        assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
        assert_eq!(ask(&gw, REVOKED), None);
    }
    assert_eq!(responder.asked().len(), 2, "once about each");
    gw.reload(&conf);
    assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    assert_eq!(responder.asked().len(), 2, "also after a reload");
    let gw = asking(&responder.url(), "");
    for _ in 0..2 {
        assert_eq!(ask(&gw, CLIENT).as_deref(), Some("SUCCESS"));
    }
    assert_eq!(responder.asked().len(), 4, "each time without a cache");
}

/// What the client shows of a stapled response.
fn stapled(gw: &Gateway) -> &'static str {
    let done = gw.tls("in").args("-status").run();
    if done.stdout.contains("OCSP response: no response sent") {
        "nothing"
    } else if done.stdout.contains("Cert Status: good") {
        "good"
    } else if done.stdout.contains("Cert Status: unknown") {
        "unknown"
    } else {
        panic!("{}", done.stdout)
    }
}

fn stapling(certificate: &str, more: &str) -> Gateway {
    gateway(&format!("{certificate}server {{ listen 127.0.0.1:%in ssl; ssl_stapling on; {more} return x; }}")).start()
}

const TRUST: &str = "ssl_trusted_certificate %pki/ca1.crt;";

#[test]
fn a_response_is_stapled_once_it_was_asked_for() {
    for verify in ["on", "off"] {
        let responder = Responder::of_ca1();
        let more = format!("{TRUST} ssl_stapling_verify {verify}; ssl_stapling_responder {};", responder.url());
        let gw = stapling(CERT, &more);
        gw.tls("in").run();
        assert_eq!(responder.asked().len(), 0, "nobody wanted to know");
        assert_eq!(stapled(&gw), "nothing");
        poll("a stapled response", || Some(()).filter(|()| stapled(&gw) == "good"));
        assert_eq!(responder.asked().len(), 1);
        let done = gw.tls("in").args("-status -tls1_2").run();
        assert!(done.stdout.contains("Cert Status: good"), "{}", done.stdout);
        let done = gw.tls("in").run();
        assert!(!done.stdout.contains("Cert Status"), "only who asks gets it");
    }
}

#[test]
fn each_certificate_has_its_response() {
    let responder = Responder::of_ca1();
    let both = format!("{CERT}ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key;\n");
    let gw = stapling(&both, &format!("{TRUST} ssl_stapling_responder {};", responder.url()));
    for kind in ["aRSA", "aECDSA"] {
        let shown = poll("a stapled response", || {
            let done = gw.tls("in").args(&format!("-status -tls1_2 -cipher {kind}")).run();
            done.stdout.contains("Cert Status: good").then_some(done.stdout)
        });
        let field = |name: &str| shown.split_once(name).map(|(_, rest)| rest.lines().next().unwrap_or_default().trim());
        let subject = field("subject=").expect("a subject");
        assert!(subject.ends_with(if kind == "aRSA" { "server" } else { "ecdsa" }), "{subject}");
        assert!(field("Serial Number:").is_some(), "{shown}");
    }
    let asked = responder.asked();
    assert!(asked.len() == 2 && asked[0] != asked[1], "{asked:?}");
}

#[test]
fn the_responder_that_our_certificate_names() {
    let responder = Responder::start(|line| Some(http(&response(line, "ca1", "ca1", "ca1.index"))));
    let named = naming_responder(&responder.url());
    let certificate =
        format!("ssl_certificate {0}/named.crt; ssl_certificate_key {0}/named.key;", named.path().display());
    let gw = stapling(&certificate, TRUST);
    assert_eq!(stapled(&gw), "nothing");
    let line = gw.wait_error("certificate status \"unknown\" in the OCSP response");
    let text = format!(
        "certificate status \"unknown\" in the OCSP response while requesting certificate status, responder: 127.0.0.1, \
         peer: 127.0.0.1:{}, certificate: \"{}/named.crt\"",
        responder.port(),
        named.path().display()
    );
    assert_eq!((line.level.as_str(), line.text), ("error", text));
    assert_eq!(stapled(&gw), "nothing");
    assert_eq!(responder.asked().len(), 1, "not again so soon");
}

#[test]
fn what_is_not_good_is_not_stapled() {
    let responder = Responder::start(|_| Some(Vec::new()));
    let gw = stapling(CERT, &format!("{TRUST} ssl_stapling_responder {};", responder.url()));
    assert_eq!(stapled(&gw), "nothing");
    let line = gw.wait_error("OCSP responder prematurely closed connection while requesting certificate status");
    assert!(line.text.contains(", certificate: \"") && line.text.ends_with("/server.crt\""), "{}", line.text);
    assert_eq!(stapled(&gw), "nothing");
    let signed_by_other = Responder::start(|line| Some(http(&response(line, "ca1", "ca2", "ca1.index"))));
    let more = format!("{TRUST} ssl_stapling_verify on; ssl_stapling_responder {};", signed_by_other.url());
    let gw = stapling(CERT, &more);
    assert_eq!(stapled(&gw), "nothing");
    gw.wait_error("OCSP_basic_verify() failed (SSL: error:");
    assert_eq!(stapled(&gw), "nothing");
}

#[test]
fn stapling_that_is_ignored() {
    let server = testkit::pki().dir().join("server.crt").display().to_string();
    for (more, told) in [
        (String::new(), format!("issuer certificate not found for certificate \"{server}\"")),
        (TRUST.to_owned(), format!("no OCSP responder URL in the certificate \"{server}\"")),
        (
            format!("{TRUST} ssl_stapling_responder https://a;"),
            format!("invalid URL prefix in OCSP responder \"https://a\" in the certificate \"{server}\""),
        ),
        (
            format!("{TRUST} ssl_stapling_responder http://:80/;"),
            format!("no host in OCSP responder \":80/\" in the certificate \"{server}\""),
        ),
    ] {
        let conf = format!("{CERT}server {{ listen 127.0.0.1:%in ssl; ssl_stapling on; {more} return x; }}");
        let tested = gateway(&conf).test();
        assert_eq!(tested.code, Some(0));
        assert!(tested.stderr.contains("[warn] "), "{}", tested.stderr);
        assert!(tested.stderr.contains(&format!("\"ssl_stapling\" ignored, {told}\n")), "{}", tested.stderr);
    }
}

#[test]
fn a_responder_that_cannot_be() {
    for (url, told) in [
        ("https://a", "invalid URL prefix in OCSP responder \"https://a\""),
        ("http://", "invalid URL prefix in OCSP responder \"http://\""),
        ("http://:80/", "no host in OCSP responder \":80/\""),
        ("http://127.0.0.1:x/", "invalid port in OCSP responder \"127.0.0.1:x/\""),
        ("http://nonesuch.invalid/", "host not found in OCSP responder \"nonesuch.invalid/\""),
    ] {
        for (mode, code) in [("leaf", 1), ("off", 0)] {
            let more = format!("{VERIFY} ssl_ocsp {mode}; ssl_ocsp_responder {url};");
            let tested = answering("x", &more).test();
            assert_eq!(tested.code, Some(code), "{}", tested.stderr);
            let told = format!("[emerg] {told} in \"ssl_ocsp_responder\"\n");
            assert_eq!(tested.stderr.contains(&told), code == 1, "{}", tested.stderr);
        }
    }
}

#[test]
fn a_stapled_file() {
    let responder = Responder::of_ca1();
    // A response is made the roundabout way: by being asked for.
    let gw = stapling(CERT, &format!("{TRUST} ssl_stapling_responder {};", responder.url()));
    assert_eq!(stapled(&gw), "nothing");
    let head = poll("a question", || responder.asked().pop());
    let der = response(head.lines().next().unwrap(), "ca1", "ca1", "ca1.index");
    let conf = format!(
        "{CERT}server {{ listen 127.0.0.1:%in ssl; ssl_stapling on; ssl_stapling_file %dir/response; return x; }}"
    );
    let gw = gateway(&conf).file("response", &der).level("notice").start();
    assert_eq!(stapled(&gw), "good");
    if !is_nginx() {
        // It is followed: one that makes no sense is refused, and another one taken.
        std::fs::write(gw.path("response"), "odd").unwrap();
        gw.wait_error("the certificates in use stay");
        assert_eq!(stapled(&gw), "good");
        let unknown = response(head.lines().next().unwrap(), "ca1", "ca1", "an empty index");
        std::fs::write(gw.path("new"), unknown).unwrap();
        std::fs::rename(gw.path("new"), gw.path("response")).unwrap();
        poll("the other response", || Some(()).filter(|()| stapled(&gw) == "unknown"));
        gw.wait_error("certificates have changed");
    }
    for (file, told) in [
        (
            "none",
            "BIO_new_file(\"%f\") failed (SSL: error:80000002:system library::No such file or directory:calling fopen(%f, rb) error:10000080:BIO routines::no such file)",
        ),
        ("odd", "d2i_OCSP_RESPONSE_bio(\"%f\") failed (SSL: error:"),
    ] {
        let builder = gateway(&conf.replace("response", file)).file("odd", "odd");
        let told = told.replace("%f", &builder.dir().join(file).display().to_string());
        let tested = builder.test();
        assert!(tested.code == Some(1) && tested.stderr.contains(&told), "{}", tested.stderr);
    }
}

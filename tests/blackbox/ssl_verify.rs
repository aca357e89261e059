//! Client certificates: the modes of `ssl_verify_client`, trust, depth, revocation, the variables.

use testkit::{Gateway, TcpBackend, pki};

use super::ssl::{CERT, answer, answering, ask};
use crate::{gateway, is_nginx};

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
fn a_server_that_asks_nobody_is_warned_of_at_start_and_not_by_a_test() {
    if is_nginx() {
        return;
    }
    let verify = "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;";
    let conf = format!(
        "{CERT}server {{ listen 127.0.0.1:%in; {verify} return x; }}\n\
         server {{ listen 127.0.0.1:%plain; listen 127.0.0.1:%tls ssl; {verify} return x; }}\n\
         server {{ listen 127.0.0.1:%off; ssl_verify_client off; return x; }}"
    );
    let tested = gateway(&conf).test();
    assert!(!tested.stderr.contains("[warn]"), "{}", tested.stderr);
    let gw = gateway(&conf).level("notice").start();
    let line = gw.wait_error("asks nobody");
    assert_eq!(line.level, "warn");
    let expected = "\"ssl_verify_client\" asks nobody, no \"listen\" here has \"ssl\" in ";
    assert!(line.text.starts_with(expected) && line.text.contains("gateway.conf:"), "{}", line.text);
    gw.wait_error("start worker process ");
    assert_eq!(gw.error_text().matches("asks nobody").count(), 1, "{}", gw.error_text());
    let inherited =
        gateway(&format!("{CERT}{verify} server {{ listen 127.0.0.1:%in; return x; }}")).level("notice").start();
    inherited.wait_error("start worker process ");
    assert!(!inherited.error_text().contains("[warn]"), "{}", inherited.error_text());
}

/// `examples/clients.conf`.
#[test]
fn clients_of_one_authority_are_told_apart_by_service_and_subject() {
    const ECDSA: &str = "-cert %pki/ecdsa.crt -key %pki/ecdsa.key";
    let up = TcpBackend::line();
    let conf = format!(
        "{CERT}map \"$ssl_server_name $ssl_client_s_dn\" $target {{\n\
         \"one.example.com CN=client,O=Lockgate\\, Inc\" %up;\n\
         \"two.example.com CN=client,O=Lockgate\\, Inc\" %up;\n\
         \"two.example.com CN=ecdsa,O=Lockgate Test\" %up;\n\
         default nobody; }}\n\
         upstream nobody {{ server 127.0.0.1:65535 down; }}\n\
         log_format f '$status $ssl_client_verify'; access_log %dir/access.log f;\n\
         server {{ listen 127.0.0.1:%in ssl; ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; proxy_pass $target; }}"
    );
    let gw = gateway(&conf).with("up", up.addr()).start();
    let served = |name: &str, client: &str| {
        let done = gw.tls("in").args(&format!("-servername {name}.example.com {client}")).request("hello\n").run();
        done.stdout.contains("got:hello\n")
    };
    assert!(served("one", CLIENT) && served("two", CLIENT) && served("two", ECDSA));
    assert!(!served("one", ECDSA) && !served("three", CLIENT));
    gw.wait_error("no live upstreams while connecting to upstream");
    assert!(!served("one", CLIENT2) && !served("one", ""));
    let lines = gw.access(7);
    assert_eq!(lines[..5], ["200 SUCCESS", "200 SUCCESS", "200 SUCCESS", "502 SUCCESS", "502 SUCCESS"]);
    assert!(lines[5].starts_with("500 FAILED:") && lines[6] == "500 NONE", "{lines:?}");
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

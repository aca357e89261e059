//! TLS towards upstreams: names, verification, client certificates, protocols, sessions, failures.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use testkit::{Gateway, Port, TcpBackend, TlsServer};

use crate::{gateway, is_nginx};

const LOG: &str =
    "log_format f '$status $upstream_bytes_sent $upstream_bytes_received'; access_log %dir/access.log f;\n";

/// A gateway that speaks TLS to the foreign server, with more directives.
fn to_server(server: &TlsServer, more: &str) -> Gateway {
    gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; {more} }}"))
        .with("up", server.addr())
        .start()
}

/// A gateway whose TLS-speaking server has its own TLS server behind it, which answers with `answer`.
fn to_itself(answer: &str, server: &str, client: &str) -> Gateway {
    let conf = format!(
        "server {{ listen 127.0.0.1:%tls ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; {server} return '{answer}'; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%tls; proxy_ssl on; {client} }}"
    );
    gateway(&conf).start()
}

const SERVER: &str = "-cert %pki/server.crt -key %pki/server.key";

/// Sends a line and gives the answer up to its newline.
fn line(gw: &Gateway, text: &str) -> String {
    let mut client = gw.connect("in");
    client.send(text);
    client.recv_line()
}

#[test]
fn speaks_tls_to_a_server_of_another_make() {
    let server = TlsServer::start(SERVER);
    let gw = to_server(&server, "");
    assert_eq!(line(&gw, "hello\n"), "olleh\n");
    assert_eq!(gw.access(1), ["200 6 6"]);
    assert!(server.said().contains("TLSv1.3"), "{}", server.said());
}

#[test]
fn an_upstream_hears_of_the_connection_and_the_hello_by_one_packet() {
    if is_nginx() {
        return;
    }
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; }")
        .with("up", upstream.local_addr().unwrap().to_string())
        .start();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok((mut gateway, _)) = upstream.accept() {
            gateway.set_nonblocking(true).unwrap();
            let mut first = [0];
            tell.send(gateway.read_exact(&mut first).map(|()| first)).unwrap();
        }
    });
    for _ in 0..5 {
        let _client = gw.connect("in");
        let first = told.recv_timeout(Duration::from_secs(10)).expect("a connection to the upstream");
        assert_eq!(first.expect("the connection comes with what is sent first"), [22], "no handshake record");
    }
}

#[test]
fn the_servers_name_is_sent_only_when_asked_for() {
    let gw = to_itself("$ssl_server_name", "", "");
    assert_eq!(gw.ask("in", ""), "");
    let gw = to_itself("$ssl_server_name", "", "proxy_ssl_server_name on; proxy_ssl_name a.example.com;");
    assert_eq!(gw.ask("in", ""), "a.example.com");
    let gw = to_itself("$ssl_server_name", "", "proxy_ssl_server_name on; proxy_ssl_name a.example.com:443;");
    assert_eq!(gw.ask("in", ""), "a.example.com");
    let gw = to_itself("$ssl_server_name", "", "proxy_ssl_server_name on; proxy_ssl_name a$server_port.test;");
    assert_eq!(gw.ask("in", ""), format!("a{}.test", gw.port("in")));
}

#[test]
fn an_address_is_never_sent_as_a_name() {
    let gw = to_itself("<$ssl_server_name>", "", "proxy_ssl_server_name on;");
    assert_eq!(gw.ask("in", ""), "<>");
}

#[test]
fn the_upstreams_name_is_the_default() {
    let conf = "upstream back.example.com { server 127.0.0.1:%tls; }\n\
                server { listen 127.0.0.1:%tls ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; return '$ssl_server_name'; }\n\
                server { listen 127.0.0.1:%in; proxy_pass back.example.com; proxy_ssl on; proxy_ssl_server_name on;\n\
                proxy_ssl_verify on; proxy_ssl_trusted_certificate %pki/ca1.crt; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "back.example.com");
}

const VERIFY: &str = "proxy_ssl_verify on; proxy_ssl_trusted_certificate %pki/ca1.crt;";

#[test]
fn verifies_the_chain_and_the_name() {
    let server = TlsServer::start(SERVER);
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name www.example.com;"));
    assert_eq!(line(&gw, "abc\n"), "cba\n");
}

#[test]
fn an_impostor_is_refused() {
    let server = TlsServer::start("-cert %pki/impostor.crt -key %pki/impostor.key");
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name www.example.com;"));
    assert_eq!(gw.ask("in", "abc\n"), "");
    let error = gw.wait_error("upstream SSL certificate verify error");
    assert_eq!(error.level, "error");
    let rest = error.text.strip_prefix("upstream SSL certificate verify error: (").expect(&error.text);
    let expected = format!(
        ") while SSL handshaking to upstream, client: 127.0.0.1, server: {}, upstream: \"{}\", bytes from/to client:0/0, \
         bytes from/to upstream:0/0",
        gw.addr("in"),
        server.addr()
    );
    assert!(rest.starts_with("20:unable to get local issuer certificate") || rest.starts_with("21:"), "{rest}");
    assert!(rest.ends_with(&expected), "{rest}");
    assert_eq!(gw.access(1), ["502 0 0"]);
}

#[test]
fn without_verification_anyone_may_pose() {
    let server = TlsServer::start("-cert %pki/impostor.crt -key %pki/impostor.key");
    let gw = to_server(&server, "");
    assert_eq!(line(&gw, "abc\n"), "cba\n");
}

#[test]
fn a_self_signed_upstream_certificate() {
    let server = TlsServer::start("-cert %pki/self.crt -key %pki/self.key");
    let gw = to_server(&server, VERIFY);
    assert_eq!(gw.ask("in", ""), "");
    let error = gw.wait_error(
        "upstream SSL certificate verify error: (18:self-signed certificate) while SSL handshaking to upstream",
    );
    assert_eq!(error.level, "error");
}

#[test]
fn another_name_is_refused() {
    let server = TlsServer::start(SERVER);
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name other.test;"));
    assert_eq!(gw.ask("in", ""), "");
    let error = gw.wait_error("does not match");
    assert_eq!(error.level, "error");
    let expected = "upstream SSL certificate does not match \"other.test\" while SSL handshaking to upstream, client: 127.0.0.1, server: ";
    assert!(error.text.starts_with(expected), "{}", error.text);
    assert_eq!(gw.access(1), ["502 0 0"]);
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let server = TlsServer::start(SERVER);
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name a.b.example.com;"));
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("upstream SSL certificate does not match \"a.b.example.com\"");
}

#[test]
fn the_common_name_counts_where_there_are_no_dns_names() {
    let server = TlsServer::start("-cert %pki/named.crt -key %pki/named.key");
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name named.example.net;"));
    assert_eq!(line(&gw, "abc\n"), "cba\n");
    let server = TlsServer::start(SERVER);
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name server;"));
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("upstream SSL certificate does not match \"server\"");
}

#[test]
fn an_address_is_a_name_like_any_other() {
    let server = TlsServer::start(SERVER);
    let gw = to_server(&server, VERIFY);
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("upstream SSL certificate does not match \"127.0.0.1\"");
}

#[test]
fn verify_depth() {
    let server = TlsServer::start("-cert %pki/deepserver.crt -key %pki/deepserver.key -cert_chain %pki/inter.crt");
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name a.example.com;"));
    assert_eq!(line(&gw, "abc\n"), "cba\n");
    let gw = to_server(&server, &format!("{VERIFY} proxy_ssl_name a.example.com; proxy_ssl_verify_depth 0;"));
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("upstream SSL certificate verify error: (");
}

#[test]
fn a_crl_for_upstreams() {
    let crl = format!("{VERIFY} proxy_ssl_crl %pki/ca1.crl; proxy_ssl_name revoked;");
    let server = TlsServer::start("-cert %pki/revoked.crt -key %pki/revoked.key");
    let gw = to_server(&server, &crl);
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("upstream SSL certificate verify error: (23:certificate revoked) while SSL handshaking to upstream");
    let server = TlsServer::start("-cert %pki/client.crt -key %pki/client.key");
    let gw = to_server(&server, &crl.replace("name revoked", "name client"));
    assert_eq!(line(&gw, "abc\n"), "cba\n");
}

#[test]
fn both_ends_prove_who_they_are() {
    let server = "ssl_verify_client on; ssl_client_certificate %pki/ca1.crt;";
    let client = format!(
        "{VERIFY} proxy_ssl_name a.example.com; proxy_ssl_certificate %pki/client.crt; proxy_ssl_certificate_key %pki/client.key;"
    );
    let gw = to_itself("$ssl_client_verify $ssl_client_s_dn", server, &client);
    assert_eq!(gw.ask("in", ""), "SUCCESS CN=client,O=Lockgate\\, Inc");
    let gw = to_itself("$ssl_client_verify", server, VERIFY);
    assert_eq!(gw.ask("in", ""), "");
}

#[test]
fn a_client_certificate_harms_nothing_where_it_is_not_asked_for() {
    let client = "proxy_ssl_certificate %pki/client.crt; proxy_ssl_certificate_key %pki/client.key;";
    let gw = to_itself("$ssl_client_verify", "", client);
    assert_eq!(gw.ask("in", ""), "NONE");
}

#[test]
fn an_encrypted_client_key() {
    let client = "proxy_ssl_certificate %pki/server.crt; proxy_ssl_certificate_key %pki/encrypted.key; proxy_ssl_password_file %pki/passwords;";
    let gw = to_itself("$ssl_client_s_dn", "ssl_verify_client optional_no_ca;", client);
    assert_eq!(gw.ask("in", ""), "CN=server,O=Lockgate Test");
}

#[test]
fn client_certificates_named_by_variables() {
    let client =
        "proxy_ssl_certificate %pki/$cert.crt; proxy_ssl_certificate_key %pki/$cert.key; proxy_ssl_session_reuse off;";
    let conf = format!(
        "map $remote_addr $cert {{ 127.0.0.1 client; default client2; }}\n\
         server {{ listen 127.0.0.1:%tls ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; ssl_verify_client optional_no_ca; return '$ssl_client_s_dn'; }}\n\
         server {{ listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%tls; proxy_ssl on; {client} }}"
    );
    let gw = gateway(&conf).start();
    assert_eq!(gw.ask("in", ""), "CN=client,O=Lockgate\\, Inc");
    let other = testkit::Peer::connect_from("127.0.0.8", &gw.addr("in")).recv_all();
    assert_eq!(other, "CN=client2,O=Lockgate Test");
}

#[test]
fn protocols() {
    for (listed, spoken) in [("TLSv1.2", "TLSv1.2"), ("TLSv1.3", "TLSv1.3"), ("TLSv1.2 TLSv1.3", "TLSv1.3")] {
        let gw = to_itself("$ssl_protocol", "", &format!("proxy_ssl_protocols {listed};"));
        assert_eq!(gw.ask("in", ""), spoken);
    }
}

#[test]
fn ciphers() {
    let gw =
        to_itself("$ssl_cipher", "", "proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;");
    assert_eq!(gw.ask("in", ""), "ECDHE-RSA-AES128-GCM-SHA256");
}

#[test]
fn alpn() {
    let gw = to_itself("$ssl_alpn_protocol", "ssl_alpn two one;", "proxy_ssl_alpn one two;");
    assert_eq!(gw.ask("in", ""), "two");
}

#[test]
fn sessions_are_reused_unless_told_otherwise() {
    let gw = to_itself("$ssl_session_reused", "", "proxy_ssl_protocols TLSv1.2;");
    assert_eq!(gw.ask("in", ""), ".");
    assert_eq!(gw.ask("in", ""), "r");
    let gw = to_itself("$ssl_session_reused", "", "proxy_ssl_protocols TLSv1.2; proxy_ssl_session_reuse off;");
    assert_eq!(gw.ask("in", ""), ".");
    assert_eq!(gw.ask("in", ""), ".");
}

#[test]
fn sessions_of_tls_1_3_are_reused_too() {
    let gw = to_itself("$ssl_session_reused", "", "");
    assert_eq!(gw.ask("in", ""), ".");
    assert_eq!(gw.ask("in", ""), "r");
}

#[test]
fn a_plain_upstream_fails_the_handshake() {
    let up = TcpBackend::banner("SSH-2.0-plain\r\n");
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; }}"))
        .with("up", up.addr())
        .start();
    assert_eq!(gw.ask("in", ""), "");
    let error = gw.wait_error("SSL_do_handshake() failed (SSL:");
    assert_eq!(error.level, "error");
    assert!(error.text.contains(") while SSL handshaking to upstream, client: 127.0.0.1, server: "), "{}", error.text);
    assert!(gw.access(1)[0].starts_with("502 "));
}

#[test]
fn an_upstream_that_closes_in_the_handshake() {
    let up = TcpBackend::start(|peer| peer.recv(10));
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; }}"))
        .with("up", up.addr())
        .start();
    assert_eq!(gw.ask("in", ""), "");
    assert!(gw.access(1)[0].starts_with("502 "));
}

#[test]
fn a_silent_upstream_ends_by_connect_timeout_without_a_message() {
    let up = TcpBackend::collect();
    let gw = gateway(&format!(
        "{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; proxy_ssl on; proxy_connect_timeout 300ms; }}"
    ))
    .with("up", up.addr())
    .start();
    assert_eq!(gw.ask("in", ""), "");
    assert!(gw.access(1)[0].starts_with("502 "));
    assert!(gw.errors().iter().all(|line| line.level != "error"), "{}", gw.error_text());
}

#[test]
fn a_failed_handshake_moves_to_the_next_upstream() {
    let impostor = TlsServer::start("-cert %pki/impostor.crt -key %pki/impostor.key");
    let server = TlsServer::start(SERVER);
    let conf = format!(
        "upstream www.example.com {{ server %bad; server %good; }}\n{LOG}\
         server {{ listen 127.0.0.1:%in; proxy_pass www.example.com; proxy_ssl on; {VERIFY} }}"
    );
    let gw = gateway(&conf).with("bad", impostor.addr()).with("good", server.addr()).start();
    assert_eq!(line(&gw, "abc\n"), "cba\n");
    assert_eq!(gw.access(1), ["200 0, 4 0, 4"]);
}

#[test]
fn a_dead_tls_upstream_is_refused_as_any_other() {
    let port = Port::lease();
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%up; proxy_ssl on; }}"))
        .with("up", port.number().to_string())
        .start();
    assert_eq!(gw.ask("in", ""), "");
    gw.wait_error("connect() failed (111: Connection refused) while connecting to upstream");
    assert_eq!(gw.access(1), ["502 0 0"]);
}

#[test]
fn tls_on_both_sides() {
    let server = TlsServer::start(SERVER);
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/ecdsa.crt; ssl_certificate_key %pki/ecdsa.key; proxy_pass %up; proxy_ssl on; }";
    let gw = gateway(conf).with("up", server.addr()).start();
    let mut output = String::new();
    // The server leaves the connection open: the client leaves after its answer.
    let client = gw.tls("in").until("olleh").request("hello\n").run();
    output.push_str(&client.stdout);
    assert!(output.contains("olleh"), "{output}");
}

#[test]
fn two_gateways_in_a_row() {
    let up = TcpBackend::line();
    let conf = "server { listen 127.0.0.1:%outer; proxy_pass 127.0.0.1:%mid; }\n\
                server { listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%outer; proxy_ssl on; proxy_ssl_server_name on; proxy_ssl_name ssh1.example.com; }\n\
                server { listen 127.0.0.1:%mid ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    assert_eq!(gw.ask("in", "through both\n"), "got:through both\n");
}

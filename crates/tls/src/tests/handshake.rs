use crate::tests::kit::*;
use crate::{ClientSettings, ConnectOptions, Protocols, ServerSettings, Stream};

const VERSIONS: [(Protocols, &str); 4] = [
    (Protocols::TLS_V1, "TLSv1"),
    (Protocols::TLS_V1_1, "TLSv1.1"),
    (Protocols::TLS_V1_2, "TLSv1.2"),
    (Protocols::TLS_V1_3, "TLSv1.3"),
];

fn all() -> Protocols {
    Protocols::TLS_V1 | Protocols::TLS_V1_1 | Protocols::TLS_V1_2 | Protocols::TLS_V1_3
}

#[test]
fn every_listed_version_is_spoken_with_both_kinds_of_keys() {
    let kinds = [ec_key(), rsa_key()].map(|key| make(&name(&[("CN", "localhost")]), key, None, false, &[]));
    for (protocols, text) in VERSIONS {
        for made in &kinds {
            let server = ServerSettings { protocols: all(), ..settings(made) };
            let client = ClientSettings { protocols, ..ClientSettings::default() };
            let pair = connect_settings(&server, &client).established();
            assert_eq!(pair.server.protocol(), text);
            assert_ne!(pair.server.cipher(), "(NONE)");
        }
    }
}

#[test]
fn a_version_not_listed_is_refused() {
    let made = self_signed("localhost");
    let client = ClientSettings { protocols: Protocols::TLS_V1_1, ..ClientSettings::default() };
    let pair = connect_settings(&settings(&made), &client);
    assert_eq!(
        pair.server_error(),
        "SSL_do_handshake() failed (SSL: error:0A000102:SSL routines::unsupported protocol)"
    );
    assert!(
        pair.client_error().contains("error:0A00042E:SSL routines::tlsv1 alert protocol version:SSL alert number 70")
    );
}

#[test]
fn the_certificate_follows_the_clients_ciphers() {
    let ec = self_signed("ec");
    let rsa = make(&name(&[("CN", "rsa")]), rsa_key(), None, false, &[]);
    let server = ServerSettings { certificates: vec![rsa.pair(), ec.pair()], ..ServerSettings::default() };
    for (ciphers, expected) in [("ECDHE-RSA-AES128-GCM-SHA256", "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec")] {
        let client =
            ClientSettings { protocols: Protocols::TLS_V1_2, ciphers: ciphers.to_owned(), ..ClientSettings::default() };
        let pair = connect_settings(&server, &client).established();
        assert_eq!(pair.client.peer_certificate().unwrap().common_name().unwrap(), expected);
        assert_eq!(pair.server.cipher(), ciphers);
        let local = pair.server.local_certificate().unwrap();
        let wanted = if expected == "rsa" { ("RSA-SHA256", "RSA2048") } else { ("ecdsa-with-SHA256", "EC256") };
        assert_eq!((local.signature.as_str(), local.key.as_str()), wanted);
    }
}

#[test]
fn the_chain_is_sent_with_the_leaf() {
    let root = authority("root");
    let middle = make(&name(&[("CN", "middle")]), ec_key(), Some(&root), true, &[]);
    let leaf = signed("leaf", &middle);
    let mut pair = leaf.pair();
    pair.certificate.bytes.extend(middle.certificate.to_pem().unwrap());
    let server = ServerSettings { certificates: vec![pair], ..ServerSettings::default() };
    let client = ClientSettings { verify: true, trusted_ca: Some(root.pem()), ..ClientSettings::default() };
    assert!(connect_settings(&server, &client).established().client.verify_result().is_ok());
    let alone = connect_settings(&settings(&leaf), &client).established();
    assert!(!alone.client.verify_result().is_ok());
}

#[test]
fn byte_by_byte_works_too() {
    let context = server(&settings(&self_signed("localhost")));
    let client = client(&ClientSettings::default());
    let (near, far) = pipe(1);
    let server = Stream::accept(near, context, None, crate::Capture::default()).unwrap();
    let pair = run(server, Stream::connect(far, &client, &ConnectOptions::default()).unwrap()).established();
    assert_eq!(pair.server.protocol(), "TLSv1.3");
    assert_eq!(pair.server.client_ciphers(), None, "not asked for");
}

#[test]
fn the_connection_tells_about_itself() {
    let server = ServerSettings { alpn: vec![b"two".to_vec(), b"one".to_vec()], ..settings(&self_signed("localhost")) };
    let options =
        ConnectOptions { server_name: Some("Some.Name"), alpn: &[b"one", b"two", b""], ..ConnectOptions::default() };
    let pair =
        connect(&crate::tests::kit::server(&server), &client(&ClientSettings::default()), &options).established();
    assert_eq!(pair.server.server_name(), Some(&b"Some.Name"[..]));
    assert_eq!(pair.server.alpn_protocol(), Some(&b"two"[..]), "the server's preference counts");
    assert_eq!(pair.server.client_alpn().unwrap(), [&b"one"[..], b"two"]);
    assert!(!pair.server.session_reused());
    assert_eq!(pair.server.session_id().len(), 64);
    assert!(pair.server.client_ciphers().unwrap().contains("TLS_AES_128_GCM_SHA256:"));
    assert!(pair.server.client_curves().unwrap().contains("X25519"));
    assert!(pair.server.client_sigalgs().unwrap().contains("0x0403"));
    assert!(pair.server.curve().is_some_and(|curve| curve.starts_with("X25519")));
    assert!(pair.server.peer_certificate().is_none());
}

#[test]
fn an_offer_without_common_protocol_is_refused() {
    let server = server(&ServerSettings { alpn: vec![b"a".to_vec()], ..settings(&self_signed("localhost")) });
    let client = client(&ClientSettings::default());
    let options = ConnectOptions { alpn: &[b"b"], ..ConnectOptions::default() };
    let pair = connect(&server, &client, &options);
    assert!(pair.server_error().contains("error:0A0000EB:SSL routines::no application protocol"));
    assert!(pair.client_error().contains("SSL alert number 120"));
    assert_eq!(connect(&server, &client, &ConnectOptions::default()).established().server.alpn_protocol(), None);
}

#[test]
fn the_listed_curve_is_used() {
    let server = ServerSettings { ecdh_curve: "secp384r1".to_owned(), ..settings(&self_signed("localhost")) };
    let pair = connect_settings(&server, &ClientSettings::default()).established();
    assert_eq!(pair.server.curve().unwrap(), "secp384r1");
}

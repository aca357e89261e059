use std::sync::Arc;

use crate::tests::kit::*;
use crate::{
    Choice, ClientSettings, ClientVerify, ConnectOptions, HandshakeError, Identity, Protocols, ServerSettings,
};

const NAMED: ConnectOptions<'static> =
    ConnectOptions { server_name: Some("b.example"), alpn: &[], session: None, identity: None };

#[test]
fn everything_of_the_chosen_server_applies() {
    let (a, b) = (self_signed("a"), self_signed("b"));
    let default =
        server(&ServerSettings { alpn: vec![b"of-a".to_vec()], ecdh_curve: "secp384r1".to_owned(), ..settings(&a) });
    let chosen = server(&ServerSettings {
        protocols: Protocols::TLS_V1_1,
        alpn: vec![b"of-b".to_vec()],
        ecdh_curve: "prime256v1".to_owned(),
        verify: ClientVerify::OptionalNoCa,
        ..settings(&b)
    });
    let client = client(&ClientSettings {
        protocols: Protocols::TLS_V1_1 | Protocols::TLS_V1_2 | Protocols::TLS_V1_3,
        certificate: Some(self_signed("me").pair()),
        ..ClientSettings::default()
    });
    let options = ConnectOptions { alpn: &[b"of-a", b"of-b"], ..NAMED };
    // a client that can do better is let down to TLS 1.1 by the chosen server only
    let legacy = ClientSettings {
        protocols: Protocols::TLS_V1_1,
        certificate: Some(self_signed("me").pair()),
        ..ClientSettings::default()
    };
    let legacy = crate::tests::kit::client(&legacy);
    let switch = move |sni: Option<&[u8]>| {
        assert_eq!(sni, Some(&b"b.example"[..]));
        Choice::Switch(Arc::clone(&chosen))
    };
    let pair = connect_choosing(&default, switch, &legacy, &options).established();
    assert_eq!(pair.server.protocol(), "TLSv1.1");
    assert_eq!(pair.server.alpn_protocol(), Some(&b"of-b"[..]));
    // but for the groups
    assert_eq!(pair.server.curve().unwrap(), "secp384r1");
    assert_eq!(pair.client.peer_certificate().unwrap().common_name().unwrap(), "b");
    assert_eq!(pair.server.peer_certificate().unwrap().common_name().unwrap(), "me");

    let kept = connect(&default, &client, &options).established();
    assert_eq!(kept.server.protocol(), "TLSv1.3");
    assert_eq!(kept.server.alpn_protocol(), Some(&b"of-a"[..]));
    assert_eq!(kept.server.curve().unwrap(), "secp384r1");
    assert!(kept.server.peer_certificate().is_none());
}

#[test]
fn a_chosen_server_without_lists_falls_back_to_the_librarys() {
    let default = server(&ServerSettings { alpn: vec![b"of-a".to_vec()], ..settings(&self_signed("a")) });
    let chosen = server(&settings(&self_signed("b")));
    let options = ConnectOptions { alpn: &[b"other"], ..NAMED };
    let pair = connect_choosing(
        &default,
        move |_| Choice::Switch(Arc::clone(&chosen)),
        &client(&ClientSettings::default()),
        &options,
    )
    .established();
    assert_eq!(pair.server.alpn_protocol(), None);
}

#[test]
fn ciphers_of_the_chosen_server_apply() {
    let made = self_signed("localhost");
    let with = |ciphers: &str| {
        server(&ServerSettings { ciphers: ciphers.to_owned(), protocols: Protocols::TLS_V1_2, ..settings(&made) })
    };
    let default = with("ECDHE-ECDSA-AES256-GCM-SHA384");
    let chosen = with("ECDHE-ECDSA-CHACHA20-POLY1305");
    let client = client(&ClientSettings::default());
    let pair = connect_choosing(&default, move |_| Choice::Switch(Arc::clone(&chosen)), &client, &NAMED).established();
    assert_eq!(pair.server.cipher(), "ECDHE-ECDSA-CHACHA20-POLY1305");
    assert_eq!(connect(&default, &client, &NAMED).established().server.cipher(), "ECDHE-ECDSA-AES256-GCM-SHA384");
}

#[test]
fn rejecting_sends_unrecognized_name() {
    let rejecting = server(&ServerSettings { reject_handshake: true, ..ServerSettings::default() });
    let plain = server(&settings(&self_signed("a")));
    let client = client(&ClientSettings::default());
    let switched = Arc::clone(&rejecting);
    for pair in [
        connect(&rejecting, &client, &ConnectOptions::default()),
        connect_choosing(&plain, move |_| Choice::Switch(Arc::clone(&switched)), &client, &NAMED),
        connect_choosing(&plain, |_| Choice::Reject, &client, &NAMED),
    ] {
        assert!(matches!(pair.server_outcome, Err(HandshakeError::Rejected)), "{:?}", pair.server_outcome);
        assert_eq!(
            pair.client_error(),
            "SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 unrecognized name:SSL alert number 112)"
        );
    }
    let back = connect_choosing(&rejecting, move |_| Choice::Switch(Arc::clone(&plain)), &client, &NAMED);
    assert_eq!(back.established().client.peer_certificate().unwrap().common_name().unwrap(), "a");
}

#[test]
fn certificates_can_come_with_the_connection() {
    let context = server(&ServerSettings::default());
    let identity = Arc::new(Identity::load(&self_signed("dynamic").pair(), &[]).unwrap());
    let client = client(&ClientSettings::default());
    let target = Arc::clone(&context);
    let with = move |_: Option<&[u8]>| Choice::SwitchWith {
        context: Arc::clone(&target),
        identities: vec![Arc::clone(&identity)],
    };
    let pair = connect_choosing(&context, with, &client, &NAMED).established();
    assert_eq!(pair.client.peer_certificate().unwrap().common_name().unwrap(), "dynamic");
}

#[test]
fn a_certificate_that_cannot_be_loaded_ends_with_internal_error() {
    let context = server(&ServerSettings::default());
    let fail = |_: Option<&[u8]>| Choice::Fail("cannot load certificate \"x\"".to_owned());
    let pair = connect_choosing(&context, fail, &client(&ClientSettings::default()), &NAMED);
    assert_eq!(pair.server_error(), "cannot load certificate \"x\"");
    assert!(pair.client_error().contains("tlsv1 alert internal error:SSL alert number 80"), "{}", pair.client_error());
}

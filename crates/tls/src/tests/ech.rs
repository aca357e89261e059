//! Encrypted hellos, between both ends made by AWS-LC.

use openssl::pkey::PKey;

use super::kit::*;
use crate::settings::Pem;
use crate::{Capture, Choice, ClientSettings, ConnectOptions, Protocols, ServerSettings, Stream, backend};

/// A list of one configuration for `public_name`, and the file with its key.
fn ech(public_name: &str) -> (Vec<u8>, Pem) {
    let key = PKey::generate_x25519().unwrap();
    let public = key.raw_public_key().unwrap();
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let contents = [
        &[7, 0, 0x20][..],
        &with_length(&public),
        // HKDF-SHA256 and AES-128-GCM.
        &with_length(&[0, 1, 0, 1]),
        &[0, public_name.len() as u8],
        public_name.as_bytes(),
        &[0, 0],
    ]
    .concat();
    let list = with_length(&[&[0xfe, 0x0d][..], &with_length(&contents)].concat());
    let config = openssl::base64::encode_block(&list);
    let mut bytes = key.private_key_to_pem_pkcs8().unwrap();
    bytes.extend_from_slice(format!("-----BEGIN ECHCONFIG-----\n{config}\n-----END ECHCONFIG-----\n").as_bytes());
    (list, pem("ech.pem", bytes))
}

/// A connection for the name `inner` whose hello is encrypted for `list`.
fn connect_hidden(settings: &ServerSettings, list: Option<&[u8]>) -> Pair {
    let (near, far) = pipe(usize::MAX);
    let choose = |_: Option<&[u8]>| Choice::Keep;
    let capture = Capture { lists: true, messages: true };
    let server = Stream::accept(near, server(settings), Some(Box::new(choose)), capture).unwrap();
    let options = ConnectOptions { server_name: Some("inner.test"), ..ConnectOptions::default() };
    let client = Stream::connect(far, &client(&ClientSettings::default()), &options).unwrap();
    if let Some(list) = list {
        assert!(backend::offer_ech(client.ssl(), list));
    }
    run(server, client)
}

fn taking(files: &[&Pem]) -> ServerSettings {
    ServerSettings { ech: files.iter().copied().cloned().collect(), ..settings(&self_signed("inner.test")) }
}

#[test]
fn the_hidden_name_counts_and_the_open_one_is_told() {
    let (list, file) = ech("outer.test");
    let pair = connect_hidden(&taking(&[&file]), Some(&list)).established();
    assert_eq!(pair.server.server_name(), Some(&b"inner.test"[..]));
    assert_eq!(pair.server.ech_outer_server_name(), Some(&b"outer.test"[..]));
    assert_eq!(pair.server.ech_status(), Some("SUCCESS"));
    assert!(pair.server.client_ciphers().is_some());
}

#[test]
fn any_of_several_keys_will_do() {
    let ((list, file), (_, newer)) = (ech("outer.test"), ech("newer.test"));
    let pair = connect_hidden(&taking(&[&newer, &file]), Some(&list)).established();
    assert_eq!(pair.server.ech_status(), Some("SUCCESS"));
}

#[test]
fn what_cannot_be_read_goes_by_the_open_name() {
    let (list, _) = ech("outer.test");
    let (_, other) = ech("other.test");
    let pair = connect_hidden(&taking(&[&other]), Some(&list));
    // The client breaks it off, having learnt the new keys.
    assert!(pair.client_outcome.is_err());
    assert_eq!(pair.server.server_name(), Some(&b"outer.test"[..]));
    assert_eq!((pair.server.ech_status(), pair.server.ech_outer_server_name()), (Some("GREASE"), None));
}

#[test]
fn clients_that_hide_nothing() {
    let (_, file) = ech("outer.test");
    let pair = connect_hidden(&taking(&[&file]), None).established();
    assert_eq!((pair.server.ech_status(), pair.server.ech_outer_server_name()), (Some("NOT_TRIED"), None));
    let pair = connect_hidden(&taking(&[]), None).established();
    assert_eq!(pair.server.ech_status(), None);
}

#[test]
fn servers_of_other_names_take_over() {
    let (list, file) = ech("outer.test");
    let chosen = server(&ServerSettings { protocols: Protocols::TLS_V1_3, ..settings(&self_signed("chosen")) });
    let (near, far) = pipe(usize::MAX);
    let choose = move |name: Option<&[u8]>| {
        assert_eq!(name, Some(&b"inner.test"[..]));
        Choice::Switch(chosen.clone())
    };
    let capture = Capture::default();
    let accepting = Stream::accept(near, server(&taking(&[&file])), Some(Box::new(choose)), capture).unwrap();
    let options = ConnectOptions { server_name: Some("inner.test"), ..ConnectOptions::default() };
    let client = Stream::connect(far, &client(&ClientSettings::default()), &options).unwrap();
    assert!(backend::offer_ech(client.ssl(), &list));
    let pair = run(accepting, client).established();
    assert_eq!(pair.server.ech_status(), Some("SUCCESS"));
    assert_eq!(pair.client.peer_certificate().unwrap().common_name().as_deref(), Some("chosen"));
}

#[test]
fn a_key_that_is_not_the_configurations() {
    let ((_, mut file), (_, other)) = (ech("outer.test"), ech("outer.test"));
    let text = String::from_utf8(file.bytes).unwrap();
    let (_, config) = text.split_once("-----END PRIVATE KEY-----\n").unwrap();
    let other = String::from_utf8(other.bytes).unwrap();
    let (key, _) = other.split_once("-----BEGIN ECHCONFIG-----").unwrap();
    file.bytes = format!("{key}{config}").into_bytes();
    let error = crate::ServerContext::build(&taking(&[&file])).unwrap_err().to_string();
    assert!(error.starts_with("SSL_CTX_set1_ech_keys(\"ech.pem\") failed (SSL: error:"), "{error}");
}

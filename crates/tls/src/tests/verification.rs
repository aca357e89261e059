use openssl::x509::X509NameRef;

use crate::tests::kit::*;
use crate::{ClientSettings, ClientVerify, ConnectOptions, Protocols, ServerSettings, verified};

fn both() -> [Protocols; 2] {
    [Protocols::TLS_V1_2, Protocols::TLS_V1_3]
}

fn asking(verify: ClientVerify, authority: &Made) -> ServerSettings {
    ServerSettings { verify, client_ca: Some(authority.pem()), ..settings(&self_signed("localhost")) }
}

fn showing(made: Option<&Made>, protocols: Protocols) -> ClientSettings {
    ClientSettings { certificate: made.map(Made::pair), protocols, ..ClientSettings::default() }
}

#[test]
fn a_good_certificate_verifies() {
    let root = authority("root");
    for protocols in both() {
        let pair = connect_settings(&asking(ClientVerify::On, &root), &showing(Some(&signed("me", &root)), protocols))
            .established();
        assert!(pair.server.verify_result().is_ok(), "{}", pair.server.verify_result());
        assert_eq!(pair.server.peer_certificate().unwrap().common_name().unwrap(), "me");
    }
}

#[test]
fn a_good_chain_is_known_when_it_is_shown_again_and_others_are_not() {
    let root = authority("root");
    let (me, you) = (signed("me", &root), signed("you", &root));
    let foreign = signed("me", &authority("root"));
    for protocols in both() {
        let context = server(&asking(ClientVerify::On, &root));
        let shake = |made: &Made| {
            let client = client(&showing(Some(made), protocols));
            connect(&context, &client, &ConnectOptions::default()).established().server.verify_result().is_ok()
        };
        assert!(!shake(&foreign));
        assert_eq!(verified::known(&context.context), Some(0));
        assert!(shake(&me) && shake(&me));
        assert_eq!(verified::known(&context.context), Some(1));
        assert!(!shake(&foreign));
        assert!(shake(&you));
        assert_eq!(verified::known(&context.context), Some(2));
    }
}

#[test]
fn a_bad_or_missing_certificate_does_not_fail_the_handshake() {
    let root = authority("root");
    let own = self_signed("own");
    let foreign = signed("foreign", &authority("other"));
    for protocols in both() {
        for verify in [ClientVerify::On, ClientVerify::Optional, ClientVerify::OptionalNoCa] {
            let settings = asking(verify, &root);
            let pair = connect_settings(&settings, &showing(Some(&own), protocols)).established();
            assert_eq!(pair.server.verify_result().to_string(), "18:self-signed certificate");
            assert!(pair.server.verify_result().is_unknown_ca());
            let pair = connect_settings(&settings, &showing(Some(&foreign), protocols)).established();
            assert!(matches!(pair.server.verify_result().code(), 20 | 21), "{}", pair.server.verify_result());
            let pair = connect_settings(&settings, &showing(None, protocols)).established();
            assert!(pair.server.verify_result().is_ok());
            assert!(pair.server.peer_certificate().is_none());
        }
        let off = connect_settings(&asking(ClientVerify::Off, &root), &showing(Some(&own), protocols)).established();
        assert!(off.server.peer_certificate().is_none());
    }
}

#[test]
fn names_of_client_cas_are_sent_and_those_of_trusted_ones_are_not() {
    // seen from the outside: a CA in either place makes the certificate good
    let root = authority("root");
    let trusting = ServerSettings {
        verify: ClientVerify::On,
        trusted_ca: Some(root.pem()),
        ..settings(&self_signed("localhost"))
    };
    let pair = connect_settings(&trusting, &showing(Some(&signed("me", &root)), Protocols::TLS_V1_3)).established();
    assert!(pair.server.verify_result().is_ok());
}

#[test]
fn the_depth_counts_intermediates() {
    let root = authority("root");
    let middle = make(&name(&[("CN", "middle")]), ec_key(), Some(&root), true, &[]);
    let lower = make(&name(&[("CN", "lower")]), ec_key(), Some(&middle), true, &[]);
    let leaf = signed("leaf", &lower);
    let mut pair = leaf.pair();
    pair.certificate.bytes.extend(lower.certificate.to_pem().unwrap());
    pair.certificate.bytes.extend(middle.certificate.to_pem().unwrap());
    let client = ClientSettings { certificate: Some(pair), ..ClientSettings::default() };
    let result = |verify_depth| {
        let settings = ServerSettings { verify_depth, ..asking(ClientVerify::On, &root) };
        connect_settings(&settings, &client).established().server.verify_result()
    };
    assert!(result(2).is_ok());
    assert!(!result(1).is_ok(), "two intermediates");
}

#[test]
fn a_crl_is_needed_for_every_issuer_and_revokes() {
    let root = authority("root");
    let client = client(&showing(Some(&signed("me", &root)), Protocols::TLS_V1_3));
    let result = |crl: Vec<u8>| {
        let context = server(&ServerSettings { crl: Some(pem("crl.pem", crl)), ..asking(ClientVerify::On, &root) });
        let pair = connect(&context, &client, &ConnectOptions::default()).established();
        assert_eq!(verified::known(&context.context), None, "lists run out, so nothing is known for long");
        pair.server.verify_result().to_string()
    };
    assert_eq!(result(crl::make(&root, &[])), "0:ok");
    assert_eq!(result(crl::make(&root, &[0x0a1b])), "23:certificate revoked");
    assert_eq!(result(crl::make(&authority("other"), &[])), "3:unable to get certificate CRL");
}

#[test]
fn a_certificate_is_described_as_the_variables_show_it() {
    let root = authority("root");
    let subject = name(&[("C", "DE"), ("O", "Org, Inc"), ("CN", "Jürgen")]);
    let me = make(&subject, ec_key(), Some(&root), false, &[]);
    let pair =
        connect_settings(&asking(ClientVerify::On, &root), &showing(Some(&me), Protocols::TLS_V1_3)).established();
    let shown = pair.server.peer_certificate().unwrap();
    assert_eq!(shown.subject().unwrap(), b"CN=J\\C3\\BCrgen,O=Org\\, Inc,C=DE");
    assert_eq!(shown.issuer().unwrap(), b"CN=root");
    assert_eq!(shown.serial(), "0A1B");
    assert_eq!(shown.fingerprint().unwrap().len(), 40);
    assert_eq!(shown.pem().unwrap(), me.certificate.to_pem().unwrap());
    assert!(shown.valid_from().ends_with(" GMT"));
    assert_eq!(shown.valid_until().len(), "Nov 23 13:07:22 2026 GMT".len());
    assert!(matches!(shown.days_left(), 2 | 3));
}

#[test]
fn the_upstreams_certificate_is_judged_after_the_handshake() {
    let root = authority("root");
    let subject: &X509NameRef = &name(&[("CN", "only.in.cn")]);
    let with_names = make(&subject.to_owned().unwrap(), ec_key(), Some(&root), false, &["a.example", "*.b.example"]);
    let client = ClientSettings { verify: true, trusted_ca: Some(root.pem()), ..ClientSettings::default() };
    let pair = connect_settings(&settings(&with_names), &client).established();
    assert!(pair.client.verify_result().is_ok());
    assert!(pair.client.matches_name("A.example") && pair.client.matches_name("x.b.example"));
    assert!(!pair.client.matches_name("only.in.cn"), "the common name counts only without DNS names");
    let pair = connect_settings(&settings(&self_signed("by.cn.example")), &client).established();
    assert_eq!(pair.client.verify_result().to_string(), "18:self-signed certificate");
    assert!(pair.client.matches_name("by.cn.example"));
    assert!(!pair.client.matches_name("other.cn.example"));
}

mod crl {
    //! Revocation lists, written out in DER: the safe crate can only read them.

    use openssl::base64::encode_block;
    use openssl::hash::MessageDigest;
    use openssl::sign::Signer;

    use super::Made;

    fn item(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        match content.len() {
            length @ 0..128 => bytes.push(length as u8),
            length => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        bytes.extend_from_slice(content);
        bytes
    }

    /// A list of revoked serial numbers signed by `issuer`, as PEM.
    pub(super) fn make(issuer: &Made, revoked: &[u16]) -> Vec<u8> {
        let ecdsa_with_sha256 = item(0x30, &item(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
        let this_update = item(0x17, b"200101000000Z");
        let mut body = item(0x02, &[1]);
        body.extend(&ecdsa_with_sha256);
        body.extend(issuer.certificate.subject_name().to_der().unwrap());
        body.extend(&this_update);
        body.extend(item(0x17, b"490101000000Z"));
        if !revoked.is_empty() {
            let entries = revoked.iter().flat_map(|serial| {
                let mut entry = item(0x02, &serial.to_be_bytes());
                entry.extend(&this_update);
                item(0x30, &entry)
            });
            body.extend(item(0x30, &entries.collect::<Vec<_>>()));
        }
        let body = item(0x30, &body);
        let mut signer = Signer::new(MessageDigest::sha256(), &issuer.key).unwrap();
        let mut signature = vec![0];
        signature.extend(signer.sign_oneshot_to_vec(&body).unwrap());
        let mut list = body;
        list.extend(ecdsa_with_sha256);
        list.extend(item(0x03, &signature));
        let text = encode_block(&item(0x30, &list));
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        format!("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", lines.join("\n")).into_bytes()
    }
}

#[test]
fn the_algorithms_of_both_signatures() {
    let root = authority("root");
    for protocols in both() {
        let rsa = make(&name(&[("CN", "me")]), rsa_key(), Some(&root), false, &[]);
        let pair = connect_settings(&asking(ClientVerify::On, &root), &showing(Some(&rsa), protocols)).established();
        assert_eq!(pair.server.signature_algorithm().as_deref(), Some("ecdsa_secp256r1_sha256"));
        assert_eq!(pair.server.client_signature_algorithm().as_deref(), Some("rsa_pss_rsae_sha256"));
        let pair = connect_settings(&asking(ClientVerify::Optional, &root), &showing(None, protocols)).established();
        assert_eq!(pair.server.client_signature_algorithm(), None);
    }
}

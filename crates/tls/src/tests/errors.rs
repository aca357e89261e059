use std::io::Write;

use openssl::symm::Cipher;

use crate::tests::kit::*;
use crate::{
    ClientContext, ClientSettings, HandshakeError, KeyPair, Pem, ServerContext, ServerSettings, Stream, TlsError,
    Warning,
};

fn build_error(settings: &ServerSettings) -> String {
    ServerContext::build(settings).unwrap_err().to_string()
}

fn with_pair(pair: KeyPair) -> ServerSettings {
    ServerSettings { certificates: vec![pair], ..ServerSettings::default() }
}

#[test]
fn text_that_is_not_pem_is_told_by_its_use() {
    let made = self_signed("localhost");
    let junk = pem("/j.pem", b"junk".to_vec());
    let no_line = "(SSL: error:0480006C:PEM routines::no start line:Expecting:";
    let certificate =
        format!("cannot load certificate \"/j.pem\": PEM_read_bio_X509_AUX() failed {no_line} TRUSTED CERTIFICATE)");
    assert_eq!(build_error(&with_pair(KeyPair { certificate: junk.clone(), ..made.pair() })), certificate);
    assert_eq!(build_error(&ServerSettings { client_ca: Some(junk.clone()), ..settings(&made) }), certificate);
    assert_eq!(build_error(&ServerSettings { trusted_ca: Some(junk.clone()), ..settings(&made) }), certificate);
    assert_eq!(
        build_error(&ServerSettings { crl: Some(junk.clone()), ..settings(&made) }),
        format!("cannot load CRL \"/j.pem\": PEM_read_bio_X509_CRL() failed {no_line} X509 CRL)")
    );
    assert_eq!(
        build_error(&ServerSettings { dhparam: Some(junk.clone()), ..settings(&made) }),
        format!("PEM_read_bio_DHparams(\"/j.pem\") failed {no_line} DH PARAMETERS)")
    );
    assert_eq!(
        build_error(&with_pair(KeyPair { key: junk, ..made.pair() })),
        "cannot load certificate key \"/j.pem\": PEM_read_bio_PrivateKey() failed (SSL: error:1E08010C:DECODER \
         routines::unsupported:No supported data to decode. Input type: PEM)"
    );
}

/// `made` under another label, with `more` behind it.
fn labelled(made: &Made, label: &str, more: &[u8]) -> Vec<u8> {
    let bytes = [&*made.certificate.to_der().unwrap(), more].concat();
    let text = openssl::base64::encode_block(&bytes);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
}

#[test]
fn certificates_of_every_label_are_read() {
    let (authority, issuer) = (authority("ca"), authority("issuer"));
    let made = signed("localhost", &authority);
    // Trusted for servers: a sequence of object identifiers in another one.
    let trusted = [0x30, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 1];
    for (label, more) in
        [("X509 CERTIFICATE", &[][..]), ("TRUSTED CERTIFICATE", &[]), ("TRUSTED CERTIFICATE", &trusted)]
    {
        let chain = |second: &Made| [labelled(&made, label, more), labelled(second, label, more)].concat();
        let certificate = pem("/c.pem", chain(&issuer));
        let settings = ServerSettings {
            certificates: vec![KeyPair { certificate: certificate.clone(), ..made.pair() }],
            client_ca: Some(pem("/ca.pem", labelled(&authority, label, more))),
            ..ServerSettings::default()
        };
        ServerContext::build(&settings).unwrap();
        let read = crate::identity::certificates(&certificate, false).unwrap();
        assert_eq!(read.len(), 2, "{label}");
        assert_eq!(read[0].to_der().unwrap(), made.certificate.to_der().unwrap());
        // A chain goes on with certificates that are not marked as trusted.
        let read = crate::identity::certificates(&certificate, true).unwrap();
        assert_eq!(read.len(), if label.starts_with('T') { 1 } else { 2 }, "{label}");
    }
    let damaged =
        pem("/d.pem", b"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n".to_vec());
    let told = build_error(&with_pair(KeyPair { certificate: damaged, ..made.pair() }));
    assert!(told.starts_with("cannot load certificate \"/d.pem\": PEM_read_bio_X509_AUX() failed"), "{told}");
}

#[test]
fn damaged_certificates_and_keys_are_refused_at_every_length() {
    let made = self_signed("localhost");
    let whole = made.pair();
    for cut in (0..whole.certificate.bytes.len() - 30).step_by(7) {
        let mut pair = whole.clone();
        pair.certificate.bytes.truncate(cut);
        assert!(build_error(&with_pair(pair)).starts_with("cannot load certificate \"cert.pem\": PEM_read_bio_X509"));
    }
    for cut in (0..whole.key.bytes.len() - 30).step_by(7) {
        let mut pair = whole.clone();
        pair.key.bytes.truncate(cut);
        assert!(build_error(&with_pair(pair)).starts_with("cannot load certificate key \"key.pem\": PEM_read_bio_"));
    }
}

#[test]
fn a_foreign_key_is_refused() {
    let (a, b) = (self_signed("a"), self_signed("b"));
    assert_eq!(
        build_error(&with_pair(KeyPair { key: b.pair().key, ..a.pair() })),
        "SSL_CTX_use_PrivateKey(\"key.pem\") failed (SSL: error:05800074:x509 certificate routines::key values mismatch)"
    );
    let rsa = make(&name(&[("CN", "rsa")]), rsa_key(), None, false, &[]);
    assert_eq!(
        build_error(&with_pair(KeyPair { key: rsa.pair().key, ..a.pair() })),
        "SSL_CTX_use_PrivateKey(\"key.pem\") failed (SSL: error:05800073:x509 certificate routines::key type mismatch)"
    );
}

#[test]
fn passphrases_are_tried_in_order() {
    let made = self_signed("localhost");
    let encrypted = made.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"third").unwrap();
    let pair = KeyPair { key: pem("enc.pem", encrypted), ..made.pair() };
    let with = |words: &[&[u8]]| ServerSettings {
        passphrases: words.iter().map(|word| word.to_vec()).collect(),
        ..with_pair(pair.clone())
    };
    assert!(ServerContext::build(&with(&[b"first", b"second", b"third"])).is_ok());
    let error = build_error(&with(&[b"first"]));
    assert!(
        error.starts_with("cannot load certificate key \"enc.pem\": PEM_read_bio_PrivateKey() failed (SSL: error:"),
        "{error}"
    );
    assert!(error.contains("error:1C800064:Provider routines::bad decrypt"), "{error}");
    assert!(build_error(&with(&[])).starts_with("cannot load certificate key \"enc.pem\""));
}

#[test]
fn curves_and_ciphers_must_be_known() {
    let made = self_signed("localhost");
    let wrong = |change: fn(&mut ServerSettings)| {
        let mut settings = settings(&made);
        change(&mut settings);
        build_error(&settings)
    };
    assert_eq!(wrong(|s| s.ecdh_curve = "foo".to_owned()), "SSL_CTX_set1_curves_list(\"foo\") failed");
    assert_eq!(
        wrong(|s| s.ciphers = "foo".to_owned()),
        "SSL_CTX_set_cipher_list(\"foo\") failed (SSL: error:0A0000B9:SSL routines::no cipher match)"
    );
}

fn command(name: &str, value: &str) -> Result<Vec<Warning>, TlsError> {
    let conf_commands = vec![(name.to_owned(), value.to_owned())];
    let settings = ServerSettings { conf_commands: conf_commands.clone(), ..settings(&self_signed("localhost")) };
    let warnings = ServerContext::build(&settings)?.1;
    if !value.contains("ServerPreference") {
        ClientContext::build(&ClientSettings { conf_commands, ..ClientSettings::default() })?;
    }
    Ok(warnings)
}

#[test]
fn the_usual_commands_are_followed() {
    for (name, value) in [
        ("Ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        ("CipherString", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("Groups", "X25519:P-256"),
        ("curves", "X25519"),
        ("MinProtocol", "TLSv1.2"),
        ("MaxProtocol", "TLSv1.3"),
        ("Protocol", "ALL,-TLSv1.1"),
        ("SignatureAlgorithms", "ECDSA+SHA256:RSA+SHA256"),
        ("Options", "-SessionTicket,ServerPreference"),
    ] {
        assert_eq!(command(name, value).unwrap(), [], "{name} {value}");
    }
}

#[test]
fn bad_commands_are_refused_as_in_nginx() {
    let text = |name, value| command(name, value).unwrap_err().to_string();
    assert_eq!(
        text("foo", "bar"),
        "SSL_CONF_cmd(\"foo\", \"bar\") failed (SSL: error:0A000182:SSL routines::unknown cmd name:cmd=foo)"
    );
    for name in ["Groups", "MinProtocol", "Options", "SignatureAlgorithms"] {
        assert_eq!(
            text(name, "bar"),
            format!(
                "SSL_CONF_cmd(\"{name}\", \"bar\") failed (SSL: error:0A000180:SSL routines::bad value:cmd={name}, value=bar)"
            )
        );
    }
    assert!(text("Ciphersuites", "bar").contains("no cipher match error:0A000180:SSL routines::bad value"));
    #[cfg(feature = "aws-lc")]
    assert_eq!(
        text("VerifyMode", "Peer"),
        "SSL_CONF_cmd(\"VerifyMode\", \"Peer\") is not supported with AWS-LC, use the build with OpenSSL"
    );
}

#[test]
fn commands_change_the_handshake() {
    let with = |name: &str, value: &str| ServerSettings {
        conf_commands: vec![(name.to_owned(), value.to_owned())],
        ..settings(&self_signed("localhost"))
    };
    let client = ClientSettings::default();
    let pair = connect_settings(&with("MaxProtocol", "TLSv1.2"), &client).established();
    assert_eq!(pair.server.protocol(), "TLSv1.2");
    let pair = connect_settings(&with("Protocol", "-TLSv1.3"), &client).established();
    assert_eq!(pair.server.protocol(), "TLSv1.2");
    let pair = connect_settings(&with("Ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"), &client).established();
    assert_eq!(pair.server.cipher(), "TLS_CHACHA20_POLY1305_SHA256");
    let pair = connect_settings(&with("Groups", "P-384"), &client).established();
    assert_eq!(pair.server.curve().unwrap(), "secp384r1");
}

#[cfg(feature = "aws-lc")]
#[test]
fn what_aws_lc_lacks_is_told() {
    use openssl::bn::BigNum;
    use openssl::dh::Dh;

    let made = self_signed("localhost");
    let prime = BigNum::get_rfc3526_prime_2048().unwrap();
    let parameters = Dh::from_pqg(prime, None, BigNum::from_u32(2).unwrap()).unwrap();
    let dhparam = Some(pem("dh", parameters.params_to_pem().unwrap()));
    let (_, warnings) = ServerContext::build(&ServerSettings { dhparam, ..settings(&made) }).unwrap();
    assert_eq!(warnings[0].to_string(), "\"ssl_dhparam\" ignored, AWS-LC has no DHE ciphers");
    let with_subgroup = b"-----BEGIN X9.42 DH PARAMETERS-----\nMIGk\n-----END X9.42 DH PARAMETERS-----\n".to_vec();
    let dhparam = Some(pem("dh", with_subgroup));
    assert_eq!(ServerContext::build(&ServerSettings { dhparam, ..settings(&made) }).unwrap().1, warnings);
    let rsa = make(&name(&[("CN", "rsa")]), rsa_key(), None, false, &[]);
    let strict = ServerSettings { ciphers: "HIGH@SECLEVEL=3".to_owned(), ..settings(&rsa) };
    assert!(build_error(&strict).contains("error:0A00018F:SSL routines::ee key too small"));
}

/// What a server makes of these first bytes.
fn first_bytes(bytes: &[u8]) -> HandshakeError {
    let (near, mut far) = pipe(usize::MAX);
    far.write_all(bytes).unwrap();
    let context = server(&settings(&self_signed("localhost")));
    Stream::accept(near, context, None, crate::Capture::default()).unwrap().handshake().unwrap_err()
}

#[test]
fn strange_first_bytes_are_the_peers_fault() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "error:0A00009C:SSL routines::http request"),
        (b"CONNECT a:443 HTTP/1.1\r\n\r\n", "error:0A00009B:SSL routines::https proxy request"),
        (b"SSH-2.0-OpenSSH_9.6 and more text", "error:0A00010B:SSL routines::wrong version number"),
    ] {
        let error = first_bytes(bytes);
        assert_eq!(error.to_string(), format!("SSL_do_handshake() failed (SSL: {expected})"));
        let HandshakeError::Library(errors) = error else { panic!("not the library's") };
        assert!(errors.is_peers_fault());
    }
}

#[test]
fn no_shared_cipher_reads_the_same_with_both_libraries() {
    let made = self_signed("localhost");
    let server = ServerSettings { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256".to_owned(), ..settings(&made) };
    let client = ClientSettings {
        protocols: crate::Protocols::TLS_V1_2,
        ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384".to_owned(),
        ..ClientSettings::default()
    };
    let pair = connect_settings(&server, &client);
    assert_eq!(pair.server_error(), "SSL_do_handshake() failed (SSL: error:0A0000C1:SSL routines::no shared cipher)");
    let alert = pair.client_error();
    assert!(
        alert.contains("error:0A000410:SSL routines::")
            && alert.contains("alert handshake failure:SSL alert number 40")
    );
}

#[test]
fn an_empty_certificate_source_names_no_path_of_ours() {
    let pair = KeyPair { certificate: Pem::default(), ..self_signed("a").pair() };
    assert!(build_error(&with_pair(pair)).starts_with("cannot load certificate \"\""));
}

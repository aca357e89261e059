//! The table of `ssl_*`.

use syntax::scalar;

use super::settings::Builtin;
use super::{Ocsp, VerifyClient, read};
use crate::directive::{Args, Contexts, Directive};
use crate::family::limit_conn::zones::{SMALLEST, Use};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{duplicate, flag, msec, number, once, one_of, sec};

/// Sessions kept by a `builtin` that says no number: the library's own default.
const BUILTIN: usize = 20 * 1024;

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive::setting(
        "ssl_certificate",
        "file",
        None,
        "Certificate in PEM with its chain, leaf first. Repeated for other kinds of keys. The text itself after \
         `data:`; may hold variables, and is then loaded for each handshake.",
        |loader, line, _| {
            let pem = read::pem(loader, line)?;
            loader.here().ssl.context().certificates.push((line.text(0), pem));
            Ok(())
        },
    ),
    Directive::setting(
        "ssl_certificate_key",
        "file",
        None,
        "Key of the certificate given by the `ssl_certificate` of the same number.",
        |loader, line, _| {
            let pem = read::pem(loader, line)?;
            loader.here().ssl.context().keys.push(pem);
            Ok(())
        },
    ),
    Directive {
        name: "ssl_certificate_cache",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(1, 3),
        syntax: "off | max=number [inactive=time] [valid=time]",
        default: Some("off"),
        doc: "Certificates and keys that are named by variables are kept in memory, at most `max`, as long as they are used \
              within `inactive`; after `valid` a changed file is read anew.",
        apply: |loader, line, _| read::object_cache(&mut loader.here().ssl.context().certificate_cache, line),
    },
    Directive::setting(
        "ssl_certificate_compression",
        "on | off",
        Some("off"),
        "Sends certificates compressed to clients that can take them so (RFC 8879).",
        |loader, line, _| once(&mut loader.here().ssl.context().certificate_compression, line, flag),
    ),
    Directive::setting(
        "ssl_ech_file",
        "file",
        None,
        "A key of Encrypted ClientHello with its configurations, in PEM (RFC 9934). That of the address's default \
         server counts. Repeated while keys are changed.",
        |loader, line, _| {
            let path = loader.conf_path(line.arg(0));
            loader.here().ssl.context().ech_files.push(path);
            Ok(())
        },
    ),
    Directive::setting(
        "ssl_password_file",
        "file",
        None,
        "Passwords of keys, one on each line, tried in order.",
        |loader, line, _| {
            if loader.here().ssl.context().password_file.is_some() {
                return Err(duplicate());
            }
            let path = read::password_file(loader, line)?;
            loader.here().ssl.context().password_file = Some(path);
            Ok(())
        },
    ),
    Directive {
        name: "ssl_protocols",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "[SSLv2] [SSLv3] [TLSv1] [TLSv1.1] [TLSv1.2] [TLSv1.3]",
        default: Some("TLSv1.2 TLSv1.3"),
        doc: "Protocol versions that are negotiated.",
        apply: |loader, line, _| {
            let before = loader.here().ssl.context().protocols;
            let all = read::protocols(loader, line, before)?;
            loader.here().ssl.context().protocols = Some(all);
            Ok(())
        },
    },
    Directive::setting(
        "ssl_ciphers",
        "ciphers",
        Some("HIGH:!aNULL:!MD5"),
        "Cipher suites up to TLS 1.2, in OpenSSL's notation.",
        |loader, line, _| once(&mut loader.here().ssl.context().ciphers, line, |line| Ok(line.text(0))),
    ),
    Directive::setting(
        "ssl_prefer_server_ciphers",
        "on | off",
        Some("off"),
        "Whether the order of this side counts rather than the client's.",
        |loader, line, _| once(&mut loader.here().ssl.context().prefer_server_ciphers, line, flag),
    ),
    Directive::setting(
        "ssl_dhparam",
        "file",
        None,
        "Parameters of DHE suites; without it there are none.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().ssl.context().dhparam, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "ssl_ecdh_curve",
        "curves",
        Some("auto"),
        "Groups for the key exchange, joined by colons.",
        |loader, line, _| once(&mut loader.here().ssl.context().ecdh_curve, line, |line| Ok(line.text(0))),
    ),
    Directive::setting(
        "ssl_handshake_timeout",
        "time",
        Some("60s"),
        "How long the handshake with a client may take.",
        |loader, line, _| once(&mut loader.here().ssl.handshake_timeout, line, msec),
    ),
    Directive {
        name: "ssl_session_cache",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(1, 2),
        syntax: "off | none | [builtin[:size]] [shared:name:size]",
        default: Some("none"),
        doc: "Where sessions are kept for resumption up to TLS 1.2: not at all and clients told so, not at all, in \
              each worker, or by all workers.",
        apply: |loader, line, _| session_cache(loader, line),
    },
    Directive::setting("ssl_session_tickets", "on | off", Some("on"), "Resumption by tickets.", |loader, line, _| {
        once(&mut loader.here().ssl.context().session_tickets, line, flag)
    }),
    Directive::setting(
        "ssl_session_ticket_key",
        "file",
        None,
        "Key of 48 or 80 bytes for tickets. Repeated: the first one encrypts, all decrypt.",
        |loader, line, _| {
            let path = loader.conf_path(line.arg(0));
            loader.here().ssl.context().session_ticket_keys.push(path);
            Ok(())
        },
    ),
    Directive::setting(
        "ssl_session_timeout",
        "time",
        Some("5m"),
        "How long a session may be resumed.",
        |loader, line, _| once(&mut loader.here().ssl.context().session_timeout, line, sec),
    ),
    Directive::setting(
        "ssl_verify_client",
        "on | off | optional | optional_no_ca",
        Some("off"),
        "Whether clients must, or may, show a certificate; `optional_no_ca` leaves the trust in it to others. A `map` of \
         `$ssl_client_s_dn` tells clients of one authority apart, as in `examples/clients.conf`. It holds for connections \
         by `listen … ssl` alone: in a server without one it is warned of at start.",
        |loader, line, _| {
            let context = loader.here().ssl.context();
            context.verify_client_at = Some(line.place.clone());
            once(&mut context.verify_client, line, verify_client)
        },
    ),
    Directive::setting(
        "ssl_verify_depth",
        "number",
        Some("1"),
        "Most CAs between a client's certificate and one that is trusted.",
        |loader, line, _| once(&mut loader.here().ssl.context().verify_depth, line, number),
    ),
    Directive::setting(
        "ssl_client_certificate",
        "file",
        None,
        "Certificates that clients are verified by; their names are sent to clients.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().ssl.context().client_certificate, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "ssl_trusted_certificate",
        "file",
        None,
        "Certificates that clients and OCSP answers are verified by; their names are not sent.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().ssl.context().trusted_certificate, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "ssl_crl",
        "file",
        None,
        "Revoked certificates, with a list for every issuer of the chain.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().ssl.context().crl, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "ssl_ocsp",
        "on | off | leaf",
        Some("off"),
        "Asks OCSP responders whether the client's certificates are revoked, all but the root or the client's own \
         alone. Who is revoked, unknown, or of whom nobody tells, is refused.",
        |loader, line, _| once(&mut loader.here().ssl.context().ocsp, line, ocsp),
    ),
    Directive::setting(
        "ssl_ocsp_responder",
        "url",
        None,
        "Whom to ask (`http://` only), rather than the responder that each certificate names.",
        |loader, line, _| once(&mut loader.here().ssl.context().ocsp_responder, line, |line| Ok(line.text(0))),
    ),
    Directive::setting(
        "ssl_ocsp_cache",
        "off | shared:name:size",
        Some("off"),
        "Keeps answers for as long as they hold, for all workers and over reloads.",
        |loader, line, _| ocsp_cache(loader, line),
    ),
    Directive::setting(
        "ssl_stapling",
        "on | off",
        Some("off"),
        "Sends an OCSP answer about the own certificate to clients that ask for one. It is fetched when the first \
         one does, and anew at least every hour.",
        |loader, line, _| once(&mut loader.here().ssl.context().stapling, line, flag),
    ),
    Directive::setting(
        "ssl_stapling_file",
        "file",
        None,
        "The answer to send, in DER, rather than asking for it.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().ssl.context().stapling_file, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "ssl_stapling_responder",
        "url",
        None,
        "Whom to ask (`http://` only), rather than the responder that the certificate names.",
        |loader, line, _| once(&mut loader.here().ssl.context().stapling_responder, line, |line| Ok(line.text(0))),
    ),
    Directive::setting(
        "ssl_stapling_verify",
        "on | off",
        Some("off"),
        "Whether the answer's signer is verified by `ssl_trusted_certificate`.",
        |loader, line, _| once(&mut loader.here().ssl.context().stapling_verify, line, flag),
    ),
    Directive {
        name: "ssl_conf_command",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(2, 2),
        syntax: "name value",
        default: None,
        doc: "A command of the TLS library, applied after everything else. May be repeated.",
        apply: |loader, line, _| {
            loader.here().ssl.context().conf_commands.push((line.text(0), line.text(1)));
            Ok(())
        },
    },
    Directive::setting(
        "ssl_reject_handshake",
        "on | off",
        Some("off"),
        "Refuses handshakes in this server, before any certificate.",
        |loader, line, _| once(&mut loader.here().ssl.context().reject_handshake, line, flag),
    ),
    Directive {
        name: "ssl_alpn",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "protocol ...",
        default: None,
        doc: "Protocols to choose from by ALPN, in order of preference. A client that offers others only is refused.",
        apply: |loader, line, _| alpn(loader, line),
    },
];

fn verify_client(line: &Line<'_, '_>) -> Result<VerifyClient, Refusal> {
    one_of(
        line,
        &[
            ("off", VerifyClient::Off),
            ("on", VerifyClient::On),
            ("optional", VerifyClient::Optional),
            ("optional_no_ca", VerifyClient::OptionalNoCa),
        ],
    )
}

fn ocsp(line: &Line<'_, '_>) -> Result<Ocsp, Refusal> {
    one_of(line, &[("off", Ocsp::Off), ("on", Ocsp::On), ("leaf", Ocsp::Leaf)])
}

fn session_cache(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    for (at, word) in line.args().enumerate() {
        let invalid = || Refusal::Word(at, format!("invalid session cache \"{}\"", text(word)), None);
        let context = loader.here().ssl.context();
        match word {
            b"off" => context.session_cache = Some(Builtin::Off),
            b"none" => context.session_cache = Some(Builtin::None),
            b"builtin" => context.session_cache = Some(Builtin::Of(BUILTIN)),
            [b'b', b'u', b'i', b'l', b't', b'i', b'n', b':', size @ ..] => {
                let size = scalar::number(size).ok_or_else(invalid)?;
                context.session_cache = Some(Builtin::Of(size as usize));
            }
            _ => {
                let (name, size) = shared(word).ok_or_else(invalid)?;
                if size < SMALLEST {
                    let message = format!("session cache \"{}\" is too small", text(word));
                    return Err(Refusal::Word(at, message, None));
                }
                let size = size as usize;
                loader.stream().zones.share(&name, size, Use::Sessions)?;
                let context = loader.here().ssl.context();
                context.session_zone = Some((name, size));
                context.session_cache.get_or_insert(Builtin::Not);
            }
        }
    }
    Ok(())
}

fn ocsp_cache(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.here().ssl.context().ocsp_cache.is_some() {
        return Err(duplicate());
    }
    let word = line.arg(0);
    let cache = if word == b"off" {
        (String::new(), 0)
    } else {
        let Some((name, size)) = shared(word) else {
            return Err(Refusal::Word(0, format!("invalid OCSP cache \"{}\"", text(word)), None));
        };
        if size < SMALLEST {
            return Err(Refusal::Word(0, format!("OCSP cache \"{}\" is too small", text(word)), None));
        }
        let size = size as usize;
        loader.stream().zones.share(&name, size, Use::Ocsp)?;
        (name, size)
    };
    loader.here().ssl.context().ocsp_cache = Some(cache);
    Ok(())
}

/// `shared:NAME:SIZE`.
fn shared(word: &[u8]) -> Option<(String, u64)> {
    let rest = word.strip_prefix(b"shared:")?;
    let (name, size) = rest.split_at(rest.iter().position(|byte| *byte == b':')?);
    let size = scalar::size(size.get(1..)?)?;
    (!name.is_empty()).then(|| (text(name), size))
}

fn alpn(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let slot = &mut loader.here().ssl.context().alpn;
    if slot.is_some() {
        return Err(duplicate());
    }
    line.args().try_for_each(read::check_protocol_name)?;
    *slot = Some(line.args().map(<[u8]>::to_vec).collect());
    Ok(())
}

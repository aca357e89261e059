//! The table of `proxy_ssl*`.

use crate::directive::{Args, Contexts, Directive};
use crate::family::proxy::words::has_variables;
use crate::family::ssl::read;
use crate::load::{Line, Loader, Refusal};
use crate::value::{duplicate, flag, number, once, template};

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive::setting(
        "proxy_ssl",
        "on | off",
        Some("off"),
        "Speaks TLS to the upstream. Not for UDP.",
        |loader, line, _| once(&mut loader.here().proxy_ssl.on, line, flag),
    ),
    Directive {
        name: "proxy_ssl_protocols",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "[SSLv2] [SSLv3] [TLSv1] [TLSv1.1] [TLSv1.2] [TLSv1.3]",
        default: Some("TLSv1.2 TLSv1.3"),
        doc: "Protocol versions that are negotiated with the upstream.",
        apply: |loader, line, _| {
            let before = loader.here().proxy_ssl.context().protocols;
            let all = read::protocols(loader, line, before)?;
            loader.here().proxy_ssl.context().protocols = Some(all);
            Ok(())
        },
    },
    Directive::setting(
        "proxy_ssl_ciphers",
        "ciphers",
        Some("DEFAULT"),
        "Cipher suites up to TLS 1.2, in OpenSSL's notation.",
        |loader, line, _| once(&mut loader.here().proxy_ssl.context().ciphers, line, |line| Ok(line.text(0))),
    ),
    Directive::setting(
        "proxy_ssl_name",
        "name",
        None,
        "The upstream's name, for its certificate and for SNI; else the host of `proxy_pass`. May hold \
         variables.",
        |loader, line, _| {
            if loader.here().proxy_ssl.name.is_some() {
                return Err(duplicate());
            }
            let name = template(loader, line.arg(0))?;
            loader.here().proxy_ssl.name = Some(name);
            Ok(())
        },
    ),
    Directive::setting(
        "proxy_ssl_server_name",
        "on | off",
        Some("off"),
        "Sends the name to the upstream (SNI).",
        |loader, line, _| once(&mut loader.here().proxy_ssl.server_name, line, flag),
    ),
    Directive {
        name: "proxy_ssl_alpn",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "protocol ...",
        default: None,
        doc: "Protocols offered to the upstream by ALPN, most wanted first. May hold variables; those that come \
              out empty are left out.",
        apply: |loader, line, _| alpn(loader, line),
    },
    Directive::setting(
        "proxy_ssl_session_reuse",
        "on | off",
        Some("on"),
        "Resumes sessions with a peer.",
        |loader, line, _| once(&mut loader.here().proxy_ssl.context().session_reuse, line, flag),
    ),
    Directive::setting(
        "proxy_ssl_verify",
        "on | off",
        Some("off"),
        "Verifies the upstream's certificate and name.",
        |loader, line, _| once(&mut loader.here().proxy_ssl.context().verify, line, flag),
    ),
    Directive::setting(
        "proxy_ssl_verify_depth",
        "number",
        Some("1"),
        "Most CAs between the upstream's certificate and one that is trusted.",
        |loader, line, _| once(&mut loader.here().proxy_ssl.context().verify_depth, line, number),
    ),
    Directive::setting(
        "proxy_ssl_trusted_certificate",
        "file",
        None,
        "Certificates that the upstream is verified by.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().proxy_ssl.context().trusted_certificate, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "proxy_ssl_crl",
        "file",
        None,
        "Revoked certificates, with a list for every issuer of the chain.",
        |loader, line, _| {
            let path = read::file(loader, line);
            once(&mut loader.here().proxy_ssl.context().crl, line, |_| Ok(path))
        },
    ),
    Directive::setting(
        "proxy_ssl_certificate",
        "file",
        None,
        "Certificate shown to the upstream. The text itself after `data:`; may hold variables.",
        |loader, line, _| {
            if loader.here().proxy_ssl.context().certificate.is_some() {
                return Err(duplicate());
            }
            let pem = read::pem(loader, line)?;
            loader.here().proxy_ssl.context().certificate = Some((line.text(0), pem));
            Ok(())
        },
    ),
    Directive::setting(
        "proxy_ssl_certificate_key",
        "file",
        None,
        "Key of `proxy_ssl_certificate`.",
        |loader, line, _| {
            if loader.here().proxy_ssl.context().key.is_some() {
                return Err(duplicate());
            }
            let pem = read::pem(loader, line)?;
            loader.here().proxy_ssl.context().key = Some(pem);
            Ok(())
        },
    ),
    Directive {
        name: "proxy_ssl_certificate_cache",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(1, 3),
        syntax: "off | max=number [inactive=time] [valid=time]",
        default: Some("off"),
        doc: "Certificates and keys that are named by variables are kept in memory, at most `max`, as long as they are used \
              within `inactive`; after `valid` a changed file is read anew.",
        apply: |loader, line, _| read::object_cache(&mut loader.here().proxy_ssl.context().certificate_cache, line),
    },
    Directive::setting(
        "proxy_ssl_password_file",
        "file",
        None,
        "Passwords of the key, one on each line, tried in order.",
        |loader, line, _| {
            if loader.here().proxy_ssl.context().password_file.is_some() {
                return Err(duplicate());
            }
            let path = read::password_file(loader, line)?;
            loader.here().proxy_ssl.context().password_file = Some(path);
            Ok(())
        },
    ),
    Directive {
        name: "proxy_ssl_conf_command",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(2, 2),
        syntax: "name value",
        default: None,
        doc: "A command of the TLS library, applied after everything else. May be repeated.",
        apply: |loader, line, _| {
            loader.here().proxy_ssl.context().conf_commands.push((line.text(0), line.text(1)));
            Ok(())
        },
    },
];

fn alpn(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.here().proxy_ssl.alpn.is_some() {
        return Err(duplicate());
    }
    let mut names = Vec::new();
    for word in line.args() {
        if !has_variables(word) {
            read::check_protocol_name(word)?;
        }
        names.push(template(loader, word)?);
    }
    loader.here().proxy_ssl.alpn = Some(names);
    Ok(())
}

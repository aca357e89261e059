//! What `$ssl_*` variables say of the client's TLS connection.

use config::family::ssl::VerifyClient;
use policy::builtin::Builtin;
use tls::PeerCertificate;
use wire::proxy_protocol::SslInfo;

use super::Session;

/// Appends a value; false where there is none. An empty value counts as none.
pub(super) fn value(s: &Session, which: Builtin, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let _ = append(s, which, out);
    out.len() > before
}

fn append(s: &Session, which: Builtin, out: &mut Vec<u8>) -> Option<()> {
    use Builtin as B;
    let rare = s.rare_if_any()?;
    let connection = rare.tls.get()?;
    // During the handshake the connection is busy; there is nothing to tell of it yet but the name.
    let Ok(stream) = connection.try_borrow() else {
        if which == B::SslServerName {
            out.extend_from_slice(rare.server_name.borrow().as_deref()?);
        }
        return Some(());
    };
    match which {
        B::SslServerName => out.extend_from_slice(stream.server_name()?),
        B::SslProtocol => out.extend_from_slice(stream.protocol().as_bytes()),
        B::SslCipher => out.extend_from_slice(stream.cipher().as_bytes()),
        B::SslCiphers => out.extend_from_slice(stream.client_ciphers()?.as_bytes()),
        B::SslCurve => out.extend_from_slice(stream.curve()?.as_bytes()),
        B::SslCurves => out.extend_from_slice(stream.client_curves()?.as_bytes()),
        B::SslSigalg => out.extend_from_slice(stream.signature_algorithm()?.as_bytes()),
        B::SslClientSigalg => out.extend_from_slice(stream.client_signature_algorithm()?.as_bytes()),
        B::SslSigalgs => out.extend_from_slice(stream.client_sigalgs()?.as_bytes()),
        B::SslSessionId => out.extend_from_slice(stream.session_id().as_bytes()),
        B::SslSessionReused => out.push(if stream.session_reused() { b'r' } else { b'.' }),
        B::SslEchStatus => out.extend_from_slice(stream.ech_status()?.as_bytes()),
        B::SslEchOuterServerName => out.extend_from_slice(stream.ech_outer_server_name()?),
        B::SslAlpnProtocol => out.extend_from_slice(stream.alpn_protocol()?),
        B::SslClientVerify => {
            let verify = s.server().conf.ssl.as_ref().map_or(VerifyClient::Off, |ssl| ssl.verify_client);
            let result = stream.verify_result();
            // A connection that was passed on may have been asked for a certificate by the server before.
            let is_asked = verify != VerifyClient::Off || s.passes > 0;
            if !is_asked || stream.peer_certificate().is_none() {
                out.extend_from_slice(b"NONE");
            } else if let Some(reason) = rare.ocsp_refusal.get() {
                out.extend_from_slice(b"FAILED:");
                out.extend_from_slice(reason.as_bytes());
            } else if result.is_ok() {
                out.extend_from_slice(b"SUCCESS");
            } else {
                out.extend_from_slice(b"FAILED:");
                out.extend_from_slice(result.text().as_bytes());
            }
        }
        _ => certificate(which, &stream.peer_certificate()?, out)?,
    }
    Some(())
}

fn certificate(which: Builtin, certificate: &PeerCertificate, out: &mut Vec<u8>) -> Option<()> {
    use Builtin as B;
    match which {
        B::SslClientRawCert => out.extend_from_slice(&certificate.pem()?),
        B::SslClientCert => {
            let pem = certificate.pem()?;
            let lines = pem.strip_suffix(b"\n").unwrap_or(&pem).split(|byte| *byte == b'\n');
            for (at, line) in lines.enumerate() {
                out.extend_from_slice(if at > 0 { b"\n\t" } else { b"" });
                out.extend_from_slice(line);
            }
        }
        B::SslClientEscapedCert => escape(&certificate.pem()?, out),
        B::SslClientSDn => out.extend_from_slice(&certificate.subject()?),
        B::SslClientIDn => out.extend_from_slice(&certificate.issuer()?),
        B::SslClientSerial => out.extend_from_slice(certificate.serial().as_bytes()),
        B::SslClientFingerprint => out.extend_from_slice(certificate.fingerprint()?.as_bytes()),
        B::SslClientVStart => out.extend_from_slice(certificate.valid_from().as_bytes()),
        B::SslClientVEnd => out.extend_from_slice(certificate.valid_until().as_bytes()),
        B::SslClientVRemain => out.extend_from_slice(certificate.days_left().to_string().as_bytes()),
        _ => return None,
    }
    Some(())
}

/// What a PROXY header tells of the client's TLS; `None` for plain clients.
pub(super) fn header_info(s: &Session) -> Option<SslInfo> {
    let stream = s.rare_if_any()?.tls.get()?.try_borrow().ok()?;
    let certificate = stream.peer_certificate();
    let local = stream.local_certificate();
    Some(SslInfo {
        sni: stream.server_name().map(<[u8]>::to_vec),
        alpn: stream.alpn_protocol().map(<[u8]>::to_vec),
        version: stream.protocol().to_owned(),
        cipher: stream.cipher().to_owned(),
        verify: if certificate.is_some() { stream.verify_result().code().unsigned_abs() } else { 1 },
        client_cert: certificate.is_some(),
        resumed: stream.session_reused(),
        common_name: certificate.as_ref().and_then(PeerCertificate::common_name),
        signature: local.as_ref().map(|local| local.signature.clone()),
        key: local.map(|local| local.key),
    })
}

/// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn escaping_leaves_the_unreserved() {
        let mut out = Vec::new();
        super::escape(b"aZ9-._~ +/\n=", &mut out);
        assert_eq!(out, b"aZ9-._~%20%2B%2F%0A%3D");
    }
}

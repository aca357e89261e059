//! What an established (or failed) connection tells about itself: the values of the `$ssl_*` variables and of
//! PROXY protocol v2's SSL field.

use std::io::{Read, Write};
use std::sync::Arc;

use openssl::pkey::Id;
use openssl::ssl::SslVersion;

use crate::backend;
use crate::certificate::{PeerCertificate, hex};
use crate::connection::Connection;
use crate::error::TlsError;
use crate::hello::{Hello, Lists};
use crate::messages::Messages;
use crate::names;
use crate::ocsp::{self, Inquiry, Signer};
use crate::staple::Staple;
use crate::stream::Stream;
use crate::verify::VerifyResult;

/// Our certificate as PROXY protocol v2 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCertificate {
    /// Short name of the algorithm that signed it: `RSA-SHA256`.
    pub signature: String,
    /// Kind and size of its key: `RSA2048`, `EC256`.
    pub key: String,
}

impl<S: Read + Write> Stream<S> {
    /// `$ssl_protocol`: `TLSv1.3`. Meaningful also after a failed handshake.
    pub fn protocol(&self) -> &'static str {
        let intended = Connection::of(self.ssl()).and_then(|connection| connection.intended);
        // Without a hello OpenSSL names the newest one.
        let newest = self.awaits_hello().then_some("TLSv1.3");
        intended.or(newest).unwrap_or_else(|| self.ssl().version_str())
    }

    /// `$ssl_cipher`: OpenSSL's name; `(NONE)` before negotiation.
    pub fn cipher(&self) -> &'static str {
        let is_told = !Connection::of(self.ssl()).is_some_and(|one| one.has_no_cipher) && !self.awaits_its_cipher();
        let chosen = self.ssl().current_cipher().filter(|_| is_told);
        chosen.map_or("(NONE)", openssl::ssl::SslCipherRef::name)
    }

    /// Before TLS 1.3, OpenSSL tells of a new session's cipher once the other side encrypts.
    fn awaits_its_cipher(&self) -> bool {
        let ssl = self.ssl();
        let is_over = self.is_established() || self.session_reused() || ssl.version2() == Some(SslVersion::TLS1_3);
        cfg!(feature = "aws-lc") && !is_over && !ssl.state_string_long().ends_with("read_client_finished")
    }

    /// `$ssl_curve`; `None` before negotiation and without key agreement.
    pub fn curve(&self) -> Option<String> {
        if self.is_established() { backend::group(self.ssl()) } else { None }
    }

    /// `$ssl_ciphers`: the client's list. `None` unless captured, as with the following.
    pub fn client_ciphers(&self) -> Option<String> {
        Some(self.lists()?.ciphers())
    }

    /// `$ssl_curves`. OpenSSL does not look at them to resume a session before TLS 1.3.
    pub fn client_curves(&self) -> Option<String> {
        let ignored = self.session_reused() && self.ssl().version2() != Some(SslVersion::TLS1_3);
        self.lists().filter(|_| !ignored)?.groups()
    }

    /// `$ssl_sigalgs`. OpenSSL does not look at them to resume a session.
    pub fn client_sigalgs(&self) -> Option<String> {
        self.lists().filter(|_| !self.session_reused())?.sigalgs()
    }

    /// `$ssl_sigalg`: the algorithm of our signature in this handshake. `None` unless captured, as with the following,
    /// and when a session was resumed.
    pub fn signature_algorithm(&self) -> Option<String> {
        Some(names::signature(self.messages()?.ours?))
    }

    /// `$ssl_client_sigalg`: that of the client's.
    pub fn client_signature_algorithm(&self) -> Option<String> {
        Some(names::signature(self.messages()?.theirs?))
    }

    /// The protocol names the client offered, in its order.
    pub fn client_alpn(&self) -> Option<Vec<&[u8]>> {
        self.lists()?.alpn()
    }

    /// `$ssl_session_id`: lower-case hex; empty without one. In TLS 1.3, where AWS-LC has none, a value derived from
    /// the connection's secrets stands for it (RFC 8446 §7.5): of no use but to tell connections apart.
    pub fn session_id(&self) -> String {
        let id = self.ssl().session().map_or_else(String::new, |session| hex(session.id()));
        if !id.is_empty() || self.ssl().version2() != Some(SslVersion::TLS1_3) || !self.is_established() {
            return id;
        }
        let mut derived = [0; 32];
        match self.ssl().export_keying_material(&mut derived, "EXPORTER-session-id", None) {
            Ok(()) => hex(&derived),
            Err(_) => id,
        }
    }

    /// Whether this handshake resumed a session (`$ssl_session_reused`).
    pub fn session_reused(&self) -> bool {
        self.ssl().session_reused()
    }

    /// `$ssl_server_name`: the name the client sent, as sent. Known once the `ClientHello` has come.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.hello()?.server_name.as_deref()
    }

    /// `$ssl_ech_status`: what became of an encrypted hello. One that cannot be read may be a sham (`GREASE`). `None`
    /// where the server takes none.
    pub fn ech_status(&self) -> Option<&'static str> {
        self.origin().filter(|server| server.takes_ech)?;
        Some(if backend::ech_accepted(self.ssl()) {
            "SUCCESS"
        } else if self.hello()?.offers_ech {
            "GREASE"
        } else {
            "NOT_TRIED"
        })
    }

    /// `$ssl_ech_outer_server_name`: the name beside an encrypted hello that could be read. `None` unless captured.
    pub fn ech_outer_server_name(&self) -> Option<&[u8]> {
        self.messages()?.open_name.as_deref().filter(|_| backend::ech_accepted(self.ssl()))
    }

    /// `$ssl_alpn_protocol`: the protocol agreed on.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.ssl().selected_alpn_protocol()
    }

    /// The verdict on the peer's certificate; success when it showed none. Not judged here.
    pub fn verify_result(&self) -> VerifyResult {
        VerifyResult::new(self.ssl().verify_result().as_raw())
    }

    /// The certificate the peer showed, now or in the handshake of the resumed session.
    pub fn peer_certificate(&self) -> Option<PeerCertificate> {
        self.ssl().peer_certificate().map(PeerCertificate)
    }

    /// What is to be asked of OCSP responders about the peer's chain, beginning with its own certificate; nothing
    /// about the root. `leaf_only` leaves out the certificates above. Nothing without a certificate.
    pub fn inquiries(&self, leaf_only: bool) -> Result<Vec<Inquiry>, TlsError> {
        let Some(leaf) = self.ssl().peer_certificate() else { return Ok(Vec::new()) };
        let context = self.ssl().ssl_context().to_owned();
        let chain = ocsp::verified_chain(&leaf, self.ssl().peer_cert_chain(), context.cert_store())?;
        let asked = if leaf_only { 1 } else { chain.len() };
        let links = (0..chain.len().saturating_sub(1)).take(asked);
        Ok(links.filter_map(|at| Inquiry::new(chain.get(at..)?, context.clone(), Signer::Verified)).collect())
    }

    /// The OCSP response that the client has asked for, known when the handshake is done.
    pub fn staple(&self) -> Option<Arc<Staple>> {
        Connection::of(self.ssl())?.staple.clone()
    }

    /// Whether the peer's certificate is for `name` (see [`PeerCertificate::matches_name`]).
    pub fn matches_name(&self, name: &str) -> bool {
        self.peer_certificate().is_some_and(|certificate| certificate.matches_name(name))
    }

    /// Our certificate of this connection.
    pub fn local_certificate(&self) -> Option<LocalCertificate> {
        let certificate = self.ssl().certificate()?;
        let key = certificate.public_key().ok()?;
        let kind = match key.id() {
            Id::RSA => "RSA",
            Id::RSA_PSS => "RSA-PSS",
            Id::EC => "EC",
            Id::ED25519 => "ED25519",
            Id::DSA => "DSA",
            _ => "UNKNOWN",
        };
        let signature = certificate.signature_algorithm().object().nid();
        Some(LocalCertificate {
            signature: signature.short_name().ok()?.to_owned(),
            key: format!("{kind}{}", key.bits()),
        })
    }

    fn hello(&self) -> Option<&Hello> {
        Connection::of(self.ssl()).map(|connection| &connection.hello)
    }

    fn messages(&self) -> Option<&Messages> {
        Connection::of(self.ssl())?.messages.as_deref()
    }

    fn lists(&self) -> Option<&Lists> {
        self.hello()?.lists.as_deref()
    }
}

//! What a context is built from, as plain data. Nothing is checked here; building does that.

use std::ops::BitOr;
use std::sync::Arc;

use crate::cache::SharedSessionCache;
use crate::tickets::TicketKey;

/// PEM text and the name it goes by in messages (a path, or the `data:…` text itself).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pem {
    /// Path or name, as messages show it.
    pub name: String,
    /// The text.
    pub bytes: Vec<u8>,
}

/// A certificate (leaf first, then its chain) and its private key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPair {
    /// `ssl_certificate`
    pub certificate: Pem,
    /// `ssl_certificate_key`
    pub key: Pem,
}

/// A set of protocol versions (`ssl_protocols`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols(u8);

impl Protocols {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// `SSLv2`: accepted in configurations, spoken by no library today.
    pub const SSL_V2: Self = Self(1);
    /// `SSLv3`: as above, unless OpenSSL was built for it.
    pub const SSL_V3: Self = Self(2);
    /// `TLSv1`
    pub const TLS_V1: Self = Self(4);
    /// `TLSv1.1`
    pub const TLS_V1_1: Self = Self(8);
    /// `TLSv1.2`
    pub const TLS_V1_2: Self = Self(16);
    /// `TLSv1.3`
    pub const TLS_V1_3: Self = Self(32);

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether TLS 1.0 or 1.1 is in this set.
    pub(crate) const fn has_legacy(self) -> bool {
        self.0 & (Self::TLS_V1.0 | Self::TLS_V1_1.0) != 0
    }
}

impl BitOr for Protocols {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Default for Protocols {
    /// nginx's default: `TLSv1.2 TLSv1.3`.
    fn default() -> Self {
        Self::TLS_V1_2 | Self::TLS_V1_3
    }
}

/// `ssl_verify_client`. In no mode does the handshake itself fail: the caller judges the result after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientVerify {
    /// No certificate is asked for.
    #[default]
    Off,
    /// Asked for; the caller closes when it is missing or bad.
    On,
    /// Asked for; the caller closes when it is bad.
    Optional,
    /// Asked for; need not be signed by a known CA.
    OptionalNoCa,
}

/// `ssl_session_cache`.
#[derive(Clone, Debug, Default)]
pub enum SessionCache {
    /// `off`: clients are told that sessions may not be reused.
    Off,
    /// `none`: clients are told they may be, but none is stored.
    #[default]
    None,
    /// `builtin` and/or `shared`.
    Stored {
        /// The library's own cache: how many sessions it holds.
        builtin: Option<usize>,
        /// A cache handed from one generation of contexts to the next.
        shared: Option<Arc<SharedSessionCache>>,
    },
}

/// Whether OCSP responses are sent with certificates, and where they come from.
#[derive(Clone, Debug, Default)]
pub enum Stapling {
    /// None are sent.
    #[default]
    Off,
    /// This one (`ssl_stapling_file`): its name, and DER.
    Given(String, Vec<u8>),
    /// What responders say; see [`ServerContext::staples`](crate::ServerContext::staples).
    Fetched {
        /// `ssl_stapling_verify`
        verify: bool,
    },
}

/// Everything a server context is built from. Field names follow the `ssl_*` directives.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Certificates, one per key type. Empty when they come per connection (see `Choice::SwitchWith`).
    pub certificates: Vec<KeyPair>,
    /// `ssl_password_file`: tried in order. Empty: encrypted keys cannot be read.
    pub passphrases: Vec<Vec<u8>>,
    /// `ssl_protocols`
    pub protocols: Protocols,
    /// `ssl_ciphers`
    pub ciphers: String,
    /// `ssl_prefer_server_ciphers`
    pub prefer_server_ciphers: bool,
    /// `ssl_ecdh_curve`; `auto` leaves the choice to the library.
    pub ecdh_curve: String,
    /// `ssl_dhparam`
    pub dhparam: Option<Pem>,
    /// `ssl_verify_client`
    pub verify: ClientVerify,
    /// `ssl_verify_depth`
    pub verify_depth: u32,
    /// `ssl_client_certificate`: trusted, and their names are sent to clients.
    pub client_ca: Option<Pem>,
    /// `ssl_trusted_certificate`: trusted, names not sent.
    pub trusted_ca: Option<Pem>,
    /// `ssl_crl`
    pub crl: Option<Pem>,
    /// `ssl_session_cache`
    pub session_cache: SessionCache,
    /// `ssl_session_tickets`
    pub tickets: bool,
    /// `ssl_session_ticket_key`: the first encrypts. Empty: random keys.
    pub ticket_keys: Vec<TicketKey>,
    /// `ssl_session_timeout`, seconds.
    pub session_timeout: u64,
    /// `ssl_alpn`, in order of preference.
    pub alpn: Vec<Vec<u8>>,
    /// `ssl_conf_command` pairs, applied last.
    pub conf_commands: Vec<(String, String)>,
    /// `ssl_certificate_compression`
    pub certificate_compression: bool,
    /// `ssl_stapling`
    pub stapling: Stapling,
    /// `ssl_ech_file`s; only where [`ech_supported`](crate::ech_supported).
    pub ech: Vec<Pem>,
    /// `ssl_reject_handshake`
    pub reject_handshake: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            passphrases: Vec::new(),
            protocols: Protocols::default(),
            ciphers: "HIGH:!aNULL:!MD5".to_owned(),
            prefer_server_ciphers: false,
            ecdh_curve: "auto".to_owned(),
            dhparam: None,
            verify: ClientVerify::Off,
            verify_depth: 1,
            client_ca: None,
            trusted_ca: None,
            crl: None,
            session_cache: SessionCache::None,
            tickets: true,
            ticket_keys: Vec::new(),
            session_timeout: 300,
            alpn: Vec::new(),
            conf_commands: Vec::new(),
            certificate_compression: false,
            stapling: Stapling::Off,
            ech: Vec::new(),
            reject_handshake: false,
        }
    }
}

/// Everything a client context is built from. Field names follow the `proxy_ssl_*` directives.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `proxy_ssl_protocols`
    pub protocols: Protocols,
    /// `proxy_ssl_ciphers`
    pub ciphers: String,
    /// `proxy_ssl_verify`: whether `trusted_ca` and `crl` are loaded.
    pub verify: bool,
    /// `proxy_ssl_verify_depth`
    pub verify_depth: u32,
    /// `proxy_ssl_trusted_certificate`
    pub trusted_ca: Option<Pem>,
    /// `proxy_ssl_crl`
    pub crl: Option<Pem>,
    /// `proxy_ssl_certificate` and its key.
    pub certificate: Option<KeyPair>,
    /// `proxy_ssl_password_file`
    pub passphrases: Vec<Vec<u8>>,
    /// `proxy_ssl_conf_command` pairs, applied last.
    pub conf_commands: Vec<(String, String)>,
    /// `proxy_ssl_session_reuse`: whether `Stream::take_session` yields anything.
    pub session_reuse: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            protocols: Protocols::default(),
            ciphers: "DEFAULT".to_owned(),
            verify: false,
            verify_depth: 1,
            trusted_ca: None,
            crl: None,
            certificate: None,
            passphrases: Vec::new(),
            conf_commands: Vec::new(),
            session_reuse: true,
        }
    }
}

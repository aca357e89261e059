//! `ssl_*`: TLS towards clients. Types that both sides of TLS share stand here too.

mod directives;
pub(crate) mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use policy::template::Template;
use syntax::Place;

pub(crate) use directives::DIRECTIVES;
pub(crate) use settings::{Settings, handshake_timeout, merge};

/// `ssl_*` with values or defaults. Servers that say nothing of their own share one.
#[derive(Debug)]
pub struct Ssl {
    /// Certificates with their keys, in written order.
    pub certificates: Vec<Certificate>,
    /// `ssl_certificate_cache`.
    pub certificate_cache: Option<ObjectCache>,
    /// `ssl_certificate_compression`.
    pub certificate_compression: bool,
    /// `ssl_password_file`.
    pub password_file: Option<PathBuf>,
    /// `ssl_protocols`.
    pub protocols: Protocols,
    /// `ssl_ciphers`.
    pub ciphers: String,
    /// `ssl_prefer_server_ciphers`.
    pub prefer_server_ciphers: bool,
    /// `ssl_dhparam`.
    pub dhparam: Option<PathBuf>,
    /// `ssl_ecdh_curve`; `auto` is the library's choice.
    pub ecdh_curve: String,
    /// `ssl_session_cache`.
    pub session_cache: SessionCache,
    /// `ssl_session_tickets`.
    pub session_tickets: bool,
    /// `ssl_session_ticket_key`.
    pub session_ticket_keys: Vec<PathBuf>,
    /// `ssl_session_timeout`, seconds.
    pub session_timeout: u64,
    /// `ssl_verify_client`.
    pub verify_client: VerifyClient,
    /// Where the server itself says `ssl_verify_client`, and not `off`.
    pub asks_clients_at: Option<Place>,
    /// `ssl_verify_depth`.
    pub verify_depth: usize,
    /// `ssl_client_certificate`: trusted, and named to clients.
    pub client_certificate: Option<PathBuf>,
    /// `ssl_trusted_certificate`: trusted, and not named.
    pub trusted_certificate: Option<PathBuf>,
    /// `ssl_crl`.
    pub crl: Option<PathBuf>,
    /// `ssl_ocsp`.
    pub ocsp: Ocsp,
    /// `ssl_ocsp_responder`.
    pub ocsp_responder: Option<String>,
    /// `ssl_ocsp_cache shared:NAME:SIZE`.
    pub ocsp_cache: Option<(String, usize)>,
    /// `ssl_stapling`.
    pub stapling: bool,
    /// `ssl_stapling_file`.
    pub stapling_file: Option<PathBuf>,
    /// `ssl_stapling_responder`.
    pub stapling_responder: Option<String>,
    /// `ssl_stapling_verify`.
    pub stapling_verify: bool,
    /// `ssl_conf_command`s in written order.
    pub conf_commands: Vec<(String, String)>,
    /// `ssl_reject_handshake`.
    pub reject_handshake: bool,
    /// `ssl_alpn`, in order of preference.
    pub alpn: Vec<Vec<u8>>,
    /// `ssl_ech_file`.
    pub ech_files: Vec<PathBuf>,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain: Pem,
    /// Its key.
    pub key: Pem,
}

impl Certificate {
    /// Whether it has to be read for each handshake.
    pub const fn is_evaluated(&self) -> bool {
        matches!((&self.chain, &self.key), (Pem::Evaluated(_), _) | (_, Pem::Evaluated(_)))
    }
}

/// Where PEM text comes from.
#[derive(Debug, Clone)]
pub enum Pem {
    /// A file, absolute.
    File(PathBuf),
    /// `data:`: the text itself.
    Data(Box<[u8]>),
    /// Evaluated for each handshake: then a file against the configuration's directory, or `data:`.
    Evaluated(Template),
    /// `engine:` or `store:`, whole, for libraries that know such things.
    Provider(String),
}

/// `*_certificate_cache max=N inactive=T valid=T`; times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectCache {
    /// Most entries kept.
    pub max: usize,
    /// Seconds without use after which an entry goes.
    pub inactive: u64,
    /// Seconds after which an entry is checked against its file.
    pub valid: u64,
}

/// A set of TLS protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocols(pub u8);

impl Protocols {
    /// `SSLv2`: legal to write, never negotiated.
    pub const SSL2: Self = Self(1);
    /// `SSLv3`.
    pub const SSL3: Self = Self(2);
    /// `TLSv1`.
    pub const TLS1: Self = Self(4);
    /// `TLSv1.1`.
    pub const TLS1_1: Self = Self(8);
    /// `TLSv1.2`.
    pub const TLS1_2: Self = Self(16);
    /// `TLSv1.3`.
    pub const TLS1_3: Self = Self(32);
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self(16 | 32);

    /// Whether `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// `ssl_session_cache`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCache {
    /// Clients are told that sessions are not reused.
    Off,
    /// No cache, but tickets.
    None,
    /// Caches of this process: the library's own and a named one that may be shared.
    Kept {
        /// `builtin[:N]`: sessions per worker.
        builtin: Option<usize>,
        /// `shared:NAME:SIZE`.
        shared: Option<(String, usize)>,
    },
}

/// `ssl_verify_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerifyClient {
    /// Not asked for.
    Off,
    /// Demanded.
    On,
    /// Asked for; checked where given.
    Optional,
    /// Asked for; any is taken.
    OptionalNoCa,
}

/// `ssl_ocsp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ocsp {
    /// Not checked.
    Off,
    /// The whole chain but its root.
    On,
    /// The client's certificate only.
    Leaf,
}

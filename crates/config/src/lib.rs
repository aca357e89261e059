//! AST → [`Config`]: the directive table, contexts, inheritance and merge rules, one file per
//! directive family. A pure function of the sources: everything outside is reached through
//! [`World`], so that a configuration can be tested without files, names or sockets.
//!
//! It opens no certificate, log or socket: that is the engine's plan.

pub mod directive;
pub mod family;
mod foreign;
mod load;
mod merge;
mod value;
mod world;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

pub use directive::{Args, Contexts, Directive, FAMILIES, Family, directives};
pub use family::Settings;
pub use load::{Loaded, Options, Stage, load};
pub use world::World;

use family::{
    access, core, events, guard, limit_conn, listen, log, main_context, overload, proxy, proxy_ssl, set, ssl, upstream,
};
use policy::variables::Variables;

/// A whole configuration, typed, inherited and validated.
#[derive(Debug)]
pub struct Config {
    /// Directives of the main context.
    pub main: main_context::Main,
    /// `events { }`.
    pub events: events::Events,
    /// `stream { }`, if there is one.
    pub stream: Option<Stream>,
    /// Files that logs name, in force anywhere or not, in written order: all are opened, so that a mistake is found.
    pub log_files: Vec<PathBuf>,
}

/// `stream { }`: what sessions run by.
#[derive(Debug)]
pub struct Stream {
    /// Every variable that the configuration defines or mentions.
    pub variables: Arc<Variables>,
    /// `server { }` blocks in written order; [`ServerId`] indexes this.
    pub servers: Vec<Server>,
    /// Sockets to bind, each with the servers behind it.
    pub listeners: Vec<listen::Listener>,
    /// Explicit `upstream { }` groups and the implicit ones of literal `proxy_pass`.
    pub upstreams: Vec<upstream::Upstream>,
    /// `limit_conn_zone`s; [`limit_conn::ZoneId`] indexes this.
    pub limit_zones: Vec<limit_conn::Zone>,
    /// Limits of each worker.
    pub limits: overload::Limits,
    /// Each unguarded `proxy_pass` that leads wherever a client asks for.
    pub open_relays: Vec<syntax::Place>,
    /// Where the block ends: what errors about the whole of it name.
    pub end: syntax::Place,
    /// Resolvers in use; [`core::ResolverId`] indexes this.
    pub resolvers: Vec<core::Resolver>,
}

impl Stream {
    /// What a configuration without `stream { }` serves: nothing.
    pub fn none() -> Self {
        Self {
            variables: Arc::default(),
            servers: Vec::new(),
            listeners: Vec::new(),
            upstreams: Vec::new(),
            limit_zones: Vec::new(),
            limits: overload::limits(&overload::Settings::default()),
            open_relays: Vec::new(),
            end: syntax::Place::CommandLine,
            resolvers: Vec::new(),
        }
    }

    /// Where a server says `ssl_verify_client` and asks nobody for a certificate, since no address of it has TLS.
    pub fn unasked(&self) -> Vec<syntax::Place> {
        let secured = self.listeners.iter().flat_map(|listener| &listener.addresses).filter(|address| address.ssl);
        let secured: HashSet<ServerId> = secured.flat_map(|address| &address.servers).copied().collect();
        let ids = (0..).map(ServerId);
        let bare = self.servers.iter().zip(ids).filter(|(_, id)| !secured.contains(id));
        bare.filter_map(|(server, _)| server.ssl.as_ref()?.asks_clients_at.clone()).collect()
    }
}

/// Which `server { }` of [`Stream::servers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub u32);

/// One `server { }` with everything it inherits.
#[derive(Debug)]
pub struct Server {
    /// `$server_name`: the first name listed, leading dot removed; empty when none.
    pub name: Box<[u8]>,
    /// Timeouts, buffers and resolver of the stream core.
    pub core: core::Core,
    /// `error_log`s in force.
    pub error_log: Arc<[Arc<main_context::ErrorLog>]>,
    /// `access_log`s in force, in written order.
    pub access_log: log::AccessLogs,
    /// `set`, in written order.
    pub set: Vec<set::Assignment>,
    /// `set_real_ip_from`.
    pub realip: Arc<policy::realip::TrustedProxies>,
    /// `proxy_protocol_from`; `None` is everybody.
    pub header_senders: Option<Arc<policy::realip::TrustedProxies>>,
    /// `limit_conn`.
    pub limit_conn: limit_conn::LimitConn,
    /// `prelude_timeout` and `client_connections`.
    pub overload: overload::Overload,
    /// `allow` and `deny`.
    pub access: Arc<access::AccessList>,
    /// The TLS settings of the client side; `None` where they give no context (no certificate
    /// and no `ssl_reject_handshake`).
    pub ssl: Option<Arc<ssl::Ssl>>,
    /// `ssl_handshake_timeout`, milliseconds.
    pub ssl_handshake_timeout: u64,
    /// `ssl_preread`.
    pub ssl_preread: bool,
    /// What the session is for.
    pub content: Content,
    /// `proxy_*`.
    pub proxy: proxy::Proxy,
    /// `proxy_guard` with its exceptions; `None` unless it is on.
    pub guard: Option<Arc<guard::Guard>>,
    /// `proxy_ssl*`; `None` unless `proxy_ssl on`.
    pub proxy_ssl: Option<proxy_ssl::ProxySsl>,
}

/// The content handler of a server: the last one written wins.
#[derive(Debug)]
pub enum Content {
    /// None: the session ends with status 500 in silence.
    None,
    /// `proxy_pass`.
    Proxy(proxy::Pass),
    /// `return`.
    Return(policy::template::Template),
    /// `pass`.
    Pass(family::pass::Pass),
}

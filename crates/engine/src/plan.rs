//! The plan: a configuration made ready to run. Certificates are parsed, logs open, zones there;
//! immutable from then on and shared by all threads.
//!
//! It is made in three steps, since what goes wrong is told apart: [`Draft::new`] reads certificates,
//! [`Draft::open_logs`] opens logs, [`Logged::finish`] makes zones.

mod opener;
mod reach;
mod rotate;

use std::path::PathBuf;
use std::sync::Arc;

use config::family::core::{Resolver, ResolverId};
use config::family::limit_conn::{self, ZoneId};
use config::family::listen::{Listener, VirtualAddress};
use config::family::log::Buffer;
use config::family::main_context::Main;
use config::family::overload::Limits;
use config::family::upstream::{Upstream, UpstreamId};
use config::{Config, Options, ServerId, Stream, World};
use policy::address::Address;
use policy::builtin::Builtin;
use policy::limit_conn::Zone as Counts;
use policy::variables::Variables;

use crate::error::BuildError;
use crate::log::access::AccessLog;
use crate::log::{ErrorLogs, Files, LogFile};
use crate::succession::Succession;
use crate::tls::{Contexts, ServerTls};
use crate::upstream::SharedPeers;

use opener::Opener;
pub use reach::Reach;
pub use rotate::Rotated;

/// Most memory for the counts of clients, bytes: about 900,000 of them at a time.
const CLIENTS: usize = 64 << 20;

/// A configuration ready to run.
#[derive(Debug)]
pub struct Plan {
    /// The main context.
    pub main: Main,
    /// `events { }`.
    pub events: config::family::events::Events,
    /// The main context's error log.
    pub error_log: ErrorLogs,
    /// Definitions of all variables.
    pub variables: Arc<Variables>,
    /// `gethostname`, lower case.
    pub hostname: String,
    /// Sockets with what is behind them.
    pub listeners: Vec<Listener>,
    /// Groups; those with a zone have their state in `shared_peers`.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The state of each group that has a `zone`.
    pub shared_peers: Vec<Option<Arc<SharedPeers>>>,
    /// Resolvers.
    pub resolvers: Vec<Resolver>,
    /// Buffered access logs, by [`BufferId`](crate::log::access::BufferId).
    pub buffered: Vec<(Arc<LogFile>, Buffer)>,
    /// What log files with variables in their path are relative to.
    pub prefix: PathBuf,
    /// What certificates evaluated for each handshake are relative to.
    pub conf_dir: PathBuf,
    /// Where the block of all servers ends: what errors about the whole of it name.
    end: syntax::Place,
    /// What variables tell of handshakes, which is not kept otherwise.
    pub capture: ::tls::Capture,
    servers: Vec<Server>,
    limit_zones: Vec<LimitZone>,
    /// Each unguarded `proxy_pass` that leads wherever a client asks for.
    pub open_relays: Vec<syntax::Place>,
    /// Each `ssl_verify_client` of a server that asks nobody for a certificate, since no address of it has TLS.
    pub unasked: Vec<syntax::Place>,
    /// Limits of each worker.
    pub limits: Limits,
    /// Sessions by client address, for `client_connections`.
    pub clients: Arc<Counts>,
}

/// A server with what its sessions need at hand.
#[derive(Debug)]
pub struct Server {
    /// What was configured.
    pub conf: config::Server,
    /// Its error logs.
    pub error_log: ErrorLogs,
    /// Its access logs.
    pub access_log: Vec<AccessLog>,
    /// TLS on both sides.
    pub tls: ServerTls,
}

/// A `limit_conn_zone` with its counts.
#[derive(Debug)]
pub struct LimitZone {
    /// What was configured.
    pub conf: limit_conn::Zone,
    /// Sessions by key.
    pub counts: Arc<Counts>,
}

/// What outlives a plan: kept over a reload where name, use and size are the same.
#[derive(Debug)]
pub struct Kept {
    /// Open log files.
    pub files: Files,
    zones: Succession<(usize, String, Arc<Counts>)>,
    groups: Succession<Arc<SharedPeers>>,
    clients: Arc<Counts>,
    /// What TLS shares by name.
    pub tls_caches: crate::tls::Caches,
}

/// A plan whose certificates are read and whose logs are not open yet.
#[derive(Debug)]
pub struct Draft {
    config: Config,
    contexts: Contexts,
    hostname: String,
    prefix: PathBuf,
    conf_dir: PathBuf,
}

impl Draft {
    /// Reads the certificates that `config` names. Warnings are added to `warnings`.
    pub fn new(
        config: Config,
        options: &Options,
        world: &dyn World,
        kept: &mut Kept,
        warnings: &mut Vec<String>,
    ) -> Result<Self, BuildError> {
        kept.begin();
        let hostname = world.hostname().to_ascii_lowercase();
        let contexts = match &config.stream {
            Some(stream) => Contexts::build(stream, world, &mut kept.tls_caches, warnings)?,
            None => Contexts::default(),
        };
        let conf_dir = options.conf_dir().to_owned();
        Ok(Self { config, contexts, hostname, prefix: options.prefix.clone(), conf_dir })
    }

    /// What was configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Opens the logs.
    pub fn open_logs(self, kept: &mut Kept) -> Result<Logged, BuildError> {
        let mut opener = Opener::new(&mut kept.files, &self.hostname);
        for path in &self.config.log_files {
            opener.file(path)?;
        }
        let error_log = opener.error_logs(&self.config.main.error_log)?;
        let mut logs = Vec::new();
        for server in self.config.stream.iter().flat_map(|stream| &stream.servers) {
            logs.push((opener.error_logs(&server.error_log)?, opener.access_logs(&server.access_log)?));
        }
        let buffered = opener.finish(&error_log);
        Ok(Logged { draft: self, error_log, logs, buffered })
    }
}

/// A plan whose logs are open, and whose zones are not there yet.
#[derive(Debug)]
pub struct Logged {
    draft: Draft,
    /// The main context's error log.
    pub error_log: ErrorLogs,
    /// Those of each server.
    logs: Vec<(ErrorLogs, Vec<AccessLog>)>,
    buffered: Vec<(Arc<LogFile>, Buffer)>,
}

impl Logged {
    /// Makes the zones.
    pub fn finish(self, kept: &mut Kept) -> Result<Arc<Plan>, BuildError> {
        let Self { draft, error_log, logs, buffered } = self;
        let Config { main, events, stream, log_files: _ } = draft.config;
        let stream = stream.unwrap_or_else(Stream::none);
        let mentions = |any: &[Builtin]| any.iter().any(|variable| stream.variables.mentions(*variable));
        let capture = ::tls::Capture {
            lists: mentions(&[Builtin::SslCiphers, Builtin::SslCurves, Builtin::SslSigalgs]),
            messages: mentions(&[Builtin::SslSigalg, Builtin::SslClientSigalg, Builtin::SslEchOuterServerName]),
        };
        let unasked = stream.unasked();
        let servers = stream.servers.into_iter().zip(draft.contexts.0).zip(logs);
        let servers = servers.map(|((conf, tls), (error_log, access_log))| Server { conf, error_log, access_log, tls });
        let servers = servers.collect();
        let limit_zones = stream.limit_zones.into_iter().map(|conf| kept.zone(conf)).collect::<Result<_, _>>()?;
        let shared_peers =
            stream.upstreams.iter().map(|upstream| upstream.zone.as_ref().map(|_| kept.peers(upstream))).collect();
        Ok(Arc::new(Plan {
            main,
            events,
            error_log,
            variables: stream.variables,
            hostname: draft.hostname,
            listeners: stream.listeners,
            upstreams: stream.upstreams.into_iter().map(Arc::new).collect(),
            shared_peers,
            resolvers: stream.resolvers,
            buffered,
            prefix: draft.prefix,
            conf_dir: draft.conf_dir,
            end: stream.end,
            capture,
            servers,
            limit_zones,
            open_relays: stream.open_relays,
            unasked,
            limits: stream.limits,
            clients: Arc::clone(&kept.clients),
        }))
    }
}

impl Plan {
    /// Whether sessions use addresses of their clients towards upstreams (`proxy_bind … transparent`).
    pub fn binds_foreign_addresses(&self) -> bool {
        self.servers.iter().any(|server| server.conf.proxy.bind.as_ref().is_some_and(|bind| bind.transparent))
    }

    /// The server with this number. Numbers come from the same configuration, so it is there.
    #[expect(clippy::indexing_slicing, reason = "ids are made by the configuration that made the list")]
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.0 as usize]
    }

    /// The zone with this number.
    #[expect(clippy::indexing_slicing, reason = "ids are made by the configuration that made the list")]
    pub fn limit_zone(&self, id: ZoneId) -> &LimitZone {
        &self.limit_zones[id.0 as usize]
    }

    /// The group with this number.
    #[expect(clippy::indexing_slicing, reason = "ids are made by the configuration that made the list")]
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.0 as usize]
    }

    /// The resolver with this number.
    pub fn resolver(&self, id: ResolverId) -> Option<&Resolver> {
        self.resolvers.get(id.0 as usize)
    }

    /// The listener at this place.
    #[expect(clippy::indexing_slicing, reason = "places are taken from this very list")]
    pub fn listener(&self, at: usize) -> &Listener {
        &self.listeners[at]
    }

    /// Which address of a listener serves a connection to `local`.
    pub fn address_of(&self, listener: usize, local: Option<&Address>) -> usize {
        let listener = self.listener(listener);
        let exact = listener.addresses.iter().position(|address| Some(&address.address) == local);
        exact.unwrap_or(listener.fallback)
    }

    /// One address of a listener.
    #[expect(clippy::indexing_slicing, reason = "places are taken from this very list")]
    pub fn virtual_address(&self, listener: usize, address: usize) -> &VirtualAddress {
        &self.listener(listener).addresses[address]
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            files: Files::default(),
            zones: Succession::default(),
            groups: Succession::default(),
            clients: Arc::new(Counts::new(CLIENTS)),
            tls_caches: crate::tls::Caches::default(),
        }
    }
}

impl Kept {
    /// A plan is being made: what the last one has made is forgotten, unless it came into force.
    fn begin(&mut self) {
        self.zones.begin();
        self.groups.begin();
        self.tls_caches.begin();
    }

    /// The plan that was made last comes into force. Its successors take over from it alone.
    pub fn commit(&mut self) {
        self.zones.commit();
        self.groups.commit();
        self.tls_caches.commit();
    }

    /// State for a group with a `zone`, with what is known of it so far.
    fn peers(&mut self, conf: &Upstream) -> Arc<SharedPeers> {
        let old = self.groups.get(&conf.name).map(|old| &**old);
        let peers = Arc::new(SharedPeers::new(conf, old));
        self.groups.put(&conf.name, Arc::clone(&peers));
        peers
    }

    /// The counts of a zone: those of the last plan where it had the same zone.
    fn zone(&mut self, conf: limit_conn::Zone) -> Result<LimitZone, BuildError> {
        let same = self.zones.get(&conf.name).filter(|(size, ..)| *size == conf.size);
        if let Some((_, key, _)) = same.filter(|(_, key, _)| *key != conf.key_text) {
            return Err(BuildError::Text(format!(
                "limit_conn_zone \"{}\" uses the \"{}\" key while previously it used the \"{key}\" key",
                conf.name, conf.key_text
            )));
        }
        let anew = || (conf.size, conf.key_text.clone(), Arc::new(Counts::new(conf.size)));
        let (_, _, counts) = self.zones.of(&conf.name, |(size, _, _)| *size == conf.size, anew);
        Ok(LimitZone { conf, counts })
    }
}

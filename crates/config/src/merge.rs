//! From what the blocks say to what holds: inheritance, then the checks that span blocks.
//!
//! A family that is inherited has a `merge(own, outer)` from the `Settings` of a server and of
//! the stream to what holds. Families are taken in the reference's order, each over all servers
//! in written order, so that the first error told is the same.

use std::sync::Arc;

use policy::address::Address;
use policy::server_name::Name;
use policy::template::Template;
use syntax::{Diagnostic, Place};

use crate::family::{
    access, core, events, limit_conn, listen, log, main_context, pass, proxy, proxy_ssl, realip, set, ssl, upstream,
};
use crate::load::{Loader, StreamDraft};
use crate::{Config, Content, Server, Settings, Stream};

/// One `server { }` while it is read.
#[derive(Debug, Default)]
pub(crate) struct ServerDraft {
    pub(crate) settings: Settings,
    /// Where its `server` word stands.
    pub(crate) place: Option<Place>,
    pub(crate) listens: Vec<Address>,
    pub(crate) names: Vec<Name>,
    pub(crate) set: Vec<set::Assignment>,
    pub(crate) content: ContentDraft,
}

/// The content directives of a server, each at most once; the last one written counts.
#[derive(Debug, Default)]
pub(crate) struct ContentDraft {
    pub(crate) proxy: Option<proxy::Pass>,
    pub(crate) text: Option<Template>,
    pub(crate) pass: Option<pass::Pass>,
    last: Last,
}

#[derive(Debug, Default, Clone, Copy)]
enum Last {
    #[default]
    None,
    Proxy,
    Text,
    Pass,
}

impl ContentDraft {
    pub(crate) fn set_proxy(&mut self, to: proxy::Pass) {
        self.proxy = Some(to);
        self.last = Last::Proxy;
    }

    pub(crate) fn set_text(&mut self, text: Template) {
        self.text = Some(text);
        self.last = Last::Text;
    }

    pub(crate) fn set_pass(&mut self, to: pass::Pass) {
        self.pass = Some(to);
        self.last = Last::Pass;
    }

    fn finish(self) -> Content {
        let last = match self.last {
            Last::None => None,
            Last::Proxy => self.proxy.map(Content::Proxy),
            Last::Text => self.text.map(Content::Return),
            Last::Pass => self.pass.map(Content::Pass),
        };
        last.unwrap_or(Content::None)
    }
}

/// What holds in the stream that was just read, left in the loader for [`finish`].
pub(crate) fn stream(loader: &mut Loader<'_>) -> Result<(), Diagnostic> {
    let upstreams = upstream::finish(loader)?;
    let drafts = std::mem::take(&mut loader.stream().servers);
    let outer = std::mem::take(&mut loader.stream().settings);
    let (mut shared_ssl, mut shared_proxy_ssl) = (None, None);
    let mut proxy_ssl = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        proxy_ssl.push(proxy_ssl::merge(&draft.settings.proxy_ssl, &outer.proxy_ssl, &mut shared_proxy_ssl)?);
    }
    let mut ssl = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        ssl.push(ssl::merge(&draft.settings.ssl, &outer.ssl, &mut shared_ssl)?);
    }
    check_variables(loader)?;
    let facts: Vec<_> = drafts
        .iter()
        .zip(&ssl)
        .map(|(draft, ssl)| listen::ServerFacts {
            names: &draft.names,
            has_certificate: ssl.as_ref().is_some_and(|ssl| !ssl.certificates.is_empty()),
            rejects: ssl.as_ref().is_some_and(|ssl| ssl.reject_handshake),
            place: draft.place.as_ref().map(ToString::to_string).unwrap_or_default(),
        })
        .collect();
    let listeners = listen::finish(loader, &facts)?;
    let mut servers = Vec::with_capacity(drafts.len());
    for ((draft, ssl), proxy_ssl) in drafts.into_iter().zip(ssl).zip(proxy_ssl) {
        servers.push(server(draft, &outer, ssl, proxy_ssl));
    }
    let StreamDraft { variables, resolvers, zones, .. } = std::mem::take(loader.stream());
    // Zones are checked when everything is read, as the reference does.
    loader.stream().zones = zones;
    loader.done = Some(Stream {
        variables: Arc::new(variables),
        servers,
        listeners,
        upstreams,
        limit_zones: Vec::new(),
        resolvers,
    });
    Ok(())
}

fn server(
    draft: ServerDraft,
    outer: &Settings,
    ssl: Option<Arc<ssl::Ssl>>,
    proxy_ssl: Option<proxy_ssl::ProxySsl>,
) -> Server {
    let own = &draft.settings;
    Server {
        name: draft.names.first().map(Name::first).unwrap_or_default().into(),
        core: core::merge(&own.core, &outer.core),
        // What the main context says is known when it is read to its end.
        error_log: own.log.error_log.or(&outer.log.error_log.or(&Arc::default())),
        access_log: log::merge(&own.log, &outer.log),
        set: draft.set,
        realip: realip::merge(&own.realip, &outer.realip),
        limit_conn: limit_conn::merge(&own.limit_conn, &outer.limit_conn),
        access: access::merge(&own.access, &outer.access),
        ssl,
        ssl_handshake_timeout: ssl::handshake_timeout(&own.ssl, &outer.ssl),
        ssl_preread: own.ssl_preread.on.or(outer.ssl_preread.on).unwrap_or(false),
        content: draft.content.finish(),
        proxy: proxy::merge(&own.proxy, &outer.proxy),
        proxy_ssl,
    }
}

fn check_variables(loader: &mut Loader<'_>) -> Result<(), Diagnostic> {
    let stream = loader.stream();
    stream.variables.check().map_err(|unknown| {
        let close = syntax::closest(&unknown.0, stream.variables.names());
        Diagnostic::emerg(unknown.to_string()).did_you_mean(close.map(|name| format!("${name}")).as_deref())
    })?;
    if stream.hashes.no_variables {
        let text = "could not build variables_hash, you should increase variables_hash_max_size: 0";
        return Err(Diagnostic::emerg(text));
    }
    Ok(())
}

/// Everything, once all files are read.
pub(crate) fn finish(loader: &mut Loader<'_>) -> Result<Config, Diagnostic> {
    let zones = loader.stream.take().map(|stream| stream.zones);
    let Some(events) = loader.events.take() else {
        return Err(Diagnostic::emerg("no \"events\" section in configuration"));
    };
    let events = events::finish(&events);
    let main = main_context::finish(loader);
    let mut stream = loader.done.take();
    if let Some(stream) = &mut stream {
        if let Some(zones) = zones {
            stream.limit_zones = zones.finish()?;
        }
        for server in &mut stream.servers {
            if server.error_log.is_empty() {
                server.error_log = Arc::clone(&main.error_log);
            }
        }
        let listening = stream.listeners.len();
        if events.worker_connections < listening + 1 {
            return Err(Diagnostic::emerg(format!(
                "{} worker_connections are not enough for {listening} listening sockets",
                events.worker_connections
            )));
        }
    }
    Ok(Config { main, events, stream })
}

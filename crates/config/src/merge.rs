//! From what the blocks say to what holds: inheritance, then the checks that span blocks.
//!
//! A family's `merge(own, outer)` tells what holds in a `server` that says `own` inside a `stream`
//! that says `outer`; one that can fail tells its [`Diagnostic`] without a place. Families run in
//! the order of nginx's modules, each over all servers before the next, when `stream` is closed.

use std::sync::Arc;

use policy::template::Template;
use syntax::{Diagnostic, Place};

use crate::family::{
    access, core, events, guard, limit_conn, listen, log, main_context, overload, pass, proxy, proxy_ssl, realip, set,
    ssl, ssl_preread, upstream,
};
use crate::load::{Loader, Stage};
use crate::{Config, Content, Server, Settings, Stream};

/// One `server { }` while it is read.
#[derive(Debug, Default)]
pub(crate) struct ServerDraft {
    pub(crate) settings: Settings,
    pub(crate) listen: listen::Draft,
    pub(crate) set: Vec<set::Assignment>,
    pub(crate) content: ContentDraft,
}

/// The content directives of a server, each at most once; the last one written counts.
#[derive(Debug, Default)]
pub(crate) struct ContentDraft {
    pub(crate) proxy: Option<proxy::Pass>,
    pub(crate) text: Option<Template>,
    pub(crate) pass: Option<pass::Pass>,
    /// Where the `proxy_pass` is written that is made from the name a client asks for.
    client_chosen: Option<Place>,
    last: Last,
}

#[derive(Debug, Default)]
enum Last {
    #[default]
    None,
    Proxy,
    Text,
    Pass,
}

impl ContentDraft {
    /// `proxy_pass`; the place is told where clients choose.
    pub(crate) fn set_proxy(&mut self, to: proxy::Pass, client_chosen: Option<Place>) {
        self.proxy = Some(to);
        self.client_chosen = client_chosen;
        self.last = Last::Proxy;
    }

    /// `return`.
    pub(crate) fn set_text(&mut self, text: Template) {
        self.text = Some(text);
        self.last = Last::Text;
    }

    /// `pass`.
    pub(crate) fn set_pass(&mut self, to: pass::Pass) {
        self.pass = Some(to);
        self.last = Last::Pass;
    }

    fn finish(self) -> Content {
        let content = match self.last {
            Last::None => None,
            Last::Proxy => self.proxy.map(Content::Proxy),
            Last::Text => self.text.map(Content::Return),
            Last::Pass => self.pass.map(Content::Pass),
        };
        content.unwrap_or(Content::None)
    }
}

/// What `stream { }` comes to, at its closing brace, which is at `end`.
pub(crate) fn stream(loader: &mut Loader<'_>, end: Place) -> Result<Stream, Diagnostic> {
    let drafts = std::mem::take(&mut loader.stream().servers);
    let outer = &loader.stream().settings.proxy_ssl;
    let mut shared = None;
    let proxy_ssl = drafts.iter().map(|draft| proxy_ssl::merge(&draft.settings.proxy_ssl, outer, &mut shared));
    let proxy_ssl: Vec<_> = proxy_ssl.collect::<Result<_, _>>()?;
    let upstreams = upstream::finish(loader)?;
    let outer = &loader.stream().settings;
    let mut shared = None;
    let ssl = drafts.iter().map(|draft| ssl::merge(&draft.settings.ssl, &outer.ssl, &mut shared));
    let ssl: Vec<_> = ssl.collect::<Result<_, _>>()?;

    let mut listen = Vec::with_capacity(drafts.len());
    let mut servers = Vec::with_capacity(drafts.len());
    let mut open_relays = Vec::new();
    for ((draft, proxy_ssl), ssl) in drafts.into_iter().zip(proxy_ssl).zip(ssl) {
        let own = &draft.settings;
        let guard = guard::merge(&own.guard, &outer.guard);
        if guard.is_none() && matches!(draft.content.last, Last::Proxy) {
            open_relays.extend(draft.content.client_chosen.clone());
        }
        servers.push(Server {
            name: draft.listen.name(),
            core: core::merge(&own.core, &outer.core),
            error_log: log::error_logs(&own.log, &outer.log),
            access_log: log::merge(&own.log, &outer.log),
            set: draft.set,
            realip: realip::merge(&own.realip, &outer.realip),
            header_senders: realip::senders(&own.realip, &outer.realip),
            limit_conn: limit_conn::merge(&own.limit_conn, &outer.limit_conn),
            overload: overload::merge(&own.overload, &outer.overload),
            access: access::merge(&own.access, &outer.access),
            ssl,
            ssl_handshake_timeout: ssl::handshake_timeout(&own.ssl, &outer.ssl),
            ssl_preread: ssl_preread::merge(&own.ssl_preread, &outer.ssl_preread),
            content: draft.content.finish(),
            proxy: proxy::merge(&own.proxy, &outer.proxy),
            guard,
            proxy_ssl,
        });
        listen.push(draft.listen);
    }

    let ports = std::mem::take(&mut loader.stream().ports);
    ports.check_certificates(&listen, &servers)?;
    check_variables(loader)?;
    let listeners = ports.finish(&listen, &servers, loader)?;
    let draft = loader.stream();
    Ok(Stream {
        variables: Arc::new(std::mem::take(&mut draft.variables)),
        servers,
        listeners,
        upstreams,
        limit_zones: Vec::new(),
        limits: overload::limits(&draft.settings.overload),
        open_relays,
        end,
        resolvers: std::mem::take(&mut draft.resolvers),
    })
}

fn check_variables(loader: &mut Loader<'_>) -> Result<(), Diagnostic> {
    let draft = loader.stream();
    if let Err(unknown) = draft.variables.check() {
        let mut told = Diagnostic::emerg(unknown.to_string());
        if let Some(span) = draft.mentions.first(&unknown.0) {
            told = told.span(span);
        }
        let close = syntax::closest(&unknown.0, draft.variables.names());
        return Err(told.did_you_mean(close.map(|name| format!("${name}")).as_deref()));
    }
    let sizes = draft.hashes.of_variables();
    let misfits = draft.variables.misfits(sizes);
    core::hashes::tell(loader, "variables_hash", sizes, misfits)
}

/// The whole configuration, when all files are read.
pub(crate) fn finish(loader: &mut Loader<'_>) -> Config {
    let main = main_context::finish(loader);
    let mut stream = loader.merged.take();
    let sockets = stream.as_ref().map_or(0, |stream| stream.listeners.len());
    let events = events::finish(loader, &main, sockets);
    if let Some(stream) = &mut stream {
        match std::mem::take(&mut loader.stream().zones).finish() {
            Ok(zones) => stream.limit_zones = zones,
            Err(unsized_zone) => loader.tell_later(Stage::Logs, unsized_zone),
        }
        for server in stream.servers.iter_mut().filter(|server| server.error_log.is_empty()) {
            server.error_log = Arc::clone(&main.error_log);
        }
    }
    Config { main, events, stream, log_files: std::mem::take(&mut loader.log_files) }
}

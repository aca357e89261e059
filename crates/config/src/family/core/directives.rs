//! The table of the stream core.

use syntax::{Diagnostic, Parser};

use super::resolver;
use crate::directive::{Apply, Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal};
use crate::merge::{self, ServerDraft};
use crate::value::{duplicate, flag, msec, number, once, size};

/// `stream`, `server` and `upstream`.
const THREE: Contexts = Contexts::STREAM_SERVER.or(Contexts::UPSTREAM);

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "stream",
        contexts: Contexts::MAIN,
        args: Args::Block(0, 0),
        syntax: "{ … }",
        default: None,
        doc: "Everything about sessions: servers, upstream groups, and the settings that servers inherit, even when \
              those are written after them.",
        apply: |loader, _, parser| stream(loader, parser),
    },
    Directive {
        name: "server",
        contexts: Contexts::STREAM,
        args: Args::Block(0, 0),
        syntax: "{ … }",
        default: None,
        doc: "A server: where it listens, whom it lets in, and where sessions go. At least one `listen` must be in it.",
        apply: |loader, line, parser| server(loader, line, parser),
    },
    Directive {
        name: "resolver",
        contexts: THREE,
        args: Args::SOME,
        syntax: "address … [valid=time] [ipv4=on|off] [ipv6=on|off] [min_ttl=time] [stale=time]",
        default: None,
        doc: "Name servers for names that are only known or asked for while running. `valid` overrides how long \
              answers hold, `ipv4` and `ipv6` say which addresses are asked for. Two parameters are Lockgate's own: \
              answers hold for `min_ttl` at least, errors among them, so that neither a TTL of 0 nor a name that does not \
              exist costs a query for each session, and while \
              servers fail or are silent old answers are used for up to `stale` beyond their time.",
        apply: |loader, line, _| resolver::resolver(loader, line),
    },
    Directive {
        name: "resolver_timeout",
        contexts: THREE,
        args: Args::ONE,
        syntax: "time",
        default: Some("30s"),
        doc: "How long a name may take to be resolved.",
        apply: |loader, line, _| {
            if loader.context == Contexts::UPSTREAM {
                return once(&mut loader.stream().upstreams.current()?.resolver_timeout, line, msec);
            }
            once(&mut loader.here().core.resolver_timeout, line, msec)
        },
    },
    Directive::setting(
        "preread_buffer_size",
        "size",
        Some("16k"),
        "Most bytes looked at before the session goes on.",
        |loader, line, _| once(&mut loader.here().core.preread_buffer_size, line, size),
    ),
    Directive::setting(
        "preread_timeout",
        "time",
        Some("30s"),
        "How long the client may take to send what is looked at.",
        |loader, line, _| once(&mut loader.here().core.preread_timeout, line, msec),
    ),
    Directive::setting(
        "proxy_protocol_timeout",
        "time",
        Some("30s"),
        "How long the client may take to send its PROXY protocol header.",
        |loader, line, _| once(&mut loader.here().core.proxy_protocol_timeout, line, msec),
    ),
    Directive::setting(
        "tcp_nodelay",
        "on | off",
        Some("on"),
        "TCP_NODELAY towards the client and the upstream.",
        |loader, line, _| once(&mut loader.here().core.tcp_nodelay, line, flag),
    ),
    Directive::hash_size("server_names_hash_max_size", "512", |loader, line, _| {
        once(&mut loader.stream().hashes.names_max, line, number)
    }),
    Directive::hash_size("server_names_hash_bucket_size", "64", |loader, line, _| {
        once(&mut loader.stream().hashes.names_bucket, line, number)
    }),
    Directive::hash_size("variables_hash_max_size", "1024", |loader, line, _| {
        once(&mut loader.stream().hashes.variables_max, line, number)
    }),
    Directive::hash_size("variables_hash_bucket_size", "64", |loader, line, _| {
        once(&mut loader.stream().hashes.variables_bucket, line, number)
    }),
    Directive::hash_size("map_hash_max_size", "2048", |loader, line, _| {
        once(&mut loader.stream().hashes.map_max, line, number)
    }),
    Directive::hash_size("map_hash_bucket_size", "64", |loader, line, _| {
        once(&mut loader.stream().hashes.map_bucket, line, number)
    }),
];

impl Directive {
    const fn hash_size(name: &'static str, default: &'static str, apply: Apply) -> Self {
        Self {
            name,
            contexts: Contexts::STREAM,
            args: Args::ONE,
            syntax: "number",
            default: Some(default),
            doc: "Checked and ignored: tables grow as they need. Of sizes that would be too small is told.",
            apply,
        }
    }
}

fn stream(loader: &mut Loader<'_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
    if loader.stream.is_some() {
        return Err(duplicate());
    }
    loader.main.modules_fixed = true;
    loader.stream();
    loader.block_in(Contexts::STREAM, parser)?;
    loader.merged = Some(merge::stream(loader, parser.place())?);
    Ok(())
}

fn server(loader: &mut Loader<'_>, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
    let mut draft = ServerDraft::default();
    draft.listen.place = Some(line.place.clone());
    loader.stream().servers.push(draft);
    loader.block_in(Contexts::SERVER, parser)?;
    if loader.server().listen.listens {
        return Ok(());
    }
    let told = Diagnostic::emerg("no \"listen\" is defined for server").at(line.place.clone());
    Err(line.point_at_name(told).into())
}

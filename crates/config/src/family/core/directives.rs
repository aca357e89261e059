//! The directives of the stream core.

use std::net::{IpAddr, SocketAddr};

use policy::address::{self, Host};
use syntax::{Place, scalar};

use super::{Resolver, ResolverId};
use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, StreamDraft, text};
use crate::merge::ServerDraft;
use crate::value::{duplicate, flag, msec, once, size};

/// The port of a name server where none is written.
const DNS: u16 = 53;

const fn hash(name: &'static str, default: &'static str) -> Directive {
    Directive {
        name,
        contexts: Contexts::STREAM,
        args: Args::ONE,
        syntax: "number",
        default: Some(default),
        doc: "Accepted: tables here grow as they need to.",
        apply: |loader, line, _| hash_size(loader, line),
    }
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "stream",
        contexts: Contexts::MAIN,
        args: Args::Block(0, 0),
        syntax: "{ ... }",
        default: None,
        doc: "Servers, and what they share.",
        apply: |loader, _, parser| {
            if loader.stream.is_some() {
                return Err(duplicate());
            }
            loader.stream = Some(StreamDraft::default());
            loader.main.modules_fixed = true;
            loader.block_in(Contexts::STREAM, parser)?;
            crate::merge::stream(loader)?;
            Ok(())
        },
    },
    Directive {
        name: "server",
        contexts: Contexts::STREAM,
        args: Args::Block(0, 0),
        syntax: "{ ... }",
        default: None,
        doc: "One server: where it listens, and what it does with a session.",
        apply: |loader, line, parser| {
            let place = line.place.clone();
            loader.stream().servers.push(ServerDraft { place: Some(place.clone()), ..ServerDraft::default() });
            loader.block_in(Contexts::SERVER, parser)?;
            if loader.server().listens.is_empty() {
                return Err(Refusal::Bare(format!("no \"listen\" is defined for server in {}", place_text(&place))));
            }
            Ok(())
        },
    },
    Directive {
        name: "resolver",
        contexts: Contexts::STREAM_SERVER.or(Contexts::UPSTREAM),
        args: Args::SOME,
        syntax: "address ... [valid=time] [ipv4=on|off] [ipv6=on|off]",
        default: None,
        doc: "Name servers for names that are looked up at run time.",
        apply: |loader, line, _| {
            let present = if loader.context == Contexts::UPSTREAM {
                loader.stream().upstreams.current()?.resolver
            } else {
                loader.here().core.resolver
            };
            if present.is_some() {
                return Err(duplicate());
            }
            let resolver = resolver(loader, line)?;
            let stream = loader.stream();
            let id = ResolverId(stream.resolvers.len() as u32);
            stream.resolvers.push(resolver);
            if loader.context == Contexts::UPSTREAM {
                loader.stream().upstreams.current()?.resolver = Some(id);
            } else {
                loader.here().core.resolver = Some(id);
            }
            Ok(())
        },
    },
    Directive {
        name: "resolver_timeout",
        contexts: Contexts::STREAM_SERVER.or(Contexts::UPSTREAM),
        args: Args::ONE,
        syntax: "time",
        default: Some("30s"),
        doc: "How long a session waits for a name.",
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
        "The most that is looked at of what a client says first.",
        |loader, line, _| once(&mut loader.here().core.preread_buffer_size, line, size),
    ),
    Directive::setting(
        "preread_timeout",
        "timeout",
        Some("30s"),
        "How long to wait for what a client says first.",
        |loader, line, _| once(&mut loader.here().core.preread_timeout, line, msec),
    ),
    Directive::setting(
        "proxy_protocol_timeout",
        "timeout",
        Some("30s"),
        "How long to wait for a PROXY header.",
        |loader, line, _| once(&mut loader.here().core.proxy_protocol_timeout, line, msec),
    ),
    Directive::setting(
        "tcp_nodelay",
        "on | off",
        Some("on"),
        "Sends small pieces at once, to clients and upstreams.",
        |loader, line, _| once(&mut loader.here().core.tcp_nodelay, line, flag),
    ),
    hash("server_names_hash_max_size", "512"),
    hash("server_names_hash_bucket_size", "64"),
    hash("variables_hash_max_size", "1024"),
    hash("variables_hash_bucket_size", "64"),
    hash("map_hash_max_size", "2048"),
    hash("map_hash_bucket_size", "64"),
];

fn place_text(place: &Place) -> String {
    place.to_string()
}

fn hash_size(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let number = crate::value::number(line)?;
    let known = DIRECTIVES.iter().find(|directive| directive.name == line.name()).map_or("", |known| known.name);
    let hashes = &mut loader.stream().hashes;
    if hashes.seen.contains(&known) {
        return Err(duplicate());
    }
    hashes.seen.push(known);
    if known == "variables_hash_max_size" && number == 0 {
        hashes.no_variables = true;
    }
    Ok(())
}

fn resolver(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<Resolver, Refusal> {
    let mut resolver = Resolver { servers: Vec::new(), valid: None, ipv4: true, ipv6: true };
    for (index, word) in line.args().enumerate() {
        let invalid = || Refusal::Word(index, format!("invalid parameter: {}", text(word)), None);
        if let Some(value) = word.strip_prefix(b"valid=") {
            resolver.valid = Some(scalar::sec(value).ok_or_else(invalid)?.as_secs());
        } else if let Some(value) = word.strip_prefix(b"ipv4=") {
            resolver.ipv4 = on_off(value).ok_or_else(invalid)?;
        } else if let Some(value) = word.strip_prefix(b"ipv6=") {
            resolver.ipv6 = on_off(value).ok_or_else(invalid)?;
        } else {
            resolver.servers.extend(servers(loader, word, index)?);
        }
    }
    if !resolver.ipv4 && !resolver.ipv6 {
        return Err(Refusal::Text("\"ipv4\" and \"ipv6\" cannot both be \"off\"".to_owned()));
    }
    if resolver.servers.is_empty() {
        return Err(Refusal::Text("no name servers defined".to_owned()));
    }
    Ok(resolver)
}

fn on_off(value: &[u8]) -> Option<bool> {
    match value {
        b"on" => Some(true),
        b"off" => Some(false),
        _ => None,
    }
}

fn servers(loader: &Loader<'_>, word: &[u8], index: usize) -> Result<Vec<SocketAddr>, Refusal> {
    let refused = |phrase: &str| Refusal::Word(index, format!("{phrase} in resolver \"{}\"", text(word)), None);
    let target = address::parse_upstream(word).map_err(refused)?;
    let port = target.port.unwrap_or(DNS);
    let ips: Vec<IpAddr> = match target.host {
        Host::Ip(ip) => vec![ip],
        Host::Unix(_) => return Err(refused("host not found")),
        Host::Name(name) => loader.world.resolve(&name).unwrap_or_default(),
    };
    if ips.is_empty() {
        return Err(refused("host not found"));
    }
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

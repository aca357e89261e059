//! The table of `upstream { }` and what stands in it.

use syntax::{Parser, scalar};

use super::{Method, TimeMetric, server};
use crate::directive::{Args, Contexts, Directive};
use crate::family::limit_conn::zones::{SMALLEST, Use};
use crate::family::proxy::words::invalid_parameter;
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{self, duplicate, one_of};

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "upstream",
        contexts: Contexts::STREAM,
        args: Args::Block(1, 1),
        syntax: "name { … }",
        default: None,
        doc: "A group of servers that `proxy_pass` may name. Without a balancing method they take turns by weight.",
        apply: |loader, line, parser| block(loader, line, parser),
    },
    Directive {
        name: "server",
        contexts: Contexts::UPSTREAM,
        args: Args::SOME,
        syntax: "address [weight=number] [max_conns=number] [max_fails=number] [fail_timeout=time] [backup] [down] \
                 [resolve] [service=name]",
        default: None,
        doc: "A server of the group: an address, or a host with as many peers as it has addresses. `resolve` asks \
              for them while running (with `zone` and `resolver`), `service` for SRV records. `weight` (1) is its share, \
              `max_conns` (0, no limit) the most sessions with it at a time. After `max_fails` (1; 0 is never) failures \
              within `fail_timeout` (10s) it is left out for that time. Those with `backup` are taken while no other can be, \
              those with `down` never.",
        apply: |loader, line, _| server::add(loader, line),
    },
    Directive {
        name: "zone",
        contexts: Contexts::UPSTREAM,
        args: Args::Simple(1, 2),
        syntax: "name [size]",
        default: None,
        doc: "Shares the state of the group between all workers. Several groups may be in one zone; its size is \
              said once.",
        apply: |loader, line, _| zone(loader, line),
    },
    Directive {
        name: "hash",
        contexts: Contexts::UPSTREAM,
        args: Args::Simple(1, 2),
        syntax: "key [consistent]",
        default: None,
        doc: "Sessions with the same key go to the same server. With `consistent` few keys move when servers come \
              or go.",
        apply: |loader, line, _| hash(loader, line),
    },
    Directive {
        name: "least_conn",
        contexts: Contexts::UPSTREAM,
        args: Args::Simple(0, 0),
        syntax: "",
        default: None,
        doc: "The server with the fewest sessions by weight is next.",
        apply: |loader, line, _| method(loader, line, Method::LeastConn, true),
    },
    Directive {
        name: "least_time",
        contexts: Contexts::UPSTREAM,
        args: Args::Simple(1, 2),
        syntax: "connect | first_byte | last_byte [inflight]",
        default: None,
        doc: "The server with the least average time and the fewest sessions is next. `inflight` counts the time \
              of sessions that are not over yet.",
        apply: |loader, line, _| least_time(loader, line),
    },
    Directive {
        name: "random",
        contexts: Contexts::UPSTREAM,
        args: Args::Simple(0, 2),
        syntax: "[two [least_conn]]",
        default: None,
        doc: "A server drawn by weight is next; with `two` the one with fewer sessions of two drawn.",
        apply: |loader, line, _| random(loader, line),
    },
];

fn block(loader: &mut Loader<'_>, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
    loader.stream().upstreams.define(line)?;
    loader.block_in(Contexts::UPSTREAM, parser)?;
    if loader.stream().upstreams.current()?.servers.is_empty() {
        let message = "no servers are inside upstream".to_owned();
        return Err(syntax::Diagnostic::emerg(message).at(parser.place()).into());
    }
    Ok(())
}

fn zone(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = line.text(0);
    if name.is_empty() {
        return Err(Refusal::Word(0, "invalid zone name \"\"".to_owned(), None));
    }
    let size = match line.arg(1) {
        [] if line.args().len() == 1 => 0,
        word => match scalar::size(word) {
            Some(size) if size >= SMALLEST => size as usize,
            Some(_) => return Err(Refusal::Word(1, format!("zone \"{name}\" is too small"), None)),
            None => return Err(Refusal::Word(1, format!("invalid zone size \"{}\"", text(word)), None)),
        },
    };
    let stream = loader.stream();
    stream.zones.share(&name, size, Use::Upstream)?;
    stream.upstreams.current()?.zone = Some(name);
    Ok(())
}

fn hash(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let key = value::template(loader, line.arg(0))?;
    let consistent = line.args().len() == 2;
    method(loader, line, Method::Hash { key, consistent }, false)?;
    if consistent && line.arg(1) != b"consistent" {
        return Err(invalid_parameter(line, 1));
    }
    Ok(())
}

fn least_time(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let metrics =
        [("connect", TimeMetric::Connect), ("first_byte", TimeMetric::FirstByte), ("last_byte", TimeMetric::LastByte)];
    let known = one_of(line, &metrics);
    let metric = *known.as_ref().unwrap_or(&TimeMetric::Connect);
    let inflight = line.args().len() == 2;
    method(loader, line, Method::LeastTime { metric, inflight }, true)?;
    if inflight && line.arg(1) != b"inflight" {
        return Err(invalid_parameter(line, 1));
    }
    let group = loader.stream().upstreams.current()?;
    if std::mem::replace(&mut group.least_time, true) {
        return Err(duplicate());
    }
    known.map(drop)
}

fn random(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let words = line.args().len();
    method(loader, line, Method::Random { two: words > 0 }, false)?;
    if words > 0 && line.arg(0) != b"two" {
        return Err(invalid_parameter(line, 0));
    }
    if words > 1 && line.arg(1) != b"least_conn" {
        return Err(invalid_parameter(line, 1));
    }
    Ok(())
}

/// Sets the method of the group; the last one counts.
fn method(loader: &mut Loader<'_>, line: &Line<'_, '_>, method: Method, backup: bool) -> Result<(), Refusal> {
    if loader.stream().upstreams.current()?.method.is_some() {
        loader.warn(line, "load balancing method redefined".to_owned());
    }
    let group = loader.stream().upstreams.current()?;
    group.method = Some(method);
    group.takes_backup = backup;
    Ok(())
}

//! `events { }`: limits and methods of the event loop.

use policy::address::Network;
use syntax::scalar;

use crate::directive::{Apply, Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal};
use crate::value::{duplicate, flag, msec, once};

/// `events { }` with values or defaults.
#[derive(Debug)]
pub struct Events {
    /// `worker_connections`: sockets a worker may hold, its listeners and upstream sides among them.
    pub worker_connections: usize,
    /// `multi_accept`.
    pub multi_accept: bool,
    /// `accept_mutex_delay`, milliseconds: also how long accepting pauses when descriptors run out.
    pub accept_pause: u64,
}

/// What the block says.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    worker_connections: Option<usize>,
    method: Option<()>,
    multi_accept: Option<bool>,
    accept_mutex: Option<bool>,
    accept_mutex_delay: Option<u64>,
    aio_requests: Option<usize>,
    epoll_events: Option<usize>,
}

/// The block with its defaults.
pub(crate) fn finish(draft: &Draft) -> Events {
    Events {
        worker_connections: draft.worker_connections.unwrap_or(512),
        multi_accept: draft.multi_accept.unwrap_or(false),
        accept_pause: draft.accept_mutex_delay.unwrap_or(500),
    }
}

const fn events(
    name: &'static str,
    syntax: &'static str,
    default: Option<&'static str>,
    doc: &'static str,
    apply: Apply,
) -> Directive {
    Directive { name, contexts: Contexts::EVENTS, args: Args::ONE, syntax, default, doc, apply }
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "events",
        contexts: Contexts::MAIN,
        args: Args::Block(0, 0),
        syntax: "{ ... }",
        default: None,
        doc: "Limits and methods of the event loop. There must be one, perhaps empty.",
        apply: |loader, _, parser| {
            if loader.events.is_some() {
                return Err(duplicate());
            }
            loader.events = Some(Draft::default());
            loader.main.modules_fixed = true;
            loader.block_in(Contexts::EVENTS, parser)
        },
    },
    events(
        "worker_connections",
        "number",
        Some("512"),
        "Sockets that a worker may hold: clients, upstreams and listeners.",
        |loader, line, _| once(&mut draft(loader).worker_connections, line, number),
    ),
    events("use", "method", Some("epoll"), "The event method; epoll is the only one.", |loader, line, _| {
        once(&mut draft(loader).method, line, |line| match line.arg(0) {
            b"epoll" => Ok(()),
            _ => Err(Refusal::Word(0, format!("invalid event type \"{}\"", line.text(0)), None)),
        })
    }),
    events(
        "multi_accept",
        "on | off",
        Some("off"),
        "Accepted: a worker takes one connection per pass of its loop, and sessions get their turn in between.",
        |loader, line, _| once(&mut draft(loader).multi_accept, line, flag),
    ),
    events(
        "accept_mutex",
        "on | off",
        Some("off"),
        "Accepted: a connection wakes one worker only, without a lock.",
        |loader, line, _| once(&mut draft(loader).accept_mutex, line, flag),
    ),
    events(
        "accept_mutex_delay",
        "time",
        Some("500ms"),
        "How long accepting pauses when descriptors have run out.",
        |loader, line, _| once(&mut draft(loader).accept_mutex_delay, line, msec),
    ),
    events(
        "debug_connection",
        "address | CIDR | unix:",
        None,
        "Accepted with a warning: lines of level debug are not told apart by client.",
        |loader, line, _| {
            let word = line.arg(0);
            let known = word == b"unix:"
                || Network::parse(word).is_some()
                || loader.world.resolve(&line.text(0)).is_ok_and(|found| !found.is_empty());
            if !known {
                let text = format!("host not found in debug_connection \"{}\"", line.text(0));
                return Err(Refusal::Word(0, text, None));
            }
            let ignored = "\"debug_connection\" is ignored, you need to rebuild nginx using --with-debug option to enable it";
            loader.warn(line, ignored.to_owned());
            Ok(())
        },
    ),
    events(
        "worker_aio_requests",
        "number",
        Some("32"),
        "Accepted, and without meaning here.",
        |loader, line, _| once(&mut draft(loader).aio_requests, line, phrase_number),
    ),
    events("epoll_events", "number", Some("512"), "Accepted: events are taken 512 at a time.", |loader, line, _| {
        once(&mut draft(loader).epoll_events, line, phrase_number)
    }),
];

fn draft<'a>(loader: &'a mut Loader<'_>) -> &'a mut Draft {
    loader.events.get_or_insert_default()
}

fn number(line: &Line<'_, '_>) -> Result<usize, Refusal> {
    let invalid = || Refusal::Word(0, format!("invalid number \"{}\"", line.text(0)), None);
    scalar::number(line.arg(0)).map(|number| number as usize).ok_or_else(invalid)
}

fn phrase_number(line: &Line<'_, '_>) -> Result<usize, Refusal> {
    crate::value::number(line)
}

//! `events { }`: limits and methods of the event loop.

use policy::address::{Network, parse_ip};
use syntax::{Diagnostic, scalar};

use super::main_context::Main;
use crate::directive::{Apply, Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, Stage};
use crate::value::{did_you_mean, duplicate, flag, msec, number, once};

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

/// What the block says. Some of it is checked, and then without meaning here.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    worker_connections: Option<usize>,
    method: Option<()>,
    multi_accept: Option<bool>,
    accept_mutex: Option<bool>,
    accept_mutex_delay: Option<u64>,
    worker_aio_requests: Option<usize>,
    epoll_events: Option<usize>,
}

/// The one method there is.
const METHOD: &str = "epoll";

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "events",
        contexts: Contexts::MAIN,
        args: Args::Block(0, 0),
        syntax: "{ … }",
        default: None,
        doc: "Limits of the event loops. The block must be there, and may be empty.",
        apply: |loader, _, parser| {
            if loader.events.is_some() {
                return Err(duplicate());
            }
            loader.events = Some(Draft::default());
            loader.main.modules_fixed = true;
            loader.block_in(Contexts::EVENTS, parser)
        },
    },
    Directive::of_events(
        "worker_connections",
        "number",
        Some("512"),
        "Most sockets that a worker holds at a time: clients, upstream sides and listeners.",
        |loader, line, _| {
            once(&mut draft(loader).worker_connections, line, |line| {
                let number = scalar::number(line.arg(0)).map(|number| number as usize);
                number.ok_or_else(|| Refusal::Word(0, format!("invalid number \"{}\"", line.text(0)), None))
            })
        },
    ),
    Directive::of_events("use", "method", Some(METHOD), "How to wait for events: by epoll.", |loader, line, _| {
        once(&mut draft(loader).method, line, |line| match line.arg(0) {
            word if word == METHOD.as_bytes() => Ok(()),
            word => {
                let message = format!("invalid event type \"{}\"", line.text(0));
                Err(Refusal::Word(0, message, did_you_mean(word, [METHOD])))
            }
        })
    }),
    Directive::of_events(
        "multi_accept",
        "on | off",
        Some("off"),
        "A worker takes all connections that wait, up to a bound, before its sessions get their turn.",
        |loader, line, _| once(&mut draft(loader).multi_accept, line, flag),
    ),
    Directive::of_events(
        "accept_mutex",
        "on | off",
        Some("off"),
        "Checked and ignored: workers need not take turns in accepting.",
        |loader, line, _| once(&mut draft(loader).accept_mutex, line, flag),
    ),
    Directive::of_events(
        "accept_mutex_delay",
        "time",
        Some("500ms"),
        "How long accepting pauses when descriptors run out.",
        |loader, line, _| once(&mut draft(loader).accept_mutex_delay, line, msec),
    ),
    Directive::of_events(
        "debug_connection",
        "address | CIDR | unix: | host",
        None,
        "Checked and ignored: debug lines are those of `error_log … debug`. May be repeated.",
        |loader, line, _| debug_connection(loader, line),
    ),
    Directive::of_events(
        "worker_aio_requests",
        "number",
        Some("32"),
        "Checked and ignored: files are not read asynchronously.",
        |loader, line, _| once(&mut draft(loader).worker_aio_requests, line, number),
    ),
    Directive::of_events(
        "epoll_events",
        "number",
        Some("512"),
        "Checked and ignored: the batch of events has a fixed size.",
        |loader, line, _| once(&mut draft(loader).epoll_events, line, number),
    ),
];

impl Directive {
    /// A setting of one word in `events`.
    const fn of_events(
        name: &'static str,
        syntax: &'static str,
        default: Option<&'static str>,
        doc: &'static str,
        apply: Apply,
    ) -> Self {
        Self { name, contexts: Contexts::EVENTS, args: Args::ONE, syntax, default, doc, apply }
    }
}

fn draft<'a>(loader: &'a mut Loader<'_>) -> &'a mut Draft {
    loader.events.get_or_insert_default()
}

fn debug_connection(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let word = line.arg(0);
    if word == b"unix:" || parse_ip(word).is_some() {
        return Ok(());
    }
    if let Some((_, host_bits)) = Network::parse(word) {
        if host_bits {
            loader.warn(line, format!("low address bits of {} are meaningless", line.text(0)));
        }
        return Ok(());
    }
    match loader.world.resolve(&line.text(0)) {
        Ok(found) if !found.is_empty() => Ok(()),
        _ => Err(Refusal::Word(0, format!("host not found in debug_connection \"{}\"", line.text(0)), None)),
    }
}

/// What holds beside `main`, with `sockets` to listen on.
pub(crate) fn finish(loader: &mut Loader<'_>, main: &Main, sockets: usize) -> Events {
    let draft = loader.events.take();
    if draft.is_none() {
        let help = "add \"events { }\" to the main file";
        loader.tell_later(Stage::Read, Diagnostic::emerg("no \"events\" section in configuration").help(help));
    }
    let draft = draft.unwrap_or_default();
    let worker_connections = draft.worker_connections.unwrap_or(512);
    if worker_connections <= sockets {
        let text = format!("{worker_connections} worker_connections are not enough for {sockets} listening sockets");
        loader.tell_later(Stage::Read, Diagnostic::emerg(text));
    }
    let exceeds = |limit: u64| worker_connections as u64 > limit;
    if let Some(limit) = loader.world.open_files_limit().filter(|limit| exceeds(*limit))
        && main.rlimit_nofile.is_none_or(exceeds)
    {
        let text = format!("{worker_connections} worker_connections exceed open file resource limit: {limit}");
        loader.tell_later(Stage::Sockets, Diagnostic::warn(text));
    }
    Events {
        worker_connections,
        multi_accept: draft.multi_accept.unwrap_or(false),
        accept_pause: draft.accept_mutex_delay.unwrap_or(500),
    }
}

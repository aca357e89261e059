//! The table of logging.

use super::{access_log, error_log, format};
use crate::directive::{Args, Contexts, Directive};

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "error_log",
        contexts: Contexts::MAIN.or(Contexts::STREAM_SERVER),
        args: Args::SOME,
        syntax: "file | stderr | syslog:server=… | memory:size [level]",
        default: Some("logs/error.log error"),
        doc: "Where problems are told, from this level up: `debug`, `info`, `notice`, `warn`, `error`, `crit`, \
              `alert` or `emerg`. All `error_log`s of a block hold together, and in place of those outside of it.",
        apply: |loader, line, _| error_log::error_log(loader, line),
    },
    Directive {
        name: "log_format",
        contexts: Contexts::STREAM,
        args: Args::Simple(2, usize::MAX),
        syntax: "name [escape=default|json|none] string …",
        default: None,
        doc: "What a line of an `access_log` says: the strings one after the other, variables replaced by their values. \
              It must stand before the `access_log`s that name it.",
        apply: |loader, line, _| format::log_format(loader, line),
    },
    Directive {
        name: "access_log",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "path format [buffer=size] [gzip[=level]] [flush=time] [if=condition] | off",
        default: Some("off"),
        doc: "Writes a line when a session ends: to a file, whose path may hold variables, or to `syslog:server=…`. \
              With `if` only where the condition is neither empty nor `0`. `off` cancels all others of its block and \
              those outside.",
        apply: |loader, line, _| access_log::access_log(loader, line),
    },
    Directive {
        name: "open_log_file_cache",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(1, 4),
        syntax: "max=number [inactive=time] [min_uses=number] [valid=time] | off",
        default: Some("off"),
        doc: "Log files whose paths hold variables are kept open, at most `max`, as long as they are used within `inactive`, \
              from the use `min_uses` on; after `valid` a path that leads elsewhere is opened anew.",
        apply: |loader, line, _| access_log::file_cache(loader, line),
    },
];

//! The table of the main context.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use syntax::{Diagnostic, scalar};

use super::{affinity, user};
use crate::directive::{Apply, Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{flag, msec, number, offset, once, one_of};

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "include",
        contexts: Contexts::ANY,
        args: Args::ONE,
        syntax: "file | mask",
        default: None,
        doc: "Reads directives from another file, or from all files that a mask with `*`, `?` or `[…]` matches, in \
              sorted order. Relative names are taken from the directory of the main file.",
        apply: |loader, line, _| loader.include(line),
    },
    Directive {
        args: Args::Simple(1, 2),
        ..Directive::of_main(
            "user",
            "user [group]",
            Some("nobody nogroup"),
            "Whom to run as when started by root. The group is the one of the user's name where none is given.",
            |loader, line, _| user::read(loader, line),
        )
    },
    Directive::of_main(
        "worker_processes",
        "number | auto",
        Some("1"),
        "How many threads serve; `auto` is one for each processor. With 0 nobody is served.",
        |loader, line, _| {
            let online = loader.world.online_cpus();
            once(&mut loader.main.workers, line, |line| match line.arg(0) {
                b"auto" => Ok(online),
                word => {
                    let number = scalar::number(word).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
                    number.ok_or_else(|| Refusal::Phrase("invalid value".to_owned()))
                }
            })
        },
    ),
    Directive {
        args: Args::SOME,
        ..Directive::of_main(
            "worker_cpu_affinity",
            "mask … | auto [mask]",
            None,
            "Which processors each worker runs on: a mask of digits 0 and 1, the last one for the first processor, \
             for each worker. `auto` gives each worker a processor of its own.",
            |loader, line, _| affinity::read(loader, line),
        )
    },
    Directive::of_main("worker_priority", "number", Some("0"), "Nice value of the workers.", |loader, line, _| {
        once(&mut loader.main.priority, line, priority)
    }),
    Directive::of_main(
        "worker_rlimit_nofile",
        "number",
        None,
        "How many files may be open, soft and hard limit.",
        |loader, line, _| once(&mut loader.main.rlimit_nofile, line, |line| Ok(number(line)? as u64)),
    ),
    Directive::of_main("worker_rlimit_core", "size", None, "Largest core file.", |loader, line, _| {
        once(&mut loader.main.rlimit_core, line, offset)
    }),
    Directive::of_main(
        "worker_shutdown_timeout",
        "time",
        None,
        "How long sessions of an old configuration, or of a process that was told to quit, may go on.",
        |loader, line, _| once(&mut loader.main.shutdown_timeout, line, msec),
    ),
    Directive::of_main(
        "working_directory",
        "directory",
        None,
        "The directory to run in: where core files go.",
        |loader, line, _| {
            let path = loader.prefix_path(line.arg(0));
            once(&mut loader.main.working_directory, line, |_| Ok(path))
        },
    ),
    Directive::of_main("daemon", "on | off", Some("on"), "Whether to go to the background.", |loader, line, _| {
        once(&mut loader.main.daemon, line, flag)
    }),
    Directive::of_main(
        "master_process",
        "on | off",
        Some("on"),
        "Checked and ignored: there are no processes to start, workers are threads.",
        |loader, line, _| once(&mut loader.main.master_process, line, flag),
    ),
    Directive::of_main(
        "pid",
        "file",
        Some("logs/nginx.pid"),
        "Where the process writes its number.",
        |loader, line, _| once(&mut loader.main.pid, line, |line| Ok(line.arg(0).into())),
    ),
    Directive::of_main(
        "lock_file",
        "file",
        Some("logs/nginx.lock"),
        "Checked and ignored: nothing is locked by files.",
        |loader, line, _| once(&mut loader.main.lock_file, line, |line| Ok(line.arg(0).into())),
    ),
    Directive::of_main(
        "env",
        "name[=value]",
        Some("TZ"),
        "A variable of the environment to keep, or to set, for those who serve and for a new binary. All others but \
         `TZ` are removed. The time zone of logs is the one at the start. May be repeated.",
        |loader, line, _| {
            let word = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
            let mut words = line.arg(0).splitn(2, |byte| *byte == b'=').map(word);
            let name = words.next().unwrap_or_default();
            loader.main.env.push((name, words.next()));
            Ok(())
        },
    ),
    Directive::of_main(
        "load_module",
        "file",
        None,
        "Refused: there is nothing to load, all that is known is built in.",
        |loader, line, _| load_module(loader, line),
    ),
    Directive {
        args: Args::Simple(2, 3),
        ..Directive::of_main(
            "thread_pool",
            "name threads=number [max_queue=number]",
            Some("default threads=32 max_queue=65536"),
            "Checked and ignored: files are not read by threads of their own.",
            |loader, line, _| thread_pool(loader, line),
        )
    },
    Directive::of_main(
        "timer_resolution",
        "time",
        None,
        "Checked and ignored: the clock is read once for each batch of events.",
        |loader, line, _| once(&mut loader.main.timer_resolution, line, msec),
    ),
    Directive::of_main(
        "worker_sandbox",
        "on | off",
        Some("on"),
        "Lockgate's own: those who serve give up, for good, system calls that they have no use for (seccomp) and, as a \
         process apart from the one that reads the configuration, all files but those of certificates and logs \
         with variables in their paths (Landlock), where the kernel can.",
        |loader, line, _| once(&mut loader.main.sandbox, line, flag),
    ),
    Directive::of_main(
        "certificate_watch",
        "on | off",
        Some("on"),
        "Lockgate's own: files of certificates, keys, trusted authorities, revocation lists and ticket keys that \
         have changed are taken for new handshakes without a reload. What does not fit together is told once, and \
         the old is kept.",
        |loader, line, _| once(&mut loader.main.certificate_watch, line, flag),
    ),
    Directive::of_main(
        "pcre_jit",
        "on | off",
        Some("off"),
        "Checked and ignored: regular expressions are always compiled to machine code where PCRE2 can.",
        |loader, line, _| once(&mut loader.main.pcre_jit, line, flag),
    ),
    Directive::of_main(
        "debug_points",
        "stop | abort",
        None,
        "Checked and ignored: there are no such points.",
        |loader, line, _| {
            once(&mut loader.main.debug_points, line, |line| one_of(line, &[("stop", ()), ("abort", ())]))
        },
    ),
    Directive::of_main("ssl_engine", "name", None, "Refused: no TLS library has engines any more.", |_, line, _| {
        Err(Diagnostic::emerg(no_engine(&line.text(0))).into())
    }),
    Directive::of_main(
        "ssl_object_cache_inheritable",
        "on | off",
        Some("on"),
        "Checked and ignored: a reload reads certificates, keys and revocation lists anew.",
        |loader, line, _| once(&mut loader.main.inherit_objects, line, flag),
    ),
];

impl Directive {
    /// A setting of one word outside of all blocks.
    const fn of_main(
        name: &'static str,
        syntax: &'static str,
        default: Option<&'static str>,
        doc: &'static str,
        apply: Apply,
    ) -> Self {
        Self { name, contexts: Contexts::MAIN, args: Args::ONE, syntax, default, doc, apply }
    }
}

fn priority(line: &Line<'_, '_>) -> Result<i32, Refusal> {
    let (sign, digits) = match line.arg(0) {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    let number = scalar::number(digits).map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    number.map(|number| sign * number).ok_or_else(|| Refusal::Phrase("invalid number".to_owned()))
}

fn no_engine(name: &str) -> String {
    format!("ENGINE_by_id(\"{name}\") failed (SSL: error:13000074:engine routines::no such engine:id={name})")
}

fn load_module(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.main.modules_fixed {
        return Err(Refusal::Phrase("is specified too late".to_owned()));
    }
    let path = loader.prefix_path(line.arg(0));
    let message = format!("dlopen() \"{}\" failed (modules of nginx cannot be loaded)", path.display());
    let help = "remove the line: all that stream {} knows is built in";
    Err(Refusal::Word(0, message, Some(help.to_owned())))
}

fn thread_pool(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = line.arg(0);
    if loader.main.pools.iter().any(|pool| **pool == *name) {
        return Err(Refusal::Word(0, format!("duplicate thread pool \"{}\"", text(name)), None));
    }
    let mut threads = false;
    for (at, word) in line.args().enumerate().skip(1) {
        let refuse = |what: &str| Refusal::Word(at, format!("invalid {what} value \"{}\"", text(word)), None);
        if let Some(value) = word.strip_prefix(b"threads=") {
            scalar::number(value).filter(|number| *number > 0).ok_or_else(|| refuse("threads"))?;
            threads = true;
        } else if let Some(value) = word.strip_prefix(b"max_queue=") {
            scalar::number(value).ok_or_else(|| refuse("max_queue"))?;
        }
    }
    if !threads {
        return Err(Refusal::Text("\"thread_pool\" must have \"threads\" parameter".to_owned()));
    }
    loader.main.pools.push(name.into());
    Ok(())
}

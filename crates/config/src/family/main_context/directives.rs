//! The directives of the main context.

use syntax::scalar;

use super::{Affinity, CpuMask, User, add_error_log};
use crate::directive::{Apply, Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{duplicate, flag, msec, offset, once, word};

/// Whom workers run as where `user` is not given.
const USER: &str = "nobody";
const GROUP: &str = "nogroup";

const fn main(name: &'static str, syntax: &'static str, default: Option<&'static str>, doc: &'static str, apply: Apply) -> Directive {
    Directive { name, contexts: Contexts::MAIN, args: Args::ONE, syntax, default, doc, apply }
}

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        args: Args::Simple(1, 2),
        ..main(
            "user",
            "user [group]",
            Some("nobody nogroup"),
            "Whom to run as once sockets are bound. Of effect only when started as root.",
            |loader, line, _| user(loader, line),
        )
    },
    main("worker_processes", "number | auto", Some("1"), "How many threads serve; auto is one for each processor.", |loader, line, _| {
        let cpus = loader.world.online_cpus();
        once(&mut loader.main.workers, line, |line| match line.arg(0) {
            b"auto" => Ok(cpus),
            number => scalar::number(number)
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| Refusal::Phrase("invalid value".to_owned())),
        })
    }),
    Directive {
        args: Args::SOME,
        ..main("worker_cpu_affinity", "cpumask ... | auto [cpumask]", None, "Keeps each worker on the processors of its mask.", |loader, line, _| {
            if loader.main.cpu_affinity.is_some() {
                return Err(duplicate());
            }
            loader.main.cpu_affinity = Some(affinity(line)?);
            Ok(())
        })
    },
    main("worker_priority", "number", Some("0"), "Nice value.", |loader, line, _| {
        once(&mut loader.main.priority, line, |line| {
            let (minus, digits) = match line.arg(0) {
                [b'-', digits @ ..] => (true, digits),
                [b'+', digits @ ..] | digits => (false, digits),
            };
            let number = scalar::number(digits).and_then(|number| i32::try_from(number).ok());
            let number = number.ok_or_else(|| Refusal::Phrase("invalid number".to_owned()))?;
            Ok(if minus { -number } else { number })
        })
    }),
    main("worker_rlimit_nofile", "number", None, "Limit of open files, soft and hard.", |loader, line, _| {
        once(&mut loader.main.rlimit_nofile, line, |line| {
            scalar::number(line.arg(0)).ok_or_else(|| Refusal::Phrase("invalid number".to_owned()))
        })
    }),
    main("worker_rlimit_core", "size", None, "Largest core file.", |loader, line, _| {
        once(&mut loader.main.rlimit_core, line, offset)
    }),
    main("worker_shutdown_timeout", "time", None, "After it, sessions of a configuration that was replaced, or of a process that quits, are closed.", |loader, line, _| {
        once(&mut loader.main.shutdown_timeout, line, msec)
    }),
    main("working_directory", "directory", None, "Where the process goes on, for core files.", |loader, line, _| {
        let path = loader.prefix_path(line.arg(0));
        once(&mut loader.main.working_directory, line, |_| Ok(path))
    }),
    main("daemon", "on | off", Some("on"), "Goes on in the background.", |loader, line, _| {
        once(&mut loader.main.daemon, line, flag)
    }),
    main("master_process", "on | off", Some("on"), "Accepted. There is one process, with a thread for each worker, either way.", |loader, line, _| {
        once(&mut loader.main.master_process, line, flag)
    }),
    main("pid", "file", Some("logs/nginx.pid"), "Where the process number is written.", |loader, line, _| {
        let path = loader.prefix_path(line.arg(0));
        once(&mut loader.main.pid, line, |_| Ok(path))
    }),
    main("lock_file", "file", Some("logs/nginx.lock"), "Accepted, and without meaning here: threads need no lock file.", |loader, line, _| {
        once(&mut loader.main.lock_file, line, word)
    }),
    main("env", "variable[=value]", Some("TZ"), "Keeps, or sets, an environment variable.", |loader, line, _| {
        let word = line.text(0);
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        loader.main.env.push((name, value));
        Ok(())
    }),
    Directive {
        contexts: Contexts::MAIN.or(Contexts::STREAM_SERVER),
        args: Args::SOME,
        ..main("error_log", "file | stderr | syslog:server=address[,parameter=value] | memory:size [level]", Some("logs/error.log error"), "Where errors are logged, and from which level on. Those of a block replace the outer ones.", |loader, line, _| {
            let log = add_error_log(loader, line)?;
            if loader.context == Contexts::MAIN {
                loader.main.error_log.push(log);
            } else {
                loader.here().log.error_log.push(log);
            }
            Ok(())
        })
    },
    main("load_module", "file", None, "Refused: nginx's modules cannot be loaded here.", |loader, line, _| {
        if loader.main.modules_fixed {
            return Err(Refusal::Phrase("is specified too late".to_owned()));
        }
        let path = loader.prefix_path(line.arg(0));
        Err(Refusal::Word(
            0,
            format!("dlopen() \"{}\" failed (modules of nginx cannot be loaded here)", path.display()),
            Some("remove the line: what stream { } needs is built in (see -V)".to_owned()),
        ))
    }),
    Directive {
        args: Args::Simple(2, 3),
        ..main("thread_pool", "name threads=number [max_queue=number]", Some("default threads=32 max_queue=65536"), "Accepted, and without meaning here.", |loader, line, _| thread_pool(loader, line))
    },
    main("timer_resolution", "interval", None, "Accepted: the clock is read once per pass of the loop.", |loader, line, _| {
        once(&mut loader.main.timer_resolution, line, msec)
    }),
    main("pcre_jit", "on | off", Some("off"), "Accepted: regular expressions are compiled where the machine can.", |loader, line, _| {
        once(&mut loader.main.pcre_jit, line, flag)
    }),
    main("debug_points", "abort | stop", None, "Accepted, and without meaning here.", |loader, line, _| {
        once(&mut loader.main.debug_points, line, |line| crate::value::one_of(line, &[("stop", ()), ("abort", ())]))
    }),
    main("ssl_engine", "device", None, "Refused: the TLS library has no engines.", |_, line, _| {
        Err(Refusal::Text(format!("ENGINE_by_id(\"{}\") failed", line.text(0))))
    }),
    main("ssl_object_cache_inheritable", "on | off", Some("on"), "Accepted: unchanged certificates are cheap to read anew.", |loader, line, _| {
        once(&mut loader.main.inherit_objects, line, flag)
    }),
];

fn user(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.main.user.is_some() {
        return Err(duplicate());
    }
    if !loader.world.is_root() {
        let ignored = "the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored";
        loader.warn(line, ignored.to_owned());
        return Ok(());
    }
    let name = line.text(0);
    let group = if line.args().len() > 1 { line.text(1) } else { name.clone() };
    let failed = |call: &str, name: &str, error: Option<std::io::Error>| {
        let reason = error.map_or_else(String::new, |error| format!(" ({error})"));
        Refusal::Text(format!("{call}(\"{name}\") failed{reason}"))
    };
    let uid = loader.world.user(&name).map_err(|error| failed("getpwnam", &name, Some(error)))?;
    let uid = uid.ok_or_else(|| failed("getpwnam", &name, None))?;
    let gid = loader.world.group(&group).map_err(|error| failed("getgrnam", &group, Some(error)))?;
    let gid = gid.ok_or_else(|| failed("getgrnam", &group, None))?;
    loader.main.user = Some(User { name, uid, gid });
    Ok(())
}

/// `nobody nogroup` for root, where the machine has them.
pub(super) fn default_user(loader: &Loader<'_>) -> Option<User> {
    if !loader.world.is_root() {
        return None;
    }
    let uid = loader.world.user(USER).ok()??;
    let gid = loader.world.group(GROUP).ok()??;
    Some(User { name: USER.to_owned(), uid, gid })
}

/// Masks of zeros and ones, the last digit the first processor.
fn affinity(line: &Line<'_, '_>) -> Result<Affinity, Refusal> {
    let mask = |word: &[u8]| {
        let mut bits = 0_u64;
        for digit in word {
            bits = match digit {
                b'0' => bits << 1,
                b'1' => bits << 1 | 1,
                _ => {
                    let digit = char::from(*digit);
                    return Err(Refusal::Text(format!("invalid character \"{digit}\" in \"worker_cpu_affinity\"")));
                }
            };
        }
        Ok(CpuMask(bits))
    };
    if line.arg(0) == b"auto" {
        return match line.args().len() {
            1 => Ok(Affinity::Auto(None)),
            2 => Ok(Affinity::Auto(Some(mask(line.arg(1))?))),
            _ => Err(Refusal::Text("invalid number of arguments in \"worker_cpu_affinity\" directive".to_owned())),
        };
    }
    line.args().map(mask).collect::<Result<_, _>>().map(Affinity::Masks)
}

fn thread_pool(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = line.text(0);
    let mut threads = false;
    for (index, word) in line.args().enumerate().skip(1) {
        let number = |value: &[u8]| scalar::number(value).filter(|number| *number > 0);
        let invalid = |what: &str| Refusal::Word(index, format!("invalid {what} value \"{}\"", text(word)), None);
        if let Some(value) = word.strip_prefix(b"threads=") {
            number(value).ok_or_else(|| invalid("threads"))?;
            threads = true;
        } else if let Some(value) = word.strip_prefix(b"max_queue=") {
            scalar::number(value).ok_or_else(|| invalid("max_queue"))?;
        }
    }
    if !threads {
        return Err(Refusal::Text("\"thread_pool\" must have \"threads\" parameter".to_owned()));
    }
    if loader.main.pools.contains(&name) {
        return Err(Refusal::Text(format!("duplicate thread pool \"{name}\"")));
    }
    loader.main.pools.push(name);
    Ok(())
}

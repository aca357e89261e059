//! The main context and `events`, which no server has a part in.

use std::path::PathBuf;

use config::Config;
use config::family::main_context::{CpuMask, LogTarget, User};
use syntax::Level;

use crate::machine::load_as_root;

/// What `TEXT events {}` comes to.
#[track_caller]
fn config(text: &str) -> Config {
    load_as_root(&format!("{text} events {{}}"), None).config.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What is said of `TEXT events {}`.
fn said(text: &str) -> Vec<String> {
    said_of(&format!("{text} events {{}}"))
}

fn said_of(text: &str) -> Vec<String> {
    let loaded = load_as_root(text, None);
    let later = loaded.later.iter().map(|(_, told)| told);
    let lines = loaded.warnings.iter().chain(loaded.config.as_ref().err()).chain(later);
    lines.map(|told| format!("{}: {told}", told.level).replace("/conf/gate.conf", "FILE")).collect()
}

#[test]
fn defaults() {
    let Config { main, events, stream, log_files } = config("");
    assert_eq!(main.user, Some(User { name: "nobody".to_owned(), uid: 99, gid: 98 }));
    assert_eq!((main.workers, main.daemon, main.master_process, main.pcre_jit), (1, true, true, false));
    assert!(main.inherit_objects && main.cpu_affinity.is_empty() && main.env.is_empty());
    assert_eq!((main.priority, main.rlimit_nofile, main.rlimit_core, main.shutdown_timeout), (None, None, None, None));
    assert_eq!((main.working_directory, main.pid), (None, "/prefix/pid".into()));
    let [log] = &main.error_log[..] else { panic!("one log") };
    assert_eq!((&log.target, log.level), (&LogTarget::File("/prefix/logs/error.log".into()), Level::Error));
    assert_eq!((events.worker_connections, events.multi_accept, events.accept_pause), (512, false, 500));
    assert!(stream.is_none() && log_files == [PathBuf::from("/prefix/logs/error.log")]);
}

#[test]
fn values() {
    let text = "user gate staff; worker_processes auto; worker_priority -5; worker_rlimit_nofile 4096;
                worker_rlimit_core 1g; worker_shutdown_timeout 1m; working_directory cores; daemon off;
                master_process off; pid run/pid; lock_file l; env A=b=c; env D; thread_pool p threads=2 max_queue=9;
                timer_resolution 1s; pcre_jit on; debug_points abort; ssl_object_cache_inheritable off;
                events { use epoll; multi_accept on; accept_mutex on; accept_mutex_delay 9ms; worker_connections 9; }";
    let Config { main, events, .. } = load_as_root(text, None).config.unwrap();
    assert_eq!(main.user, Some(User { name: "gate".to_owned(), uid: 7, gid: 20 }));
    assert_eq!((main.workers, main.priority), (3, Some(-5)));
    assert_eq!(
        (main.rlimit_nofile, main.rlimit_core, main.shutdown_timeout),
        (Some(4096), Some(1 << 30), Some(60_000))
    );
    assert_eq!((main.working_directory, main.pid), (Some("/prefix/cores".into()), "/prefix/run/pid".into()));
    assert!(!main.daemon && !main.master_process && main.pcre_jit && !main.inherit_objects);
    let env = [("A".into(), Some("b=c".into())), ("D".into(), None)];
    assert_eq!(main.env, env);
    assert_eq!((events.worker_connections, events.multi_accept, events.accept_pause), (9, true, 9));
}

#[test]
fn users() {
    assert_eq!(config("user gate;").main.user.map(|user| (user.uid, user.gid)), Some((7, 8)));
    assert_eq!(said("user none;"), ["emerg: getpwnam(\"none\") failed in FILE:1"]);
    assert_eq!(said("user gate none;"), ["emerg: getgrnam(\"none\") failed in FILE:1"]);
    assert_eq!(said("user broken;"), ["emerg: getpwnam(\"broken\") failed (5: Input/output error) in FILE:1"]);
    assert_eq!(said("user gate; user gate;"), ["emerg: \"user\" directive is duplicate in FILE:1"]);
}

#[test]
fn only_root_changes_its_user() {
    let files = syntax::Memory::from([("/conf/gate.conf", "user none; user none; events {}")]);
    let loaded = crate::machine::load("gate.conf", files);
    let ignored = "the \"user\" directive makes sense only if the master process runs with super-user privileges, \
                   ignored in /conf/gate.conf:1";
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [ignored, ignored]);
    assert_eq!(loaded.config.unwrap().main.user, None);
}

#[test]
fn processors_of_workers() {
    let masks = |text: &str| config(text).main.cpu_affinity.iter().map(|CpuMask(words)| words[0]).collect::<Vec<_>>();
    assert_eq!(masks("worker_processes 2; worker_cpu_affinity 101 '10 10';"), [0b101, 0b1010]);
    assert_eq!(masks("worker_processes 5; worker_cpu_affinity auto;"), [1, 2, 4, 1, 2]);
    assert_eq!(masks("worker_processes 3; worker_cpu_affinity auto 110;"), [2, 4, 2]);
    assert_eq!(masks("worker_cpu_affinity auto 0;"), [0_u64; 0]);
    assert_eq!(masks("worker_processes 4; worker_cpu_affinity 1;"), [1]);
    let unequal = "warn: the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" \
                   masks, using last mask for remaining worker processes";
    assert_eq!(said("worker_processes 3; worker_cpu_affinity 1 10;"), [unequal]);
    assert_eq!(
        said("worker_cpu_affinity 012;"),
        ["emerg: invalid character \"2\" in \"worker_cpu_affinity\" in FILE:1"]
    );
    assert_eq!(
        said("worker_cpu_affinity auto 1 1;"),
        ["emerg: invalid number of arguments in \"worker_cpu_affinity\" directive in FILE:1"]
    );
    let far = config(&format!("worker_cpu_affinity 1{};", "0".repeat(70))).main.cpu_affinity;
    assert_eq!(far.iter().flat_map(CpuMask::processors).collect::<Vec<_>>(), [70]);
    let long = format!("worker_cpu_affinity {};", "0".repeat(1025));
    assert_eq!(said(&long), ["emerg: \"worker_cpu_affinity\" supports up to 1024 CPUs only in FILE:1"]);
}

#[test]
fn logs_that_are_no_file_leave_the_default_one() {
    let targets = |text: &str| config(text).main.error_log.iter().map(|log| log.target.clone()).collect::<Vec<_>>();
    let default = || LogTarget::File("/prefix/logs/error.log".into());
    assert_eq!(targets("error_log memory:64k;"), [default(), LogTarget::Memory(65536)]);
    assert_eq!(targets("error_log stderr;"), [LogTarget::Stderr]);
    assert_eq!(targets("error_log memory:64k; error_log e;").len(), 2);
}

#[test]
fn wrong_words() {
    for (text, error) in [
        ("worker_processes many;", "\"worker_processes\" directive invalid value"),
        ("worker_priority x;", "\"worker_priority\" directive invalid number"),
        ("worker_priority --5;", "\"worker_priority\" directive invalid number"),
        ("worker_rlimit_core 1t;", "\"worker_rlimit_core\" directive invalid value"),
        ("worker_shutdown_timeout 1y;", "\"worker_shutdown_timeout\" directive invalid value"),
        ("daemon no;", "invalid value \"no\" in \"daemon\" directive, it must be \"on\" or \"off\""),
        ("pid a; pid b;", "\"pid\" directive is duplicate"),
        ("debug_points x;", "invalid value \"x\""),
        ("thread_pool p threads=0;", "invalid threads value \"threads=0\""),
        ("thread_pool p max_queue=x;", "invalid max_queue value \"max_queue=x\""),
        ("thread_pool p max_queue=1;", "\"thread_pool\" must have \"threads\" parameter"),
        ("thread_pool p threads=1; thread_pool p threads=1;", "duplicate thread pool \"p\""),
        ("events {}", "\"events\" directive is duplicate"),
        ("stream {} stream {}", "\"stream\" directive is duplicate"),
    ] {
        assert_eq!(said(text), [format!("emerg: {error} in FILE:1")], "{text}");
    }
    for (text, error) in [
        ("worker_connections x;", "invalid number \"x\""),
        ("use poll;", "invalid event type \"poll\""),
        ("use epoll; use epoll;", "\"use\" directive is duplicate"),
        ("accept_mutex_delay x;", "\"accept_mutex_delay\" directive invalid value"),
        ("debug_connection none.test;", "host not found in debug_connection \"none.test\""),
        ("epoll_events x;", "\"epoll_events\" directive invalid number"),
        ("pid a;", "\"pid\" directive is not allowed here"),
    ] {
        assert_eq!(said_of(&format!("events {{ {text} }}")), [format!("emerg: {error} in FILE:1")], "{text}");
    }
}

#[test]
fn connections_are_compared_with_the_limit_of_files() {
    let exceed = |text: &str| said_of(text);
    let told = "warn: 2000 worker_connections exceed open file resource limit: 1024";
    assert_eq!(exceed("events { worker_connections 2000; }"), [told]);
    assert_eq!(exceed("worker_rlimit_nofile 1999; events { worker_connections 2000; }"), [told]);
    assert!(exceed("worker_rlimit_nofile 2000; events { worker_connections 2000; }").is_empty());
}

#[test]
fn networks_of_debug_connection() {
    let words = "debug_connection localhost; debug_connection unix:; debug_connection ::1;";
    assert!(said_of(&format!("events {{ {words} }}")).is_empty());
    assert_eq!(
        said_of("events { debug_connection 192.0.2.1/24; }"),
        ["warn: low address bits of 192.0.2.1/24 are meaningless in FILE:1"]
    );
}

#[test]
fn the_command_line_comes_first() {
    let said = |text: &str, globals: &str| {
        let loaded = load_as_root(text, Some(globals));
        loaded.config.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(
        said("pid a; events {}", "pid b;"),
        Err("\"pid\" directive is duplicate in /conf/gate.conf:1".to_owned())
    );
    assert_eq!(said("events {}", "bogus;"), Err("unknown directive \"bogus\" in command line".to_owned()));
    assert_eq!(
        said("events {}", "listen 1;"),
        Err("\"listen\" directive is not allowed here in command line".to_owned())
    );
    assert_eq!(said("events {}", "daemon off;"), Ok(()));
}

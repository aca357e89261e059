//! Started as root for another user: a process that keeps root's rights to itself, and one without any that serves.

use std::cell::Cell;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use testkit::{Builder, Gateway, Peer, Signal, TcpBackend, is_over, poll};

use crate::{gateway, is_nginx, is_root};

const PID: &str = "server { listen 127.0.0.1:%in; return $pid; }";

/// A gateway that serves as nobody, if there is anything to tell apart here.
fn as_nobody(conf: &str) -> Option<Builder> {
    is_root().then(|| gateway(conf).user("nobody nogroup").level("notice"))
}

/// The process that serves.
fn worker(gw: &Gateway) -> u32 {
    gw.ask("in", "").parse().unwrap()
}

fn status(pid: u32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').trim().to_owned()
}

#[test]
fn who_serves_has_no_rights_and_gets_none() {
    let Some(builder) = as_nobody(PID) else { return };
    let gw = builder.start();
    let worker = worker(&gw);
    assert_ne!(worker, gw.pid());
    assert!(status(gw.pid(), "Uid").starts_with("0\t"));
    assert!(!status(worker, "Uid").contains("0\t"), "{}", status(worker, "Uid"));
    assert_eq!(u64::from_str_radix(&status(worker, "CapEff"), 16), Ok(0));
    if is_nginx() {
        return;
    }
    assert_eq!(u64::from_str_radix(&status(worker, "CapPrm"), 16), Ok(0));
    assert_eq!((status(worker, "NoNewPrivs"), status(worker, "Seccomp")), ("1".to_owned(), "2".to_owned()));
    assert_eq!(status(gw.pid(), "Threads"), "1", "who keeps root's rights does nothing else");
}

#[test]
fn the_sandbox_can_be_turned_off() {
    let Some(builder) = as_nobody(PID) else { return };
    if is_nginx() {
        return;
    }
    let gw = builder.main("worker_sandbox off;").start();
    let worker = worker(&gw);
    assert_eq!((status(worker, "NoNewPrivs"), status(worker, "Seccomp")), ("1".to_owned(), "0".to_owned()));
}

#[test]
fn threads_of_a_single_process_are_confined_too() {
    if is_nginx() {
        return;
    }
    let gw = gateway(PID).start();
    assert_eq!(gw.ask("in", ""), gw.pid().to_string());
    let tasks = std::fs::read_dir(format!("/proc/{}/task", gw.pid())).unwrap();
    let filters: Vec<String> = tasks
        .map(|task| {
            let text = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            text.lines().find_map(|line| line.strip_prefix("Seccomp:\t")).unwrap().to_owned()
        })
        .collect();
    assert!(filters.contains(&"2".to_owned()) && filters.contains(&"0".to_owned()), "{filters:?}");
}

#[test]
fn files_outside_of_the_configured_directories_are_out_of_reach() {
    let conf = "log_format f x; access_log %dir/logs/$protocol/line f;\n\
                server { listen 127.0.0.1:%in; return $pid; }";
    let Some(builder) = as_nobody(conf) else { return };
    if is_nginx() {
        return;
    }
    let open = builder.dir().join("open");
    std::fs::create_dir_all(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    // Whoever may write there, the kernel follows no link out of what the process has kept.
    std::os::unix::fs::symlink(&open, builder.dir().join("logs/TCP")).unwrap();
    let gw = builder.start();
    worker(&gw);
    let line = gw.wait_error("open() \"");
    assert!(line.text.contains("logs/TCP/line\" failed (13: Permission denied)"), "{}", line.text);
    assert_eq!(std::fs::read_dir(open).unwrap().count(), 0);
}

#[test]
fn a_dead_worker_is_replaced() {
    let Some(builder) = as_nobody(PID) else { return };
    let gw = builder.start();
    for _ in 0..2 {
        let dead = worker(&gw);
        gw.signal_to(dead, Signal::KILL);
        let line = gw.wait_error(&format!("worker process {dead} exited on signal 9"));
        assert_eq!(line.level, "alert");
        poll("another one serves", || {
            let mut peer = Peer::try_connect(&gw.addr("in")).ok()?;
            let answer = peer.recv_some().ok()?;
            (answer != dead.to_string().as_bytes()).then_some(())
        });
    }
}

#[test]
fn a_config_that_was_reloaded_is_the_one_of_the_replacement() {
    let Some(builder) = as_nobody("server { listen 127.0.0.1:%in; return $pid-old; }") else { return };
    let mut gw = builder.start();
    gw.reload("server { listen 127.0.0.1:%in; return $pid-new; }\nserver { listen 127.0.0.1:%more; return more; }");
    let answer = poll("the new config", || Some(gw.ask("in", "")).filter(|answer| answer.ends_with("-new")));
    let dead = answer.trim_end_matches("-new").parse().unwrap();
    gw.signal_to(dead, Signal::KILL);
    gw.wait_error(&format!("worker process {dead} exited on signal 9"));
    poll("another one serves", || {
        let answer = Peer::try_connect(&gw.addr("in")).ok()?.recv_some().ok()?;
        (answer.ends_with(b"-new") && !answer.starts_with(dead.to_string().as_bytes())).then_some(())
    });
    assert_eq!(gw.ask("more", ""), "more");
}

#[test]
fn a_reload_is_taken_by_the_same_process() {
    let up = TcpBackend::echo();
    let conf = format!("{PID}\nserver {{ listen 127.0.0.1:%echo; proxy_pass %up; }}");
    let Some(builder) = as_nobody(&conf) else { return };
    if is_nginx() {
        return;
    }
    let mut gw = builder.with("up", up.addr()).start();
    let before = worker(&gw);
    let mut client = gw.connect("echo");
    client.send("a");
    client.recv(1);
    for round in 0..3 {
        gw.reload(&format!("{PID}\nserver {{ listen 127.0.0.1:%in{round}; return {round}; }}"));
        poll("the new config", || {
            let answer = Peer::try_connect(&gw.addr(&format!("in{round}"))).ok()?.recv_some().ok()?;
            (answer == round.to_string().as_bytes()).then_some(())
        });
        assert_eq!(worker(&gw), before);
    }
    client.send("still");
    assert_eq!(client.recv(5), b"still");
}

#[test]
fn low_ports_and_secret_keys_are_there_at_a_reload_too() {
    let Some(builder) = as_nobody(PID) else { return };
    let dir = builder.dir().to_owned();
    let mut gw = builder.file("secret.key", testkit::pki().text("server.key")).start();
    std::fs::create_dir(dir.join("live")).unwrap();
    std::fs::rename(dir.join("secret.key"), dir.join("live/key")).unwrap();
    std::fs::set_permissions(dir.join("live"), std::fs::Permissions::from_mode(0o700)).unwrap();
    // A port below 1024 on an address of this test's own.
    let low = format!("127.{}.{}.77:443", gw.pid() % 200 + 1, gw.pid() / 200 % 250);
    gw.reload(&format!(
        "{PID}\nserver {{ listen {low} ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %dir/live/key; return secret; }}"
    ));
    poll("the new server", || testkit::TlsClient::new(&low).run().stdout.contains("secret").then_some(()));
}

#[test]
fn logs_in_a_directory_of_roots_are_reopened() {
    let conf =
        "log_format f '$status'; access_log %dir/secret/access.log f;\nserver { listen 127.0.0.1:%in; return $pid; }";
    let Some(builder) = as_nobody(conf) else { return };
    if is_nginx() {
        return;
    }
    let secret = builder.dir().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gw = builder.start();
    worker(&gw);
    gw.access_in("secret/access.log", 1);
    std::fs::rename(secret.join("access.log"), secret.join("access.log.1")).unwrap();
    gw.signal(Signal::USR1);
    poll("a line in the new file", || {
        worker(&gw);
        std::fs::read_to_string(secret.join("access.log")).ok().filter(|text| text.starts_with("200\n"))
    });
}

#[test]
fn a_bad_config_leaves_the_running_one() {
    let Some(builder) = as_nobody(PID) else { return };
    let mut gw = builder.start();
    let before = worker(&gw);
    gw.rewrite("server { listen 127.0.0.1:%in; bogus on; }");
    gw.signal(Signal::HUP);
    gw.wait_error("unknown directive \"bogus\"");
    assert_eq!(worker(&gw), before);
}

#[test]
fn directories_given_up_are_had_by_another_process() {
    let up = TcpBackend::echo();
    let conf = format!("{PID}\nserver {{ listen 127.0.0.1:%echo; proxy_pass %up; }}");
    let Some(builder) = as_nobody(&conf) else { return };
    if is_nginx() {
        return;
    }
    let dir = builder.dir().join("open");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut gw = builder.with("up", up.addr()).start();
    let before = worker(&gw);
    let mut client = gw.connect("echo");
    client.send("a");
    client.recv(1);
    gw.reload("log_format f x; server { listen 127.0.0.1:%in; access_log %dir/open/$protocol f; return $pid; }");
    poll("another process", || (worker(&gw) != before).then_some(()));
    assert_eq!(gw.access_in("open/TCP", 1)[0], "x");
    client.send("still");
    assert_eq!(client.recv(5), b"still");
    assert!(!is_over(before));
    drop(client);
    poll("the old one ends", || is_over(before).then_some(()));
}

#[test]
fn logs_are_reopened_for_sessions_of_a_process_that_was_replaced() {
    let up = TcpBackend::echo();
    let log =
        "log_format f $bytes_sent; access_log %dir/access.log f;\nserver { listen 127.0.0.1:%echo; proxy_pass %up; }";
    let Some(builder) = as_nobody(&format!("{PID}\n{log}")) else { return };
    let mut gw = builder.with("up", up.addr()).start();
    let before = worker(&gw);
    let mut client = gw.connect("echo");
    client.send("a");
    client.recv(1);
    // The one that serves has given up this directory, if it ever had it.
    let open = gw.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    gw.reload(&format!(
        "{PID}\n{log}\nserver {{ listen 127.0.0.1:%in2; access_log %dir/open/$protocol f; return x; }}"
    ));
    poll("another process", || (worker(&gw) != before).then_some(()));
    std::fs::rename(gw.path("access.log"), gw.path("access.log.1")).unwrap();
    gw.signal(Signal::USR1);
    let log = gw.path("access.log");
    poll("the old one has the new file", || {
        let open = std::fs::read_dir(format!("/proc/{before}/fd")).unwrap();
        open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link == log)).then_some(())
    });
    client.send("still");
    assert_eq!(client.recv(5), b"still");
    drop(client);
    poll("the line of the old session", || gw.access_in("access.log", 1).contains(&"6".to_owned()).then_some(()));
    poll("the old one ends", || is_over(before).then_some(()));
}

#[test]
fn quit_and_term_reach_who_serves() {
    for signal in [Signal::TERM, Signal::QUIT] {
        let Some(builder) = as_nobody(PID) else { return };
        let mut gw = builder.start();
        let worker = worker(&gw);
        gw.signal(signal);
        assert_eq!(gw.wait(), Some(0));
        assert!(is_over(worker) && !gw.path("pid").exists());
    }
}

#[test]
fn the_end_of_who_serves_is_told() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let Some(builder) = as_nobody(PID) else { return };
        let mut gw = builder.start();
        let worker = worker(&gw);
        gw.signal(signal);
        assert_eq!(gw.wait(), Some(0));
        // nginx's own alarm, and what it has to do with its workers, come when they come.
        let is_aside = |text: &String| is_nginx() && (text.contains("(SIGALRM)") || text.contains("(SIGIO)"));
        let said: Vec<String> = gw.errors().into_iter().map(|line| line.text).filter(|text| !is_aside(text)).collect();
        let ended = format!("worker process {worker} exited with code 0");
        let child = format!("signal 17 (SIGCHLD) received from {worker}");
        assert_eq!(said.iter().rev().take(3).rev().collect::<Vec<_>>(), [child.as_str(), ended.as_str(), "exit"]);
    }
}

#[test]
fn who_serves_takes_signals_from_others_too() {
    let Some(builder) = as_nobody(PID) else { return };
    let gw = builder.start();
    let first = worker(&gw);
    let me = std::process::id();
    for (signal, said) in [
        (Signal::HUP, format!("signal 1 (SIGHUP) received from {me}, ignoring")),
        (Signal::USR2, format!("signal 12 (SIGUSR2) received from {me}, ignoring")),
        (Signal::USR1, format!("signal 10 (SIGUSR1) received from {me}, reopening logs")),
        (Signal::WINCH, format!("signal 28 (SIGWINCH) received from {me}")),
        (Signal::QUIT, format!("signal 3 (SIGQUIT) received from {me}, shutting down")),
    ] {
        gw.signal_to(first, signal);
        assert_eq!(gw.wait_error(&said).level, "notice");
    }
    gw.wait_error(&format!("worker process {first} exited with code 0"));
    let second = poll("another one serves", || Some(worker(&gw)).filter(|number| *number != first));
    gw.wait_error(&format!("start worker process {second}"));
    assert_eq!(gw.wait_errors("start worker processes", 1).len(), 1, "as a whole they are started once");
}

#[test]
fn who_serves_ends_gracefully_when_the_keeper_is_killed() {
    let up = TcpBackend::echo();
    let conf = format!("{PID}\nserver {{ listen 127.0.0.1:%echo; proxy_pass %up; }}");
    let Some(builder) = as_nobody(&conf) else { return };
    if is_nginx() {
        return;
    }
    let gw = builder.with("up", up.addr()).start();
    let worker = worker(&gw);
    let mut client = gw.connect("echo");
    client.send("a");
    client.recv(1);
    gw.signal(Signal::KILL);
    assert_eq!(gw.wait_error("the process that started this one is gone").level, "alert");
    poll("the port is free", || Peer::try_connect(&gw.addr("in")).is_err().then_some(()));
    testkit::hold("the session goes on", Duration::from_millis(100), || !is_over(worker));
    client.send("still");
    assert_eq!(client.recv(5), b"still");
    drop(client);
    poll("it ends", || is_over(worker).then_some(()));
}

#[test]
fn addresses_of_clients_are_used_without_roots_rights() {
    let up = TcpBackend::banner("hello");
    let conf = "server { listen 127.0.0.1:%in; proxy_bind $remote_addr transparent; proxy_pass %up; }";
    let Some(builder) = as_nobody(conf) else { return };
    let gw = builder.with("up", up.addr()).start();
    assert_eq!(gw.ask("in", ""), "hello");
    let refused = gw.errors().into_iter().find(|line| line.text.contains("IP_TRANSPARENT"));
    assert!(refused.is_none(), "{refused:?}");
}

/// The worker process of a keeper, whatever it does.
fn child(gw: &Gateway) -> Option<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children", pid = gw.pid());
    std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

#[test]
fn one_that_dies_again_and_again_is_replaced_once_a_second() {
    let Some(builder) = as_nobody(PID) else { return };
    if is_nginx() {
        return;
    }
    let gw = builder.start();
    worker(&gw);
    let (begin, time) = (std::time::Instant::now(), testkit::ProcessorTime::of(gw.pid()));
    let (mut killed, mut last) = (0, None);
    testkit::hold("the keeper stays", Duration::from_millis(3500), || {
        if let Some(child) = child(&gw).filter(|child| Some(*child) != last && !is_over(*child)) {
            gw.signal_to(child, Signal::KILL);
            last = Some(child);
            killed += 1;
        }
        !is_over(gw.pid())
    });
    assert!(killed >= 2 && killed <= 3 + begin.elapsed().as_secs(), "{killed} in {:?}", begin.elapsed());
    assert!(time.used() < Duration::from_millis(700), "{:?} of processor time", time.used());
    poll("one that lives serves", || Peer::try_connect(&gw.addr("in")).ok()?.recv_some().ok()?.first().copied());
    assert_eq!(gw.wait_errors("exited on signal 9", 2)[0].level, "alert");
}

#[test]
fn reloads_meanwhile_leave_one_that_serves() {
    // None can start its threads, until they may.
    let Some(builder) = as_nobody(PID) else { return };
    if is_nginx() {
        return;
    }
    let gw = builder.launched_by(["prlimit", "--nproc=1:"]).start();
    gw.wait_error("pthread_create() failed");
    let reloads = Cell::new(0);
    let reload = || {
        gw.signal(Signal::HUP);
        reloads.set(reloads.get() + 1);
        gw.wait_errors("signal 1 (SIGHUP) received", reloads.get());
    };
    for _ in 0..20 {
        reload();
    }
    let limit = format!("--pid={}", gw.pid());
    assert!(std::process::Command::new("prlimit").args([&limit, "--nproc=1000:"]).status().unwrap().success());
    reload();
    let serving = poll("one serves", || {
        let answer = Peer::try_connect(&gw.addr("in")).ok()?.recv_some().ok()?;
        String::from_utf8(answer).ok()?.parse::<u32>().ok()
    });
    testkit::hold("it goes on", Duration::from_millis(1500), || worker(&gw) == serving);
}

#[test]
fn one_that_is_due_is_not_needed_any_more_after_a_reload() {
    let Some(builder) = as_nobody(PID) else { return };
    if is_nginx() {
        return;
    }
    let mut gw = builder.start();
    for _ in 0..2 {
        // The second one has not lived long enough to be replaced at once.
        let dead = poll("one serves", || child(&gw).filter(|child| !is_over(*child)));
        gw.signal_to(dead, Signal::KILL);
        gw.wait_error(&format!("worker process {dead} exited on signal 9"));
    }
    gw.reload(PID);
    let serving = worker(&gw);
    testkit::hold("it goes on", Duration::from_millis(1500), || worker(&gw) == serving);
    assert!(!gw.error_text().contains("is gone, shutting down"), "{}", gw.error_text());
}

#[test]
fn started_without_roots_rights_there_is_one_process() {
    if is_nginx() || !is_root() {
        return;
    }
    // By its descriptor, since the binary may lie where nobody else gets to.
    let script = "exec setpriv --reuid=nobody --regid=nogroup --clear-groups /proc/self/fd/9 \"$@\" 9<\"$0\"";
    let builder = gateway(PID).level("notice").launched_by(["sh", "-c", script]);
    std::fs::set_permissions(builder.dir(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut gw = builder.start();
    assert!(!status(gw.pid(), "Uid").contains("0\t"), "{}", status(gw.pid(), "Uid"));
    assert_eq!((worker(&gw), child(&gw)), (gw.pid(), None));
    gw.reload("server { listen 127.0.0.1:%in; return $pid-again; }");
    let answer = poll("the new config", || Some(gw.ask("in", "")).filter(|answer| answer.ends_with("-again")));
    assert_eq!(answer, format!("{}-again", gw.pid()));
}

#[test]
fn the_process_that_keeps_roots_rights_stays_small() {
    let servers: Vec<String> = (0..50)
        .map(|n| {
            format!(
                "server {{ listen 127.0.0.1:%tls ssl; server_name s{n}.test; ssl_certificate %pki/server.crt; \
                 ssl_certificate_key %pki/server.key; return x; }}"
            )
        })
        .collect();
    let conf = format!("{PID}\n{}", servers.join("\n"));
    let Some(builder) = as_nobody(&conf) else { return };
    if is_nginx() {
        return;
    }
    let mut gw = builder.start();
    let own = |gw: &Gateway| -> u64 { status(gw.pid(), "RssAnon").trim_end_matches(" kB").trim().parse().unwrap() };
    for _ in 0..5 {
        gw.reload(&conf);
    }
    let before = own(&gw);
    for _ in 0..20 {
        gw.reload(&conf);
    }
    let after = own(&gw);
    assert!(after < 16 * 1024, "{after} KiB");
    assert!(after < before + 1024, "it has grown from {before} to {after} KiB by 20 reloads");
}

#[test]
fn listeners_that_go_are_closed_where_another_process_takes_the_place() {
    if is_nginx() || !is_root() {
        return;
    }
    let kept = "server { listen 127.0.0.1:%in; return $pid; }";
    let conf = format!("{kept}\nserver {{ listen 127.0.0.1:%old; return old; }}");
    let mut gw = gateway(&conf).user("nobody nogroup").main("include %dir/limits;").file("limits", "").start();
    let before = gw.ask("in", "");
    let old = gw.addr("old");
    std::fs::write(gw.path("limits"), "worker_rlimit_nofile 1000;").unwrap();
    gw.reload(kept);
    poll("another process", || (gw.ask("in", "") != before).then_some(()));
    // One that is open and not served would take clients until its queue is full.
    let refused = || Peer::try_connect(&old).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    poll("the old port is closed", || refused().then_some(()));
}

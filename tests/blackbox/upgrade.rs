//! Changing the binary: two generations of processes on the same sockets, and the way back.

use testkit::{Gateway, Peer, Signal, TcpBackend, is_over, poll};

use crate::{gateway, is_nginx};

const PID: &str = "server { listen 127.0.0.1:%in; return $pid; }";

/// Has `gw` start a new binary, and gives the numbers of the old and the new process.
fn change(gw: &Gateway) -> (u32, u32) {
    let old = gw.pid_in("pid").unwrap();
    gw.signal_to(old, Signal::USR2);
    let new = poll("the pid file of the new binary", || gw.pid_in("pid").filter(|pid| *pid != old));
    assert_eq!(gw.pid_in("pid.oldbin"), Some(old));
    (old, new)
}

/// Has the process `pid` do as `signal` says until nobody but the other serves.
fn end(gw: &Gateway, pid: u32, signal: Signal) {
    gw.signal_to(pid, signal);
    poll("the process ends", || is_over(pid).then_some(()));
}

#[test]
fn a_new_binary_takes_over_and_no_connection_is_refused() {
    for user in ["root root", "nobody nogroup"] {
        take_over(&gateway(PID).user(user).daemon().level("notice").start());
    }
}

fn take_over(gw: &Gateway) {
    let first = gw.ask("in", "");
    let addr = gw.addr("in");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let asker = std::thread::spawn(move || {
        let mut count = 0;
        while stopped.try_recv().is_err() {
            assert!(!Peer::connect(&addr).recv_all().is_empty());
            count += 1;
        }
        count
    });
    let (old, new) = change(gw);
    gw.wait_error("changing binary");
    let start = gw.wait_error("start new binary process ");
    assert_eq!(start.text, format!("start new binary process {new}"));
    assert!(gw.pid_in("pid.oldbin") == Some(old) && !is_over(old));
    gw.signal_to(old, Signal::WINCH);
    poll("the old workers give up accepting", || (0..20).all(|_| gw.ask("in", "") != first).then_some(()));
    end(gw, old, Signal::QUIT);
    poll("the old pid file goes", || (!gw.path("pid.oldbin").exists()).then_some(()));
    assert_eq!(gw.pid_in("pid"), Some(new));
    assert_ne!(gw.ask("in", ""), first);
    stop.send(()).unwrap();
    assert!(asker.join().unwrap() > 0);
    // The new one can be changed in its turn.
    let (second, third) = change(gw);
    assert_eq!(second, new);
    end(gw, second, Signal::QUIT);
    assert!(!gw.ask("in", "").is_empty() && gw.pid_in("pid") == Some(third));
}

#[test]
fn sessions_outlive_the_change() {
    let up = TcpBackend::echo();
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; }").daemon().with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("before");
    assert_eq!(client.recv(6), b"before");
    let (old, _) = change(&gw);
    gw.signal_to(old, Signal::QUIT);
    let mut other = gw.connect("in");
    other.send("new");
    assert_eq!(other.recv(3), b"new");
    client.send("after");
    assert_eq!(client.recv(5), b"after");
    assert!(!is_over(old));
    // Either process may have taken the other one.
    drop((client, other));
    poll("the old process ends", || is_over(old).then_some(()));
}

#[test]
fn the_way_back() {
    for user in ["root root", "nobody nogroup"] {
        go_back(&gateway(PID).user(user).daemon().level("notice").start());
    }
}

fn go_back(gw: &Gateway) {
    let (old, new) = change(gw);
    gw.signal_to(old, Signal::WINCH);
    // Who finds both signals at once goes by HUP first, and ends up without workers.
    gw.wait_error("SIGWINCH");
    if is_nginx() {
        gw.wait_error("exited with code 0");
    }
    poll("the new one serves alone", || {
        let answers: Vec<String> = (0..10).map(|_| gw.ask("in", "")).collect();
        answers.iter().all(|answer| answer == &answers[0]).then_some(())
    });
    gw.signal_to(old, Signal::HUP);
    end(gw, new, Signal::QUIT);
    poll("the pid file is the old one's again", || (gw.pid_in("pid") == Some(old)).then_some(()));
    assert!(!gw.path("pid.oldbin").exists());
    assert!(!gw.ask("in", "").is_empty());
    assert!(!is_over(old));
}

#[test]
fn a_new_binary_that_does_not_start_changes_nothing() {
    let mut gw = gateway(PID).daemon().level("notice").start();
    let old = gw.pid();
    let before = gw.ask("in", "");
    gw.rewrite("bogus on;");
    gw.signal(Signal::USR2);
    gw.wait_error("start new binary process ");
    gw.wait_error("exited with code 1");
    poll("the pid file is in its place", || (gw.pid_in("pid") == Some(old)).then_some(()));
    assert!(!gw.path("pid.oldbin").exists());
    assert_eq!(gw.ask("in", ""), before);
}

#[test]
fn one_that_died_after_the_old_workers_went_is_stood_in_for() {
    let gw = gateway(PID).daemon().level("notice").start();
    let (old, new) = change(&gw);
    gw.signal_to(old, Signal::WINCH);
    let line = gw.wait_error("SIGWINCH");
    assert!(line.text.ends_with(", stop accepting connections"), "{line:?}");
    if is_nginx() {
        // A master that hears of both at once stands in for nobody.
        gw.wait_error("exited with code 0");
    }
    gw.signal_to(new, Signal::TERM);
    poll("the pid file is the old one's again", || (gw.pid_in("pid") == Some(old)).then_some(()));
    poll("the old one serves again", || Peer::try_connect(&gw.addr("in")).is_ok().then_some(()));
    assert!(!gw.ask("in", "").is_empty());
}

#[test]
fn it_is_ignored_in_the_foreground_and_while_one_is_under_way() {
    let ignored = "the changing binary signal is ignored: you should shutdown or terminate before either old or new \
                   binary's process";
    let gw = gateway(PID).level("notice").start();
    gw.signal(Signal::USR2);
    assert_eq!(gw.wait_error("changing binary signal").text, ignored);
    let received = format!("signal 12 (SIGUSR2) received from {}, ignoring", std::process::id());
    assert_eq!(gw.wait_error("SIGUSR2").text, received);
    assert!(gw.path("pid").exists() && !gw.path("pid.oldbin").exists());
    let gw = gateway(PID).daemon().start();
    let (old, new) = change(&gw);
    for pid in [old, new] {
        gw.signal_to(pid, Signal::USR2);
    }
    assert_eq!(gw.wait_errors("changing binary signal", 2).last().unwrap().text, ignored);
    assert!(!gw.ask("in", "").is_empty());
}

#[test]
fn sockets_of_the_file_system_stay() {
    let gw = gateway("server { listen unix:%dir/gate; return x; }").daemon().start();
    let at = format!("unix:{}", gw.path("gate").display());
    let (old, _) = change(&gw);
    end(&gw, old, Signal::QUIT);
    assert_eq!(Peer::connect(&at).recv_all(), "x");
}

#[test]
fn sockets_that_the_new_config_does_not_name_are_closed() {
    let mut gw = gateway("server { listen 127.0.0.1:%in; return a; }\nserver { listen 127.0.0.1:%gone; return b; }")
        .daemon()
        .start();
    gw.rewrite("server { listen 127.0.0.1:%in; return c; }");
    let (old, _) = change(&gw);
    end(&gw, old, Signal::QUIT);
    assert_eq!(gw.ask("in", ""), "c");
    assert!(Peer::try_connect(&gw.addr("gone")).is_err());
}

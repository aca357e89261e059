//! Signals: ending at once, draining, a new config, new log files.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use testkit::{Peer, Port, Signal, TcpBackend, hold};

use crate::{gateway, is_nginx};

const LOG: &str = "log_format f '$status'; access_log %dir/access.log f;\n";

#[test]
fn term_and_int_drop_the_sessions() {
    for signal in [Signal::TERM, Signal::INT] {
        let up = TcpBackend::echo();
        let mut gw =
            gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; }}")).with("up", up.addr()).start();
        let mut client = gw.connect("in");
        client.send("a");
        client.recv(1);
        gw.signal(signal);
        client.wait_for_end();
        assert_eq!(gw.wait(), Some(0));
        assert_eq!(std::fs::read_to_string(gw.path("access.log")).unwrap(), "");
    }
}

#[test]
fn term_says_who_sent_it() {
    let mut gw = gateway("").level("notice").start();
    gw.wait_error("start worker process ");
    gw.stop();
    let line = gw.wait_error("signal 15 (SIGTERM) received from ");
    assert_eq!(line.level, "notice");
    let expected = format!("signal 15 (SIGTERM) received from {}, exiting", std::process::id());
    assert_eq!(line.text, expected);
    assert_eq!(gw.errors().last().unwrap().text, "exit");
}

#[test]
fn signals_that_mean_nothing_harm_nobody() {
    let gw = gateway("server { listen 127.0.0.1:%in; return x; }").level("notice").start();
    for (signal, name) in
        [(Signal::ALARM, "14 (SIGALRM)"), (Signal::IO, "29 (SIGIO)"), (Signal::WINCH, "28 (SIGWINCH)")]
    {
        gw.signal(signal);
        let received = format!("signal {name} received from {}", std::process::id());
        assert_eq!(gw.wait_error(name).text, received);
    }
    gw.signal(Signal::SYS);
    gw.signal(Signal::PIPE);
    assert_eq!(gw.ask("in", ""), "x");
}

#[test]
fn quit_lets_sessions_end() {
    let up = TcpBackend::echo();
    let mut gw =
        gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; }}")).with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("a");
    client.recv(1);
    gw.signal(Signal::QUIT);
    gw.wait_error("gracefully shutting down");
    let addr = gw.addr("in");
    testkit::poll("the listener goes", || Peer::try_connect(&addr).is_err().then_some(()));
    client.send("still");
    assert_eq!(client.recv(5), b"still");
    drop(client);
    assert_eq!(gw.wait(), Some(0));
    // A probe may have come before the listener went.
    assert!(gw.access(1).iter().all(|status| status == "200"), "{:?}", gw.access(1));
}

#[test]
fn draining_ends_by_worker_shutdown_timeout() {
    let up = TcpBackend::echo();
    let mut gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; }}"))
        .main("worker_shutdown_timeout 300ms;")
        .with("up", up.addr())
        .start();
    let mut client = gw.connect("in");
    client.send("a");
    client.recv(1);
    gw.signal(Signal::QUIT);
    client.wait_for_end();
    assert_eq!(gw.wait(), Some(0));
    let line = gw.wait_error("shutdown timeout");
    assert_eq!(line.level, "info");
    assert!(
        line.text.starts_with("shutdown timeout while proxying connection, client: 127.0.0.1, server: "),
        "{}",
        line.text
    );
    assert_eq!(gw.access(1), ["200"]);
}

#[test]
fn hup_brings_a_new_config() {
    let mut gw = gateway("server { listen 127.0.0.1:%in; return old; }").start();
    assert_eq!(gw.ask("in", ""), "old");
    gw.reload("server { listen 127.0.0.1:%in; return new; }");
    testkit::poll("the new answer", || (gw.ask("in", "") == "new").then_some(()));
    let line = gw.wait_error("signal 1 (SIGHUP) received from ");
    assert_eq!(line.text, format!("signal 1 (SIGHUP) received from {}, reconfiguring", std::process::id()));
    gw.wait_error("reconfiguring");
}

#[test]
fn hup_leaves_sessions_as_they_are() {
    let up = TcpBackend::echo();
    let old = format!(
        "{LOG}server {{ listen 127.0.0.1:%in; proxy_pass %up; }}\nserver {{ listen 127.0.0.1:%which; access_log off; return old; }}"
    );
    let mut gw = gateway(&old).with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("before");
    client.recv(6);
    gw.reload("server { listen 127.0.0.1:%which; return new; }");
    testkit::poll("the new answer", || (gw.ask("which", "") == "new").then_some(()));
    client.send("after");
    assert_eq!(client.recv(5), b"after");
    drop(client);
    assert_eq!(gw.access(1), ["200"]);
}

#[test]
fn no_connection_is_lost_over_a_reload() {
    let conf = "server { listen 127.0.0.1:%in; return ok; }";
    let mut gw = gateway(conf).start();
    let addr = gw.addr("in");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let asker = std::thread::spawn(move || {
        let mut count = 0;
        while stopped.try_recv().is_err() {
            assert_eq!(Peer::connect(&addr).recv_all(), "ok");
            count += 1;
        }
        count
    });
    for _ in 0..3 {
        gw.reload(conf);
    }
    stop.send(()).unwrap();
    assert!(asker.join().unwrap() > 0);
}

#[test]
fn listeners_come_and_go_with_a_reload() {
    let mut gw =
        gateway("server { listen 127.0.0.1:%kept; return kept; }\nserver { listen 127.0.0.1:%old; return old; }")
            .start();
    gw.reload("server { listen 127.0.0.1:%kept; return kept; }\nserver { listen 127.0.0.1:%new; return new; }");
    assert_eq!(gw.ask("new", ""), "new");
    assert_eq!(gw.ask("kept", ""), "kept");
    let old = gw.addr("old");
    testkit::poll("the old port is closed", || Peer::try_connect(&old).is_err().then_some(()));
}

#[test]
fn a_bad_config_leaves_the_running_one() {
    let mut gw = gateway("server { listen 127.0.0.1:%in; return old; }").start();
    gw.rewrite("server { listen 127.0.0.1:%in; bogus on; }");
    gw.signal(Signal::HUP);
    let line = gw.wait_error("unknown directive \"bogus\"");
    assert_eq!(line.level, "emerg");
    assert!(line.text.starts_with("unknown directive \"bogus\" in "), "{}", line.text);
    assert_eq!(gw.ask("in", ""), "old");
    gw.reload("server { listen 127.0.0.1:%in; return new; }");
    testkit::poll("the new answer", || (gw.ask("in", "") == "new").then_some(()));
}

#[test]
fn a_missing_certificate_leaves_the_running_config() {
    let mut gw = gateway("server { listen 127.0.0.1:%in; return old; }").start();
    gw.rewrite(
        "server { listen 127.0.0.1:%in ssl; ssl_certificate none.crt; ssl_certificate_key none.key; return new; }",
    );
    gw.signal(Signal::HUP);
    assert_eq!(gw.wait_error("cannot load certificate").level, "emerg");
    assert_eq!(gw.ask("in", ""), "old");
}

#[test]
fn a_taken_port_leaves_the_running_config() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let mut gw = gateway("server { listen 127.0.0.1:%in; return old; }").start();
    gw.rewrite(&format!("server {{ listen 127.0.0.1:%in; return new; }}\nserver {{ listen {addr}; return x; }}"));
    gw.signal(Signal::HUP);
    gw.wait_error("still could not bind()");
    assert_eq!(gw.ask("in", ""), "old");
}

#[test]
fn the_pid_stays_over_a_reload() {
    let conf = "server { listen 127.0.0.1:%in; return x; }";
    let mut gw = gateway(conf).start();
    gw.reload(conf);
    assert_eq!(std::fs::read_to_string(gw.path("pid")).unwrap(), format!("{}\n", gw.pid()));
}

#[test]
fn certificates_are_read_anew() {
    let conf =
        "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/c.crt; ssl_certificate_key %dir/c.key; return x; }";
    let pki = testkit::pki();
    let mut gw = gateway(conf).file("c.crt", pki.text("server.crt")).file("c.key", pki.text("server.key")).start();
    assert!(gw.tls("in").run().stdout.contains("CN = server"));
    for (name, from) in [("c.crt", "other.crt"), ("c.key", "other.key")] {
        std::fs::write(gw.path("new"), pki.text(from)).unwrap();
        std::fs::rename(gw.path("new"), gw.path(name)).unwrap();
    }
    gw.reload(conf);
    testkit::poll("the new certificate", || gw.tls("in").run().stdout.contains("CN = other.test").then_some(()));
}

#[test]
fn usr1_opens_the_logs_anew() {
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; return x; }}")).start();
    gw.ask("in", "");
    gw.access(1);
    for name in ["access.log", "error.log"] {
        std::fs::rename(gw.path(name), gw.path(&format!("{name}.1"))).unwrap();
    }
    gw.signal(Signal::USR1);
    testkit::poll("the new files", || (gw.path("access.log").exists() && gw.path("error.log").exists()).then_some(()));
    testkit::poll("a line in the new file", || {
        gw.ask("in", "");
        let text = std::fs::read_to_string(gw.path("access.log")).unwrap();
        text.starts_with("200\n").then_some(())
    });
    gw.wait_error("connected to");
    let old = std::fs::read_to_string(gw.path("error.log.1")).unwrap();
    assert!(old.contains("signal 10 (SIGUSR1) received from "), "{old}");
    assert_ne!(
        std::fs::metadata(gw.path("access.log")).unwrap().ino(),
        std::fs::metadata(gw.path("access.log.1")).unwrap().ino()
    );
}

#[test]
fn a_draining_session_holds_the_exit_up() {
    let up = TcpBackend::echo();
    let mut gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("a");
    client.recv(1);
    gw.signal(Signal::QUIT);
    hold("the process stays while a session does", Duration::from_millis(400), || gw.is_running());
    gw.signal(Signal::TERM);
    assert_eq!(gw.wait(), Some(0));
}

#[test]
fn an_old_unix_socket_goes_with_a_reload() {
    let mut gw = gateway("server { listen unix:%dir/old; return x; }").start();
    assert!(gw.path("old").exists());
    gw.reload("server { listen unix:%dir/new; return y; }");
    assert_eq!(Peer::connect(&format!("unix:{}", gw.path("new").display())).recv_all(), "y");
    assert!(!gw.path("old").exists());
    let line = gw.wait_error("deleting socket");
    assert_eq!((line.level.as_str(), line.text), ("warn", format!("deleting socket {}", gw.path("old").display())));
}

#[test]
fn several_workers() {
    let port = Port::lease();
    let mut gw = gateway("server { listen 127.0.0.1:%in; return $pid; }")
        .with("unused", port.number().to_string())
        .workers(3)
        .start();
    for _ in 0..30 {
        assert!(gw.ask("in", "").parse::<u32>().is_ok());
    }
    assert_eq!(gw.stop(), Some(0));
}

#[test]
fn without_a_master_process() {
    let mut gw = gateway("server { listen 127.0.0.1:%in; return $pid; }").main("master_process off;").start();
    assert_eq!(gw.ask("in", ""), gw.pid().to_string());
    assert_eq!(gw.stop(), Some(0));
}

#[test]
fn without_a_master_process_logs_are_reopened_once() {
    let conf = "server { listen 127.0.0.1:%in; return x; }";
    let mut gw = gateway(conf).main("master_process off;").level("notice").start();
    gw.ask("in", "");
    gw.signal(Signal::USR1);
    let said = |gw: &testkit::Gateway| gw.errors().iter().filter(|line| line.text == "reopening logs").count();
    // That of the signal itself comes before it.
    testkit::poll("a line of its own", || (said(&gw) > 0).then_some(()));
    assert_eq!(gw.stop(), Some(0));
    assert_eq!(said(&gw), 1, "{}", gw.error_text());
}

#[test]
fn a_reload_that_comes_too_late_is_told_of_like_any_other() {
    let up = TcpBackend::echo();
    let conf = "server { listen 127.0.0.1:%in; proxy_pass %up; }";
    let mut gw = gateway(conf).level("notice").with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("x");
    client.recv(1);
    gw.signal(Signal::QUIT);
    gw.wait_error("gracefully shutting down");
    gw.signal(Signal::HUP);
    let line = gw.wait_error("SIGHUP");
    assert!(line.text.ends_with(", reconfiguring"), "{line:?}");
    drop(client);
    assert_eq!(gw.wait(), Some(0));
    assert!(gw.errors().iter().all(|line| line.text != "reconfiguring"));
}

#[test]
fn logs_are_reopened_in_their_written_order() {
    let names = ["q", "b", "z", "a", "k"];
    let logs: String = names.map(|name| format!("access_log %dir/kept/{name} f; ")).concat();
    let conf = format!("log_format f '$status'; {logs} server {{ listen 127.0.0.1:%in; return x; }}");
    let builder = gateway(&conf);
    let dir = builder.dir().join("kept");
    std::fs::create_dir(&dir).unwrap();
    let mut gw = builder.start();
    gw.ask("in", "");
    std::fs::remove_dir_all(&dir).unwrap();
    gw.signal(Signal::USR1);
    let lines = gw.wait_errors("No such file", names.len());
    for (line, name) in lines.iter().zip(names) {
        assert!(line.text.starts_with(&format!("open() \"{}\" failed", dir.join(name).display())), "{lines:?}");
    }
    assert_eq!(gw.stop(), Some(0));
}

#[test]
fn a_worker_says_its_last_word_in_the_first_log_alone() {
    for user in ["root root", "nobody nogroup"] {
        let conf = "server { listen 127.0.0.1:%in; return x; }";
        let main = "error_log %dir/second.log notice;";
        let mut gw = gateway(conf).user(user).main(main).level("notice").start();
        gw.ask("in", "");
        assert_eq!(gw.stop(), Some(0));
        let exits = |text: &str| text.lines().filter(|line| line.ends_with(": exit")).count();
        let second = std::fs::read_to_string(gw.path("second.log")).unwrap();
        assert_eq!((exits(&gw.error_text()), exits(&second)), (2, 1), "{user}");
    }
}

#[test]
fn who_asks_for_a_reload_and_does_not_listen_is_not_waited_for() {
    if is_nginx() {
        return;
    }
    // Where this process would hear what came of it, so much waits to be read that nothing more fits.
    let name = format!("lockgate/reload/{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let deaf = UnixDatagram::bind_addr(&address).unwrap();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to_addr(b"x", &address).is_ok() {}
    for user in ["root root", "nobody nogroup"] {
        let conf = "server { listen 127.0.0.1:%in; return old; }";
        let mut gw = gateway(conf).user(user).start();
        gw.reload(conf);
        gw.reload(&conf.replace("old", "new"));
        assert_eq!(gw.ask("in", ""), "new");
    }
    drop(deaf);
}

#[test]
fn who_asks_for_a_reload_is_told_why_it_failed() {
    if is_nginx() {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for user in ["root root", "nobody nogroup"] {
        let conf = "server { listen 127.0.0.1:%in; return old; }";
        let mut gw = gateway(conf).user(user).start();
        let ask = |gw: &testkit::Gateway| {
            let words = ["-p", ".", "-c", "gateway.conf", "-e", "start.log", "-s", "reload"];
            let dir = gw.path("").display().to_string();
            crate::binary().run(words.map(|word| if word == "." { dir.clone() } else { word.to_owned() }))
        };
        let done = ask(&gw);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
        gw.rewrite(&format!("{conf}\nserver {{ listen {}; return x; }}", taken.local_addr().unwrap()));
        let done = ask(&gw);
        let expected =
            format!("nginx: [emerg] bind() to {} failed (98: Address already in use)\n", taken.local_addr().unwrap());
        assert_eq!((done.code, done.stderr), (Some(1), expected));
        assert_eq!(gw.stderr(), "", "who runs has no console");
        assert_eq!(gw.ask("in", ""), "old");
    }
}

//! A reload that is refused, however far it came, leaves nothing behind: neither in what goes on nor in what the next
//! reload takes over.

use testkit::{Gateway, Peer, Scratch, TcpBackend};

use super::ssl::{CERT, ask};
use crate::{gateway, is_nginx, is_root};

/// What is refused when all else is ready.
const NO_SUCH_PLACE: &str = "server { listen unix:/none/such/socket; return x; }";

/// Reloads `conf`, which is refused at last.
fn refused(gw: &mut Gateway, conf: &str) {
    let why = "bind() to unix:/none/such/socket failed";
    let before = gw.errors().iter().filter(|line| line.text.contains(why)).count();
    gw.rewrite(&format!("{conf}\n{NO_SUCH_PLACE}"));
    gw.signal(testkit::Signal::HUP);
    gw.wait_errors(why, before + 1);
}

/// Users of those who serve: the process that takes the signals, and another one.
const USERS: [&str; 2] = ["root root", "nobody nogroup"];

#[test]
fn sessions_go_on_being_counted_in_the_zone_of_old() {
    let up = TcpBackend::echo();
    let conf = |size: &str| {
        format!(
            "limit_conn_zone $binary_remote_addr zone=z:{size};\n\
             server {{ listen 127.0.0.1:%in; limit_conn z 1; proxy_pass %up; }}"
        )
    };
    for user in USERS {
        let mut gw = gateway(&conf("1m")).user(user).level("notice").with("up", up.addr()).start();
        let mut kept = gw.connect("in");
        kept.send("x");
        kept.recv(1);
        refused(&mut gw, &conf("2m"));
        assert_eq!(gw.ask("in", "y"), "", "{user}: it is full");
        gw.reload(&conf("1m"));
        assert_eq!(gw.ask("in", "y"), "", "{user}: it still is");
        kept.send("last");
        assert_eq!(kept.recv(4), b"last");
    }
}

#[test]
fn a_zone_that_is_in_use_no_more_may_have_another_key() {
    let conf = |zone: &str| format!("{zone}\nserver {{ listen 127.0.0.1:%in; return ok; }}");
    let by_address = conf("limit_conn_zone $binary_remote_addr zone=z:1m;");
    let by_port = conf("limit_conn_zone $server_port zone=z:1m;");
    for user in USERS {
        let mut gw = gateway(&conf("")).user(user).level("notice").start();
        // One that was refused has never been in use.
        refused(&mut gw, &by_address);
        gw.reload(&by_port);
        gw.reload(&conf(""));
        gw.reload(&by_address);
        gw.rewrite(&by_port);
        gw.signal(testkit::Signal::HUP);
        gw.wait_error("limit_conn_zone \"z\" uses the \"$server_port\" key while previously it used the");
        assert_eq!(gw.ask("in", ""), "ok");
        // One of another size is another zone.
        gw.reload(&conf("limit_conn_zone $server_port zone=z:2m;"));
    }
}

#[test]
fn what_is_learnt_of_peers_after_it_is_not_forgotten_by_the_next() {
    if is_nginx() {
        // It forgets over any reload.
        return;
    }
    let up = TcpBackend::banner("live");
    let conf = "log_format f '$upstream_addr'; access_log %dir/access.log f;\n\
                upstream u { zone z 1m; server 127.0.0.1:%dead fail_timeout=1h; server %up; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; }";
    for user in USERS {
        let mut gw = gateway(conf).user(user).level("notice").with("up", up.addr()).start();
        refused(&mut gw, conf);
        for _ in 0..4 {
            assert_eq!(gw.ask("in", ""), "live");
        }
        let both = format!("{}, {}", gw.addr("dead"), up.addr());
        assert_eq!(gw.access(4).iter().filter(|line| **line == both).count(), 1);
        gw.reload(conf);
        for _ in 0..4 {
            assert_eq!(gw.ask("in", ""), "live");
        }
        assert!(gw.access(8)[4..].iter().all(|line| line == up.addr()), "{user}: {:?}", gw.access(8));
    }
}

#[test]
fn tls_sessions_are_resumed_from_the_cache_of_old() {
    let conf = |size: &str| {
        format!(
            "{CERT}ssl_session_tickets off; ssl_session_cache shared:SSL:{size}; ssl_password_file %dir/passwords;\n\
             server {{ listen 127.0.0.1:%in ssl; return '<<<$ssl_session_reused>>>'; }}"
        )
    };
    for user in USERS {
        let dir = Scratch::new();
        let session = dir.path().join("session").display().to_string();
        let mut gw = gateway(&conf("1m")).file("passwords", "x").user(user).level("notice").start();
        assert_eq!(ask(&gw, &format!("-tls1_2 -sess_out {session}")).as_deref(), Some("."));
        let resumed = |gw: &Gateway| ask(gw, &format!("-tls1_2 -sess_in {session}")).as_deref() == Some("r");
        refused(&mut gw, &conf("2m"));
        if !is_nginx() {
            // Contexts are made anew for files that have changed, too.
            std::fs::write(gw.path("passwords"), "y").unwrap();
            gw.wait_error("certificates have changed");
            assert!(resumed(&gw), "{user}");
        }
        gw.reload(&conf("1m"));
        assert!(resumed(&gw), "{user}");
    }
}

#[test]
fn where_one_thread_cannot_be_started_none_takes_the_new_configuration() {
    if is_nginx() || !is_root() {
        return;
    }
    let conf = |text: &str| format!("server {{ listen 127.0.0.1:%in reuseport; return {text}; }}");
    let mut gw = gateway(&conf("old")).user("nobody nogroup").level("notice").workers(2).start();
    assert_eq!(gw.ask("in", ""), "old");
    let worker = gw.wait_error("start worker process ").text.rsplit(' ').next().unwrap().to_owned();
    // Of another user's process not even root may do so everywhere.
    let limit = |most: u32| {
        let words = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "prlimit", "--pid", &worker];
        let done = std::process::Command::new("setpriv").args(words).arg(format!("--nproc={most}:")).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    limit(1);
    gw.set_workers(4);
    gw.rewrite(&conf("new"));
    gw.signal(testkit::Signal::HUP);
    let line = gw.wait_error("the running configuration stays");
    assert!(line.level == "emerg" && line.text.contains("pthread_create() failed"), "{}", line.text);
    for _ in 0..40 {
        assert_eq!(Peer::connect(&gw.addr("in")).recv_all(), "old");
    }
    limit(1000);
    gw.reload(&conf("new"));
    for _ in 0..40 {
        assert_eq!(gw.ask("in", ""), "new");
    }
}

#[test]
fn a_socket_of_the_file_system_is_gone_again() {
    let conf = "server { listen 127.0.0.1:%in; return ok; }";
    for user in USERS {
        let mut gw = gateway(conf).user(user).level("notice").start();
        let more = format!("{conf}\nserver {{ listen unix:%dir/socket; return local; }}");
        if !is_nginx() {
            // There it is in the way from now on.
            refused(&mut gw, &more);
            assert!(!gw.path("socket").exists());
        }
        gw.reload(&more);
        assert_eq!(Peer::connect(&format!("unix:{}", gw.path("socket").display())).recv_all(), "local");
    }
}

//! What a service manager gives and is told: sockets, readiness, reloads, signs of life.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{Peer, Port, Scratch, Signal, poll};

use crate::{binary, gateway, is_nginx, is_root};

struct Manager {
    dir: Scratch,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = Scratch::new();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(testkit::LIMIT)).unwrap();
        Self { dir, socket }
    }

    fn path(&self) -> String {
        self.dir.path().join("notify").display().to_string()
    }

    /// Whether nothing is told for so long.
    fn is_left_alone_for(&self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let told = self.socket.recv(&mut [0; 4096]);
        self.socket.set_read_timeout(Some(testkit::LIMIT)).unwrap();
        told.is_err()
    }

    fn hears(&self) -> String {
        let mut room = [0; 4096];
        let length = self.socket.recv(&mut room).unwrap();
        String::from_utf8_lossy(&room[..length]).into_owned()
    }
}

#[test]
fn one_that_does_not_read_is_not_waited_for_for_ever() {
    if is_nginx() {
        return;
    }
    let manager = Manager::new();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"x", manager.path()).is_ok() {}
    let conf = "server { listen 127.0.0.1:%in; return old; }";
    let mut gw = gateway(conf).env("NOTIFY_SOCKET", &manager.path()).start();
    gw.reload(&conf.replace("old", "new"));
    assert_eq!(gw.ask("in", ""), "new");
}

#[test]
fn readiness_reloads_and_the_end_are_told() {
    if is_nginx() {
        return;
    }
    for user in ["root root", "nobody nogroup"] {
        let manager = Manager::new();
        let conf = "server { listen 127.0.0.1:%in; return x; }";
        let mut gw = gateway(conf).user(user).env("NOTIFY_SOCKET", &manager.path()).start();
        let ready = manager.hears();
        assert!(ready.starts_with("READY=1\n") && ready.contains(&format!("MAINPID={}\n", gw.pid())), "{ready}");
        gw.signal(Signal::HUP);
        let reloading = manager.hears();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert!(manager.hears().starts_with("READY=1\n"));
        // A time cut to milliseconds may be one before the manager asked, and is as good as none.
        let is_exact = || {
            gw.signal(Signal::HUP);
            let reloading = manager.hears();
            assert!(manager.hears().starts_with("READY=1\n"));
            !reloading.ends_with("000")
        };
        assert!((0..4).any(|_| is_exact()));
        // One that fails is over, too.
        gw.rewrite("bogus;");
        gw.signal(Signal::HUP);
        assert!(manager.hears().starts_with("RELOADING=1\n"));
        assert!(manager.hears().starts_with("READY=1\n"));
        gw.signal(Signal::QUIT);
        assert!(manager.hears().starts_with("STOPPING=1\n"));
        assert_eq!(gw.wait(), Some(0));
    }
}

#[test]
fn signs_of_life_come_twice_in_each_period() {
    if is_nginx() {
        return;
    }
    for user in ["root root", "nobody nogroup"] {
        let manager = Manager::new();
        // Signs may wait to be heard.
        let begin = std::time::Instant::now();
        let gw = gateway("server { listen 127.0.0.1:%in; return x; }")
            .user(user)
            .env("NOTIFY_SOCKET", &manager.path())
            .env("WATCHDOG_USEC", "400000")
            .start();
        assert!(manager.hears().starts_with("READY=1\n"));
        for _ in 0..3 {
            assert_eq!(manager.hears(), "WATCHDOG=1");
        }
        assert!(begin.elapsed() >= Duration::from_millis(400));
        assert_eq!(gw.ask("in", ""), "x");
    }
}

#[test]
fn no_sign_of_life_comes_while_those_who_serve_hang() {
    if is_nginx() || !is_root() {
        return;
    }
    let manager = Manager::new();
    let gw = gateway("server { listen 127.0.0.1:%in; return $pid; }")
        .user("nobody nogroup")
        .env("NOTIFY_SOCKET", &manager.path())
        .env("WATCHDOG_USEC", "400000")
        .start();
    assert!(manager.hears().starts_with("READY=1\n"));
    assert_eq!(manager.hears(), "WATCHDOG=1");
    let worker: u32 = gw.ask("in", "").parse().unwrap();
    gw.signal_to(worker, Signal::STOP);
    // One may have been under way.
    poll("silence", || manager.is_left_alone_for(Duration::from_secs(1)).then_some(()));
    gw.signal_to(worker, Signal::CONT);
    assert_eq!(manager.hears(), "WATCHDOG=1");
}

#[test]
fn readiness_waits_for_one_that_serves() {
    if is_nginx() || !is_root() {
        return;
    }
    let manager = Manager::new();
    let gw = gateway("server { listen 127.0.0.1:%in; return x; }")
        .user("nobody nogroup")
        .env("NOTIFY_SOCKET", &manager.path())
        .launched_by(["prlimit", "--nproc=1:"])
        .start();
    gw.wait_error("pthread_create() failed");
    assert!(manager.is_left_alone_for(Duration::from_millis(500)));
    let limit = format!("--pid={}", gw.pid());
    assert!(Command::new("prlimit").args([&limit, "--nproc=1000:"]).status().unwrap().success());
    assert!(manager.hears().starts_with("READY=1\n"));
    assert_eq!(gw.ask("in", ""), "x");
}

/// Starts the gateway as a service manager does: with a listening socket as descriptor 3.
const ACTIVATE: &str = "\
import os, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(16)
extra = socket.socket(); extra.bind(('127.0.0.1', 0)); extra.listen(1)
u = socket.socket(socket.AF_UNIX); u.bind(sys.argv[2]); u.listen(16)
fds = [os.dup2(f.fileno(), 20 + i, inheritable=False) for i, f in enumerate((s, extra, u))]
for i, f in enumerate(fds): os.dup2(f, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='3')
os.execv(sys.argv[3], sys.argv[3:])
";

#[test]
fn sockets_of_the_service_manager_are_served() {
    if is_nginx() {
        return;
    }
    let (dir, port) = (Scratch::new(), Port::lease());
    let conf = format!(
        "daemon off; pid {0}/pid; error_log {0}/log notice; events {{}} stream {{ server {{ listen 127.0.0.1:{1}; listen unix:{0}/gate; return x; }} }}",
        dir.path().display(),
        port.number()
    );
    let conf = dir.write("conf", conf);
    let mut child = Command::new("python3")
        .args(["-c", ACTIVATE, &port.number().to_string()])
        .arg(dir.path().join("gate"))
        .arg(binary().path())
        .arg("-c")
        .arg(conf)
        .arg("-p")
        .arg(dir.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    poll("it serves", || dir.path().join("pid").exists().then_some(()));
    // Bound by somebody else and still in use: without taking it over, binding would have failed.
    assert_eq!(Peer::connect(&format!("127.0.0.1:{}", port.number())).recv_all(), "x");
    let gate = format!("unix:{}", dir.path().join("gate").display());
    assert_eq!(Peer::connect(&gate).recv_all(), "x");
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let open = sockets.filter(|fd| {
        let link = std::fs::read_link(fd.as_ref().unwrap().path());
        link.is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
    });
    assert!(open.count() < 5, "what no server asks for is closed");
    testkit::send_signal(child.id(), Signal::TERM);
    assert!(child.wait().unwrap().success());
    assert!(dir.path().join("gate").exists(), "it is the service manager's, who listens on");
}

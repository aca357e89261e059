//! Main-context directives that shape the process.

use testkit::Peer;

use crate::{gateway, is_nginx, is_root};

/// A line of `/proc/PID/FILE` that starts with `name`.
fn proc_line(pid: &str, file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

const PID: &str = "server { listen 127.0.0.1:%in; return $pid; }";

#[test]
fn the_user_of_those_who_serve() {
    if !is_root() {
        return;
    }
    let gw = gateway(PID).user("nobody nogroup").start();
    let pid = gw.ask("in", "");
    let [user, group] = ["passwd", "group"].map(|file| {
        let name = if file == "group" { "nogroup:" } else { "nobody:" };
        let text = std::fs::read_to_string(format!("/etc/{file}")).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line.split(':').nth(2).unwrap().to_owned()
    });
    // Of a process with threads, those who serve have the user; the one who reads configurations has not.
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let tasks: Vec<String> = tasks.map(|task| task.unwrap().file_name().into_string().unwrap()).collect();
    let serving: Vec<&String> = tasks.iter().filter(|task| tasks.len() == 1 || **task != pid).collect();
    assert!(!serving.is_empty());
    for task in serving {
        assert_eq!(proc_line(task, "status", "Uid:"), format!("Uid:\t{user}\t{user}\t{user}\t{user}"));
        assert_eq!(proc_line(task, "status", "Gid:"), format!("Gid:\t{group}\t{group}\t{group}\t{group}"));
    }
}

#[test]
fn an_unprivileged_server_reads_keys_that_only_root_may() {
    use std::os::unix::fs::PermissionsExt;
    if !is_root() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %dir/secret.key; return hi-there; }";
    let mut builder = gateway(conf).user("nobody nogroup").file("secret.key", testkit::pki().text("server.key"));
    std::fs::set_permissions(builder.dir().join("secret.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    builder = builder.level("notice");
    let mut gw = builder.start();
    assert!(gw.tls("in").run().stdout.contains("hi-there"));
    gw.reload(&conf.replace("hi-there", "hi-again"));
    testkit::poll("the new config", || gw.tls("in").run().stdout.contains("hi-again").then_some(()));
}

#[test]
fn the_number_of_open_files() {
    let gw = gateway(PID).main("worker_rlimit_nofile 1234;").start();
    let line = proc_line(&gw.ask("in", ""), "limits", "Max open files");
    let limits: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(limits, ["1234", "1234"]);
}

/// Users of those who serve: the process that takes the signals, and another one.
const USERS: [&str; 2] = ["root root", "nobody nogroup"];

#[test]
fn limits_and_the_directory_are_those_of_the_configuration_in_force() {
    for user in USERS {
        let limits = "include %dir/limits;";
        let mut gw = gateway(PID).user(user).main(limits).file("limits", "worker_rlimit_nofile 1234;").start();
        let before = gw.ask("in", "");
        std::fs::write(gw.path("limits"), "worker_rlimit_nofile 1000; working_directory /;").unwrap();
        gw.reload(&PID.replace("$pid", "$pid-new"));
        let pid = testkit::poll("the new config", || gw.ask("in", "").strip_suffix("-new").map(ToOwned::to_owned));
        let line = proc_line(&pid, "limits", "Max open files");
        assert_eq!(line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["1000", "1000"], "{user}");
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), std::path::Path::new("/"));
        if is_root() && !is_nginx() {
            assert_eq!(
                pid == before,
                user == "root root",
                "another process has to take the place of one without rights"
            );
        }
    }
}

#[test]
fn a_directory_that_cannot_be_entered_refuses_a_reload() {
    if is_nginx() {
        return;
    }
    for user in USERS {
        let limits = "include %dir/limits;";
        let mut gw = gateway(PID).user(user).main(limits).file("limits", "").start();
        let pid = gw.ask("in", "");
        std::fs::write(gw.path("limits"), "working_directory /none/such;").unwrap();
        gw.rewrite("server { listen 127.0.0.1:%in; return new; }");
        gw.signal(testkit::Signal::HUP);
        gw.wait_error("chdir(\"/none/such\") failed (2: No such file or directory)");
        std::fs::write(gw.path("limits"), "").unwrap();
        gw.reload(PID);
        assert_eq!(gw.ask("in", ""), pid, "{user}");
    }
}

#[test]
fn the_working_directory() {
    let gw = gateway(PID).main("working_directory %dir;").start();
    let pid = gw.ask("in", "");
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), gw.path("").canonicalize().unwrap());
}

#[test]
fn directives_without_an_effect_here_are_accepted() {
    let main = "lock_file %dir/lock; timer_resolution 100ms; pcre_jit on; thread_pool pool threads=2; env A=b; worker_priority 1;\n\
                worker_cpu_affinity auto; worker_rlimit_core 1g; debug_points stop; ssl_object_cache_inheritable off;";
    let gw = gateway(PID).main(main).start();
    assert!(gw.ask("in", "").parse::<u32>().is_ok());
}

#[test]
fn include_works_in_any_context() {
    let conf = "include %dir/s*.conf;\nserver { listen 127.0.0.1:%in; include %dir/v.conf; }\nupstream u { include %dir/u.conf; }";
    let gw = gateway(conf)
        .main("include %dir/m.conf;")
        .file("m.conf", "worker_shutdown_timeout 1s;\n")
        .file("s.conf", "proxy_timeout 1s;\n")
        .file("v.conf", "return included;\n")
        .file("u.conf", "server 127.0.0.1:1;\n")
        .start();
    assert_eq!(gw.ask("in", ""), "included");
}

#[test]
fn errors_on_stderr() {
    let conf = "server { listen 127.0.0.1:%in; error_log stderr info; deny all; return x; }";
    let gw = gateway(conf).start();
    Peer::connect(&gw.addr("in")).recv_all();
    testkit::poll("a line on stderr", || {
        gw.stderr()
            .lines()
            .filter_map(testkit::parse_error_line)
            .any(|line| line.text.starts_with("access forbidden by rule"))
            .then_some(())
    });
}

#[test]
fn the_first_lines_of_the_log() {
    let gw = gateway("").level("notice").start();
    for text in ["using the \"epoll\" event method", "OS: Linux ", "getrlimit(RLIMIT_NOFILE): ", "start worker process"]
    {
        assert_eq!(gw.wait_error(text).level, "notice");
    }
}

#[test]
fn the_lock_file_of_the_start_holds_for_good() {
    let conf = |text: &str| format!("server {{ listen 127.0.0.1:%in; return {text}; }}");
    let mut gw = gateway(&conf("a")).main("include %dir/m.conf;").file("m.conf", "# nothing\n").level("notice").start();
    gw.wait_error("start worker process ");
    std::fs::write(gw.path("m.conf"), "lock_file other;").unwrap();
    gw.rewrite(&conf("b"));
    gw.signal(testkit::Signal::HUP);
    gw.wait_error("\"lock_file\" could not be changed, ignored");
    testkit::poll("the new config", || (gw.ask("in", "") == "b").then_some(()));
    std::fs::write(gw.path("m.conf"), "# nothing\n").unwrap();
    // Nothing is refused, and nothing is said.
    gw.reload(&conf("c"));
    testkit::poll("the new config", || (gw.ask("in", "") == "c").then_some(()));
}

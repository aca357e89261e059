//! Options of the command line: what is printed where, and the exit codes.

use testkit::{Finished, Scratch, Signal};

use crate::{binary, gateway, is_nginx};

/// A directory with a config in it.
fn prefix(conf: &str) -> (Scratch, String, String) {
    let scratch = Scratch::new();
    let dir = scratch.path().display().to_string();
    let conf = scratch.write("x.conf", conf.replace("%dir", &dir));
    (scratch, dir, conf.display().to_string())
}

const GOOD: &str = "pid %dir/pid;\nerror_log %dir/error.log;\nevents {}\n";

fn run(args: &[&str]) -> Finished {
    binary().run(args)
}

/// Runs with the usual config and more options.
fn run_with(conf: &str, more: &[&str]) -> (Finished, Scratch, String) {
    let (scratch, dir, conf) = prefix(conf);
    let log = format!("{dir}/start.log");
    let done = binary().run([&["-p", &dir, "-c", &conf, "-e", &log], more].concat());
    (done, scratch, conf)
}

/// Whether a line names the version. The nginx that is tested may be another one of its branch.
fn names_version(line: &str) -> bool {
    let branch = line.strip_prefix("nginx version: nginx/1.31.");
    branch.is_some_and(|release| release == "5" || is_nginx() && release.parse::<u32>().is_ok())
}

#[test]
fn v_prints_the_version_only() {
    let done = run(&["-v"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    assert!(done.stderr.strip_suffix('\n').is_some_and(names_version), "{}", done.stderr);
}

#[test]
fn capital_v_lists_what_is_in() {
    let done = run(&["-V"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert!(names_version(lines[0]), "{lines:?}");
    assert!(lines[1].starts_with("built by ") && lines[2].starts_with("built with "), "{lines:?}");
    assert!(lines.contains(&"TLS SNI support enabled"), "{lines:?}");
    assert!(lines.last().unwrap().starts_with("configure arguments:"), "{lines:?}");
}

#[test]
fn help_goes_to_stderr() {
    for flag in ["-h", "-?"] {
        let done = run(&[flag]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{flag}");
        for option in ["-t", "-T", "-q", "-v", "-V", "-s", "-p", "-c", "-g", "-e"] {
            assert!(done.stderr.contains(option), "{flag}: no {option} in {}", done.stderr);
        }
    }
}

#[test]
fn wrong_options() {
    let cases: [(&[&str], &str); 13] = [
        (&["-x"], "invalid option: \"x\""),
        (&["-tx"], "invalid option: \"x\""),
        (&["word"], "invalid option: \"word\""),
        (&["-s", "foo"], "invalid option: \"-s foo\""),
        (&["-sfoo"], "invalid option: \"-s foo\""),
        (&["-s", "STOP"], "invalid option: \"-s STOP\""),
        (&["-c"], "option \"-c\" requires file name"),
        (&["-p"], "option \"-p\" requires directory name"),
        (&["-g"], "option \"-g\" requires parameter"),
        (&["-s"], "option \"-s\" requires parameter"),
        (&["-e"], "option \"-e\" requires file name"),
        (&["-tc"], "option \"-c\" requires file name"),
        (&["-t", "word"], "invalid option: \"word\""),
    ];
    for (args, message) in cases {
        let done = run(args);
        assert_eq!(done.code, Some(1), "{args:?}");
        assert_eq!(done.messages(), [message], "{args:?}");
        assert_eq!(done.stdout, "", "{args:?}");
    }
}

#[test]
fn t_reports_success_in_two_lines() {
    let (done, _scratch, conf) = run_with(GOOD, &["-t"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    let expected = [
        format!("the configuration file {conf} syntax is ok"),
        format!("configuration file {conf} test is successful"),
    ];
    assert_eq!(done.messages(), expected);
}

#[test]
fn t_reports_failure_after_the_error() {
    let (done, _scratch, conf) = run_with("events {}\nbogus;\n", &["-t"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let expected =
        [format!("[emerg] unknown directive \"bogus\" in {conf}:2"), format!("configuration file {conf} test failed")];
    assert_eq!(done.messages(), expected);
}

#[test]
fn errors_after_parsing_come_after_syntax_is_ok() {
    let (done, _scratch, conf) = run_with("pid /nonexistent/pid;\nevents {}\n", &["-t"]);
    assert_eq!(done.code, Some(1));
    let expected = [
        format!("the configuration file {conf} syntax is ok"),
        "[emerg] open() \"/nonexistent/pid\" failed (2: No such file or directory)".to_owned(),
        format!("configuration file {conf} test failed"),
    ];
    assert_eq!(done.messages(), expected);
}

#[test]
fn a_pid_file_that_cannot_be_filled() {
    let (done, _scratch, _) = run_with("pid /dev/full;\ndaemon off;\nevents {}\n", &[]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.messages(), ["[crit] pwrite() \"/dev/full\" failed (28: No space left on device)"]);
}

#[test]
fn q_silences_success_but_not_failure() {
    for flags in [&["-t", "-q"][..], &["-tq"], &["-qt"]] {
        let (done, _scratch, _) = run_with(GOOD, flags);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{flags:?}");
    }
    let (done, _scratch, conf) = run_with("bogus;", &["-tq"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.messages().last().unwrap(), &format!("configuration file {conf} test failed"));
}

#[test]
fn t_without_a_file() {
    let (_scratch, dir, _) = prefix("");
    let missing = format!("{dir}/none.conf");
    let log = format!("{dir}/start.log");
    let done = run(&["-t", "-p", &dir, "-c", &missing, "-e", &log]);
    assert_eq!(done.code, Some(1));
    let expected = [
        format!("[emerg] open() \"{missing}\" failed (2: No such file or directory)"),
        format!("configuration file {missing} test failed"),
    ];
    assert_eq!(done.messages(), expected);
}

#[test]
fn capital_t_dumps_each_file_once() {
    let (scratch, dir, conf) = prefix("include %dir/part;\ninclude %dir/part;\npid %dir/pid;\nevents {}\n");
    scratch.write("part", "# nothing\n");
    let done = run(&["-T", "-p", &dir, "-c", &conf, "-e", &format!("{dir}/start.log")]);
    assert_eq!(done.code, Some(0));
    let text = std::fs::read_to_string(&conf).unwrap();
    let expected = format!("# configuration file {conf}:\n{text}\n# configuration file {dir}/part:\n# nothing\n\n");
    assert_eq!(done.stdout, expected);
    assert_eq!(done.messages().len(), 2);
}

#[test]
fn version_and_test_together() {
    let (done, _scratch, conf) = run_with(GOOD, &["-vt"]);
    assert_eq!(done.code, Some(0));
    assert!(done.stderr.lines().next().unwrap().contains(" version: "), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("configuration file {conf} test is successful")), "{}", done.stderr);
}

#[test]
fn t_leaves_an_empty_pid_file_and_opens_the_logs() {
    let (_, scratch, _) = run_with(GOOD, &["-t"]);
    assert_eq!(std::fs::read_to_string(scratch.path().join("pid")).unwrap(), "");
    assert!(scratch.path().join("error.log").exists());
    let (scratch, dir, conf) = prefix(GOOD);
    scratch.write("pid", "123\n");
    run(&["-t", "-p", &dir, "-c", &conf, "-e", &format!("{dir}/start.log")]);
    assert_eq!(std::fs::read_to_string(scratch.path().join("pid")).unwrap(), "123\n");
}

#[test]
fn t_beside_a_signal_opens_nothing() {
    let (done, scratch, _) = run_with(GOOD, &["-t", "-s", "stop"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 2, "{}", done.stderr);
    assert!(!scratch.path().join("pid").exists());
}

#[test]
fn t_removes_the_unix_sockets_it_made() {
    let conf = GOOD.to_owned() + "stream { server { listen unix:%dir/sock; return x; } }\n";
    let (done, scratch, _) = run_with(&conf, &["-t"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!scratch.path().join("sock").exists());
}

#[test]
fn t_does_not_mind_a_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let conf = format!("{GOOD}stream {{ server {{ listen 127.0.0.1:{port}; return x; }} }}\n");
    let (done, _scratch, _) = run_with(&conf, &["-t"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn paths_are_relative_to_the_prefix() {
    let (scratch, dir, _) = prefix("");
    std::fs::create_dir(scratch.path().join("conf")).unwrap();
    scratch.write("conf/a.conf", "pid run.pid;\nerror_log e.log;\nevents {}\ninclude b.conf;\n");
    scratch.write("conf/b.conf", "# found beside a.conf\n");
    let done = run(&["-t", "-p", &dir, "-c", "conf/a.conf", "-e", "start.log"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let expected = format!("the configuration file {dir}/conf/a.conf syntax is ok");
    assert_eq!(done.messages()[0], expected);
    for name in ["run.pid", "e.log", "start.log"] {
        assert!(scratch.path().join(name).exists(), "{name}");
    }
}

#[test]
fn values_may_be_attached() {
    let (_scratch, dir, conf) = prefix(GOOD);
    let done = run(&[&format!("-p{dir}"), &format!("-c{conf}"), &format!("-e{dir}/e"), "-t"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn g_directives_come_first() {
    let (done, _scratch, conf) = run_with(GOOD, &["-t", "-g", "pid /tmp/none;"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.messages()[0], format!("[emerg] \"pid\" directive is duplicate in {conf}:1"));
    let (done, _scratch, _) = run_with("events {}\n", &["-t", "-g", "worker_processes 2; daemon off;"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn g_errors() {
    let cases = [
        ("pid x", "unexpected end of parameter, expecting \";\" in command line"),
        ("events { }", "block directives are not supported in -g option in command line"),
        ("foo bar;", "unknown directive \"foo\" in command line"),
        ("listen 80;", "\"listen\" directive is not allowed here in command line"),
        ("daemon x;", "invalid value \"x\" in \"daemon\" directive, it must be \"on\" or \"off\" in command line"),
    ];
    for (text, message) in cases {
        let (done, _scratch, _) = run_with(GOOD, &["-t", "-g", text]);
        assert_eq!(done.code, Some(1), "{text}");
        assert_eq!(done.messages()[0], format!("[emerg] {message}"), "{text}");
    }
}

#[test]
fn s_without_a_running_process() {
    let (done, scratch, _) = run_with(GOOD, &["-s", "stop"]);
    let pid = scratch.path().join("pid");
    assert_eq!(done.code, Some(1));
    let message = format!("[error] open() \"{}\" failed (2: No such file or directory)", pid.display());
    assert_eq!(done.messages(), [message]);
}

#[test]
fn s_with_a_bad_pid_file() {
    for text in ["", "x\n"] {
        let (scratch, dir, conf) = prefix(GOOD);
        let pid = scratch.write("pid", text);
        let done = run(&["-p", &dir, "-c", &conf, "-e", &format!("{dir}/e"), "-s", "quit"]);
        assert_eq!(done.code, Some(1));
        let expected = format!("[error] invalid PID number \"{}\" in \"{}\"", text.trim(), pid.display());
        assert_eq!(done.messages(), [expected]);
    }
}

#[test]
fn s_with_a_stale_pid_file() {
    let (scratch, dir, conf) = prefix(GOOD);
    // Beyond the largest process id that Linux gives out.
    scratch.write("pid", "4999999\n");
    let done = run(&["-p", &dir, "-c", &conf, "-e", &format!("{dir}/e"), "-s", "reload"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.messages(), ["[alert] kill(4999999, 1) failed (3: No such process)"]);
}

#[test]
fn s_needs_a_valid_config() {
    let (done, _scratch, conf) = run_with("bogus;\n", &["-s", "stop"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.messages(), [format!("[emerg] unknown directive \"bogus\" in {conf}:1")]);
}

#[test]
fn s_sends_each_signal() {
    for (word, line) in [
        ("reload", "signal 1 (SIGHUP) received from "),
        ("reopen", "signal 10 (SIGUSR1) received from "),
        ("quit", "signal 3 (SIGQUIT) received from "),
        ("stop", "signal 15 (SIGTERM) received from "),
    ] {
        let mut gw = gateway("server { listen 127.0.0.1:%in; return x; }").level("notice").start();
        let (dir, conf) = (gw.path("").display().to_string(), gw.path("gateway.conf").display().to_string());
        let done = run(&["-p", &dir, "-c", &conf, "-e", &format!("{dir}/e"), "-s", word]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{word}");
        gw.wait_error(line);
        if matches!(word, "quit" | "stop") {
            assert_eq!(gw.wait(), Some(0), "{word}");
        }
    }
}

#[test]
fn the_start_log_may_be_stderr() {
    let (_scratch, dir, conf) = prefix("bogus;\n");
    let done = run(&["-t", "-p", &dir, "-c", &conf, "-e", "stderr"]);
    assert_eq!(done.code, Some(1));
    let line = testkit::parse_error_line(done.stderr.lines().next().unwrap()).expect("a line with a time");
    assert_eq!((line.level.as_str(), line.text), ("emerg", format!("unknown directive \"bogus\" in {conf}:1")));
}

#[test]
fn the_start_log_keeps_the_errors() {
    let (_, scratch, conf) = run_with("bogus;\n", &["-t"]);
    let log = std::fs::read_to_string(scratch.path().join("start.log")).unwrap();
    let line = testkit::parse_error_line(log.lines().next().unwrap()).expect("a log line");
    assert_eq!((line.level.as_str(), line.text), ("emerg", format!("unknown directive \"bogus\" in {conf}:1")));
}

#[test]
fn a_start_log_that_cannot_be_opened() {
    let (_scratch, dir, conf) = prefix(GOOD);
    let done = run(&["-t", "-p", &dir, "-c", &conf, "-e", "/nonexistent/log"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let expected =
        "[alert] could not open error log file: open() \"/nonexistent/log\" failed (2: No such file or directory)";
    assert_eq!(done.messages()[0], expected);
}

#[test]
fn starting_with_a_bad_config_fails() {
    let (done, scratch, conf) = run_with("bogus;\n", &[]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.messages(), [format!("[emerg] unknown directive \"bogus\" in {conf}:1")]);
    assert!(!scratch.path().join("pid").exists());
}

#[test]
fn starting_on_a_taken_port_fails_after_five_tries() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let conf = format!("daemon off;\n{GOOD}stream {{ server {{ listen {addr}; return x; }} }}\n");
    let (done, _scratch, _) = run_with(&conf, &[]);
    assert_eq!(done.code, Some(1));
    let refused = format!("[emerg] bind() to {addr} failed (98: Address already in use)");
    let lines = done.messages();
    assert_eq!(lines.iter().filter(|line| **line == refused).count(), 5, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "[emerg] still could not bind()");
}

#[test]
fn daemon_on_detaches() {
    let (scratch, dir, conf) =
        prefix(&format!("daemon on;\n{GOOD}stream {{ server {{ listen unix:%dir/s; return hi; }} }}\n"));
    let args = ["-p", &dir, "-c", &conf, "-e", &format!("{dir}/e")].map(str::to_owned);
    let done = binary().run(&args);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let pid = testkit::poll("the pid file", || {
        std::fs::read_to_string(scratch.path().join("pid")).ok().filter(|text| text.ends_with('\n'))
    });
    assert!(pid.trim().parse::<u32>().is_ok(), "{pid:?}");
    let socket = format!("unix:{dir}/s");
    assert_eq!(testkit::Peer::connect(&socket).recv_all(), "hi");
    let stop = binary().run(args.iter().map(String::as_str).chain(["-s", "quit"]));
    assert_eq!(stop.code, Some(0), "{}", stop.stderr);
    testkit::poll("the pid file goes", || (!scratch.path().join("pid").exists()).then_some(()));
}

#[test]
fn the_pid_file_holds_the_pid_and_goes() {
    let mut gw = gateway("").start();
    let pid = gw.path("pid");
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), format!("{}\n", gw.pid()));
    gw.signal(Signal::QUIT);
    assert_eq!(gw.wait(), Some(0));
    assert!(!pid.exists());
}

#[test]
fn on_a_terminal_the_place_is_shown() {
    if is_nginx() {
        return;
    }
    let (_scratch, dir, conf) =
        prefix("events {}\nstream {\n    server {\n        proxi_pass 127.0.0.1:1;\n    }\n}\n");
    let command = format!("{} -t -p {dir} -c {conf} -e {dir}/start.log", binary().path().display());
    let shown = std::process::Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("[emerg] unknown directive \"proxi_pass\" in {conf}:4")), "{shown}");
    assert!(shown.contains("proxi_pass 127.0.0.1:1;"), "{shown}");
    assert!(shown.contains("did you mean \"proxy_pass\"?"), "{shown}");
}

//! `access_log`, `log_format` and `error_log`.

use std::net::UdpSocket;
use std::time::Duration;

use testkit::{Hello, TcpBackend, UdpBackend};

use crate::{gateway, is_nginx};

const BYTES: &[u8] = b"quo\"te back\\slash tab\t high\xc3\xa9 del\x7f end";

/// A format by itself, applied to a name that a client chose.
fn escaped(escape: &str) -> Vec<u8> {
    let conf = format!(
        "log_format f {escape} '\"lit\\\\eral\" [$ssl_preread_server_name] [$ssl_server_name]'; access_log %dir/access.log f;\n\
         server {{ listen 127.0.0.1:%in; ssl_preread on; return x; }}"
    );
    let gw = gateway(&conf).start();
    // The name is logged as sent, whatever bytes it has.
    let mut hello = Hello::named(&"x".repeat(BYTES.len())).bytes();
    let at = hello.windows(BYTES.len()).position(|part| part.iter().all(|byte| *byte == b'x')).unwrap();
    hello[at..at + BYTES.len()].copy_from_slice(BYTES);
    gw.ask("in", hello);
    testkit::poll("a line", || std::fs::read(gw.path("access.log")).ok().filter(|text| text.ends_with(b"\n")))
}

#[test]
fn default_escapes() {
    let expected = "\"lit\\eral\" [quo\\x22te back\\x5Cslash tab\\x09 high\\xC3\\xA9 del\\x7F end] [-]\n";
    assert_eq!(String::from_utf8(escaped("")).unwrap(), expected);
    assert_eq!(String::from_utf8(escaped("escape=default")).unwrap(), expected);
}

#[test]
fn json_escapes() {
    let expected = b"\"lit\\eral\" [quo\\\"te back\\\\slash tab\\t high\xc3\xa9 del\x7f end] []\n";
    assert_eq!(escaped("escape=json"), expected);
}

#[test]
fn no_escapes() {
    let expected = [b"\"lit\\eral\" [", BYTES, b"] []\n"].concat();
    assert_eq!(escaped("escape=none"), expected);
}

#[test]
fn formats_are_joined_without_spaces() {
    let conf =
        "log_format f 'a' \"b \" c '$status'; access_log %dir/access.log f; server { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).start();
    gw.ask("in", "");
    assert_eq!(gw.access(1), ["ab c200"]);
}

#[test]
fn an_empty_value_is_not_a_missing_one() {
    let conf = "log_format f '[$server_name][$ssl_cipher][$1]'; access_log %dir/access.log f; server { listen 127.0.0.1:%in; return x; }";
    let conf = conf.replace("[$1]", "");
    let gw = gateway(&conf).start();
    gw.ask("in", "");
    assert_eq!(gw.access(1), ["[][-]"]);
}

#[test]
fn several_logs_and_conditions() {
    let conf = "log_format f '$server_port'; log_format g 'second';\n\
                map $server_port $keep { %a 1; %b 0; default ''; }\n\
                access_log %dir/all.log f; access_log %dir/some.log f if=$keep; access_log %dir/all.log g;\n\
                server { listen 127.0.0.1:%a; listen 127.0.0.1:%b; listen 127.0.0.1:%c; return x; }";
    let gw = gateway(conf).start();
    for name in ["a", "b", "c"] {
        gw.ask(name, "");
    }
    let [a, b, c] = ["a", "b", "c"].map(|name| gw.port(name).to_string());
    assert_eq!(gw.access_in("all.log", 6), [&a, "second", &b, "second", &c, "second"]);
    assert_eq!(gw.access_in("some.log", 1), [a.as_str()]);
}

#[test]
fn off_and_inheritance() {
    let conf = "log_format f '$server_port'; access_log %dir/outer.log f;\n\
                server { listen 127.0.0.1:%a; return x; }\n\
                server { listen 127.0.0.1:%b; return x; access_log off; }\n\
                server { listen 127.0.0.1:%c; return x; access_log %dir/inner.log f; }";
    let gw = gateway(conf).start();
    for name in ["c", "b", "a"] {
        gw.ask(name, "");
    }
    assert_eq!(gw.access_in("outer.log", 1), [gw.port("a").to_string()]);
    assert_eq!(gw.access_in("inner.log", 1), [gw.port("c").to_string()]);
}

#[test]
fn variables_in_the_path() {
    let conf = "log_format f '$status'; access_log %dir/log-$server_port f;\n\
                server { listen 127.0.0.1:%a; listen 127.0.0.1:%b; return x; }";
    let gw = gateway(conf).start();
    gw.ask("a", "");
    gw.ask("b", "");
    for name in ["a", "b"] {
        assert_eq!(gw.access_in(&format!("log-{}", gw.port(name)), 1), ["200"]);
    }
}

#[test]
fn a_path_that_cannot_be_opened_is_critical() {
    let conf =
        "log_format f '$status'; access_log %dir/none-$server_port/log f;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "x");
    let line = gw.wait_error("open() \"");
    assert_eq!(line.level, "crit");
    assert!(line.text.contains("/log\" failed (2: No such file or directory) while "), "{}", line.text);
}

#[test]
fn a_cache_of_open_files() {
    let conf = "log_format f '$status'; open_log_file_cache max=10 inactive=10s valid=10s min_uses=1;\n\
                access_log %dir/log-$server_port f;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).start();
    for _ in 0..3 {
        gw.ask("in", "");
    }
    assert_eq!(gw.access_in(&format!("log-{}", gw.port("in")), 3), ["200"; 3]);
}

#[test]
fn a_buffer_holds_lines_back_until_it_is_full() {
    let conf = "log_format f '$server_port 1234567890123456789012345678901234567890'; access_log %dir/access.log f buffer=1k;\n\
                server { listen 127.0.0.1:%in; return x; }";
    let mut gw = gateway(conf).start();
    for _ in 0..5 {
        gw.ask("in", "");
    }
    gw.wait_errors("connected to", 5);
    assert_eq!(std::fs::read_to_string(gw.path("access.log")).unwrap(), "");
    for _ in 0..30 {
        gw.ask("in", "");
    }
    let lines = gw.access(1).len();
    assert!((15..35).contains(&lines), "{lines}");
    gw.signal(testkit::Signal::QUIT);
    gw.wait();
    assert_eq!(gw.access(35).len(), 35);
}

#[test]
fn a_buffer_is_written_after_its_flush_time() {
    let conf = "log_format f '$status'; access_log %dir/access.log f buffer=64k flush=300ms;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).start();
    gw.ask("in", "");
    assert_eq!(gw.access(1), ["200"]);
}

#[test]
fn access_log_to_syslog() {
    let receiver = UdpBackend::silent();
    let conf = "log_format f 'status $status'; access_log syslog:server=%sys,facility=local3,severity=warn,tag=gate f;\n\
                access_log syslog:server=%sys,nohostname f;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).with("sys", receiver.addr()).start();
    gw.ask("in", "");
    let texts: Vec<String> =
        receiver.wait_for(2).into_iter().map(|(text, _)| String::from_utf8(text).unwrap()).collect();
    let first = texts[0].strip_prefix("<156>").expect(&texts[0]);
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    // "Nov 23 13:24:16 HOST gate: status 200"
    assert_eq!(first[15..].to_lowercase(), format!(" {} gate: status 200", hostname.trim().to_lowercase()));
    let second = texts[1].strip_prefix("<190>").expect(&texts[1]);
    assert_eq!(&second[15..], if is_nginx() { " nginx: status 200" } else { &second[15..] });
    assert!(second.ends_with(": status 200"), "{second}");
}

#[test]
fn access_log_to_a_unix_syslog() {
    let dir = testkit::Scratch::new();
    let path = dir.path().join("sys");
    let receiver = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(testkit::LIMIT)).unwrap();
    let conf = "log_format f 'status $status'; access_log syslog:server=unix:%sys,tag=t f;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).with("sys", path.display().to_string()).start();
    gw.ask("in", "");
    let mut buffer = [0; 1000];
    let count = receiver.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..count]);
    assert!(text.starts_with("<190>") && text.ends_with(" t: status 200"), "{text}");
}

#[test]
fn servers_that_inherit_a_syslog_share_its_socket() {
    for log in ["access_log syslog:server=%sys,tag=t f", "error_log syslog:server=%sys,tag=t error"] {
        let receiver = UdpBackend::silent();
        let conf = format!(
            "log_format f '$status'; {log};\nserver {{ listen 127.0.0.1:%in; deny all; }}\n\
             server {{ listen 127.0.0.1:%in2; deny all; }}"
        );
        let gw = gateway(&conf).with("sys", receiver.addr()).start();
        gw.ask("in", "");
        gw.ask("in2", "");
        let sources: Vec<_> = receiver.wait_for(2).into_iter().map(|(_, from)| from).collect();
        assert_eq!(sources[0], sources[1], "{log}");
    }
}

#[test]
fn lines_about_the_access_log_know_no_upstream_connection() {
    let backend = TcpBackend::echo();
    let conf = "log_format f '$upstream_bytes_sent'; access_log %dir/access.log f;\n\
                access_log %dir/none/$server_port f; server { listen 127.0.0.1:%in; proxy_pass %up; }";
    let gw = gateway(conf).with("up", backend.addr()).start();
    let mut client = gw.connect("in");
    client.send("abc");
    client.recv(3);
    drop(client);
    assert_eq!(gw.access(1), ["3"]);
    let line = gw.wait_error("No such file or directory").text;
    assert!(line.ends_with(", bytes from/to client:3/3, bytes from/to upstream:3/0"), "{line}");
}

#[test]
fn error_log_to_syslog_carries_its_own_time() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(testkit::LIMIT)).unwrap();
    let conf =
        "server { listen 127.0.0.1:%in; error_log syslog:server=%sys,nohostname,tag=t error; deny all; return x; }";
    let gw = gateway(conf).with("sys", receiver.local_addr().unwrap().to_string()).start();
    gw.ask("in", "");
    let mut buffer = [0; 2000];
    let count = receiver.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
    let (head, line) = text.split_once(" t: ").expect(&text);
    assert!(head.starts_with("<187>"), "{head}");
    let line = testkit::parse_error_line(line).expect(&text);
    assert_eq!(line.level, "error");
    assert!(
        line.text.starts_with("access forbidden by rule while initializing session, client: 127.0.0.1, server: "),
        "{}",
        line.text
    );
}

#[test]
fn error_log_levels() {
    let conf = "server { listen 127.0.0.1:%in; error_log %dir/info.log info; error_log %dir/error.only error; deny all; return x; }";
    let gw = gateway(conf).start();
    gw.ask("in", "");
    let lines = testkit::poll("the lines", || {
        let text = std::fs::read_to_string(gw.path("error.only")).unwrap();
        text.ends_with('\n').then_some(text)
    });
    assert_eq!(lines.lines().count(), 1);
    testkit::poll("the line in the other log", || {
        let info = std::fs::read_to_string(gw.path("info.log")).unwrap();
        info.lines().any(|line| line.contains("[error]") && line.contains("access forbidden by rule")).then_some(())
    });
}

#[test]
fn a_servers_error_log_takes_the_place_of_the_outer_one() {
    let up = TcpBackend::banner("x");
    let conf = "server { listen 127.0.0.1:%in; error_log %dir/own.log info; proxy_pass %up; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    gw.ask("in", "");
    testkit::poll("the own log", || {
        let text = std::fs::read_to_string(gw.path("own.log")).unwrap();
        text.contains("upstream disconnected").then_some(())
    });
    assert!(!gw.error_text().contains("upstream disconnected"), "{}", gw.error_text());
}

#[test]
fn quiet_levels_hide_the_rest() {
    let gw = gateway("server { listen 127.0.0.1:%in; deny all; return x; }").level("crit").start();
    gw.ask("in", "");
    testkit::hold("nothing is logged", Duration::from_millis(100), || gw.error_text().is_empty());
}

#[test]
fn files_are_made_with_mode_644_and_appended_to() {
    use std::os::unix::fs::PermissionsExt;
    let conf = "log_format f '$status'; access_log %dir/access.log f;\nserver { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).file("access.log", "before\n").start();
    gw.ask("in", "");
    assert_eq!(gw.access(2), ["before", "200"]);
    let mode = std::fs::metadata(gw.path("error.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn one_line_for_each_session() {
    let conf =
        "log_format f '$bytes_sent'; access_log %dir/access.log f;\nserver { listen 127.0.0.1:%in; return 12345; }";
    let gw = gateway(conf).start();
    for _ in 0..20 {
        assert_eq!(gw.ask("in", ""), "12345");
    }
    assert_eq!(gw.access(20), ["5"; 20]);
}

/// Two sessions, the log file renamed between them; how many lines are in the renamed one.
fn lines_after_a_rename(cache: &str) -> usize {
    let conf = format!(
        "log_format f '$connection'; {cache}\n\
         server {{ listen 127.0.0.1:%in; access_log %dir/$remote_addr.log f; return x; }}"
    );
    let gw = gateway(&conf).start();
    gw.ask("in", "");
    gw.access_in("127.0.0.1.log", 1);
    std::fs::rename(gw.path("127.0.0.1.log"), gw.path("old.log")).unwrap();
    gw.ask("in", "");
    let count = |name: &str| std::fs::read_to_string(gw.path(name)).map_or(0, |text| text.lines().count());
    testkit::poll("two lines", || (count("old.log") + count("127.0.0.1.log") == 2).then_some(()));
    count("old.log")
}

#[test]
fn files_named_by_variables_are_opened_for_each_line_or_kept_open() {
    assert_eq!(lines_after_a_rename(""), 1);
    assert_eq!(lines_after_a_rename("open_log_file_cache off;"), 1);
    assert_eq!(lines_after_a_rename("open_log_file_cache max=10;"), 2);
    assert_eq!(lines_after_a_rename("open_log_file_cache max=10 min_uses=2;"), 1);
}

#[test]
fn the_file_longest_out_of_use_makes_room() {
    // Three files have their turn, where two can be kept open.
    let servers = ["a", "b", "c"].map(|port| format!("server {{ listen 127.0.0.1:%{port}; return x; }}")).join("\n");
    let conf = format!(
        "log_format f '$connection'; open_log_file_cache max=2;\n\
         access_log %dir/at_$server_port.log f; access_log %dir/access.log f;\n{servers}"
    );
    let gw = gateway(&conf).start();
    for round in 0..3 {
        for (turn, port) in ["a", "b", "c"].into_iter().enumerate() {
            gw.ask(port, "");
            gw.access(3 * round + turn + 1);
            std::fs::remove_file(gw.path(&format!("at_{}.log", gw.port(port)))).unwrap();
        }
    }
}

//! `return`, `pass` and `set`.

use testkit::{Hello, Peer, TcpBackend, UdpPeer};

use crate::gateway;

const LOG: &str = "log_format f '$server_port $status $bytes_sent'; access_log %dir/access.log f;\n";

#[test]
fn return_says_its_text_and_closes() {
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; return \"two words and \\n\\ttabs\"; }}")).start();
    assert_eq!(gw.ask("in", ""), "two words and \n\ttabs");
    assert_eq!(gw.access(1), [format!("{} 200 20", gw.port("in"))]);
}

#[test]
fn return_of_nothing_closes() {
    let gw = gateway(&format!("{LOG}server {{ listen 127.0.0.1:%in; return $ssl_cipher; }}")).start();
    assert_eq!(gw.ask("in", ""), "");
    assert_eq!(gw.access(1), [format!("{} 200 0", gw.port("in"))]);
}

#[test]
fn a_long_text_goes_out_whole() {
    let gw = gateway(&format!("server {{ listen 127.0.0.1:%in; return {}; }}", "x".repeat(4000))).start();
    assert_eq!(gw.ask("in", "").len(), 4000);
}

#[test]
fn variables_in_braces_and_side_by_side() {
    let gw = gateway("server { listen 127.0.0.1:%in; set $a 1; set $ab 2; return $a$ab${a}b$A; }").start();
    assert_eq!(gw.ask("in", ""), "121b1");
}

#[test]
fn set_runs_in_order() {
    let conf = "server { listen 127.0.0.1:%in; set $a one; set $b $a-two; set $a three; return '$a $b'; }";
    assert_eq!(gateway(conf).start().ask("in", ""), "three one-two");
}

#[test]
fn set_belongs_to_its_server() {
    let conf = "log_format f '[$a]'; access_log %dir/access.log f;\n\
                server { listen 127.0.0.1:%in; set $a one; return $a; }\nserver { listen 127.0.0.1:%other; return '<$a>'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "one");
    assert_eq!(gw.ask("other", ""), "<>");
    assert_eq!(gw.access(2), ["[one]", "[]"]);
}

#[test]
fn set_overrides_a_map_for_the_session() {
    let conf = "map $server_addr $m { default mapped; }\nserver { listen 127.0.0.1:%in; set $m set; return $m; }\nserver { listen 127.0.0.1:%other; return $m; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "set");
    assert_eq!(gw.ask("other", ""), "mapped");
}

#[test]
fn values_are_kept_once_taken() {
    let conf = format!(
        "{LOG}log_format g '$x $bytes_sent'; server {{ listen 127.0.0.1:%in; set $x $bytes_sent; access_log %dir/frozen.log g; return abc; }}"
    );
    let gw = gateway(&conf).start();
    gw.ask("in", "");
    assert_eq!(gw.access_in("frozen.log", 1), ["0 0"]);
}

#[test]
fn pass_hands_the_connection_over() {
    let conf = format!(
        "{LOG}server {{ listen 127.0.0.1:%in; pass 127.0.0.1:%to; }}\nserver {{ listen 127.0.0.1:%to; return '$server_addr:$server_port $remote_port'; }}"
    );
    let gw = gateway(&conf).start();
    let mut client = gw.connect("in");
    let port = client.local_port();
    assert_eq!(client.recv_all(), format!("{} {port}", gw.addr("to")));
    // The passing server writes no line of its own.
    assert!(gw.access(1)[0].starts_with(&gw.port("to").to_string()));
    assert_eq!(gw.access(1).len(), 1);
    assert_eq!(
        gw.wait_errors("client 127.0.0.1:", 2).iter().map(|line| line.connection).collect::<Vec<_>>(),
        [Some(1), Some(1)]
    );
}

#[test]
fn pass_after_preread_keeps_the_bytes() {
    let up = TcpBackend::collect();
    let conf = "map $ssl_preread_server_name $to { a.test 127.0.0.1:%a; default 127.0.0.1:%b; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; pass $to; }\n\
                server { listen 127.0.0.1:%a; proxy_pass %up; }\nserver { listen 127.0.0.1:%b; return b; }";
    let gw = gateway(conf).with("up", up.addr()).start();
    let hello = Hello::named("a.test").bytes();
    let mut client = gw.connect("in");
    client.send(&hello);
    client.finish_sending();
    assert_eq!(up.received(0), hello);
    assert_eq!(gw.ask("in", Hello::named("b.test").bytes()), "b");
}

#[test]
fn pass_to_a_tls_server() {
    let conf = "server { listen 127.0.0.1:%in; ssl_preread on; pass 127.0.0.1:%tls; }\n\
                server { listen 127.0.0.1:%tls ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key; return 'inside $ssl_server_name.'; }";
    let gw = gateway(conf).start();
    let done = gw.tls("in").args("-servername a.test").run();
    assert!(done.stdout.contains("inside a.test."), "{}", done.stdout);
}

#[test]
fn pass_to_a_unix_listener() {
    let conf =
        "server { listen 127.0.0.1:%in; pass unix:%dir/s; }\nserver { listen unix:%dir/s; return '$server_addr'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), format!("unix:{}", gw.path("s").display()));
}

#[test]
fn pass_to_a_port_nobody_listens_on() {
    let conf = format!("{LOG}server {{ listen 127.0.0.1:%in; pass 127.0.0.1:%none; }}");
    let gw = gateway(&conf).start();
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("port not found for");
    assert_eq!(line.level, "error");
    let expected = format!("port not found for \"{}\" while passing connection to port, client: ", gw.addr("none"));
    assert!(line.text.starts_with(&expected), "{}", line.text);
    assert_eq!(gw.access(1), [format!("{} 200 0", gw.port("in"))]);
}

#[test]
fn pass_in_a_circle_ends() {
    let conf = format!("{LOG}server {{ listen 127.0.0.1:%in; pass 127.0.0.1:%in; }}");
    let gw = gateway(&conf).start();
    assert_eq!(gw.ask("in", ""), "");
    let line = gw.wait_error("stream pass cycle");
    assert_eq!(line.level, "error");
    assert_eq!(gw.access(1), [format!("{} 500 0", gw.port("in"))]);
}

#[test]
fn pass_takes_no_datagrams() {
    let conf = format!(
        "{LOG}server {{ listen 127.0.0.1:%in udp; pass 127.0.0.1:%to; }}\nserver {{ listen 127.0.0.1:%to; return x; }}"
    );
    let gw = gateway(&conf).start();
    UdpPeer::connect(&gw.addr("in")).send("x");
    gw.wait_error("cannot pass udp connection");
    assert_eq!(gw.access(1), [format!("{} 500 0", gw.port("in"))]);
}

#[test]
fn pass_finds_a_wildcard_listener() {
    let conf = "server { listen 127.0.0.1:%in; pass 127.0.0.1:%to; }\nserver { listen %to; return x; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "x");
}

#[test]
fn times_and_names() {
    let conf = "log_format f '$msec|$time_iso8601|$time_local|$session_time|$connection|$pid|$hostname|$nginx_version|$protocol'; access_log %dir/access.log f;\n\
                server { listen 127.0.0.1:%in; return x; }";
    let gw = gateway(conf).env("TZ", "UTC").start();
    gw.ask("in", "");
    let line = gw.access(1).remove(0);
    let fields: Vec<&str> = line.split('|').collect();
    let shape = |text: &str| -> String { text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect() };
    assert_eq!(shape(fields[0]), "0000000000.000");
    assert_eq!(shape(fields[1]), "0000-00-00T00:00:00+00:00");
    let local = shape(fields[2]);
    assert!(local.starts_with("00/") && local.ends_with("/0000:00:00:00 +0000"), "{line}");
    assert_eq!(shape(fields[3]), "0.000");
    assert_eq!(fields[4], "1");
    assert!(fields[5].parse::<u32>().is_ok(), "{line}");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(fields[6], hostname.trim().to_lowercase());
    assert!(fields[7].starts_with("1.31."), "{line}");
    assert_eq!(fields[8], "TCP");
}

#[test]
fn the_client_in_binary() {
    let gw = gateway("server { listen 127.0.0.1:%in; return $binary_remote_addr; }").start();
    let (bytes, _) = Peer::connect_from("127.0.0.9", &gw.addr("in")).recv_end();
    assert_eq!(bytes, [127, 0, 0, 9]);
}

//! `server_name`: which server a name from SNI leads to, under `ssl` and under `ssl_preread`.

use testkit::{Gateway, Hello};

use crate::gateway;

/// Asks with a hello for `name` and gives the answer of the server that was chosen.
fn ask(gw: &Gateway, name: &str) -> String {
    let mut client = gw.connect("in");
    client.send(Hello::named(name).bytes());
    client.recv_all()
}

/// A gateway with a default server and one server per `server_name` line.
fn by_names(names: &[&str]) -> Gateway {
    let server = |name: &&str| {
        let label = name.split(' ').next().unwrap().replace('$', "");
        format!("server {{ listen 127.0.0.1:%in; server_name {name}; return '{label}:$server_name'; }}\n")
    };
    let named: String = names.iter().map(server).collect();
    let conf = format!("ssl_preread on;\nserver {{ listen 127.0.0.1:%in; return default; }}\n{named}");
    gateway(&conf).start()
}

#[test]
fn exact_names() {
    let gw = by_names(&["a.test", "b.test c.test"]);
    assert_eq!(ask(&gw, "a.test"), "a.test:a.test");
    assert_eq!(ask(&gw, "b.test"), "b.test:b.test");
    assert_eq!(ask(&gw, "c.test"), "b.test:b.test");
    assert_eq!(ask(&gw, "d.test"), "default");
    assert_eq!(ask(&gw, "x.a.test"), "default");
}

#[test]
fn case_and_the_last_dot_do_not_matter() {
    let gw = by_names(&["Mixed.Test"]);
    assert_eq!(ask(&gw, "mIXED.tEST"), "Mixed.Test:mixed.test");
    assert_eq!(ask(&gw, "mixed.test."), "Mixed.Test:mixed.test");
    assert_eq!(ask(&gw, "mixed.test:443"), "Mixed.Test:mixed.test");
    assert_eq!(ask(&gw, "mixed..test"), "default");
    assert_eq!(ask(&gw, "mixed.test/"), "default");
}

#[test]
fn wildcards_at_either_end() {
    let gw = by_names(&["*.example.test", "www.*", ".dot.test"]);
    assert_eq!(ask(&gw, "a.example.test"), "*.example.test:*.example.test");
    assert_eq!(ask(&gw, "a.b.example.test"), "*.example.test:*.example.test");
    assert_eq!(ask(&gw, "example.test"), "default");
    assert_eq!(ask(&gw, "www.anything.else"), "www.*:www.*");
    assert_eq!(ask(&gw, "www"), "default");
    assert_eq!(ask(&gw, "dot.test"), ".dot.test:dot.test");
    assert_eq!(ask(&gw, "x.dot.test"), ".dot.test:dot.test");
}

#[test]
fn precedence() {
    let gw = by_names(&["~^www", "www.*", "*.test", "*.long.test", "www.long.test", "~second$"]);
    assert_eq!(ask(&gw, "www.long.test"), "www.long.test:www.long.test");
    assert_eq!(ask(&gw, "x.long.test"), "*.long.test:*.long.test");
    assert_eq!(ask(&gw, "www.other.test"), "*.test:*.test");
    assert_eq!(ask(&gw, "www.other"), "www.*:www.*");
    assert_eq!(ask(&gw, "wwwsecond"), "~^www:~^www");
    assert_eq!(ask(&gw, "xsecond"), "~second:~second$");
}

#[test]
fn the_longest_trailing_wildcard_wins() {
    let gw = by_names(&["a.*", "a.b.*"]);
    assert_eq!(ask(&gw, "a.b.c"), "a.b.*:a.b.*");
    assert_eq!(ask(&gw, "a.c.c"), "a.*:a.*");
}

#[test]
fn regexes_capture() {
    let conf = "ssl_preread on;\nserver { listen 127.0.0.1:%in; return default; }\n\
                server { listen 127.0.0.1:%in; server_name ~^(?<who>\\w+)\\.(\\w+)\\.test$; return '$who $1 $2 $server_name'; }";
    let gw = gateway(conf).start();
    assert_eq!(ask(&gw, "ann.home.test"), "ann ann home ~^(?<who>\\w+)\\.(\\w+)\\.test$");
    assert_eq!(ask(&gw, "ann.test"), "default");
}

#[test]
fn a_capital_in_a_regex_makes_it_caseless() {
    let gw = by_names(&["~^Upper"]);
    assert_eq!(ask(&gw, "upper.test"), "~^Upper:~^Upper");
}

#[test]
fn an_empty_name_belongs_to_the_default() {
    let gw = by_names(&["a.test \"\""]);
    let mut client = gw.connect("in");
    client.send(Hello::new().bytes());
    assert_eq!(client.recv_all(), "default");
}

#[test]
fn the_hostname_of_the_machine() {
    let gw = by_names(&["$HOSTNAME"]);
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_lowercase();
    assert!(ask(&gw, &name).ends_with(&format!(":{name}")), "{}", ask(&gw, &name));
}

#[test]
fn under_termination_the_name_comes_from_the_handshake() {
    let conf = "ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
                server { listen 127.0.0.1:%in ssl; server_name a.test; return 'first:$ssl_server_name:'; }\n\
                server { listen 127.0.0.1:%in ssl; server_name *.b.test; return 'second:$ssl_server_name:'; }";
    let gw = gateway(conf).start();
    let ask = |args: &str| gw.tls("in").args(args).run().stdout;
    assert!(ask("-servername x.B.test").contains("second:x.B.test:"));
    assert!(ask("-servername a.test").contains("first:a.test:"));
    assert!(ask("-servername none.test").contains("first:none.test:"));
    assert!(ask("-noservername").contains("first::"));
}

#[test]
fn settings_of_the_chosen_server_hold_from_then_on() {
    let conf = "log_format f '$server_name $status'; ssl_preread on;\n\
                server { listen 127.0.0.1:%in; server_name default; return x; access_log %dir/default.log f; set $who default; }\n\
                server { listen 127.0.0.1:%in; server_name b.test; return '$who'; access_log %dir/access.log f; set $who b; }";
    let gw = gateway(conf).start();
    // `set` ran before the name was known.
    assert_eq!(ask(&gw, "b.test"), "default");
    assert_eq!(gw.access(1), ["b.test 200"]);
    assert_eq!(std::fs::read_to_string(gw.path("default.log")).unwrap(), "");
}

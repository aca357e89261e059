//! `map`: how a value is found, and what values may hold.

use testkit::Gateway;

use crate::gateway;

/// A gateway where the source of the map is the name in a hello.
fn by_name(map: &str) -> Gateway {
    gateway(&format!(
        "map $ssl_preread_server_name $out {{ {map} }}\nserver {{ listen 127.0.0.1:%in; ssl_preread on; return '<$out>'; }}"
    ))
    .start()
}

/// The map's value for each name.
fn check(map: &str, cases: &[(&str, &str)]) {
    let gw = by_name(map);
    for (name, value) in cases {
        let hello = if name.is_empty() { testkit::Hello::new() } else { testkit::Hello::named(name) };
        assert_eq!(gw.ask("in", hello.bytes()), format!("<{value}>"), "{name}");
    }
}

#[test]
fn exact_values_whatever_the_case() {
    check(
        "a.test 1; B.test 2; default none;",
        &[("a.test", "1"), ("A.TEST", "1"), ("b.test", "2"), ("c.test", "none"), ("", "none")],
    );
}

#[test]
fn without_a_default_nothing() {
    check("a.test 1;", &[("a.test", "1"), ("b.test", "")]);
}

#[test]
fn the_empty_string_is_a_value_too() {
    check("'' empty; default other;", &[("", "empty"), ("x", "other")]);
}

#[test]
fn hostnames() {
    let map = "hostnames; *.example.test lead; mail.* trail; .both.test both; exact.example.test exact; default none;";
    let cases = [
        ("a.example.test", "lead"),
        ("a.b.example.test", "lead"),
        ("example.test", "none"),
        ("exact.example.test", "exact"),
        ("exact.example.test.", "exact"),
        ("mail.anything.test", "trail"),
        ("both.test", "both"),
        ("x.both.test", "both"),
        ("mail", "none"),
    ];
    check(map, &cases);
}

#[test]
fn without_the_word_hostnames_stars_are_plain() {
    check(
        "*.example.test star; default none;",
        &[("a.example.test", "none"), ("*.example.test", "star"), ("b.test.", "none")],
    );
}

#[test]
fn the_longest_wildcard_and_the_leading_one_first() {
    let map = "hostnames; *.test short; *.long.test long; www.* trailing; www.long.* longtrailing;";
    check(
        map,
        &[
            ("a.long.test", "long"),
            ("a.test", "short"),
            ("www.test", "short"),
            ("www.long.other", "longtrailing"),
            ("www.x", "trailing"),
        ],
    );
}

#[test]
fn regexes_in_order_after_the_rest() {
    let map = "hostnames; ~^a first; ~b$ second; ~*^UPPER caseless; ~^Mixed cased; abc exact; *.test wild;";
    let cases = [
        ("abc", "exact"),
        ("ab", "first"),
        ("xb", "second"),
        ("upper", "caseless"),
        ("Mixed", "cased"),
        ("mixed", ""),
        ("a.test", "wild"),
    ];
    check(map, &cases);
}

#[test]
fn regexes_are_not_tried_on_nothing() {
    check("~^$ matched; ~.* any; default none;", &[("", "none"), ("x", "any")]);
}

#[test]
fn captures_in_values() {
    check(
        "~^(\\w+)\\.(?<zone>\\w+)$ $2-$1-$zone; default none;",
        &[("host.zone", "zone-host-zone"), ("a.b.c", "none")],
    );
}

#[test]
fn a_named_capture_becomes_a_variable_of_its_own() {
    let conf = "map $ssl_preread_server_name $out { ~^(?<part>\\w+)\\. found; }\n\
                server { listen 127.0.0.1:%in; ssl_preread on; return '$out $part $1'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", testkit::Hello::named("host.test").bytes()), "found host host");
}

#[test]
fn quantifiers_need_quotes() {
    check("\"~^a{3}$\" three; default none;", &[("aaa", "three"), ("aa", "none")]);
}

#[test]
fn a_backslash_takes_the_meaning_from_special_words() {
    let map = "hostnames; \\default word; \\hostnames hosts; \\~x tilde; default none;";
    check(map, &[("default", "word"), ("hostnames", "hosts"), ("~x", "tilde"), ("other", "none")]);
}

#[test]
fn values_with_variables() {
    check("a.test $server_port-$protocol; default \"$remote_addr and more\";", &[("b.test", "127.0.0.1 and more")]);
}

#[test]
fn maps_of_maps() {
    let conf = "map $server_port $one { %in first; }\nmap $one $two { first second; }\nmap '$one/$two' $three { first/second third; }\n\
                server { listen 127.0.0.1:%in; return '$three'; }";
    assert_eq!(gateway(conf).start().ask("in", ""), "third");
}

#[test]
fn entries_from_a_file() {
    let conf =
        "map $server_addr $out { include %dir/part; default none; }\nserver { listen 127.0.0.1:%in; return $out; }";
    assert_eq!(gateway(conf).file("part", "127.0.0.1 included;\n").start().ask("in", ""), "included");
}

#[test]
fn a_value_is_kept_for_the_session_unless_volatile() {
    let conf = "log_format f '$kept $fresh'; access_log %dir/access.log f;\n\
                map $status $kept { 000 none; default some; }\nmap $status $fresh { volatile; 000 none; default some; }\n\
                server { listen 127.0.0.1:%in; return '$kept$fresh'; }";
    let gw = gateway(conf).start();
    assert_eq!(gw.ask("in", ""), "nonenone");
    assert_eq!(gw.access(1), ["none some"]);
}

#[test]
fn the_last_of_several_maps_of_one_variable_wins() {
    let conf = "map $server_addr $out { default one; }\nmap $server_addr $out { default two; }\nserver { listen 127.0.0.1:%in; return $out; }";
    assert_eq!(gateway(conf).start().ask("in", ""), "two");
}

#[test]
fn built_in_tls_variables_may_be_replaced() {
    let conf = "map $server_addr $ssl_cipher { default mine; }\nserver { listen 127.0.0.1:%in; return $ssl_cipher; }";
    assert_eq!(gateway(conf).start().ask("in", ""), "mine");
}

#[test]
fn thousands_of_entries() {
    let map: Vec<String> = (0..5000).map(|n| format!("host{n}.test v{n};")).collect();
    let map = map.join("\n");
    let conf = format!(
        "map_hash_max_size 16384; map_hash_bucket_size 128; map $ssl_preread_server_name $out {{ {map} }}\nserver {{ listen 127.0.0.1:%in; ssl_preread on; return $out; }}"
    );
    let gw = gateway(&conf).start();
    for n in [0, 77, 4999] {
        assert_eq!(gw.ask("in", testkit::Hello::named(&format!("host{n}.test")).bytes()), format!("v{n}"));
    }
}

#[test]
fn a_cycle_is_cut() {
    let conf = "map $b $a { default $b; }\nmap $a $b { default $a; }\nserver { listen 127.0.0.1:%in; return '<$a>'; }";
    let gw = gateway(conf).start();
    gw.ask("in", "");
    let line = gw.wait_error("cycle while evaluating variable");
    assert_eq!(line.level, "error");
}

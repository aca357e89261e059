use syntax::Level;

use crate::family::proxy::sample::{refused, stream};

#[test]
fn rules_name_zones_and_replace_those_outside() {
    let stream = stream(
        "limit_conn b 7; limit_conn_log_level WARN;
         server { listen 1; limit_conn a 1; limit_conn b 2; limit_conn_dry_run on; }
         server { listen 2; }
         limit_conn_zone $remote_addr zone=a:64k;
         limit_conn_zone $remote_port$remote_addr zone=b:1m;",
    );
    let rules = |server: usize| -> Vec<_> {
        let rules = stream.servers[server].limit_conn.rules.iter();
        rules.map(|rule| (stream.limit_zones[rule.zone.0 as usize].name.as_str(), rule.limit)).collect()
    };
    assert_eq!(rules(0), [("a", 1), ("b", 2)]);
    assert_eq!(rules(1), [("b", 7)]);
    assert!(stream.servers[0].limit_conn.dry_run && !stream.servers[1].limit_conn.dry_run);
    assert_eq!(stream.servers[0].limit_conn.log_level, Level::Warn);
    let zone = stream.limit_zones.iter().find(|zone| zone.name == "b").map(|zone| (zone.size, zone.key_text.as_str()));
    assert_eq!(zone, Some((1 << 20, "$remote_port$remote_addr")));
}

#[test]
fn wrong_words() {
    refused(&[
        ("limit_conn_zone $remote_addr zone=a;", "invalid zone size \"zone=a\" in FILE:1"),
        ("limit_conn_zone $remote_addr zone=a:x;", "invalid zone size \"zone=a:x\" in FILE:1"),
        ("limit_conn_zone $remote_addr zone=a:1k;", "zone \"zone=a:1k\" is too small in FILE:1"),
        ("limit_conn_zone $remote_addr zone=:64k;", "\"limit_conn_zone\" must have \"zone\" parameter in FILE:1"),
        ("limit_conn_zone $remote_addr x;", "invalid parameter \"x\" in FILE:1"),
        (
            "limit_conn_zone $remote_addr zone=a:64k; limit_conn_zone $pid zone=a:64k;",
            "limit_conn_zone \"a\" is already bound to key \"$remote_addr\" in FILE:1",
        ),
        ("limit_conn a 0;", "invalid number of connections \"0\" in FILE:1"),
        ("limit_conn a x;", "invalid number of connections \"x\" in FILE:1"),
        ("limit_conn a 65536;", "connection limit must be less 65536 in FILE:1"),
        ("limit_conn a 1; limit_conn a x;", "\"limit_conn\" directive is duplicate in FILE:1"),
        ("limit_conn a 1; server { listen 1; }", "zero size shared memory zone \"a\""),
        ("limit_conn_log_level debug;", "invalid value \"debug\" in FILE:1"),
    ]);
}

use super::is_client_chosen;
use crate::family::proxy::sample::{refused_in_server, stream};

#[test]
fn servers_inherit_the_guard_and_its_exceptions() {
    let stream = stream(
        "proxy_guard on; proxy_guard_allow 10.0.0.0/8 ::1; proxy_guard_allow 192.168.1.1;
         server { listen 1; }
         server { listen 2; proxy_guard off; }
         server { listen 3; proxy_guard_allow 127.0.0.1; }",
    );
    let refuses = |server: usize, ip: &str| {
        let guard = stream.servers[server].guard.as_ref()?;
        guard.refuses(ip.parse().unwrap())
    };
    assert_eq!(["10.1.1.1", "::1", "192.168.1.1"].map(|ip| refuses(0, ip)), [None; 3]);
    assert_eq!((refuses(0, "192.168.1.2"), refuses(0, "127.0.0.1")), (Some("private"), Some("loopback")));
    assert!(stream.servers[1].guard.is_none());
    assert_eq!((refuses(2, "127.0.0.1"), refuses(2, "10.1.1.1")), (None, Some("private")));
}

#[test]
fn wrong_words() {
    refused_in_server(&[
        ("proxy_guard_allow 10.0.0.0/8 x;", "invalid parameter \"x\" in FILE:1"),
        ("proxy_guard_allow unix:;", "invalid parameter \"unix:\" in FILE:1"),
        (
            "proxy_guard maybe;",
            "invalid value \"maybe\" in \"proxy_guard\" directive, it must be \"on\" or \"off\" in FILE:1",
        ),
    ]);
}

#[test]
fn servers_that_lead_wherever_clients_want_are_known() {
    let stream = stream(
        "map $ssl_preread_server_name $known { a a:1; }
         server { listen 1; proxy_pass $ssl_preread_server_name:443; }
         server { listen 2; proxy_pass ${ssl_server_name}.test:443; }
         server { listen 3; proxy_pass $ssl_preread_server_name:443; proxy_guard on; }
         server { listen 4; proxy_pass $known; }
         server { listen 5; proxy_pass $ssl_preread_server_name:443; return x; }",
    );
    let lines: Vec<String> = stream.open_relays.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn names_are_found_in_text() {
    assert!(is_client_chosen(b"$ssl_preread_server_name:443") && is_client_chosen(b"a.${ssl_server_name}"));
    assert!(!is_client_chosen(b"$ssl_preread_protocol:443") && !is_client_chosen(b"ssl_server_name:1"));
}

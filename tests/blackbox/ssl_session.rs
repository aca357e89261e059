//! TLS sessions of clients: tickets, caches, keys.

use testkit::{Gateway, Scratch, TcpBackend, poll};

use super::ssl::{CERT, answering, ask};
use crate::gateway;

/// Connects twice, the second time with the session of the first, and gives both answers.
fn twice(gw: &Gateway, args: &str) -> (Option<String>, Option<String>) {
    let dir = Scratch::new();
    let file = dir.path().join("session").display().to_string();
    let first = ask(gw, &format!("{args} -sess_out {file}"));
    let offer = if dir.path().join("session").exists() { format!("-sess_in {file}") } else { String::new() };
    let second = ask(gw, &format!("{args} {offer}"));
    (first, second)
}

fn answers(first: &str, second: &str) -> (Option<String>, Option<String>) {
    (Some(first.to_owned()), Some(second.to_owned()))
}

#[test]
fn sessions_resume_by_ticket() {
    let gw = answering("$ssl_session_reused", "").start();
    assert_eq!(twice(&gw, ""), answers(".", "r"));
    assert_eq!(twice(&gw, "-tls1_2"), answers(".", "r"));
}

#[test]
fn a_client_to_whom_nothing_is_said_gets_its_ticket() {
    let dir = Scratch::new();
    let session = dir.path().join("session");
    let up = TcpBackend::start({
        let session = session.clone();
        move |peer| {
            poll("the ticket is there", || session.exists().then_some(()));
            peer.send("<<<at last>>>");
            Vec::new()
        }
    });
    let gw = gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}"));
    let gw = gw.with("up", up.addr()).start();
    let client = gw.tls("in").args(&format!("-sess_out {}", session.display()));
    assert!(client.until("<<<at last>>>").run().stdout.contains("<<<at last>>>"));
}

#[test]
fn without_tickets_nothing_resumes() {
    let gw = answering("$ssl_session_reused", "ssl_session_tickets off;").start();
    assert_eq!(twice(&gw, "-tls1_2"), answers(".", "."));
    let gw = answering("$ssl_session_reused", "ssl_session_tickets off; ssl_session_cache off;").start();
    assert_eq!(twice(&gw, "-tls1_2"), answers(".", "."));
}

#[test]
fn sessions_resume_from_the_cache() {
    for cache in ["builtin", "shared:SSL:1m", "builtin:100 shared:SSL:1m"] {
        let gw =
            answering("$ssl_session_reused", &format!("ssl_session_tickets off; ssl_session_cache {cache};")).start();
        assert_eq!(twice(&gw, "-tls1_2"), answers(".", "r"), "{cache}");
    }
}

#[test]
fn ticket_keys_from_a_file_outlive_the_process() {
    let dir = Scratch::new();
    let session = dir.path().join("session").display().to_string();
    let key: Vec<u8> = (0..80).collect();
    let start = || answering("$ssl_session_reused", "ssl_session_ticket_key %dir/key;").file("key", &key).start();
    assert_eq!(ask(&start(), &format!("-sess_out {session}")).as_deref(), Some("."));
    assert_eq!(ask(&start(), &format!("-sess_in {session}")).as_deref(), Some("r"));
}

#[test]
fn ticket_keys_of_the_older_length() {
    let key: Vec<u8> = (0..48).collect();
    let gw = answering("$ssl_session_reused", "ssl_session_ticket_key %dir/key;").file("key", &key).start();
    assert_eq!(twice(&gw, ""), answers(".", "r"));
}

#[test]
fn sessions_last_over_a_reload_with_a_shared_cache() {
    let dir = Scratch::new();
    let session = dir.path().join("session").display().to_string();
    let conf = format!(
        "{CERT}ssl_session_tickets off; ssl_session_cache shared:SSL:1m; server {{ listen 127.0.0.1:%in ssl; return '<<<$ssl_session_reused>>>'; }}"
    );
    let mut gw = gateway(&conf).start();
    assert_eq!(ask(&gw, &format!("-tls1_2 -sess_out {session}")).as_deref(), Some("."));
    gw.reload(&conf);
    assert_eq!(ask(&gw, &format!("-tls1_2 -sess_in {session}")).as_deref(), Some("r"));
}

//! How TLS with peers of another make fails and ends: what the logs say of it, and what the peer hears.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use testkit::{End, Gateway, Hello, Peer, TcpBackend, TlsClient, TlsServer, poll};

use super::ssl::{CERT, answering, ask};
use super::traps::{last_record, tap};
use crate::{gateway, is_nginx};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];
const SERVER: &str = "-cert %pki/server.crt -key %pki/server.key";
/// The type of a record that holds an alert, where the type is not encrypted.
const ALERT: u8 = 21;

#[test]
fn there_is_no_cipher_before_the_client_has_agreed() {
    let conf = format!(
        "log_format c '$ssl_protocol $ssl_cipher $ssl_session_reused'; access_log %dir/c.log c;\n\
         {CERT}server {{ listen 127.0.0.1:%in ssl; return '<<<served>>>'; }}"
    );
    let gw = gateway(&conf).start();
    for (nth, version) in VERSIONS.into_iter().enumerate() {
        assert_eq!(ask(&gw, &format!("{version} -verify_return_error")), None);
        let chosen = ["TLSv1.2 (NONE) .", "TLSv1.3 TLS_AES_256_GCM_SHA384 ."];
        assert_eq!(gw.access_in("c.log", nth + 1)[nth], chosen[nth]);
    }
    assert_eq!(ask(&gw, "-tls1_2").as_deref(), Some("served"));
    assert!(gw.access_in("c.log", 3)[2].starts_with("TLSv1.2 ECDHE-RSA-AES"));
}

#[test]
fn an_alert_that_few_know_is_quoted() {
    for (alert, said) in [
        (109, "error:0A000455:SSL routines::tlsv13 alert missing extension:SSL alert number 109) "),
        (121, "error:0A000461:SSL routines::reason(1121):SSL alert number 121) "),
    ] {
        let gw = answering("never", "").level("info").start();
        let hello = Hello::new().extension(10, vec![0, 2, 0, 0x1D]).extension(13, vec![0, 2, 8, 4]);
        let mut client = gw.connect("in");
        client.send(hello.bytes());
        client.recv_some().unwrap();
        client.send([ALERT, 3, 3, 0, 2, 2, alert]);
        let line = gw.wait_error(&format!("SSL_do_handshake() failed (SSL: {said}"));
        assert_eq!(line.level, "info");
    }
}

#[test]
fn a_refusal_in_plain_text_is_not_answered() {
    const GROUP: [u8; 2] = [0, 0x1D];
    const UNKNOWN_CA: [u8; 7] = [ALERT, 3, 3, 0, 2, 2, 48];
    let gw = answering("never", "").level("info").start();
    let share = [&[0, 36][..], &GROUP, &[0, 32], &[9; 32]].concat();
    let hello = Hello::new().tls13().extension(10, [&[0, 2][..], &GROUP].concat());
    let hello = hello.extension(13, vec![0, 2, 8, 4]).extension(51, share);
    let mut client = gw.connect("in");
    client.send(hello.bytes());
    let mut said = client.recv_some().unwrap();
    client.send(UNKNOWN_CA);
    gw.wait_error("tlsv1 alert unknown ca");
    said.extend(client.recv_end().0);
    let encrypted_alert = [0x17, 3, 3, 0, 2 + 1 + 16];
    assert!(said.starts_with(&[0x16, 3, 3]), "a ServerHello");
    assert!(!said.windows(5).any(|header| header == encrypted_alert), "{said:02x?}");
}

/// A relay to `to` that cuts both connections with a reset once it is told to.
fn cut(to: String) -> (TcpBackend, Arc<AtomicBool>) {
    let signal = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&signal);
    let relay = TcpBackend::start(move |peer| {
        let far = Peer::connect(&to);
        let pass = |mut from: &TcpStream, mut to: &TcpStream| {
            from.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            let mut part = [0; 4096];
            match from.read(&mut part) {
                Ok(count) => to.write_all(part.get(..count).unwrap_or_default()).is_ok() && count > 0,
                Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        };
        while !seen.load(Ordering::SeqCst) && pass(peer.socket(), far.socket()) && pass(far.socket(), peer.socket()) {}
        peer.reset_on_drop();
        far.reset_on_drop();
        Vec::new()
    });
    (relay, signal)
}

/// Nothing but the end is told of the session.
fn only_the_end(gw: &Gateway, side: &str) {
    gw.wait_error(&format!("{side} disconnected, "));
    let failed: Vec<_> = gw.errors().into_iter().filter(|line| line.text.contains("failed")).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_client_that_resets_has_ended() {
    for version in VERSIONS {
        let up = TcpBackend::start(|peer| peer.recv_end().0);
        let conf = format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}");
        let gw = gateway(&conf).with("up", up.addr()).level("info").start();
        let (relay, signal) = cut(gw.addr("in"));
        let client = TlsClient::new(relay.addr()).args(version).request("hello\n");
        let client = std::thread::spawn(move || client.run());
        gw.wait_error("proxy 127.0.0.1:");
        signal.store(true, Ordering::SeqCst);
        only_the_end(&gw, "client");
        client.join().unwrap();
    }
}

#[test]
fn tickets_do_not_wait_for_data() {
    let up = TcpBackend::start(|peer| peer.recv_end().0);
    let conf = format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}");
    let gw = gateway(&conf).with("up", up.addr()).start();
    let (relay, signal) = cut(gw.addr("in"));
    let kept = gw.path("kept");
    let client = TlsClient::new(relay.addr()).args(&format!("-tls1_3 -sess_out {}", kept.display()));
    let client = std::thread::spawn(move || client.run());
    poll("a ticket has come", || kept.exists().then_some(()));
    signal.store(true, Ordering::SeqCst);
    client.join().unwrap();
}

#[test]
fn an_upstream_that_resets_has_ended() {
    for version in VERSIONS {
        let server = TlsServer::start(&format!("{SERVER} {version}"));
        let (relay, signal) = cut(server.addr());
        let conf = "server { listen 127.0.0.1:%in; proxy_ssl on; proxy_pass %up; }";
        let gw = gateway(conf).with("up", relay.addr()).level("info").start();
        let mut client = gw.connect("in");
        client.send("hello\n");
        assert_eq!(client.recv_line(), "olleh\n");
        signal.store(true, Ordering::SeqCst);
        assert_eq!(client.recv_end(), (Vec::new(), End::Fin));
        only_the_end(&gw, "upstream");
    }
}

#[test]
fn an_upstream_that_is_refused_hears_of_it() {
    let server = TlsServer::start(&format!("{SERVER} -tls1_2"));
    for (more, why) in [
        ("proxy_ssl_trusted_certificate %pki/ca1.crt; proxy_ssl_name other.test;", "does not match \"other.test\""),
        ("proxy_ssl_trusted_certificate %pki/ca2.crt; proxy_ssl_name a.example.com;", "certificate verify error: (2"),
    ] {
        let tapped = tap(server.addr());
        let conf =
            format!("server {{ listen 127.0.0.1:%in; proxy_ssl on; proxy_pass %up; proxy_ssl_verify on; {more} }}");
        let gw = gateway(&conf).with("up", tapped.addr()).start();
        gw.connect("in").wait_for_end();
        gw.wait_error(why);
        assert_eq!(last_record(&tapped.received(0)), ALERT, "close_notify");
    }
}

#[test]
fn a_client_is_read_while_hands_are_shaken_with_the_upstream() {
    let silent = TcpBackend::start(|peer| peer.recv_end().0);
    let conf = format!(
        "log_format r '$status $bytes_received'; access_log %dir/access.log r; {CERT}\
         server {{ listen 127.0.0.1:%in ssl; proxy_ssl on; proxy_pass %up; proxy_connect_timeout 3s; }}"
    );
    let gw = gateway(&conf).with("up", silent.addr()).start();
    gw.tls("in").request("hello\n").run();
    assert_eq!(gw.access(1), ["502 6"]);
}

#[test]
fn a_record_that_is_too_long_is_the_clients_fault() {
    let gw = answering("never", "").level("info").start();
    let mut client = gw.connect("in");
    client.send([vec![22, 3, 1, 0x41, 1], vec![0; 0x4101]].concat());
    client.wait_for_end();
    let line = gw.wait_error("SSL_do_handshake() failed (SSL: error:0A000092:SSL routines::data length too long");
    assert_eq!(line.level, "info");
}

/// What nobody reads, and how the record that holds it begins.
const UNREAD: &str = "nobody reads this\n";
const UNREAD_HEADER: [u8; 5] = [0x17, 3, 3, 0, 18 + 1 + 16];

/// A relay to `to` that hands on the end of the client's handshake together with the data behind.
fn together(to: String) -> TcpBackend {
    TcpBackend::start(move |peer| {
        let mut far = Peer::connect(&to);
        far.send(peer.recv_some().unwrap());
        let (mut from, mut back) = (far.socket().try_clone().unwrap(), peer.socket().try_clone().unwrap());
        let returning = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(std::net::Shutdown::Write);
        });
        let mut said = Vec::new();
        while !said.windows(UNREAD_HEADER.len()).any(|part| part == UNREAD_HEADER) {
            said.extend(peer.recv_some().unwrap());
        }
        far.send(said);
        let _ = returning.join();
        Vec::new()
    })
}

#[test]
fn what_comes_in_place_of_close_notify_is_told() {
    let conf = format!(
        "{CERT}ssl_client_certificate %pki/ca1.crt;\n\
         server {{ listen 127.0.0.1:%in ssl; return text; }}\n\
         server {{ listen 127.0.0.1:%strict ssl; ssl_verify_client on; return never; }}"
    );
    let gw = gateway(&conf).level("info").start();
    for (name, action) in [("in", "returning text"), ("strict", "SSL handshaking")] {
        TlsClient::new(together(gw.addr(name)).addr()).args("-tls1_3").request(UNREAD).run();
        let line = gw.wait_error(&format!(
            "SSL_shutdown() failed (SSL: error:0A000123:SSL routines::application data after close notify) \
             while {action}, client: 127.0.0.1, server: {}",
            gw.addr(name)
        ));
        assert_eq!(line.level, "info");
    }
}

/// How one side of a connection took leave.
#[derive(Debug)]
struct Leave {
    /// The type of its last record.
    last: u8,
    end: End,
    /// How many packets came from when the other side had nothing more to say.
    packets: u32,
}

/// Whether nothing was missing; nginx answers no `close_notify` of a client.
fn is_answered(servers: &Leave) -> bool {
    servers.last == ALERT || is_nginx()
}

fn packets(socket: &TcpStream) -> u32 {
    os::options::packets_received(socket).unwrap()
}

/// Reads to the end, says `pass` of each part, and how the stream ended.
fn read_to_end(from: &mut Peer, mut pass: impl FnMut(&[u8])) -> End {
    loop {
        match from.recv_some() {
            Ok(part) if part.is_empty() => return End::Fin,
            Ok(part) => pass(&part),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return End::Reset,
            Err(error) => panic!("recv: {error}"),
        }
    }
}

/// A relay to the TLS server `to` that has the client's `close_notify` said by `say` once the client is gone. It tells how
/// the client took leave, and the server then.
fn leaving(to: String, say: fn(&mut Peer, &[u8])) -> (TcpBackend, Receiver<[Leave; 2]>) {
    let (tell, told) = mpsc::channel();
    let relay = TcpBackend::start(move |client| {
        let mut server = Peer::connect(&to);
        let mut from = Peer::from_socket(server.socket().try_clone().unwrap());
        let mut back = client.socket().try_clone().unwrap();
        let returning = std::thread::spawn(move || {
            let (mut last, mut before) = (0, 0);
            let end = read_to_end(&mut from, |part| {
                last = last_record(part);
                if last != ALERT {
                    before = packets(&back);
                }
                let _ = back.write_all(part);
            });
            (last, end, before)
        });
        let mut goodbye = Vec::new();
        let end = read_to_end(client, |part| match last_record(part) {
            ALERT => goodbye = part.to_vec(),
            _ => server.send(part),
        });
        let (came, before) = (packets(client.socket()), packets(server.socket()));
        say(&mut server, &goodbye);
        let (last, servers_end, clients_before) = returning.join().unwrap();
        let clients = Leave { last: last_record(&goodbye), end, packets: came.saturating_sub(clients_before) };
        // A reset leaves nothing to be counted.
        let packets = packets(server.socket()).saturating_sub(before);
        let servers = Leave { last, end: servers_end, packets };
        let _ = tell.send([clients, servers]);
        Vec::new()
    });
    (relay, told)
}

/// TLS towards an upstream and from a client, who leaves as `say` has it.
fn leaves(say: fn(&mut Peer, &[u8])) -> [Leave; 2] {
    let up = TcpBackend::echo();
    let far = gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}"));
    let far = far.with("up", up.addr()).start();
    let (relay, told) = leaving(far.addr("in"), say);
    let near = "server { listen 127.0.0.1:%in; proxy_ssl on; proxy_ssl_protocols TLSv1.2; proxy_pass %up; }";
    let near = gateway(near).with("up", relay.addr()).start();
    let mut client = near.connect("in");
    client.send("hello\n");
    assert_eq!(client.recv_line(), "hello\n");
    drop(client);
    told.recv_timeout(Duration::from_secs(20)).unwrap()
}

#[test]
fn whoever_leaves_in_order_hears_close_notify_and_the_end() {
    // Without the connection's end, with it, and soon followed by it.
    let ways: [fn(&mut Peer, &[u8]); 3] = [
        |server, goodbye| server.send(goodbye),
        |server, goodbye| server.send_last(goodbye),
        |server, goodbye| {
            server.send(goodbye);
            server.finish_sending();
        },
    ];
    for say in ways {
        let [clients, servers] = leaves(say);
        assert_eq!((clients.last, clients.end), (ALERT, End::Fin), "{clients:?}");
        assert!(is_answered(&servers) && servers.end == End::Fin, "{servers:?}");
    }
}

#[test]
fn who_goes_on_after_close_notify_hears_it_nevertheless() {
    let more = |server: &mut Peer, goodbye: &[u8]| server.send([goodbye, &vec![0; 40_000]].concat());
    let and_ends = |server: &mut Peer, goodbye: &[u8]| server.send_last([goodbye, &vec![0; 40_000]].concat());
    for say in [more, and_ends] {
        let [_, servers] = leaves(say);
        assert!(is_answered(&servers), "{servers:?}");
    }
}

#[test]
fn an_upstream_that_nobody_listens_to_hears_close_notify() {
    let up = TcpBackend::start(|peer| {
        let said = peer.recv_line();
        while peer.try_send(vec![0; 65_536]).is_ok() {}
        said.into_bytes()
    });
    let far = gateway(&format!("{CERT}server {{ listen 127.0.0.1:%in ssl; proxy_pass %up; }}"));
    let far = far.with("up", up.addr()).start();
    let (relay, told) = leaving(far.addr("in"), |server, goodbye| server.send(goodbye));
    let near = "server { listen 127.0.0.1:%in; proxy_ssl on; proxy_ssl_protocols TLSv1.2; proxy_pass %up; }";
    let near = gateway(near).with("up", relay.addr()).start();
    let mut client = Peer::connect_narrow(&near.addr("in"));
    client.send("all\n");
    client.recv(1);
    client.finish_sending();
    let [upstreams, _] = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(upstreams.last, ALERT, "{upstreams:?}");
}

#[test]
fn close_notify_and_the_end_share_a_packet() {
    if is_nginx() {
        return;
    }
    // Packets that do nothing but acknowledge may come at any time.
    let alone = |side: usize| (0..10).any(|_| leaves(|server, goodbye| server.send_last(goodbye))[side].packets == 1);
    assert!(alone(0), "towards an upstream");
    assert!(alone(1), "towards a client");
}

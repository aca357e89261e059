//! Peers that take or say little at a time are not idle, whatever their bytes are part of.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::{Peer, TcpBackend, TlsClient};

use super::ssl::CERT;
use crate::gateway;

/// How fast something goes: so many bytes, then a pause of so many milliseconds.
type Pace = (usize, u64);

/// Hands on what comes, at most at this pace.
fn hand_on(from: &mut TcpStream, to: &mut TcpStream, (bytes, pause): Pace) {
    let mut part = vec![0; bytes];
    while let Ok(count @ 1..) = from.read(&mut part) {
        if to.write_all(&part[..count]).is_err() {
            return;
        }
        if pause > 0 {
            testkit::hold("time passes", Duration::from_millis(pause), || true);
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A network in front of `to`, with a pace for each direction.
fn slow(to: String, there: Pace, back: Pace) -> TcpBackend {
    TcpBackend::start(move |peer| {
        let mut out = Peer::connect_narrow(&to).socket().try_clone().unwrap();
        let mut client = peer.socket().try_clone().unwrap();
        let (mut said, mut heard) = (client.try_clone().unwrap(), out.try_clone().unwrap());
        let asking = std::thread::spawn(move || hand_on(&mut said, &mut heard, there));
        hand_on(&mut out, &mut client, back);
        let _ = asking.join();
        Vec::new()
    })
}

/// No pace at all.
const FAST: Pace = (65_536, 0);

#[test]
fn a_client_that_takes_little_at_a_time_is_not_idle() {
    let text = format!("{}<<<end>>>", "0123456789".repeat(16_000));
    let up = TcpBackend::start({
        let text = text.clone();
        move |peer| {
            peer.send(&text);
            peer.recv_end().0
        }
    });
    let conf = format!(
        "{CERT}proxy_timeout 1500ms;\n\
         server {{ listen 127.0.0.1:%plain sndbuf=4k; proxy_pass %up; }}\n\
         server {{ listen 127.0.0.1:%tls ssl sndbuf=4k; proxy_pass %up; }}"
    );
    let gw = gateway(&conf).with("up", up.addr()).start();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let slow = slow(gw.addr("plain"), FAST, (4096, 60));
            let mut client = Peer::connect(slow.addr());
            assert!(client.recv(text.len()) == text.as_bytes(), "what came differs");
        });
        let slow = slow(gw.addr("tls"), FAST, (4096, 60));
        let got = TlsClient::new(slow.addr()).args("-quiet").until("<<<end>>>").run().stdout;
        assert_eq!(got.len(), text.len());
        assert!(got == text, "what came through TLS differs");
    });
}

#[test]
fn nor_is_one_that_takes_or_says_less_than_a_record() {
    let text = format!("{}<<<end>>>", "0123456789".repeat(4_000));
    let up = TcpBackend::banner(&text);
    let echo = TcpBackend::echo();
    let conf = format!(
        "{CERT}proxy_timeout 1500ms;\n\
         server {{ listen 127.0.0.1:%takes ssl sndbuf=4k; proxy_buffer_size 16k; proxy_pass %up; }}\n\
         server {{ listen 127.0.0.1:%says ssl; proxy_pass %echo; }}"
    );
    let gw = gateway(&conf).with("up", up.addr()).with("echo", echo.addr()).start();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let slow = slow(gw.addr("takes"), FAST, (512, 70));
            let got = TlsClient::new(slow.addr()).args("-quiet").until("<<<end>>>").run().stdout;
            assert!(got == text, "what came differs");
        });
        let slow = slow(gw.addr("says"), (700, 300), FAST);
        let said = format!("{}<<<end>>>", "0123456789".repeat(800));
        let got = TlsClient::new(slow.addr()).args("-quiet").request(&said).until("<<<end>>>").run().stdout;
        assert!(got == said, "what was said differs");
    });
}

#[test]
fn a_client_that_goes_on_while_nothing_is_taken_is_not_idle() {
    let more = 10;
    let said = "x".repeat(600_000);
    let up = TcpBackend::start(move |peer| {
        // Begins to read when all has been said.
        testkit::hold("nothing is read", Duration::from_millis(3800), || true);
        peer.recv_end().0
    });
    let conf = format!(
        "{CERT}proxy_timeout 1500ms; proxy_buffer_size 1m; proxy_socket_sndbuf 4k;\n\
         server {{ listen 127.0.0.1:%plain; proxy_pass %up; }}\n\
         server {{ listen 127.0.0.1:%tls; proxy_ssl on; proxy_pass 127.0.0.1:%behind; }}\n\
         server {{ listen 127.0.0.1:%behind ssl rcvbuf=8k; proxy_timeout 10s; proxy_buffer_size 4k; proxy_pass %up; }}"
    );
    let gw = gateway(&conf).with("up", up.addr()).start();
    std::thread::scope(|scope| {
        for name in ["plain", "tls"] {
            let mut client = gw.connect(name);
            let said = &said;
            scope.spawn(move || {
                client.send(said);
                for _ in 0..more {
                    assert!(client.is_quiet_for(Duration::from_millis(300)), "{name}: it ends too early");
                    client.send("y");
                }
            });
        }
    });
    for nth in [0, 1] {
        let got = up.received(nth);
        assert_eq!(got.len(), said.len() + more);
        assert!(got.ends_with(b"xyyyyyyyyyy"));
    }
}

#[test]
fn a_text_is_returned_for_as_long_as_some_of_it_is_taken() {
    let part = "0123456789".repeat(300);
    let conf = format!(
        "{CERT}map '' $part {{ default '{part}'; }}\n\
         map '' $text {{ default '{}<<<end>>>'; }}\n\
         server {{ listen 127.0.0.1:%plain sndbuf=4k; return $text$text$text$text; }}\n\
         server {{ listen 127.0.0.1:%tls ssl sndbuf=4k; return $text$text$text$text; }}",
        "$part".repeat(40)
    );
    let expected = format!("{}<<<end>>>", part.repeat(40)).repeat(4);
    let gw = gateway(&conf).start();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let slow = slow(gw.addr("plain"), FAST, (4096, 55));
            assert!(Peer::connect(slow.addr()).recv_all() == expected, "what came differs");
        });
        let slow = slow(gw.addr("tls"), FAST, (4096, 55));
        let got = TlsClient::new(slow.addr()).args("-quiet").run().stdout;
        assert_eq!(got.len(), expected.len());
        assert!(got == expected, "what came through TLS differs");
    });
}

#[test]
fn what_is_never_sent_by_tls_does_not_count() {
    let up = TcpBackend::start(|peer| {
        testkit::hold("nothing is read", Duration::from_millis(2500), || true);
        peer.recv_end().0
    });
    let conf = format!(
        "{CERT}log_format f '$upstream_bytes_sent';\n\
         server {{ listen 127.0.0.1:%in; proxy_timeout 1s; proxy_ssl on; proxy_socket_sndbuf 128k; \
         access_log %dir/access.log f; proxy_pass 127.0.0.1:%behind; }}\n\
         server {{ listen 127.0.0.1:%behind ssl rcvbuf=8k; proxy_pass %up; proxy_socket_sndbuf 4k; }}"
    );
    let gw = gateway(&conf).with("up", up.addr()).start();
    let mut client = gw.connect("in");
    let mut sender = Peer::from_socket(client.socket().try_clone().unwrap());
    // More than there is room for anywhere.
    let sending = std::thread::spawn(move || sender.try_send(vec![b'x'; 20_000_000]));
    client.wait_for_end();
    assert!(sending.join().unwrap().is_err());
    assert_eq!(gw.access(1), [up.received(0).len().to_string()]);
}

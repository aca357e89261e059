//! Datagrams: sessions by count and by silence, answers and their lack, sizes, rates, limits, wildcards, balancers.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use testkit::{Gateway, UdpBackend, UdpPeer};

use super::side_by_side::{Comparison, compare};

/// Longer than an answer takes, shorter than a session that waits for more of them.
const MOMENT: Duration = Duration::from_millis(400);

/// A server at `%in` that passes datagrams on to `%up`. On a busy machine an answer may take longer than a moment.
fn passed(up: &UdpBackend, more: &str) -> Comparison<'static> {
    let stream = format!("server {{ listen 127.0.0.1:%in udp; proxy_pass %up; {more} }}");
    compare(&stream).with("up", up.addr()).unordered().racing()
}

/// What comes within a moment: the length and how it begins.
fn heard(client: &UdpPeer) -> String {
    let Some(bytes) = client.recv_within(MOMENT) else { return "nothing ".to_owned() };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    format!("{}:{} ", text.len(), text.chars().take(40).collect::<String>())
}

/// Sends `count` datagrams, each after `answers` to the one before it.
fn ask(gw: &Gateway, count: usize, answers: usize) -> String {
    let client = UdpPeer::connect(&gw.addr("in"));
    let mut out = String::new();
    for number in 0..count {
        client.send(format!("m{number}"));
        out.extend((0..answers).map(|_| heard(&client)));
    }
    out
}

#[test]
fn sessions_end_by_counts() {
    let (echo, twice) = (UdpBackend::echo(), UdpBackend::start(|bytes| vec![bytes.to_vec(), [bytes, b"+"].concat()]));
    for (requests, sessions) in [("", 1), ("proxy_requests 1;", 3), ("proxy_requests 2;", 2)] {
        for (responses, ends) in [("", false), ("proxy_responses 1;", true), ("proxy_responses 2;", false)] {
            let more = format!("{requests} {responses} proxy_timeout 900ms;");
            let lines = if ends && requests.is_empty() { 3 } else { sessions };
            passed(&echo, &more).run(lines, |gw| ask(gw, 3, 1));
        }
        let more = format!("{requests} proxy_responses 2; proxy_timeout 900ms;");
        passed(&twice, &more).run(if sessions == 1 { 3 } else { sessions }, |gw| ask(gw, 3, 2));
    }
}

#[test]
fn datagrams_that_come_together_begin_as_many_sessions() {
    let echo = UdpBackend::echo();
    for (more, lines) in [
        ("proxy_requests 1; proxy_timeout 500ms;", 5),
        ("proxy_requests 2; proxy_timeout 500ms;", 3),
        ("proxy_requests 1; proxy_responses 1;", 5),
        ("proxy_responses 0;", 5),
        ("proxy_requests 1; proxy_responses 0;", 5),
    ] {
        passed(&echo, more).run(lines, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            (0..5).for_each(|number| client.send(format!("b{number}")));
            gw.access(lines);
            String::new()
        });
    }
    compare("server { listen 127.0.0.1:%in udp; return '$bytes_received'; }").racing().run(5, |gw| {
        let client = UdpPeer::connect(&gw.addr("in"));
        (1..6).for_each(|length| client.send("x".repeat(length)));
        (0..5).map(|_| heard(&client)).collect()
    });
}

#[test]
fn answers_beyond_those_that_were_to_come() {
    let many = UdpBackend::start(|bytes| bytes.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect());
    for more in ["proxy_timeout 600ms;", "proxy_responses 5;", "proxy_responses 5; proxy_buffer_size 2;"] {
        passed(&many, more).run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            client.send("one|two||longer|z");
            (0..5).map(|_| heard(&client)).collect()
        });
    }
    let silent = UdpBackend::silent();
    for more in ["", "proxy_responses 1;", "proxy_responses 2;", "proxy_requests 2;"] {
        passed(&silent, &format!("{more} proxy_timeout 300ms;")).run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            client.send("a");
            silent.wait_for(1);
            client.send("bb");
            gw.access(1);
            String::new()
        });
    }
}

#[test]
fn answers_that_the_network_refuses() {
    for responses in ["", "proxy_responses 0;", "proxy_responses 1;", "proxy_responses 2;"] {
        for servers in ["server 127.0.0.1:%dead;", "server 127.0.0.1:%dead; server 127.0.0.1:%dead2 max_fails=2;"] {
            let stream = format!(
                "upstream u {{ {servers} }}\nserver {{ listen 127.0.0.1:%in udp; proxy_pass u; proxy_requests 1; \
                 {responses} proxy_timeout 300ms; }}"
            );
            compare(&stream).run(4, |gw| {
                for lines in 1..5 {
                    UdpPeer::connect(&gw.addr("in")).send("x");
                    gw.access(lines);
                }
                String::new()
            });
        }
    }
}

#[test]
fn peers_that_do_not_answer_are_left_out() {
    let (silent, echo) = (UdpBackend::silent(), UdpBackend::echo());
    for responses in ["proxy_responses 1;", "proxy_responses 2;", ""] {
        let stream = format!(
            "upstream u {{ server %silent; server %echo; }}\n\
             server {{ listen 127.0.0.1:%in udp; proxy_pass u; {responses} proxy_timeout 200ms; }}"
        );
        // The one that answers may take too long, too.
        compare(&stream).with("silent", silent.addr()).with("echo", echo.addr()).racing().run(4, |gw| {
            let one = |lines| {
                UdpPeer::connect(&gw.addr("in")).send("x");
                gw.access(lines);
            };
            (1..5).for_each(one);
            String::new()
        });
    }
}

#[test]
fn sizes() {
    let echo = UdpBackend::echo();
    for more in ["", "proxy_buffer_size 1000;", "proxy_buffer_size 64k;", "proxy_buffer_size 1;"] {
        passed(&echo, &format!("{more} proxy_timeout 700ms;")).run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            let sizes = [0, 1, 1000, 1001, 9000, 16_384, 16_385, 40_000, 65_507];
            let one = |size: usize| {
                client.send("q".repeat(size));
                heard(&client)
            };
            sizes.into_iter().map(one).collect()
        });
    }
    let big = UdpBackend::start(|bytes| vec![vec![b'z'; String::from_utf8_lossy(bytes).parse().unwrap_or(0)]]);
    for more in ["", "proxy_buffer_size 1000;", "proxy_buffer_size 64k;"] {
        passed(&big, &format!("{more} proxy_responses 1;")).run(6, |gw| {
            let one = |size: usize| {
                let client = UdpPeer::connect(&gw.addr("in"));
                client.send(size.to_string());
                heard(&client)
            };
            [0, 1, 1000, 1001, 17_000, 65_507].into_iter().map(one).collect()
        });
    }
    // The header makes the datagram longer than any may be.
    passed(&echo, "proxy_protocol on; proxy_timeout 300ms;").run(1, |gw| {
        UdpPeer::connect(&gw.addr("in")).send("q".repeat(65_507));
        String::new()
    });
}

#[test]
fn headers_before_the_first_datagram() {
    let echo = UdpBackend::echo();
    for more in ["", "proxy_requests 1;"] {
        passed(&echo, &format!("proxy_protocol on; proxy_timeout 400ms; {more}")).run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            let ports = [client.local_port().to_string(), gw.port("in").to_string()];
            let one = |text: &str| {
                client.send(text);
                let said = String::from_utf8_lossy(&client.recv()).into_owned();
                ports.iter().fold(said, |said, port| said.replace(port, "#"))
            };
            [one("a"), one("b")].concat()
        });
    }
}

#[test]
fn rates() {
    let many = UdpBackend::start(|bytes| bytes.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect());
    passed(&many, "proxy_download_rate 100; proxy_responses 3;").run(1, |gw| {
        let client = UdpPeer::connect(&gw.addr("in"));
        client.send(["a".repeat(60), "b".repeat(60), "c".to_owned()].join("|"));
        [heard(&client), heard(&client), heard(&client), heard(&client)].concat()
    });
    let echo = UdpBackend::echo();
    passed(&echo, "proxy_upload_rate 100; proxy_timeout 600ms;").run(1, |gw| {
        let client = UdpPeer::connect(&gw.addr("in"));
        for letter in ["a", "b", "c"] {
            client.send(letter.repeat(60));
        }
        gw.access(1);
        (0..3).map(|_| heard(&client)).collect()
    });
}

#[test]
fn an_end_waits_for_rates_of_clients_alone() {
    let echo = UdpBackend::echo();
    for more in ["proxy_download_rate 40;", "proxy_upload_rate 40; proxy_timeout 300ms;"] {
        passed(&echo, more).run(0, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            client.send("a".repeat(60));
            heard(&client)
        });
    }
}

#[test]
fn answers_that_the_client_has_no_room_for() {
    let many = UdpBackend::start(|_| vec![b"answer".to_vec(); 40]);
    for more in ["", "proxy_responses 40;"] {
        let stream = format!("server {{ listen unix:%dir/in udp; proxy_pass %up; {more} proxy_timeout 2s; }}");
        compare(&stream).with("up", many.addr()).run(1, |gw| {
            let path = gw.path("client");
            let client = UnixDatagram::bind(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
            // It is not connected: few datagrams wait for those who are not.
            client.send_to(b"go", gw.path("in")).unwrap();
            gw.access(1);
            client.set_nonblocking(true).unwrap();
            std::iter::from_fn(|| client.recv(&mut [0; 8]).ok()).count().to_string()
        });
    }
}

#[test]
fn who_may_ask() {
    let echo = UdpBackend::echo();
    for rules in ["deny all;", "allow 127.0.0.2; deny all;", "deny 127.0.0.2;"] {
        passed(&echo, &format!("{rules} proxy_responses 1;")).run(2, |gw| {
            let one = |from| {
                let client = UdpPeer::connect_from(from, &gw.addr("in"));
                client.send("a");
                heard(&client)
            };
            [one("127.0.0.1"), one("127.0.0.2")].concat()
        });
    }
    for more in ["", "limit_conn_dry_run on;", "limit_conn_log_level info;"] {
        let stream = format!(
            "limit_conn_zone $remote_addr zone=z:64k;\n\
             server {{ listen 127.0.0.1:%in udp; limit_conn z 2; {more} proxy_pass %up; proxy_timeout 1500ms; }}"
        );
        compare(&stream).with("up", echo.addr()).unordered().racing().run(3, |gw| {
            let clients: Vec<_> = (0..3).map(|_| UdpPeer::connect(&gw.addr("in"))).collect();
            let one = |client: &UdpPeer| {
                client.send("a");
                heard(client)
            };
            clients.iter().map(one).collect()
        });
    }
}

#[test]
fn wildcards_answer_from_the_address_that_was_asked() {
    for (listen, hosts) in [
        ("0.0.0.0:%in udp", &["127.0.0.1", "127.0.0.2", "127.3.4.5"][..]),
        ("[::]:%in udp", &["[::1]"]),
        ("[::]:%in udp ipv6only=off", &["[::1]", "127.0.0.1", "127.0.0.9"]),
    ] {
        let echo = UdpBackend::echo();
        for content in ["return '$server_addr';", "proxy_pass %up; proxy_responses 1;"] {
            let stream = format!(
                "server {{ listen {listen}; {content} }}\nserver {{ listen 127.0.0.1:%other udp; return no; }}"
            );
            compare(&stream).with("up", echo.addr()).racing().run(hosts.len(), |gw| {
                let one = |host: &&str| {
                    let client = UdpPeer::connect(&format!("{host}:{}", gw.port("in")));
                    client.send("hi");
                    // A connected socket takes answers from that address alone.
                    heard(&client)
                };
                hosts.iter().map(one).collect()
            });
        }
    }
    let both = "server { listen 0.0.0.0:%in udp; return all; }\nserver { listen 127.0.0.1:%in udp; return one; }";
    compare(both).racing().run(2, |gw| {
        let one = |host: &str| {
            let client = UdpPeer::connect(&format!("{host}:{}", gw.port("in")));
            client.send("hi");
            heard(&client)
        };
        [one("127.0.0.1"), one("127.0.0.2")].concat()
    });
}

#[test]
fn peers_in_turn() {
    let ups: Vec<_> = (0..4).map(|number| UdpBackend::saying(&number.to_string())).collect();
    for method in ["", "least_conn;", "hash $remote_addr;", "hash $remote_addr consistent;", "zone z 64k;"] {
        for servers in [
            "server %a; server %b; server %c weight=2;",
            "server %a max_conns=1; server %b; server %c down; server %d;",
            "server %a weight=3; server %b max_conns=1;",
        ] {
            let stream = format!(
                "upstream u {{ {method} {servers} }}\n\
                 server {{ listen 127.0.0.1:%in udp; proxy_pass u; proxy_timeout 3s; }}"
            );
            let named = ["a", "b", "c", "d"].into_iter().zip(&ups);
            let comparison = named.fold(compare(&stream).racing(), |known, (name, up)| known.with(name, up.addr()));
            comparison.main("worker_shutdown_timeout 10ms;").unordered().run(0, |gw| {
                let one = |number: u8| {
                    let client = UdpPeer::connect_from(&format!("127.0.0.{number}"), &gw.addr("in"));
                    client.send("q");
                    heard(&client)
                };
                (1..8).map(one).collect()
            });
        }
    }
}

#[test]
fn targets() {
    let echo = UdpBackend::echo();
    for target in ["127.0.0.1:%dead", "name.test:80", "", "127.0.0.1", "u", "unix:%dir/x"] {
        let stream = format!(
            "upstream u {{ server %up; }}\nmap $remote_addr $to {{ default '{target}'; }}\n\
             server {{ listen 127.0.0.1:%in udp; proxy_pass $to; proxy_responses 1; }}"
        );
        compare(&stream).with("up", echo.addr()).racing().run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            client.send("q");
            gw.access(1);
            heard(&client)
        });
    }
    for bind in ["127.0.0.5", "$remote_addr", "10.99.99.99", "$server_name", "[::1]:0", "$protocol"] {
        let bind = if bind.starts_with('[') { "$any" } else { bind };
        let stream = format!(
            "map $protocol $any {{ default '[::1]:0'; }}\n\
             server {{ listen 127.0.0.1:%in udp; proxy_bind {bind}; proxy_pass %up; proxy_responses 1; }}"
        );
        compare(&stream).with("up", echo.addr()).racing().run(1, |gw| {
            let client = UdpPeer::connect(&gw.addr("in"));
            client.send("q");
            gw.access(1);
            heard(&client)
        });
    }
}

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::Poll;

use os::SockAddr;

use super::Socket;
use super::leave::MOST_LEFT;
use crate::loopback::{accept, connect, datagrams, listener, listening, pair, run, unix_pair};
use crate::{now, sleep, spawn, timeout, yield_now};

/// How long nothing has to happen before it counts as nothing, milliseconds.
const QUIET: u64 = 30;

async fn echo(socket: Socket) {
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => socket.write_all(&buffer[..bytes]).await.unwrap(),
        }
    }
}

#[test]
fn many_sessions_echo() {
    run(async {
        let (listener, at) = listener();
        spawn(async move {
            loop {
                let socket = accept(&listener).await;
                spawn(echo(socket));
            }
        });
        let done = Rc::new(Cell::new(0));
        for number in 0..1000_u32 {
            let (at, done) = (at.clone(), Rc::clone(&done));
            spawn(async move {
                let socket = connect(&at).await;
                for round in 0..5_u32 {
                    let said = (number * 1000 + round).to_be_bytes().repeat(300);
                    socket.write_all(&said).await.unwrap();
                    let mut heard = vec![0; said.len()];
                    let mut filled = 0;
                    while filled < heard.len() {
                        filled += socket.read(&mut heard[filled..]).await.unwrap();
                    }
                    assert_eq!(heard, said);
                }
                done.set(done.get() + 1);
            });
        }
        while done.get() < 1000 {
            sleep(1).await;
        }
    });
}

#[test]
fn the_end_and_what_came_before_it() {
    run(async {
        let (listener, at) = listener();
        let client = connect(&at).await;
        let server = accept(&listener).await;
        client.write_all(b"last words").await.unwrap();
        client.shutdown_write().unwrap();
        let mut buffer = [0; 64];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 10);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
        server.write_all(b"answer").await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 6);
    });
}

#[test]
fn a_peek_takes_nothing_and_waits_for_more_when_told() {
    run(async {
        let (listener, at) = listener();
        let client = connect(&at).await;
        let server = accept(&listener).await;
        client.write_all(b"ab").await.unwrap();
        let mut buffer = [0; 8];
        let peeked = poll_fn(|_| server.poll_peek(&mut buffer)).await.unwrap();
        assert_eq!(peeked, 2);
        server.clear_readable();
        let more = timeout(30, poll_fn(|_| server.poll_readable())).await;
        if more.is_ok() {
            // The first registration may tell of the bytes that are known already, once.
            server.clear_readable();
            assert!(timeout(30, poll_fn(|_| server.poll_readable())).await.is_err());
        }
        client.write_all(b"c").await.unwrap();
        poll_fn(|_| server.poll_readable()).await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
    });
}

#[test]
fn a_refused_connection() {
    run(async {
        let (listener, at) = listener();
        drop(listener);
        let error = Socket::toward(&at).unwrap().connect(&at).await.unwrap_err();
        assert_eq!(error.as_io().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn datagrams_keep_their_boundaries_and_none_is_left_behind() {
    run(async {
        for own in [true, false] {
            let (fd, at) = datagrams();
            let server = if own { Socket::datagram(fd) } else { Socket::new(fd) };
            let client = Socket::udp_connected(at).unwrap();
            let mut buffer = [0; 64];
            assert!(timeout(1, server.read(&mut buffer)).await.is_err());
            for length in [3, 4, 0, 5] {
                assert_eq!(client.try_write(&[0; 64][..length]).unwrap(), length);
            }
            for length in [3, 4, 0, 5] {
                assert_eq!(timeout(1000, server.read(&mut buffer)).await.unwrap().unwrap(), length);
            }
        }
    });
}

#[test]
fn who_takes_a_datagram_is_woken_for_the_next() {
    run(async {
        let (fd, at) = datagrams();
        let (server, client) = (Socket::datagram(fd), Socket::udp_connected(at).unwrap());
        for text in [&b"one"[..], b"two2", b"three"] {
            client.try_write(text).unwrap();
        }
        let mut taken = Vec::new();
        let all = poll_fn(|_| {
            // One for each time it is polled.
            if let Poll::Ready(length) = server.poll_datagram(&mut [0; 8]) {
                taken.push(length.unwrap());
            }
            if taken.len() == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        timeout(1000, all).await.unwrap();
        assert_eq!(taken, [3, 4, 5]);
    });
}

#[test]
fn a_socket_of_datagrams_forgets_its_last_use() {
    run(async {
        let ((first, first_at), (second, second_at)) = (datagrams(), datagrams());
        let client = Socket::udp_connected(first_at).unwrap();
        let mut buffer = [0; 8];
        let port = client.local_addr().unwrap();
        for text in [&b"answer"[..], b"surplus", b"more"] {
            os::io::send_datagram(&first, text, &port, None).unwrap();
        }
        assert_eq!(timeout(1000, client.read(&mut buffer)).await.unwrap().unwrap(), 6);
        client.disconnect().unwrap();
        assert!(!client.has_come());
        os::io::send_datagram(&first, b"late", &port, None).unwrap();
        assert!(timeout(QUIET, client.read(&mut buffer)).await.is_err());

        os::socket::connect(&client, &SockAddr::Inet(second_at)).unwrap();
        os::io::send_datagram(&first, b"late", &client.local_addr().unwrap(), None).unwrap();
        os::io::send_datagram(&second, b"new", &client.local_addr().unwrap(), None).unwrap();
        assert_eq!(timeout(1000, client.read(&mut buffer)).await.unwrap().unwrap(), 3);
        assert!(timeout(QUIET, client.read(&mut buffer)).await.is_err());
    });
}

#[test]
fn a_socket_full_of_datagrams_is_of_no_further_use() {
    run(async {
        let (fd, at) = datagrams();
        let client = Socket::udp_connected(at).unwrap();
        for _ in 0..=MOST_LEFT {
            os::io::send_datagram(&fd, b"x", &client.local_addr().unwrap(), None).unwrap();
        }
        client.disconnect().unwrap_err();
    });
}

#[test]
fn a_socket_that_others_share_is_let_go_of() {
    run(async {
        let (fd, at) = datagrams();
        // Each duplicate gets the number of the last one, of the same open socket.
        for round in 0..3 {
            let server = Socket::new(fd.try_clone().unwrap());
            assert!(timeout(1, server.read(&mut [0; 8])).await.is_err(), "{round}");
            Socket::udp_connected(at).unwrap().try_write(b"x").unwrap();
            assert_eq!(timeout(1000, server.read(&mut [0; 8])).await.unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn a_descriptor_that_is_given_away_can_be_registered_again() {
    run(async {
        let (a, b) = pair().await;
        assert!(timeout(1, b.read(&mut [0; 8])).await.is_err());
        let b = Socket::stream(b.into_fd().unwrap());
        assert!(timeout(1, b.read(&mut [0; 8])).await.is_err());
        a.write_all(b"still there").await.unwrap();
        assert_eq!(b.read(&mut [0; 64]).await.unwrap(), 11);
    });
}

#[test]
fn an_event_of_a_closed_socket_does_not_reach_its_successor() {
    run(async {
        let (first, old) = unix_pair();
        assert!(timeout(1, old.read(&mut [0; 8])).await.is_err());
        let place = old.slot.get();
        // The duplicate keeps the registration alive, so that its events go on coming.
        let _duplicate = old.as_fd().try_clone_to_owned().unwrap();
        drop(old);
        let polled = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polled);
        let (_peer, successor) = unix_pair();
        let successor = Rc::new(successor);
        let reading = Rc::clone(&successor);
        spawn(async move {
            poll_fn(|_| {
                counted.set(counted.get() + 1);
                reading.poll_read(&mut [0; 8])
            })
            .await
            .unwrap();
        });
        sleep(QUIET).await;
        assert_eq!(successor.slot.get(), place, "the place is used again");
        let before = polled.get();
        first.write_all(b"x").await.unwrap();
        sleep(QUIET).await;
        assert_eq!(polled.get(), before, "the successor was woken for another");
    });
}

#[test]
fn a_reset_is_an_error_and_not_an_end() {
    run(async {
        let (a, b) = pair().await;
        assert!(timeout(1, b.read(&mut [0; 8])).await.is_err());
        os::options::set_reset_on_close(&a).unwrap();
        drop(a);
        let error = b.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(b.is_rdhup());
    });
}

#[test]
fn an_end_behind_a_short_read_is_seen() {
    run(async {
        let (a, b) = pair().await;
        assert!(timeout(1, b.read(&mut [0; 8])).await.is_err());
        a.write_all(b"bye").await.unwrap();
        drop(a);
        sleep(5).await;
        let mut buffer = [0; 64];
        assert_eq!(b.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(timeout(1000, b.read(&mut buffer)).await.unwrap().unwrap(), 0);
        assert!(b.is_rdhup());
    });
}

#[test]
fn a_full_socket_is_waited_for() {
    run(async {
        let (a, b) = unix_pair();
        let total = 4 << 20;
        let done = Rc::new(Cell::new(false));
        let wrote = Rc::clone(&done);
        spawn(async move {
            a.write_all(&vec![7; total]).await.unwrap();
            wrote.set(true);
        });
        yield_now().await;
        assert!(!done.get());
        let (mut read, mut buffer) = (0, vec![0; 65_536]);
        loop {
            match b.read(&mut buffer).await.unwrap() {
                0 => break,
                bytes => read += bytes,
            }
        }
        assert_eq!((read, done.get()), (total, true));
    });
}

#[test]
fn who_has_only_read_so_far_is_told_of_room_as_well() {
    run(async {
        let (a, b) = unix_pair();
        assert!(timeout(QUIET, a.readable()).await.is_ok() && timeout(QUIET, a.read(&mut [0])).await.is_err());
        while a.try_write(&[0; 4096]).is_ok() {}
        assert!(timeout(QUIET, a.writable()).await.is_err());
        while b.try_read(&mut [0; 4096]).is_ok() {}
        timeout(1000, a.writable()).await.unwrap().unwrap();
        assert!(a.try_write(&[0; 4096]).is_ok());
    });
}

#[test]
fn what_has_its_own_reads_waits_for_what_is_new() {
    run(async {
        let (a, b) = pair().await;
        for round in 0..3 {
            // What a TLS library does: read the descriptor until it would block, then ask to wait.
            let mut buffer = [0; 64];
            while os::socket::recv(&b, &mut buffer).is_ok() {}
            if timeout(QUIET, b.more()).await.is_ok() {
                // An edge of bytes that were read before it was taken in, once.
                assert!(os::socket::recv(&b, &mut buffer).is_err());
            }
            a.write_all(b"more").await.unwrap();
            timeout(1000, b.readable()).await.unwrap().unwrap();
            assert_eq!(os::socket::recv(&b, &mut buffer).unwrap(), 4, "{round}");
        }
    });
}

#[test]
fn libraries_that_want_the_traits_of_std_are_served() {
    run(async {
        let (a, b) = unix_pair();
        let (mut writer, mut reader) = (&a, Box::new(&b) as Box<dyn io::Read>);
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        writer.write_fmt(format_args!("ab")).unwrap();
        assert_eq!(writer.write_vectored(&[IoSlice::new(b"cd"), IoSlice::new(b"efg")]).unwrap(), 5);
        // The failed read is remembered: nothing is tried before the socket was waited for.
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        b.readable().await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(b.peek(&mut buffer).await.unwrap(), 7);
        assert_eq!(reader.read(&mut buffer).unwrap(), 7);
        assert_eq!(&buffer[..7], b"abcdefg");
    });
}

#[test]
fn a_connection_to_a_path_needs_no_wait() {
    let directory = std::env::temp_dir().join(format!("lockgate-reactor-{}", std::process::id()));
    let _ = std::fs::remove_file(&directory);
    let at = SockAddr::Unix(directory.as_os_str().as_encoded_bytes().into());
    run(async move {
        let fd = os::socket::stream(&at).unwrap();
        os::socket::bind(&fd, &at).unwrap();
        os::socket::listen(&fd, 8).unwrap();
        let listener = crate::Listener::new(fd).unwrap();
        let client = connect(&at).await;
        assert_eq!(client.slot.get(), super::UNREGISTERED);
        let server = accept(&listener).await;
        client.write_all(b"hello").await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 5);
        assert_eq!((client.slot.get(), server.slot.get()), (super::UNREGISTERED, super::UNREGISTERED));
    });
    std::fs::remove_file(directory).unwrap();
}

#[test]
fn a_connection_within_the_machine_needs_no_wait_as_a_rule() {
    run(async {
        let (_listener, at) = listener();
        for _ in 0..1000 {
            if connect(&at).await.slot.get() == super::UNREGISTERED {
                return;
            }
        }
        panic!("each one was waited for");
    });
}

#[test]
fn what_is_to_be_said_is_said_with_the_connection() {
    run(async {
        let (listener, at) = listener();
        let client = Socket::toward(&at).unwrap();
        let sent = client.connect_saying(&at, b"hello").await.unwrap();
        let server = accept(&listener).await;
        let mut heard = [0; 9];
        assert_eq!(server.read(&mut heard).await.unwrap(), 5);
        assert_eq!((sent, &heard[..5]), (5, &b"hello"[..]));
        assert_eq!(Socket::toward(&at).unwrap().connect_saying(&at, b"").await.unwrap(), 0);
    });
}

#[test]
fn where_nobody_is_nothing_is_said() {
    run(async {
        let (fd, at) = listening();
        drop(fd);
        let error = Socket::toward(&at).unwrap().connect_saying(&at, b"hello").await.unwrap_err();
        assert_eq!((error.as_io().kind(), error.at_once()), (io::ErrorKind::ConnectionRefused, false));
    });
}

#[test]
fn a_connection_that_is_not_taken_is_waited_for() {
    run(async {
        let (fd, at) = listening();
        os::socket::listen(&fd, 1).unwrap();
        let mut taken = Vec::new();
        // Some more than are asked for are taken by the system.
        let mut next = Socket::toward(&at).unwrap();
        while let Ok(connected) = timeout(QUIET, next.connect(&at)).await {
            connected.unwrap();
            taken.push(std::mem::replace(&mut next, Socket::toward(&at).unwrap()));
            assert!(taken.len() < 10);
        }
        let last = Socket::toward(&at).unwrap();
        let words = last.connect_saying(&at, b"hello");
        assert!(timeout(QUIET, words).await.is_err(), "it is waited for with words, too");
    });
}

#[test]
fn nobody_there_is_told_when_it_is_known() {
    run(async {
        let nowhere = SockAddr::Unix((*b"/nonexistent/socket").into());
        let error = Socket::toward(&nowhere).unwrap().connect(&nowhere).await.unwrap_err();
        assert!(error.at_once());
        // TEST-NET-1 (RFC 5737): whatever comes of it, the limit holds.
        let before = now();
        let _ = timeout(QUIET, Socket::tcp_connect("192.0.2.1:9".parse().unwrap())).await;
        assert!(now() < before + 1000);
    });
}

#[test]
fn what_a_session_costs_here() {
    assert!(size_of::<super::Readiness>() <= 16);
    assert!(size_of::<Socket>() <= 12);
}

#[test]
fn after_the_end_nobody_waits_for_more() {
    run(async {
        let (a, b) = pair().await;
        a.write_all(b"all").await.unwrap();
        drop(a);
        assert_eq!(b.peek(&mut [0; 8]).await.unwrap(), 3);
        for _ in 0..3 {
            // At first the end may not be known yet; what is told then is known for good.
            timeout(1000, b.more()).await.unwrap().unwrap();
        }
        assert!(b.is_rdhup());
        assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 3);
    });
}

#[test]
fn who_writes_to_the_descriptor_waits_for_room() {
    run(async {
        let (a, b) = unix_pair();
        while os::socket::send(&a, &[0; 4096]).is_ok() {}
        // A registration may tell of what was before, once.
        let _ = timeout(QUIET, a.more_room()).await;
        while os::socket::send(&a, &[0; 4096]).is_ok() {}
        assert!(timeout(QUIET, a.more_room()).await.is_err());
        while os::socket::recv(&b, &mut [0; 4096]).is_ok() {}
        timeout(1000, a.more_room()).await.unwrap().unwrap();
        assert!(os::socket::send(&a, &[0; 4096]).is_ok());
    });
}

#[test]
fn what_follows_bytes_out_of_band_is_not_lost() {
    run(async {
        let (a, b) = pair().await;
        assert!(timeout(1, b.read(&mut [0; 8])).await.is_err());
        a.write_all(b"one").await.unwrap();
        os::socket::send_urgent(&a, b"!").unwrap();
        a.write_all(b"two").await.unwrap();
        drop(a);
        sleep(5).await;
        let (mut buffer, mut all) = ([0; 64], Vec::new());
        loop {
            match timeout(1000, b.read(&mut buffer)).await.unwrap().unwrap() {
                0 => break,
                bytes => all.extend_from_slice(&buffer[..bytes]),
            }
        }
        assert_eq!(all, b"onetwo");
    });
}

#[test]
fn the_end_is_known_once_all_before_it_is_read() {
    run(async {
        let (a, b) = pair().await;
        assert!(timeout(1, b.read(&mut [0; 8])).await.is_err());
        a.write_all(b"goodbye").await.unwrap();
        drop(a);
        sleep(5).await;
        let mut buffer = [0; 4];
        assert_eq!(b.read(&mut buffer).await.unwrap(), 4);
        assert!(!b.is_over(), "a full buffer says nothing of what follows");
        assert_eq!(b.read(&mut buffer).await.unwrap(), 3);
        assert!(b.is_over());
        assert_eq!(b.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn the_system_is_told_of_nodelay_before_it_could_keep_anything_back() {
    run(async {
        let set = |socket: &Socket| os::options::nodelay(socket).unwrap();
        let (a, _b) = pair().await;
        a.set_nodelay();
        a.write_all(b"small").await.unwrap();
        assert!(!set(&a), "the first of a connection waits for nothing");
        a.write_all(b"small").await.unwrap();
        assert!(set(&a));
        let (a, _b) = pair().await;
        a.set_nodelay();
        a.write_all(&[0; 2000]).await.unwrap();
        assert!(set(&a), "the last packet of several would wait");
        let (a, _b) = pair().await;
        a.write_all(b"small").await.unwrap();
        a.set_nodelay();
        a.write_all(b"small").await.unwrap();
        assert!(set(&a));
    });
}

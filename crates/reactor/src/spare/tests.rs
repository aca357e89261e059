use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use os::SockAddr;

use super::{MOST_KEPT, MOST_LEAVING, PERIOD, retire};
use crate::executor::with;
use crate::loopback::{accept, listener, run};
use crate::{Listener, Socket, timeout, yield_now};

/// So many passes of the loop tell of everything that has happened.
const PASSES: usize = 20;

fn kept() -> usize {
    with(|reactor| reactor.spare.borrow().kept.len())
}

fn leaving() -> usize {
    with(|reactor| reactor.spare.borrow().leaving.len())
}

/// As if it were so many periods later.
fn after(periods: u64) {
    with(|reactor| reactor.spare.borrow_mut().tend(reactor.now() + periods * PERIOD));
}

/// A connection of a socket that may be used again, and has waited for its peer.
async fn connection(listener: &Listener, at: &SockAddr) -> (Rc<Socket>, Socket) {
    // Other tests of the process have descriptors, too.
    with(|reactor| reactor.spare.borrow_mut().too_high = i32::MAX);
    let near = Socket::again(at).unwrap();
    near.connect(at).await.unwrap();
    let far = accept(listener).await;
    assert!(timeout(1, near.read(&mut [0])).await.is_err());
    (near, far)
}

/// Has the loop look at its sockets.
async fn look() {
    for _ in 0..PASSES {
        yield_now().await;
    }
}

fn number(socket: &Socket) -> i32 {
    socket.as_fd().as_raw_fd()
}

#[test]
fn a_socket_serves_one_connection_after_another() {
    run(async {
        let (listener, at) = listener();
        let mut first = None;
        for round in 0..5_u8 {
            let (near, far) = connection(&listener, &at).await;
            let port = near.local_addr().unwrap();
            if let Some((number_before, port_before)) = first.replace((number(&near), port.clone())) {
                assert_eq!(number(&near), number_before);
                assert_ne!(port, port_before, "a connection of its own");
            }
            let (mut heard, word) = ([0; 8], [round; 3]);
            near.write_all(&word).await.unwrap();
            assert_eq!((far.read(&mut heard).await.unwrap(), &heard[..3]), (3, &word[..]));
            far.write_all(&word).await.unwrap();
            assert_eq!((near.read(&mut heard).await.unwrap(), &heard[..3]), (3, &word[..]));
            retire(near, &at);
            assert_eq!(far.read(&mut heard).await.unwrap(), 0, "the peer is told");
            assert_eq!((leaving(), kept()), (1, 0));
            drop(far);
            look().await;
            assert_eq!((leaving(), kept()), (0, 1));
        }
    });
}

#[test]
fn nobody_else_is_connected_to_by_it() {
    run(async {
        let ((listener, at), (_other_listener, other)) = (listener(), listener());
        let (near, far) = connection(&listener, &at).await;
        let before = number(&near);
        retire(near, &at);
        drop(far);
        look().await;
        let elsewhere = Socket::again(&other).unwrap();
        assert_ne!(number(&elsewhere), before);
        assert_eq!(number(&Socket::again(&at).unwrap()), before);
    });
}

#[test]
fn a_peer_that_ends_first_remembers_other_numbers() {
    run(async {
        let (listener, at) = listener();
        for is_read in [true, false] {
            let (near, far) = connection(&listener, &at).await;
            far.write_all(b"bye").await.unwrap();
            far.shutdown_write().unwrap();
            let mut heard = [0; 8];
            assert_eq!(near.read(&mut heard).await.unwrap(), 3);
            if is_read {
                assert_eq!(near.read(&mut heard).await.unwrap(), 0);
            }
            retire(near, &at);
            look().await;
            assert_eq!((leaving(), kept()), (0, 0));
        }
    });
}

#[test]
fn what_comes_while_it_takes_leave_ends_it() {
    run(async {
        let (listener, at) = listener();
        let (near, far) = connection(&listener, &at).await;
        retire(near, &at);
        far.write_all(b"one thing more").await.unwrap();
        look().await;
        assert_eq!((leaving(), kept()), (0, 0));
        let reset = far.read(&mut [0]).await.unwrap_or(1);
        assert!(reset > 0 || far.write_all(b"x").await.is_err(), "the peer learns that nobody reads");
    });
}

#[test]
fn what_is_not_at_its_end_is_closed() {
    run(async {
        let (listener, at) = listener();
        // Bytes that nobody has read.
        let (near, far) = connection(&listener, &at).await;
        far.write_all(b"unread").await.unwrap();
        look().await;
        retire(near, &at);
        assert_eq!(leaving(), 0);
        assert_eq!(far.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        // A reset.
        let (near, far) = connection(&listener, &at).await;
        os::options::set_reset_on_close(&far).unwrap();
        retire(near, &at);
        drop(far);
        look().await;
        assert_eq!((leaving(), kept()), (0, 0));
        // One that somebody holds.
        let (near, far) = connection(&listener, &at).await;
        let held = Rc::clone(&near);
        retire(near, &at);
        drop(far);
        look().await;
        assert_eq!((leaving(), kept()), (0, 0));
        drop(held);
        // One that was set up in a way of its own.
        let own = Rc::new(Socket::toward(&at).unwrap());
        own.connect(&at).await.unwrap();
        let far = accept(&listener).await;
        assert!(timeout(1, own.read(&mut [0])).await.is_err());
        retire(own, &at);
        drop(far);
        look().await;
        assert_eq!((leaving(), kept()), (0, 0));
    });
}

#[test]
fn so_many_are_kept_for_as_long_as_they_are_needed() {
    run(async {
        let (listener, at) = listener();
        let mut all = Vec::new();
        for _ in 0..MOST_LEAVING + 5 {
            all.push(connection(&listener, &at).await);
        }
        let mut far_ends = Vec::new();
        for (near, far) in all {
            retire(near, &at);
            far_ends.push(far);
        }
        assert_eq!(leaving(), MOST_LEAVING);
        far_ends.truncate(50);
        look().await;
        assert_eq!((leaving(), kept()), (50, MOST_KEPT));
        after(1);
        assert_eq!((leaving(), kept()), (0, MOST_KEPT), "a peer that says nothing is not waited for");
        let mut used = Vec::new();
        for _ in 0..5 {
            used.push(connection(&listener, &at).await);
        }
        for (near, _far) in used {
            retire(near, &at);
        }
        look().await;
        assert_eq!(kept(), MOST_KEPT);
        after(3);
        assert_eq!(kept(), 5, "those that were needed meanwhile");
        after(5);
        assert_eq!(kept(), 0);
        assert_eq!(with(|reactor| reactor.spare.borrow().due()), None, "nothing is left to be woken for");
    });
}

#[test]
fn what_has_a_high_number_is_closed() {
    run(async {
        let (listener, at) = listener();
        let (near, far) = connection(&listener, &at).await;
        with(|reactor| reactor.spare.borrow_mut().too_high = number(&near));
        retire(near, &at);
        drop(far);
        assert_eq!(leaving(), 0);
        with(|reactor| reactor.spare.borrow_mut().due = 0);
        after(1);
        assert_eq!(with(|reactor| reactor.spare.borrow().too_high), super::too_high(), "it is looked at again");
    });
}

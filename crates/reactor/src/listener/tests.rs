use std::future::poll_fn;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use os::socket::accept as accept_now;

use super::Listener;
use crate::loopback::{accept, busy, connect, listener, listening, run};
use crate::{now, sleep, spawn, timeout};

#[test]
fn every_connection_of_a_burst_is_taken() {
    for several in [false, true] {
        run(async move {
            let (mut listener, at) = listener();
            listener.set_multi_accept(several);
            let mut clients = Vec::new();
            for _ in 0..150 {
                clients.push(connect(&at).await);
            }
            for _ in 0..150 {
                timeout(1000, accept(&listener)).await.unwrap();
            }
            assert!(timeout(10, accept(&listener)).await.is_err());
        });
    }
}

#[test]
fn others_have_their_turn_in_a_burst() {
    run(async {
        let (mut listener, at) = listener();
        listener.set_multi_accept(true);
        let mut clients = Vec::new();
        for _ in 0..super::BURST * 5 {
            clients.push(connect(&at).await);
        }
        let taken = Rc::new(std::cell::Cell::new(0));
        let counted = Rc::clone(&taken);
        spawn(async move {
            loop {
                accept(&listener).await;
                counted.set(counted.get() + 1);
            }
        });
        while taken.get() == 0 {
            crate::yield_now().await;
        }
        assert!(taken.get() < super::BURST * 5 && taken.get().is_multiple_of(super::BURST), "{}", taken.get());
    });
}

#[test]
fn a_paused_listener_lets_the_loop_sleep_and_goes_on() {
    run(async {
        let (listener, at) = listener();
        let _clients = [connect(&at).await, connect(&at).await];
        accept(&listener).await;
        listener.pause();
        let before = busy();
        sleep(100).await;
        assert!(busy() - before < 50_000_000);
        timeout(1000, accept(&listener)).await.unwrap();
    });
}

#[test]
fn threads_share_a_listener_and_none_is_lost() {
    let (fd, at) = listening();
    let taken = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (fd, taken) = (fd.try_clone().unwrap(), Arc::clone(&taken));
            std::thread::spawn(move || {
                run(async move {
                    let listener = Listener::new(fd).unwrap();
                    let end = now() + 10_000;
                    while taken.load(Ordering::Relaxed) < 200 && now() < end {
                        let more = timeout(300, accept(&listener)).await.is_ok();
                        taken.fetch_add(more.into(), Ordering::Relaxed);
                    }
                    assert!(timeout(10, accept(&listener)).await.is_err(), "none comes twice");
                });
            })
        })
        .collect();
    run(async move {
        let mut clients = Vec::new();
        for _ in 0..200 {
            clients.push(connect(&at).await);
        }
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(taken.load(Ordering::Relaxed), 200);
}

#[test]
fn a_dropped_listener_of_many_is_deregistered() {
    run(async {
        let (fd, at) = listening();
        for _ in 0..3 {
            drop(Listener::new(fd.try_clone().unwrap()).unwrap());
        }
        let _client = connect(&at).await;
        let before = busy();
        sleep(100).await;
        assert!(busy() - before < 50_000_000);
        accept_now(&fd).unwrap();
    });
}

/// Set for the process that runs out of descriptors, so that others here do not.
const STARVED: &str = "LOCKGATE_TEST_STARVED";

#[test]
fn without_descriptors_it_waits_and_does_not_spin() {
    if std::env::var_os(STARVED).is_none() {
        let test = "listener::tests::without_descriptors_it_waits_and_does_not_spin";
        let mut itself = Command::new(std::env::current_exe().unwrap());
        let output = itself.args(["--exact", test]).env(STARVED, "1").output().unwrap();
        return assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    run(async {
        let (listener, at) = listener();
        let _client = connect(&at).await;
        os::process::set_nofile(64).unwrap();
        let mut hoard = Vec::new();
        while let Ok(fd) = os::io::eventfd() {
            hoard.push(fd);
        }
        let error = poll_fn(|_| listener.poll_accept()).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(os::errno::EMFILE));
        let spare = hoard.pop();
        let before = busy_without_descriptors(spare).await;
        assert!(before < 50_000_000, "{before} ns");
        drop(hoard);
        timeout(1000, accept(&listener)).await.unwrap();
    });
}

/// Processor time of 100 ms of waiting; asking for it takes the one descriptor that is spared.
async fn busy_without_descriptors(spare: Option<std::os::fd::OwnedFd>) -> u64 {
    drop(spare);
    let before = busy();
    sleep(100).await;
    busy() - before
}

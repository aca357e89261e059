use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Poll;

use os::SockAddr;

use crate::{Listener, Runtime, Socket, Timer, now, sleep, spawn, timeout, wake_all, yield_now};

fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    Runtime::new().unwrap().run(main)
}

fn listener() -> (Listener, SockAddr) {
    let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
    let fd = os::socket::stream(&any).unwrap();
    os::socket::bind(&fd, &any).unwrap();
    os::socket::listen(&fd, 128).unwrap();
    let at = os::socket::local_addr(&fd).unwrap();
    (Listener::new(fd).unwrap(), at)
}

async fn accept(listener: &Listener) -> Socket {
    std::future::poll_fn(|_| listener.poll_accept()).await.unwrap().0
}

async fn connect(to: &SockAddr) -> Socket {
    Socket::connect(os::socket::stream(to).unwrap(), to).await.unwrap()
}

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
        for number in 0..200_u32 {
            let (at, done) = (at.clone(), Rc::clone(&done));
            spawn(async move {
                let socket = connect(&at).await;
                for round in 0..5_u32 {
                    let said = (number * 1000 + round).to_be_bytes().repeat(500);
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
        while done.get() < 200 {
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
        let peeked = std::future::poll_fn(|_| server.poll_peek(&mut buffer)).await.unwrap();
        assert_eq!(peeked, 2);
        server.clear_readable();
        let more = timeout(30, std::future::poll_fn(|_| server.poll_readable())).await;
        if more.is_ok() {
            // The first registration may tell of the bytes that are known already, once.
            server.clear_readable();
            assert!(timeout(30, std::future::poll_fn(|_| server.poll_readable())).await.is_err());
        }
        client.write_all(b"c").await.unwrap();
        std::future::poll_fn(|_| server.poll_readable()).await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
    });
}

#[test]
fn a_refused_connection() {
    run(async {
        let (listener, at) = listener();
        drop(listener);
        let error = Socket::connect(os::socket::stream(&at).unwrap(), &at).await.unwrap_err();
        assert_eq!(error.as_io().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn datagrams_keep_their_boundaries() {
    run(async {
        let any = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        let fd = os::socket::datagram(&any).unwrap();
        os::socket::bind(&fd, &any).unwrap();
        let SockAddr::Inet(at) = os::socket::local_addr(&fd).unwrap() else { panic!("not inet") };
        let server = Socket::new(fd);
        let client = Socket::udp_connected(at).unwrap();
        let mut buffer = [0; 64];
        for length in [3, 0, 5] {
            assert_eq!(client.try_write(&buffer[..length]).unwrap(), length);
        }
        for length in [3, 0, 5] {
            assert_eq!(server.read(&mut buffer).await.unwrap(), length);
        }
    });
}

#[test]
fn timers_fire_in_order_and_not_early() {
    run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let start = now();
        for wait in [40, 5, 20] {
            let order = Rc::clone(&order);
            spawn(async move {
                sleep(wait).await;
                assert!(now() >= start + wait);
                order.borrow_mut().push(wait);
            });
        }
        sleep(60).await;
        assert_eq!(*order.borrow(), [5, 20, 40]);
    });
}

#[test]
fn a_timer_moved_later_fires_later() {
    run(async {
        let timer = Timer::new();
        let start = now();
        timer.set(start + 10);
        timer.set(start + 40);
        std::future::poll_fn(|_| timer.poll_expired()).await;
        assert!(now() >= start + 40);
    });
}

#[test]
fn a_panic_costs_nobody_else_anything() {
    let lived = run(async {
        spawn(async { panic!("meant to happen in this test") });
        sleep(5).await;
        true
    });
    assert!(lived);
}

#[test]
fn other_threads_are_heard() {
    thread_local!(static HEARD: Cell<bool> = const { Cell::new(false) });
    let runtime = Runtime::new().unwrap();
    let remote = runtime.remote();
    let other = std::thread::spawn(move || {
        remote.post(Box::new(|| {
            HEARD.set(true);
            wake_all();
        }));
    });
    runtime.run(std::future::poll_fn(|_| if HEARD.get() { Poll::Ready(()) } else { Poll::Pending }));
    other.join().unwrap();
}

#[test]
fn waking_all_reaches_who_waits_for_nothing_else() {
    run(async {
        let stop = Rc::new(Cell::new(false));
        let stopped = Rc::new(Cell::new(0));
        for _ in 0..10 {
            let (stop, stopped) = (Rc::clone(&stop), Rc::clone(&stopped));
            spawn(async move {
                std::future::poll_fn(|_| if stop.get() { Poll::Ready(()) } else { Poll::Pending }).await;
                stopped.set(stopped.get() + 1);
            });
        }
        yield_now().await;
        stop.set(true);
        wake_all();
        // This task was woken with them, so it may run before they do.
        yield_now().await;
        yield_now().await;
        assert_eq!(stopped.get(), 10);
    });
}

#[test]
fn what_a_session_costs_here() {
    assert!(size_of::<crate::socket::Readiness>() <= 24);
    assert!(size_of::<Socket>() <= 12);
    assert!(size_of::<Timer>() <= 4);
    assert!(size_of::<crate::wheel::Entry>() <= 56);
    assert!(size_of::<super::Task>() <= 24);
}

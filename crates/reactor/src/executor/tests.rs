use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use crate::loopback::{any, busy, pair, run};
use crate::{Runtime, Socket, Timer, now, sleep, spawn, timeout, wake_all, wall, yield_now};

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
fn a_panic_in_a_job_of_another_thread_neither() {
    let runtime = Runtime::new().unwrap();
    let remote = runtime.remote();
    let (tell, told) = std::sync::mpsc::channel();
    remote.post(Box::new(|| panic!("meant to happen in this test")));
    remote.post(Box::new(move || tell.send(()).unwrap()));
    runtime.run(sleep(5));
    told.try_recv().unwrap();
}

#[test]
fn a_panic_while_dropping_what_is_left_neither() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("meant to happen in this test");
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let counted = Rc::clone(&dropped);
    run(async move {
        for _ in 0..2 {
            let counted = Rc::clone(&counted);
            spawn(async move {
                let (_counted, _bomb) = (Counted(counted), Bomb);
                std::future::pending::<()>().await;
            });
        }
        yield_now().await;
    });
    assert_eq!(dropped.get(), 2);
}

struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn who_yields_lets_sockets_have_their_turn() {
    run(async {
        let (a, b) = pair().await;
        let heard = Rc::new(Cell::new(false));
        let hearing = Rc::clone(&heard);
        spawn(async move {
            let mut buffer = [0; 8];
            assert_eq!(b.read(&mut buffer).await.unwrap(), 2);
            hearing.set(true);
        });
        yield_now().await;
        a.write_all(b"hi").await.unwrap();
        let before = now();
        while !heard.get() && now() < before + 1000 {
            yield_now().await;
        }
        assert!(heard.get());
    });
}

#[test]
fn tasks_that_wake_each_other_do_not_keep_the_loop() {
    run(async {
        let tasks: Rc<RefCell<Vec<crate::TaskId>>> = Rc::default();
        for _ in 0..2 {
            let others = Rc::clone(&tasks);
            let task = spawn(std::future::poll_fn(move |_| {
                let me = crate::current_task();
                others.borrow().iter().filter(|task| **task != me).for_each(|task| crate::wake(*task));
                Poll::Pending
            }));
            tasks.borrow_mut().push(task);
        }
        sleep(5).await;
    });
}

#[test]
fn an_end_of_many_tasks_leaves_no_stale_wake() {
    run(async {
        let first = spawn(async {});
        yield_now().await;
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let second = spawn(std::future::poll_fn(move |_| {
            counted.set(counted.get() + 1);
            Poll::Pending
        }));
        yield_now().await;
        assert_eq!(second.0.index, first.0.index, "the number is used again");
        crate::wake(first);
        yield_now().await;
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn jobs_that_come_together_all_run() {
    let runtime = Runtime::new().unwrap();
    let remote = runtime.remote();
    let (tell, told) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (remote, tell) = (remote.clone(), tell.clone());
            std::thread::spawn(move || {
                for _ in 0..250 {
                    let tell = tell.clone();
                    remote.post(Box::new(move || tell.send(()).unwrap()));
                }
            })
        })
        .collect();
    drop(tell);
    let heard = runtime.run(async move {
        let mut heard = 0;
        while heard < 1000 {
            heard += told.try_iter().count();
            sleep(1).await;
        }
        heard
    });
    assert_eq!(heard, 1000);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn who_waits_costs_no_time() {
    let spent = run(async {
        let socket = Socket::new(os::socket::datagram(&any()).unwrap());
        let before = busy();
        assert!(timeout(100, socket.readable()).await.is_ok(), "a new socket may be tried at once");
        assert!(timeout(100, socket.read(&mut [0; 8])).await.is_err());
        busy() - before
    });
    assert!(spent < 50_000_000, "{spent} ns");
}

#[test]
fn both_clocks_go_on() {
    run(async {
        let (before, wall_before) = (now(), wall());
        assert_eq!(wall(), wall_before, "one reading per pass");
        sleep(5).await;
        assert!(now() >= before + 5);
        assert!(wall() > wall_before);
    });
}

#[test]
fn a_task_costs_little() {
    assert!(size_of::<super::Task>() <= 24);
    assert!(size_of::<crate::slab::Key>() == 8);
    assert!(size_of::<Timer>() <= 4);
    assert!(size_of::<crate::wheel::Entry>() <= 56);
}

#[test]
fn who_waits_for_the_same_moment_goes_on_in_the_order_of_coming() {
    run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        for number in 0..5 {
            let order = Rc::clone(&order);
            spawn(async move {
                sleep(80).await;
                order.borrow_mut().push(number);
            });
        }
        sleep(200).await;
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    });
}

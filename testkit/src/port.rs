//! Ports that no other test takes, in this process or in another one.
//!
//! A lease is a locked file named after the port; the ports lie below the range from which the kernel picks
//! source ports, so that a connection going out cannot take one either.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// A leased port, free for TCP and UDP until dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Leases a port on which nothing listens now.
    pub fn lease() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let dir = std::env::temp_dir().join("lockgate-testkit-ports");
        std::fs::create_dir_all(&dir).expect("the directory of the port leases");
        let start = (std::process::id() as u16).wrapping_mul(97);
        for _ in 0..COUNT {
            let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let number = FIRST + step % COUNT;
            let lock = File::create(dir.join(number.to_string())).expect("a port lease");
            if lock.try_lock().is_err() {
                continue;
            }
            if TcpListener::bind(("0.0.0.0", number)).is_ok() && UdpSocket::bind(("0.0.0.0", number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port from {FIRST} on");
    }

    /// Leases `count` ports in a row.
    pub fn lease_range(count: usize) -> Vec<Self> {
        let mut row: Vec<Self> = Vec::new();
        for _ in 0..COUNT {
            if row.len() == count {
                return row;
            }
            let next = Self::lease();
            if row.last().is_some_and(|last| last.number + 1 != next.number) {
                row.clear();
            }
            row.push(next);
        }
        panic!("no {count} free ports in a row");
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

//! Ports that no other test takes, in this process or in another one.
//!
//! A lease is a locked file named after the port; the ports lie below the range from which the kernel picks
//! source ports, so that a connection going out cannot take one either.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

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
            if !is_listened_on(number) && !takes_datagrams(number) {
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

/// Tries to bind to the port. Who listened in order to try would be in the way for longer than that: a process that another
/// test starts meanwhile holds all sockets there are until it becomes another program.
fn is_listened_on(number: u16) -> bool {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let socket = socket.expect("a socket");
    sockopt::set_socket_reuseaddr(&socket, true).expect("its option");
    rustix::net::bind(&socket, &SocketAddr::from(([0; 4], number))).is_err()
}

/// Asks the kernel, since a socket that only tries is in the way, too.
fn takes_datagrams(number: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/udp").expect("the kernel's sockets");
    let port = format!(":{number:04X}");
    sockets.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|local| local.ends_with(&port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::{Port, is_listened_on, takes_datagrams};

    #[test]
    fn what_is_in_use_is_seen() {
        let port = Port::lease();
        let number = port.number();
        assert!(!is_listened_on(number) && !takes_datagrams(number));
        let _stream = TcpListener::bind(("127.0.0.1", number)).unwrap();
        assert!(is_listened_on(number) && !takes_datagrams(number));
        let _datagrams = UdpSocket::bind(("127.0.0.1", number)).unwrap();
        assert!(takes_datagrams(number));
    }
}

//! Socket addresses: what the kernel calls `sockaddr`, as a value.

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SockAddr {
    /// IPv4 or IPv6 with a port.
    Inet(SocketAddr),
    /// A path in the file system; empty for a socket without a name.
    Unix(Box<[u8]>),
}

/// The kernel's form of an address, with its length.
#[derive(Clone, Copy)]
pub(crate) struct Raw {
    pub(crate) storage: libc::sockaddr_storage,
    pub(crate) length: libc::socklen_t,
}

impl Raw {
    /// Room for any address.
    pub(crate) fn empty() -> Self {
        // SAFETY: sockaddr_storage is plain data for which all zeroes is a value.
        let storage = unsafe { mem::zeroed() };
        Self { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    pub(crate) fn ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) fn ptr_mut(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    fn put<T>(&mut self, value: T, length: usize) {
        debug_assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>());
        // SAFETY: every sockaddr type fits into sockaddr_storage, whose alignment serves them all.
        unsafe { std::ptr::write((&raw mut self.storage).cast::<T>(), value) };
        self.length = length as libc::socklen_t;
    }

    /// Becomes `address`, in place of what was here.
    pub(crate) fn set(&mut self, address: &SockAddr) {
        match address {
            SockAddr::Inet(SocketAddr::V4(v4)) => self.put(
                libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                    sin_zero: [0; 8],
                },
                size_of::<libc::sockaddr_in>(),
            ),
            SockAddr::Inet(SocketAddr::V6(v6)) => self.put(
                libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                },
                size_of::<libc::sockaddr_in6>(),
            ),
            SockAddr::Unix(path) => {
                let mut un = libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
                // A path that is too long is cut; loading a configuration refuses those.
                let room = un.sun_path.len() - 1;
                for (slot, byte) in un.sun_path.iter_mut().zip(path.iter().take(room)) {
                    *slot = *byte as libc::c_char;
                }
                let length = std::mem::offset_of!(libc::sockaddr_un, sun_path) + path.len().min(room) + 1;
                self.put(un, length);
            }
        }
    }

    /// The address as a value, of the length that the kernel tells; families that are not ours become an unnamed one.
    pub(crate) fn value(&self, length: libc::socklen_t) -> SockAddr {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says which type is stored.
                let v4 = unsafe { *(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                SockAddr::Inet(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: the family says which type is stored.
                let v6 = unsafe { *(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                SockAddr::Inet(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            libc::AF_UNIX => {
                // SAFETY: the family says which type is stored.
                let un = unsafe { *(&raw const self.storage).cast::<libc::sockaddr_un>() };
                let room = (length as usize).saturating_sub(std::mem::offset_of!(libc::sockaddr_un, sun_path));
                let path: Vec<u8> =
                    un.sun_path.iter().take(room).map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
                SockAddr::Unix(path.into())
            }
            _ => SockAddr::Unix(Box::default()),
        }
    }
}

impl SockAddr {
    /// The address family's number.
    pub fn family(&self) -> i32 {
        match self {
            Self::Inet(SocketAddr::V4(_)) => libc::AF_INET,
            Self::Inet(SocketAddr::V6(_)) => libc::AF_INET6,
            Self::Unix(_) => libc::AF_UNIX,
        }
    }

    pub(crate) fn raw(&self) -> Raw {
        let mut raw = Raw::empty();
        raw.set(self);
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_round_trip() {
        for address in ["1.2.3.4:5", "[::1]:65535", "[fe80::1%3]:7"] {
            let address = SockAddr::Inet(address.parse().unwrap());
            let raw = address.raw();
            assert_eq!(raw.value(raw.length), address);
        }
        for path in [&b"/run/x.sock"[..], b"", &[b'p'; 107]] {
            let unix = SockAddr::Unix(path.into());
            let raw = unix.raw();
            assert_eq!(raw.value(raw.length), unix);
        }
    }

    #[test]
    fn a_path_is_cut_to_what_the_kernel_takes() {
        let raw = SockAddr::Unix([b'p'; 300].into()).raw();
        assert_eq!(raw.value(raw.length), SockAddr::Unix([b'p'; 107].into()));
    }

    #[test]
    fn names_of_unix_sockets_as_the_kernel_tells_them() {
        use crate::socket;
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(socket::local_addr(&one).unwrap(), SockAddr::Unix(Box::default()));
        let path = std::env::temp_dir().join(format!("lockgate-os-addr-{}", std::process::id()));
        let at = SockAddr::Unix(path.as_os_str().as_encoded_bytes().into());
        let fd = socket::stream(&at).unwrap();
        socket::bind(&fd, &at).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(socket::local_addr(&fd).unwrap(), at);
    }
}

//! Addresses of this machine's interfaces.

use std::io;
use std::net::IpAddr;
use std::ptr;

use crate::addr::{Raw, SockAddr};
use crate::check;

/// Every address of every interface now (getifaddrs(3)).
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the pointer is to be filled with a list, or left alone by a call that fails.
    check(unsafe { libc::getifaddrs(&raw mut first) })?;
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: entries are those of the list just made, whose last one has no next; it is not changed meanwhile.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: where there is an address it is of its family's type.
        if let Some(SockAddr::Inet(address)) = unsafe { value(entry.ifa_addr) } {
            found.push(address.ip());
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list is that of the call above, and nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// An address of IPv4 or IPv6.
///
/// # Safety
/// `address` is null or points to an address of the type that its family says.
unsafe fn value(address: *const libc::sockaddr) -> Option<SockAddr> {
    // SAFETY: whatever the type, it begins with the family.
    let family = i32::from(unsafe { address.as_ref() }?.sa_family);
    let length = match family {
        libc::AF_INET => size_of::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
        _ => return None,
    };
    let mut raw = Raw::empty();
    // SAFETY: the type has this length, as the caller says, and there is room for any.
    unsafe { ptr::copy_nonoverlapping(address.cast::<u8>(), raw.ptr_mut().cast::<u8>(), length) };
    Some(raw.value(length as libc::socklen_t))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loopback_interface_is_there() {
        let addresses = super::addresses().unwrap();
        assert!(addresses.iter().any(std::net::IpAddr::is_loopback), "{addresses:?}");
    }
}

//! Who this process is: users and groups of the system, and giving up being root.

use std::ffi::CString;
use std::io;
use std::mem;

use crate::check;

/// Whether this process may do anything.
pub fn is_root() -> bool {
    // SAFETY: no pointers; it cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The number of the user `name`, if there is one.
pub fn user(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    let mut room = vec![0; 4096];
    loop {
        // SAFETY: passwd is plain data; every pointer describes a local that lives through the
        // call.
        let (error, found) = unsafe {
            let mut entry: libc::passwd = mem::zeroed();
            let mut result = std::ptr::null_mut();
            let error = libc::getpwnam_r(name.as_ptr(), &raw mut entry, room.as_mut_ptr(), room.len(), &raw mut result);
            (error, (!result.is_null()).then_some(entry.pw_uid))
        };
        match error {
            0 => return Ok(found),
            libc::ERANGE if room.len() < 1 << 20 => room.resize(room.len() * 4, 0),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// The number of the group `name`, if there is one.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    let mut room = vec![0; 4096];
    loop {
        // SAFETY: group is plain data; every pointer describes a local that lives through the
        // call.
        let (error, found) = unsafe {
            let mut entry: libc::group = mem::zeroed();
            let mut result = std::ptr::null_mut();
            let error = libc::getgrnam_r(name.as_ptr(), &raw mut entry, room.as_mut_ptr(), room.len(), &raw mut result);
            (error, (!result.is_null()).then_some(entry.gr_gid))
        };
        match error {
            0 => return Ok(found),
            libc::ERANGE if room.len() < 1 << 20 => room.resize(room.len() * 4, 0),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Gives up being root for good: the groups of the user `name`, then its group and user numbers, in
/// every thread. With `raw_sockets` the right to use foreign addresses (`CAP_NET_RAW`) is kept.
pub fn become_user(name: &str, uid: u32, gid: u32, raw_sockets: bool) -> io::Result<()> {
    let name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the name is a C string; the others take numbers.
    unsafe {
        check(libc::initgroups(name.as_ptr(), gid))?;
        check(libc::setresgid(gid, gid, gid))?;
        if raw_sockets {
            check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
        }
        check(libc::setresuid(uid, uid, uid))?;
    }
    if raw_sockets { keep_raw_sockets() } else { Ok(()) }
}

/// Of all capabilities leaves the one for raw sockets and foreign addresses (capset(2)).
fn keep_raw_sockets() -> io::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3`: two words of each set.
    const VERSION: u32 = 0x2008_0522;
    const CAP_NET_RAW: u32 = 13;
    let head = [VERSION, 0];
    let raw = 1_u32 << CAP_NET_RAW;
    let sets = [[raw, raw, 0], [0, 0, 0]];
    // SAFETY: header and sets have the layout that this version has.
    check(unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), sets.as_ptr()) } as libc::c_int).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups() {
        assert_eq!(user("root").unwrap(), Some(0));
        assert_eq!(group("root").unwrap(), Some(0));
        assert_eq!(user("no-such-user-here").unwrap(), None);
        assert_eq!(group("no-such-group-here").unwrap(), None);
    }
}

//! Giving up what a process has no use for, for good: new privileges, files (Landlock) and system
//! calls (seccomp). Each holds for the calling thread and the threads and processes it starts later.

mod calls;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub use calls::limit_calls;

use crate::check;

/// Programs that are executed get no more rights than the process has (`PR_SET_NO_NEW_PRIVS`);
/// the other limits ask for it.
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

// The rights over files that Landlock knows, by its versions (linux/landlock.h).
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_REG: u64 = 1 << 8;
const FIRST: u64 = (1 << 13) - 1;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;

/// Directories that stay open to a process beneath [`limit_files`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Beneath<'a> {
    /// Files in there may be read.
    pub read: Vec<&'a Path>,
    /// Files in there may be made and written to.
    pub write: Vec<&'a Path>,
}

/// From here on no file is opened, made, removed or executed but `beneath`. What is open stays so;
/// that something exists can still be seen, and sockets in the file system be connected to.
/// `ENOSYS` or `EOPNOTSUPP` where the kernel has no Landlock. A directory that is not there opens nothing.
pub fn limit_files(beneath: &Beneath<'_>) -> io::Result<()> {
    const VERSION: u32 = 1;
    // SAFETY: a null pointer with a length of zero asks for the version.
    let version = check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u64>(), 0_usize, VERSION) as libc::c_int
    })?;
    let mut handled = FIRST;
    if version >= 2 {
        handled |= REFER;
    }
    if version >= 3 {
        handled |= TRUNCATE;
    }
    // SAFETY: pointer and length describe the first field of landlock_ruleset_attr, which is all
    // that the first version had; the descriptor that is returned is ours alone.
    let rules = unsafe {
        let fd = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of::<u64>(), 0_u32);
        OwnedFd::from_raw_fd(check(fd as libc::c_int)?)
    };
    for (directories, rights) in
        [(&beneath.read, READ_FILE | READ_DIR), (&beneath.write, READ_FILE | WRITE_FILE | MAKE_REG | READ_DIR)]
    {
        for directory in directories {
            allow(&rules, directory, rights & !EXECUTE & handled)?;
        }
    }
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0_u32) as libc::c_int }).map(drop)
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

fn allow(rules: &OwnedFd, directory: &Path, rights: u64) -> io::Result<()> {
    const PATH_BENEATH: libc::c_int = 1;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory);
    let Ok(parent) = opened else { return Ok(()) };
    let rule = PathBeneath { allowed: rights, parent: parent.as_raw_fd() };
    // SAFETY: the rule has the layout that its type says and lives through the call.
    check(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, rules.as_raw_fd(), PATH_BENEATH, &raw const rule, 0_u32)
            as libc::c_int
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `what` on a thread of its own, which alone is confined.
    fn apart(what: impl FnOnce() + Send + 'static) {
        std::thread::spawn(what).join().unwrap();
    }

    #[test]
    fn files_outside_are_out_of_reach() {
        let dir = std::env::temp_dir().join(format!("lockgate-confine-{}", std::process::id()));
        for name in ["read", "write", "none"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
            std::fs::write(dir.join(name).join("file"), "text").unwrap();
        }
        let at = dir.clone();
        apart(move || {
            no_new_privileges().unwrap();
            let (read, write, none) = (at.join("read"), at.join("write"), at.join("none"));
            limit_files(&Beneath { read: vec![&read, Path::new("/no/such")], write: vec![&write] }).unwrap();
            let denied = |result: io::Result<()>| assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EACCES));
            assert_eq!(std::fs::read_to_string(read.join("file")).unwrap(), "text");
            denied(std::fs::write(read.join("file"), "x"));
            std::fs::OpenOptions::new().append(true).create(true).open(write.join("new")).unwrap();
            denied(std::fs::read(none.join("file")).map(drop));
            denied(std::fs::remove_file(write.join("file")));
            denied(std::fs::read("/etc/passwd").map(drop));
            denied(std::process::Command::new("/bin/true").status().map(drop));
            assert!(std::fs::metadata(none.join("file")).is_ok(), "existence is no secret");
        });
        assert_eq!(
            std::fs::read_to_string(dir.join("none/file")).unwrap(),
            "text",
            "other threads are as free as before"
        );
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn calls_that_serve_no_session_are_refused() {
        apart(|| {
            no_new_privileges().unwrap();
            limit_calls().unwrap();
            let refused = |result: i64| {
                let error = io::Error::last_os_error();
                assert!(result == -1 && error.raw_os_error() == Some(libc::EPERM), "{error}");
            };
            // SAFETY: these calls take numbers or null pointers, and are refused before they are looked at.
            unsafe {
                refused(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0));
                refused(libc::syscall(libc::SYS_kill, libc::getpid(), 0));
                refused(libc::syscall(libc::SYS_setuid, 0));
                refused(libc::syscall(libc::SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0));
                refused(libc::syscall(libc::SYS_execve, std::ptr::null::<u8>(), 0, 0));
                refused(libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0));
            }
            std::thread::spawn(|| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).join().unwrap();
            assert!(std::process::Command::new("/bin/true").status().is_err());
        });
        assert!(std::process::Command::new("/bin/true").status().unwrap().success());
    }
}

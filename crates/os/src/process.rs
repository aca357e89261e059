//! The process itself: limits, forking into the background, and what it may know of the machine.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use crate::check;

/// The calling thread's number.
pub fn thread_id() -> u32 {
    // SAFETY: no pointers; it cannot fail.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// Makes `to` another descriptor of what `from` is, at once for all who use `to` (dup3(2)).
pub fn replace_fd(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    // SAFETY: both are open for the length of the call; `to` stays owned by its owner.
    unsafe { check(libc::dup3(from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd(), libc::O_CLOEXEC)).map(drop) }
}

/// Makes standard error lead to where `to` does.
pub fn redirect_stderr(to: impl AsFd) -> io::Result<()> {
    // SAFETY: the standard descriptors are nobody's objects.
    check(unsafe { libc::dup3(to.as_fd().as_raw_fd(), libc::STDERR_FILENO, 0) }).map(drop)
}

/// Random bits of the kernel (getrandom(2)).
pub fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: pointer and length describe `bytes`; so short a request is never cut.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u64::from_ne_bytes(bytes)
}

/// The signal that cannot be refused.
pub const KILL: i32 = libc::SIGKILL;

/// kill(2).
pub fn kill(pid: u32, signal: i32) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: no pointers.
    unsafe { check(libc::kill(pid, signal)).map(drop) }
}

/// Goes on as a process of its own in the background: the caller of the program gets its exit
/// status, standard streams lead to /dev/null. To be called while there is one thread only.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: there is one thread, so the child is a whole program; the parent leaves at once
    // without running anything of ours.
    unsafe {
        if check(libc::fork())? != 0 {
            libc::_exit(0);
        }
        check(libc::setsid())?;
        libc::umask(0);
    }
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for stream in 0..=1 {
        // SAFETY: the standard descriptors are nobody's objects.
        unsafe { check(libc::dup2(null.as_raw_fd(), stream))? };
    }
    Ok(())
}

/// The limit of open files: soft and hard.
pub fn nofile() -> Option<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes into `limit`.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }).ok()?;
    Some((limit.rlim_cur, limit.rlim_max))
}

/// Sets the limit of open files, soft and hard.
pub fn set_nofile(files: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: files, rlim_max: files };
    // SAFETY: the limit lives through the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// Sets the largest core file, bytes. After a change of user there is none without
/// [`set_dumpable`].
pub fn set_core(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit lives through the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) }).map(drop)
}

/// Lets there be core files (`PR_SET_DUMPABLE`), which a change of user has turned off; other
/// processes of the same user may look into this one then.
pub fn set_dumpable() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) }).map(drop)
}

/// Sets the nice value.
pub fn set_priority(nice: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// Keeps the calling thread on `processors`.
pub fn set_affinity(processors: impl Iterator<Item = u32>) -> io::Result<()> {
    // SAFETY: cpu_set_t is plain data for which all zeroes is the empty set; the bits are within
    // its size.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        for cpu in processors.filter(|cpu| *cpu < libc::CPU_SETSIZE as u32) {
            libc::CPU_SET(cpu as usize, &mut set);
        }
        check(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)).map(drop)
    }
}

/// Gives the calling thread a working directory of its own (unshare(2)).
pub fn own_directory() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_FS) }).map(drop)
}

/// Processors online.
pub fn online_cpus() -> u32 {
    // SAFETY: no pointers.
    u32::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1).max(1)
}

fn uname() -> Option<libc::utsname> {
    // SAFETY: utsname is plain data; the kernel fills it.
    unsafe {
        let mut name: libc::utsname = mem::zeroed();
        check(libc::uname(&raw mut name)).ok()?;
        Some(name)
    }
}

fn field(text: &[libc::c_char]) -> String {
    // SAFETY: uname ends every field with a NUL within it.
    unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned()
}

/// The machine's name.
pub fn hostname() -> String {
    uname().map_or_else(String::new, |name| field(&name.nodename))
}

/// The kernel's release.
pub fn release() -> String {
    uname().map_or_else(String::new, |name| field(&name.release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_says() {
        assert!(!hostname().is_empty() && !release().is_empty());
        assert!(online_cpus() >= 1);
        assert!(nofile().is_some_and(|(soft, hard)| soft <= hard));
        assert_ne!(random(), random());
    }

    #[test]
    fn limits_and_processors() {
        let (soft, hard) = nofile().unwrap();
        assert!(soft <= hard && online_cpus() >= 1);
        std::thread::spawn(|| {
            set_affinity([0].into_iter()).unwrap();
            assert_eq!(set_affinity([].into_iter()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            own_directory().unwrap();
            std::env::set_current_dir("/proc").unwrap();
        })
        .join()
        .unwrap();
        assert_ne!(std::env::current_dir().unwrap(), std::path::Path::new("/proc"));
        set_dumpable().unwrap();
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }, 1);
    }

    #[test]
    fn a_signal_to_nobody_is_told() {
        kill(std::process::id(), 0).unwrap();
        assert_eq!(kill(u32::MAX, 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }

    #[test]
    fn a_descriptor_is_replaced_for_all_who_use_it() {
        use std::io::{Read, Seek, Write};
        let path = std::env::temp_dir().join(format!("lockgate-os-{}", std::process::id()));
        let open = || std::fs::File::options().create(true).read(true).append(true).open(&path).unwrap();
        let (mut old, null) = (open(), std::fs::File::options().write(true).open("/dev/null").unwrap());
        old.write_all(b"before ").unwrap();
        replace_fd(&null, &old).unwrap();
        old.write_all(b"lost").unwrap();
        replace_fd(open(), &old).unwrap();
        old.write_all(b"after").unwrap();
        old.rewind().unwrap();
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(text, "before after");
    }
}

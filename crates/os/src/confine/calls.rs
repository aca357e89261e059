//! The filter of system calls (seccomp(2)): a list of those that serving sessions takes. Any other
//! fails with `EPERM`, which the program sees as an ordinary error.

use std::io;

use crate::check;

#[cfg(target_arch = "x86_64")]
const ARCH: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const ARCH: Option<u32> = Some(0xC000_00B7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCH: Option<u32> = None;

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // Bytes through what is open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_splice,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // Sockets.
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Descriptors. Which files can be opened is Landlock's affair.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_prctl,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // What a process may know.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getcwd,
    libc::SYS_getcpu,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
];

/// Older forms of the same that some architectures have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_dup2,
    libc::SYS_readlink,
    libc::SYS_access,
    libc::SYS_time,
    libc::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

// Classic BPF (linux/bpf_common.h) and the places in `struct seccomp_data`.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_SET: u16 = 0x45;
const RETURN: u16 = 0x06;
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The lower half of the first argument, on little-endian machines.
const FIRST_ARGUMENT: u32 = 16;

const ALLOW: u32 = 0x7FFF_0000;
const FAIL: u32 = 0x0005_0000;

fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn fail(error: i32) -> libc::sock_filter {
    step(RETURN, FAIL | error.unsigned_abs(), 0, 0)
}

fn program(arch: u32) -> Vec<libc::sock_filter> {
    let allow = step(RETURN, ALLOW, 0, 0);
    let is = |value: libc::c_long, skip: u8| step(JUMP_IF_EQUAL, value as u32, 0, skip);
    let mut program = vec![
        step(LOAD, ARCHITECTURE, 0, 0),
        step(JUMP_IF_EQUAL, arch, 1, 0),
        fail(libc::EPERM),
        step(LOAD, NUMBER, 0, 0),
    ];
    for call in ALLOWED.iter().chain(OLDER) {
        program.extend([is(*call, 1), allow]);
    }
    // Its flags lie in memory, out of the filter's sight; without it the C library takes clone.
    program.extend([is(libc::SYS_clone3, 1), fail(libc::ENOSYS)]);
    // Threads, but no processes.
    program.extend([is(libc::SYS_clone, 4), step(LOAD, FIRST_ARGUMENT, 0, 0)]);
    program.extend([step(JUMP_IF_SET, libc::CLONE_THREAD as u32, 0, 1), allow, fail(libc::EPERM)]);
    // The families of addresses that a stream can have. Whatever is not in the list ends at the last step too.
    program.extend([is(libc::SYS_socket, 5), step(LOAD, FIRST_ARGUMENT, 0, 0)]);
    for (family, skip) in [(libc::AF_UNIX, 2), (libc::AF_INET, 1), (libc::AF_INET6, 0)] {
        program.push(step(JUMP_IF_EQUAL, family as u32, skip, u8::from(skip == 0)));
    }
    program.extend([allow, fail(libc::EPERM)]);
    program
}

/// From here on only those calls are to be had that serving sessions takes: no other programs, no
/// processes, no signals to others, no change of user, no sockets but of streams and datagrams.
/// `ENOSYS` on machines for which there is no list.
pub fn limit_calls() -> io::Result<()> {
    let arch = ARCH.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOSYS))?;
    let mut program = program(arch);
    let filter = libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    // SAFETY: the program lives through the call, which copies it.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) }).map(drop)
}

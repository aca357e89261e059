//! The few system calls that the generator and the bare relay need, all of them non-blocking and on 127.0.0.1.
use std::io;
use std::mem;
use std::os::fd::RawFd;

pub const IN: u32 = libc::EPOLLIN as u32;
pub const OUT: u32 = libc::EPOLLOUT as u32;
pub const ET: u32 = libc::EPOLLET as u32;
pub const RDHUP: u32 = libc::EPOLLRDHUP as u32;
pub const HUP: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// An epoll instance with room for one batch of events.
pub struct Epoll {
    fd: RawFd,
    batch: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Epoll { fd, batch: vec![libc::epoll_event { events: 0, u64: 0 }; 512] })
    }

    pub fn add(&self, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        checked(unsafe { libc::epoll_ctl(self.fd, libc::EPOLL_CTL_ADD, fd, &mut event) })?;
        Ok(())
    }

    /// Waits at most so long (−1: without end) and appends (token, events) to `out`.
    pub fn wait(&mut self, timeout_ms: i32, out: &mut Vec<(u64, u32)>) -> io::Result<()> {
        let room = self.batch.len() as i32;
        let count = unsafe { libc::epoll_wait(self.fd, self.batch.as_mut_ptr(), room, timeout_ms) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        out.extend(self.batch[..count as usize].iter().map(|event| (event.u64, event.events)));
        Ok(())
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        close(self.fd);
    }
}

fn loopback(port: u16) -> libc::sockaddr_in {
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    address
}

const ADDRESS_SIZE: u32 = mem::size_of::<libc::sockaddr_in>() as u32;

fn socket(kind: i32) -> io::Result<RawFd> {
    checked(unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })
}

fn bind(fd: RawFd, port: u16) -> io::Result<()> {
    let address = loopback(port);
    checked(unsafe { libc::bind(fd, (&raw const address).cast(), ADDRESS_SIZE) })?;
    Ok(())
}

pub fn set_option(fd: RawFd, level: i32, name: i32, value: i32) {
    unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), 4) };
}

pub fn nodelay(fd: RawFd) {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
}

pub fn listen(port: u16) -> io::Result<RawFd> {
    let fd = socket(libc::SOCK_STREAM)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
    bind(fd, port)?;
    checked(unsafe { libc::listen(fd, 4096) })?;
    Ok(fd)
}

/// The next client, or none if nobody waits.
pub fn accept(fd: RawFd) -> io::Result<Option<RawFd>> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let client = unsafe { libc::accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), flags) };
    if client >= 0 {
        return Ok(Some(client));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR | libc::ECONNABORTED) => Ok(None),
        _ => Err(error),
    }
}

/// Begins to connect.
pub fn connect(port: u16) -> io::Result<RawFd> {
    let fd = socket(libc::SOCK_STREAM)?;
    let address = loopback(port);
    if unsafe { libc::connect(fd, (&raw const address).cast(), ADDRESS_SIZE) } < 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINPROGRESS) {
            close(fd);
            return Err(error);
        }
    }
    Ok(fd)
}

pub fn udp_bind(port: u16) -> io::Result<RawFd> {
    let fd = socket(libc::SOCK_DGRAM)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, 4 << 20);
    bind(fd, port)?;
    Ok(fd)
}

pub fn udp_connect(port: u16) -> io::Result<RawFd> {
    let fd = socket(libc::SOCK_DGRAM)?;
    let address = loopback(port);
    checked(unsafe { libc::connect(fd, (&raw const address).cast(), ADDRESS_SIZE) })?;
    Ok(fd)
}

/// Sends every datagram that waits back to where it came from.
pub fn udp_echo(fd: RawFd, buffer: &mut [u8]) {
    loop {
        let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
        let mut length = ADDRESS_SIZE;
        let from = (&raw mut address).cast();
        let count = unsafe { libc::recvfrom(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0, from, &raw mut length) };
        if count < 0 {
            return;
        }
        unsafe { libc::sendto(fd, buffer.as_ptr().cast(), count as usize, 0, from, length) };
    }
}

/// Outcome of a non-blocking read or write.
pub enum Io {
    Bytes(usize),
    Block,
    Eof,
}

fn outcome(mut call: impl FnMut() -> isize, zero: Io) -> io::Result<Io> {
    loop {
        let count = call();
        if count > 0 {
            return Ok(Io::Bytes(count as usize));
        }
        if count == 0 {
            return Ok(zero);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN) => return Ok(Io::Block),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

pub fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<Io> {
    outcome(|| unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) }, Io::Eof)
}

pub fn write(fd: RawFd, bytes: &[u8]) -> io::Result<Io> {
    outcome(|| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) }, Io::Bytes(0))
}

/// Reads what standard input has, without a buffer that could keep later lines. 0 at its end.
pub fn read_stdin(buffer: &mut [u8]) -> usize {
    let count = unsafe { libc::read(0, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).unwrap_or(0)
}

pub fn close(fd: RawFd) {
    unsafe { libc::close(fd) };
}

/// A pipe of so many bytes: (reading end, writing end).
pub fn pipe(size: i32) -> io::Result<(RawFd, RawFd)> {
    let mut ends = [0; 2];
    checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) })?;
    unsafe { libc::fcntl(ends[1], libc::F_SETPIPE_SZ, size) };
    Ok((ends[0], ends[1]))
}

/// Moves up to so many bytes without copying them.
pub fn splice(from: RawFd, to: RawFd, most: usize) -> io::Result<Io> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let none = std::ptr::null_mut();
    outcome(|| unsafe { libc::splice(from, none, to, none, most, flags) }, Io::Eof)
}

fn clock(id: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time
}

/// This process's CPU time so far, in seconds.
pub fn own_cpu() -> f64 {
    let time = clock(libc::CLOCK_PROCESS_CPUTIME_ID);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The time of day in nanoseconds, to compare with the driver's clock.
pub fn now_ns() -> u64 {
    let time = clock(libc::CLOCK_REALTIME);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

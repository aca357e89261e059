//! What tests of this crate stand on: a runtime, and sockets of this machine.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use os::SockAddr;

use crate::{Listener, Runtime, Socket};

pub(crate) fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    Runtime::new().unwrap().run(main)
}

pub(crate) fn any() -> SockAddr {
    SockAddr::Inet("127.0.0.1:0".parse().unwrap())
}

pub(crate) fn listening() -> (OwnedFd, SockAddr) {
    let fd = os::socket::stream(&any()).unwrap();
    os::socket::bind(&fd, &any()).unwrap();
    os::socket::listen(&fd, 1024).unwrap();
    let at = os::socket::local_addr(&fd).unwrap();
    (fd, at)
}

pub(crate) fn listener() -> (Listener, SockAddr) {
    let (fd, at) = listening();
    (Listener::new(fd).unwrap(), at)
}

pub(crate) async fn accept(listener: &Listener) -> Socket {
    std::future::poll_fn(|_| listener.poll_accept()).await.unwrap().0
}

pub(crate) async fn connect(to: &SockAddr) -> Socket {
    let socket = Socket::toward(to).unwrap();
    socket.connect(to).await.unwrap();
    socket
}

/// Both ends of a TCP connection.
pub(crate) async fn pair() -> (Socket, Socket) {
    let (listener, at) = listener();
    (connect(&at).await, accept(&listener).await)
}

/// Both ends of a connection without the network.
pub(crate) fn unix_pair() -> (Socket, Socket) {
    let end = |stream: UnixStream| {
        stream.set_nonblocking(true).unwrap();
        Socket::stream(stream.into())
    };
    let (a, b) = UnixStream::pair().unwrap();
    (end(a), end(b))
}

/// A bound datagram socket and its address.
pub(crate) fn datagrams() -> (OwnedFd, std::net::SocketAddr) {
    let fd = os::socket::datagram(&any()).unwrap();
    os::socket::bind(&fd, &any()).unwrap();
    let SockAddr::Inet(at) = os::socket::local_addr(&fd).unwrap() else { panic!("not inet") };
    (fd, at)
}

/// Nanoseconds of processor time that this thread has had.
pub(crate) fn busy() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

//! The barest relay: every connection to one address is carried to another. It has no timeouts and
//! logs nothing; it is there to count the system calls of a session (`strace -f -c`).

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, ready};

use os::SockAddr;
use reactor::{Listener, Runtime, Socket};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 65_536]);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: relay LISTEN UPSTREAM".into());
    };
    let (from, to) = (SockAddr::Inet(from.parse()?), to.parse()?);
    let socket = os::socket::stream(&from)?;
    os::options::set_reuseaddr(&socket, true)?;
    os::socket::bind(&socket, &from)?;
    os::socket::listen(&socket, 511)?;
    Runtime::new()?.run(async move {
        let listener = Listener::new(socket)?;
        loop {
            let (client, _) = std::future::poll_fn(|_| listener.poll_accept()).await?;
            reactor::spawn(serve(client, to));
        }
    })
}

async fn serve(client: Socket, to: SocketAddr) {
    let Ok(upstream) = Socket::tcp_connect(to).await else { return };
    let (mut up, mut down) = (Vec::new(), Vec::new());
    // The first end, or error, of either side ends both; the sockets are closed with the task.
    std::future::poll_fn(|_| match carry(&client, &upstream, &mut up) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => carry(&upstream, &client, &mut down).map(drop),
    })
    .await;
}

/// Carries what there is; what is not taken at once is held, and nothing is read until it is gone.
fn carry(source: &Socket, sink: &Socket, held: &mut Vec<u8>) -> Poll<io::Result<()>> {
    BUFFER.with_borrow_mut(|buffer| {
        loop {
            while !held.is_empty() {
                let wrote = ready!(sink.poll_write(held))?;
                held.drain(..wrote);
            }
            let bytes = ready!(source.poll_read(buffer))?;
            if bytes == 0 {
                return Poll::Ready(Ok(()));
            }
            let read = buffer.get(..bytes).unwrap_or_default();
            match sink.poll_write(read) {
                Poll::Ready(Ok(wrote)) => held.extend_from_slice(read.get(wrote..).unwrap_or_default()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => held.extend_from_slice(read),
            }
        }
    })
}

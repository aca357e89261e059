//! Preread: the `ClientHello`, looked into without being consumed (`ssl_preread`).

use std::io;
use std::task::Poll;

use wire::client_hello::{Hello, Progress};

use super::fail::Cause;
use super::{Action, Phase, Session};
use crate::relay::{self, End};

/// Reads the `ClientHello` and switches to the server it names. What had to be consumed for that,
/// under TLS termination, is kept in the session to be sent on first.
pub(super) async fn read(s: &Session, client: &mut End) -> Phase {
    s.doing(Action::Prereading);
    let timeout = s.server().conf.core.preread_timeout;
    let look = async {
        match client {
            End::Plain(_) => peek(s).await,
            End::Tls(_) => consume(s, client).await,
        }
    };
    let Ok(looked) = reactor::timeout(timeout, look).await else { return Err(Cause::Told(200)) };
    looked?;
    let hello = s.hello.borrow();
    if let Some(name) = hello.as_ref().and_then(|hello| hello.server_name()).filter(|name| !name.is_empty()) {
        s.switch_by_name(name);
    }
    Ok(())
}

/// Peeks until the hello is whole or known not to be one. Nothing is consumed.
async fn peek(s: &Session) -> Phase {
    let size = s.server().conf.core.preread_buffer_size;
    std::future::poll_fn(|_| {
        relay::with_scratch(size, |buffer| {
            loop {
                let bytes = match s.socket.poll_peek(buffer) {
                    Poll::Pending => {
                        // What is waited for is there, unread, when this is over.
                        s.has_spoken.set(true);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Cause::ClientRead(error))),
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(Cause::Told(200))),
                    Poll::Ready(Ok(bytes)) => bytes,
                };
                let mut hello = Hello::new();
                let progress = hello.feed(buffer.get(..bytes).unwrap_or_default());
                if keep(s, hello, progress) {
                    return Poll::Ready(Ok(()));
                }
                if bytes >= size {
                    return Poll::Ready(Err(Cause::PrereadFull));
                }
                if s.socket.is_rdhup() {
                    return Poll::Ready(Err(Cause::Told(200)));
                }
                // The same bytes stay readable; only new ones are worth waking for.
                s.socket.clear_readable();
            }
        })
    })
    .await
}

/// Reads decrypted bytes until the hello inside is whole or known not to be one.
async fn consume(s: &Session, client: &mut End) -> Phase {
    let size = s.server().conf.core.preread_buffer_size;
    let mut buffer = vec![0; size];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(Cause::PrereadFull);
        }
        let read = std::future::poll_fn(|_| {
            let read = client.poll_read(room);
            s.has_spoken.set(s.has_spoken.get() && read.is_ready());
            read
        });
        let bytes: io::Result<usize> = read.await;
        match bytes {
            Err(error) => return Err(Cause::ClientRead(error)),
            Ok(0) => return Err(Cause::Told(200)),
            Ok(bytes) => filled += bytes,
        }
        let mut hello = Hello::new();
        let progress = hello.feed(buffer.get(..filled).unwrap_or_default());
        if keep(s, hello, progress) {
            buffer.truncate(filled);
            s.rare().consumed.replace(buffer);
            return Ok(());
        }
    }
}

/// Keeps what is known for the variables; true when there is no more to learn.
fn keep(s: &Session, hello: Hello, progress: Progress) -> bool {
    let hello = (progress != Progress::NotTls).then_some(hello);
    *s.hello.borrow_mut() = hello.map(Box::new);
    progress != Progress::NeedMore
}

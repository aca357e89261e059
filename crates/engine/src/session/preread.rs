//! Preread: what a client says first, looked into for its `ClientHello` (`ssl_preread`).

use std::task::Poll;

use policy::address::Address;
use wire::client_hello::{Hello, Progress};

use super::fail::Cause;
use super::{Action, Phase, Session};
use crate::relay::{self, End};

/// What came of it.
#[derive(Debug, Default)]
pub struct Preread {
    /// The hello, unless what came is something else.
    pub hello: Option<Hello>,
    /// What was taken from the client and has gone nowhere yet.
    pub said: Box<[u8]>,
}

impl Preread {
    /// The name that the client asks for.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.hello.as_ref()?.server_name()
    }
}

/// Reads the `ClientHello` and switches to the server it names.
pub(super) async fn read(s: &Session, client: &mut End) -> Phase {
    s.doing(Action::Prereading);
    let timeout = s.server().conf.core.preread_timeout;
    let look = async {
        match client {
            End::Plain(_) if !may_take(s) => peek(s).await,
            _ => take(s, client).await,
        }
    };
    let Ok(looked) = reactor::timeout(timeout, look).await else { return Err(Cause::Told(200)) };
    looked?;
    let preread = s.preread.borrow();
    if let Some(name) = preread.as_ref().and_then(|preread| preread.server_name()).filter(|name| !name.is_empty()) {
        s.switch_by_name(name);
    }
    Ok(())
}

/// Whether what a client says may be taken from its socket: nobody may want to find it there, and [`leave`] be able to
/// hide that it was.
fn may_take(s: &Session) -> bool {
    let address = s.virtual_address();
    !address.passes && matches!(address.address, Address::Inet(_))
}

/// Has the connection end as if what was taken from it and went nowhere were still unread: with a reset.
pub(super) fn leave(s: &Session) {
    let is_plain = !s.virtual_address().ssl;
    if is_plain && s.preread.borrow().as_ref().is_some_and(|preread| !preread.said.is_empty()) {
        // Without it the client sees an end, which is no harm.
        let _ = os::options::set_reset_on_close(&s.socket);
    }
}

/// What was taken from the client, for whoever passes it on now. What a plain client said counts as received by that.
pub(super) fn said(s: &Session, client: &End) -> Vec<u8> {
    let said = take_back(s);
    if matches!(client, End::Plain(_)) {
        s.received.set(s.received.get() + said.len() as u64);
    }
    said
}

/// Nobody is to have what was taken from the client.
pub(super) fn forget(s: &Session) {
    drop(take_back(s));
}

fn take_back(s: &Session) -> Vec<u8> {
    s.preread.borrow_mut().as_mut().map(|preread| std::mem::take(&mut preread.said)).unwrap_or_default().into()
}

/// Peeks until the hello is whole or known not to be one. Nothing is taken.
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
                let (hello, is_over) = understand(buffer.get(..bytes).unwrap_or_default());
                keep(s, Preread { hello, said: Box::default() });
                if is_over {
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

/// Takes bytes until the hello in them is whole or known not to be one.
async fn take(s: &Session, client: &mut End) -> Phase {
    let size = s.server().conf.core.preread_buffer_size;
    let is_plain = matches!(client, End::Plain(_));
    loop {
        let taken = s.preread.borrow().as_ref().map_or(0, |preread| preread.said.len());
        if taken >= size {
            return Err(Cause::PrereadFull);
        }
        let read = std::future::poll_fn(|_| {
            relay::with_scratch(size - taken, |buffer| match client.poll_read(buffer) {
                Poll::Pending => {
                    // What is waited for counts as there, unread, when this is over; not so under TLS.
                    s.has_spoken.set(is_plain);
                    Poll::Pending
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(Cause::ClientRead(error))),
                Poll::Ready(Ok(0)) => Poll::Ready(Err(Cause::Told(200))),
                Poll::Ready(Ok(bytes)) => Poll::Ready(Ok(add(s, buffer.get(..bytes).unwrap_or_default()))),
            })
        });
        if read.await? {
            return Ok(());
        }
    }
}

/// Adds to what was taken; true when there is no more to learn.
fn add(s: &Session, bytes: &[u8]) -> bool {
    let mut said = take_back(s);
    said.extend_from_slice(bytes);
    let (hello, is_over) = understand(&said);
    keep(s, Preread { hello, said: said.into() });
    is_over
}

fn keep(s: &Session, preread: Preread) {
    s.preread.replace(Some(Box::new(preread)));
}

/// What `bytes` say of the hello, and whether there is no more to learn.
fn understand(bytes: &[u8]) -> (Option<Hello>, bool) {
    let mut hello = Hello::new();
    let progress = hello.feed(bytes);
    ((progress != Progress::NotTls).then_some(hello), progress != Progress::NeedMore)
}

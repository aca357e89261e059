//! Content: what a client says while its upstream is being reached.

use std::task::Poll;

use super::proxy::Told;
use super::{Action, Session, preread};
use crate::relay::{End, Report, Side, Way, with_scratch};

/// What a client may say before the upstream is reached, where `proxy_buffer_size` is not set.
const BUFFER: usize = 16 * 1024;

/// The client while the upstream is not reached. Where it has said something already (a PROXY header, a handshake) what
/// it says is taken at once, as far as it fits a buffer; otherwise that waits in the socket.
pub(super) struct Early<'a> {
    client: &'a mut End,
    /// What it has said.
    pub(super) bytes: Vec<u8>,
    room: usize,
    begun: bool,
}

impl<'a> Early<'a> {
    /// As the session has met the client so far.
    pub(super) fn new(s: &Session, client: &'a mut End) -> Self {
        let room = if s.has_spoken.get() { s.server().conf.proxy.buffer_size.unwrap_or(BUFFER) } else { 0 };
        Self { client, bytes: Vec::new(), room, begun: false }
    }

    /// Waits for `step` and reads meanwhile.
    pub(super) async fn during<T>(&mut self, s: &Session, step: impl Future<Output = T>) -> T {
        let mut step = std::pin::pin!(step);
        std::future::poll_fn(|context| {
            let done = step.as_mut().poll(context);
            if done.is_pending() && self.room > 0 {
                let is_first = !std::mem::replace(&mut self.begun, true);
                if self.read(s) || is_first {
                    s.doing(Action::Proxying);
                }
            }
            done
        })
        .await
    }

    /// Takes what there is, where nothing was waited for yet.
    pub(super) fn begin(&mut self, s: &Session) {
        if self.room > 0 && !std::mem::replace(&mut self.begun, true) {
            self.read(s);
        }
    }

    /// Takes what there is; whether there was anything.
    fn read(&mut self, s: &Session) -> bool {
        let before = self.bytes.len();
        if matches!(self.client, End::Plain(_)) {
            self.bytes.append(&mut preread::said(s, self.client));
        }
        while self.bytes.len() < self.room {
            let (bytes, room, client) = (&mut self.bytes, self.room, &mut *self.client);
            let read = with_scratch(room - bytes.len(), |buffer| {
                let read = client.poll_read(buffer);
                if let Poll::Ready(Ok(count)) = &read {
                    bytes.extend_from_slice(buffer.get(..*count).unwrap_or_default());
                }
                read
            });
            match read {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => s.received.set(s.received.get() + count as u64),
                Poll::Ready(Ok(_)) => self.room = 0,
                Poll::Ready(Err(error)) => {
                    let call = self.client.call(Way::From);
                    Told(s).failed(Side::Client, Way::From, call, &error);
                    self.room = 0;
                }
            }
        }
        self.bytes.len() > before
    }
}

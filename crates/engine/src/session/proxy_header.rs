//! Accept: the PROXY header that `listen … proxy_protocol` demands. Only the header is consumed.

use std::task::Poll;

use wire::proxy_protocol::{self, Header, HeaderError};

use super::fail::Cause;
use super::{Action, Phase, Session};
use crate::log::text_of;

/// The most of a header that is looked at; it must arrive in one piece.
const LONGEST: usize = 4096;

/// Reads the PROXY header that the address demands.
pub(super) async fn read(s: &Session) -> Phase {
    s.doing(Action::ReadingHeader);
    if s.server().conf.header_senders.as_ref().is_some_and(|senders| !senders.trusts(&s.client.borrow())) {
        return Err(Cause::HeaderSender);
    }
    let timeout = s.server().conf.core.proxy_protocol_timeout;
    match reactor::timeout(timeout, header(s)).await {
        Ok(done) => done,
        Err(_elapsed) => Err(Cause::HeaderTimeout),
    }
}

async fn header(s: &Session) -> Phase {
    let mut buffer = vec![0; LONGEST];
    let bytes = std::future::poll_fn(|_| match s.socket.poll_peek(&mut buffer) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(bytes)) => Poll::Ready(Ok(bytes)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(Cause::HeaderRead(error))),
    })
    .await?;
    let seen = buffer.get(..bytes).unwrap_or_default();
    let (header, length) = proxy_protocol::parse(seen).map_err(|error| refused(error, seen))?;
    let taken = s.socket.try_read(buffer.get_mut(..length).unwrap_or_default()).map_err(Cause::HeaderRead)?;
    if taken != length {
        return Err(Cause::Told(500));
    }
    remember(s, header);
    Ok(())
}

fn remember(s: &Session, header: Header) {
    // A connection passed on to another listener may bring a second one; the first holds.
    let _ = s.rare().header.set(Box::new(header));
}

fn refused(error: HeaderError, seen: &[u8]) -> Cause {
    match error {
        HeaderError::UnknownVersion(version) => Cause::HeaderVersion(version),
        HeaderError::TooLarge => Cause::HeaderTooLarge,
        HeaderError::ShortAddresses => Cause::Told(400),
        HeaderError::Broken => {
            let line = seen.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            Cause::BrokenHeader(text_of(line))
        }
    }
}

//! Content: `return`, a text and the end.

use policy::template::Template;

use super::fail::Cause;
use super::{Action, Session, preread};
use crate::relay::{self, End, Way};

/// How long the client may take nothing of the text, milliseconds.
const SEND_TIMEOUT: u64 = 5_000;

/// The most that is taken of what nobody asked for, bytes.
const DISCARDED: usize = 64 * 1024;

/// Takes what the client has sent and nobody has read: closing over it would be a reset, which may cost the client the
/// end of the text.
fn discard(s: &Session, client: &End) {
    preread::forget(s);
    if let End::Plain(socket) = client {
        // What went wrong with it is of no matter any more.
        let _ = relay::with_scratch(DISCARDED, |scratch| socket.try_read(scratch));
    }
}

/// Sends the text; an empty one ends the session at once.
pub(super) async fn run(s: &Session, client: &mut End, text: &Template) -> super::Phase {
    s.doing(Action::Returning);
    let text = s.render(text);
    if text.is_empty() {
        return Ok(());
    }
    match client.write_all(&text, &s.sent, SEND_TIMEOUT).await {
        Some(Ok(())) => {
            discard(s, client);
            Ok(())
        }
        Some(Err(error)) => Err(Cause::ReturnFailed(client.call(Way::To), error)),
        None => Err(Cause::ReturnTimeout),
    }
}

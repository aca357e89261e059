//! Content: `return`, a text and the end.

use policy::template::Template;

use super::fail::Cause;
use super::{Action, Session};
use crate::relay::End;

/// How long the text may take to be sent, milliseconds.
const SEND_TIMEOUT: u64 = 5_000;

/// Sends the text; an empty one ends the session at once.
pub(super) async fn run(s: &Session, client: &mut End, text: &Template) -> super::Phase {
    s.doing(Action::Returning);
    let text = s.render(text);
    if text.is_empty() {
        return Ok(());
    }
    match reactor::timeout(SEND_TIMEOUT, client.write_all(&text, &s.sent)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Cause::Relay(syntax::Level::Info, "send()", error)),
        Err(_elapsed) => Err(Cause::ReturnTimeout),
    }
}

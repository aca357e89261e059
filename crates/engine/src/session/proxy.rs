//! Content: `proxy_pass` of a stream. Relay between the client and the peer that was reached, and account.

use std::io;

use config::family::proxy::{Pass, Rate};
use syntax::Level;

use super::fail::Cause;
use super::reach::{self, Reached};
use super::{Action, Phase, Session, overload};
use crate::log::{level_of, text_of};
use crate::relay::{self, End, Flow, Limit, Manner, Report, Side, Stop, Way};

/// The most bytes in one direction that leave the buffers of a socket as they were, so that it may serve another session.
const FEW: u64 = 16_384;

/// Proxies `client`.
pub(super) async fn run(s: &Session, client: &mut End, pass: &Pass) -> Phase {
    s.start_proxying();
    // Over soon, so it lives on the heap meanwhile.
    let Reached { group, mut upstream, picked, first, began } =
        overload::within(s, reach::run(s, client, pass)).await?;
    let stop = carry(s, (client, &mut upstream), first, began).await;
    let done = stopped(s, &stop);
    s.finish_attempt();
    let peer = crate::net::sock_addr(&picked.address);
    picked.release(s.attempt_first_byte(), s.attempt_time());
    if let End::Tls(end) = &mut upstream {
        if let (Some(key), Some(session)) = (end.remember.take(), end.stream.borrow_mut().take_session()) {
            group.remember(key, session);
        }
        end.say_goodbye();
    }
    if matches!(stop, Stop::Ended(_)) && s.from_upstream.get().max(s.to_upstream.get()) <= FEW {
        reactor::retire(upstream.into_socket(), &peer);
    }
    done
}

/// Relays between the two ends. `first` goes to the upstream before anything that is read from the client; `began` is
/// the second in which the content phase did.
fn carry<'a>(
    s: &'a Session,
    (client, upstream): (&'a mut End, &'a mut End),
    first: Vec<u8>,
    began: i64,
) -> impl Future<Output = Stop> + 'a {
    let proxy = &s.server().conf.proxy;
    let up = Flow::new(&s.received, &s.to_upstream, first, limit(s, proxy.upload_rate.as_ref(), began));
    let down_limit = limit(s, proxy.download_rate.as_ref(), began);
    let down = Flow::new(&s.from_upstream, &s.sent, Vec::new(), down_limit);
    s.doing(Action::Proxying);
    let manner = Manner { idle: proxy.timeout, hold: proxy.buffer_size, half_close: proxy.half_close };
    relay::run(client, upstream, (up, down), manner, Told(s))
}

/// Says how the relay ended.
fn stopped(s: &Session, stop: &Stop) -> Phase {
    let side = match stop {
        Stop::Idle => return Err(Cause::RelayTimeout),
        Stop::Broken(_) => return Ok(()),
        Stop::Ended(Side::Client) => "client",
        Stop::Ended(Side::Upstream) => "upstream",
    };
    s.log_plain(
        Level::Info,
        format_args!(
            "{side} disconnected, bytes from/to client:{}/{}, bytes from/to upstream:{}/{}",
            s.received.get(),
            s.sent.get(),
            s.from_upstream.get(),
            s.to_upstream.get()
        ),
    );
    Ok(())
}

/// What a rate allows that is counted from the second `began` of the content phase on.
pub(super) fn limit(s: &Session, rate: Option<&Rate>, began: i64) -> Option<Limit> {
    let rate = match rate? {
        Rate::Fixed(rate) => *rate,
        Rate::Evaluated(template) => {
            let text = s.render(template);
            let size = syntax::scalar::size(&text);
            if size.is_none() {
                s.log(Level::Error, format_args!("invalid size \"{}\"", text_of(&text)));
            }
            size.unwrap_or(0)
        }
    };
    (rate > 0).then(|| Limit::new(rate, began))
}

/// What the relay tells, as log lines of the session.
pub(super) struct Told<'a>(pub(super) &'a Session);

impl Report for Told<'_> {
    fn failed(&self, side: Side, way: Way, call: &str, error: &io::Error) {
        let (action, level) = match (side, way) {
            (Side::Client, Way::From) => (Action::ReadingClient, Level::Info),
            (Side::Client, Way::To) => (Action::SendingClient, Level::Info),
            (Side::Upstream, Way::From) => (Action::ReadingUpstream, Level::Error),
            (Side::Upstream, Way::To) => (Action::SendingUpstream, Level::Error),
        };
        self.0.doing(action);
        self.0.log_failed(level_of(error, level), call, error);
        self.0.doing(Action::Proxying);
    }

    fn first_byte(&self) {
        self.0.first_byte();
    }
}

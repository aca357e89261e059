//! The way of a session: its phases, plain calls in order, and around them what happens once at its end.

use std::pin::pin;
use std::rc::Rc;

use syntax::Level;

use super::fail::Cause;
use super::parting::Parting;
use super::{Accepted, Action, Phase, Session};
use super::{access, content, counting, limit_conn, overload, preread, proxy_header, realip, set, tls};
use crate::counters::{self, Counter};
use crate::generation::Connection;
use crate::relay::End;

/// Serves one TCP (or unix) client to its end; `slot` is its share of `worker_connections`.
///
/// `accepted` is boxed since a future keeps the room of its arguments for as long as it lives.
pub(crate) async fn serve(mut accepted: Box<Accepted>, slot: Connection) {
    let _slot = slot;
    let mut client = End::Plain(Rc::clone(&accepted.socket));
    counters::count(Counter::Tcp);
    let parting = loop {
        match once(accepted, &mut client).await {
            Over::PassedOn(next) => accepted = next,
            Over::Ended(parting) => break parting,
        }
    };
    let errors = client.close().await;
    if let (Some(parting), Some(errors)) = (parting, errors) {
        parting.tell(&errors);
    }
}

/// How one session is over.
enum Over {
    /// The same connection goes on with another listener.
    PassedOn(Box<Accepted>),
    /// The connection ends.
    Ended(Option<Box<Parting>>),
}

/// One session.
async fn once(accepted: Box<Accepted>, client: &mut End) -> Over {
    let session = Rc::new(Session::new(*accepted));
    session.log_plain(
        Level::Info,
        format_args!("client {} connected to {}", session.client.borrow(), session.listener_address()),
    );
    let drain = &session.generation.drain;
    let _live = drain.enter();
    let mut phases = pin!(phases(&session, client));
    let done = drain.unless_forced(phases.as_mut()).await;
    session.finish_attempt();
    let status = match done.unwrap_or(Err(Cause::ShutdownTimeout)) {
        Ok(()) => 200,
        Err(Cause::Passed(listener, local)) => return Over::PassedOn(Box::new(session.passed_on(listener, local))),
        Err(cause) => {
            session.tell(&cause);
            counting::cause(&cause);
            cause.status()
        }
    };
    session.end(status);
    preread::leave(&session);
    Over::Ended(Parting::of(&session))
}

async fn phases(s: &Rc<Session>, client: &mut End) -> Phase {
    // What is over soon lives on the heap meanwhile, so that a session that relays is small.
    if s.virtual_address().proxy_protocol {
        overload::within(s, proxy_header::read(s)).await?;
        s.has_spoken.set(true);
    }
    realip::replace(s);
    s.doing(Action::Initializing);
    set::assign(s);
    limit_conn::count(s)?;
    overload::count_client(s)?;
    access::check(s)?;
    if s.virtual_address().ssl {
        let judged = s.server();
        overload::within(s, tls::secure(s, client)).await?;
        s.has_spoken.set(true);
        access::check_again(s, judged)?;
    }
    if s.server().conf.ssl_preread {
        let judged = s.server();
        overload::within(s, preread::read(s, client)).await?;
        access::check_again(s, judged)?;
    }
    content::run(s, client).await
}

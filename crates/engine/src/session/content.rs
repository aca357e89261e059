//! Content: what the session is for, and where a `proxy_pass` leads.

use std::rc::Rc;

use super::fail::Cause;
use super::{Action, Phase, Session, guard, pass, proxy, return_text};
use crate::log::text_of;
use crate::relay::End;
use crate::resolve::asked_name;
use crate::upstream::Group;
use config::Content;
use config::family::proxy::Pass;
use policy::address::{self, Address, Host};

/// `tcp_nodelay` towards the client.
pub(super) fn apply_nodelay(s: &Session) {
    if s.server().conf.core.tcp_nodelay && matches!(s.virtual_address().address, Address::Inet(_)) {
        s.socket.set_nodelay();
    }
}

/// Runs the content handler of the server in force.
pub(super) async fn run(s: &Session, client: &mut End) -> Phase {
    apply_nodelay(s);
    s.doing(Action::None);
    match &s.server().conf.content {
        Content::None => Err(Cause::Told(500)),
        Content::Return(text) => Box::pin(return_text::run(s, client, text)).await,
        Content::Pass(to) => pass::run(s, client, to),
        Content::Proxy(to) => proxy::run(s, client, to).await,
    }
}

/// The group that `pass` leads to for this session.
pub(super) async fn group(s: &Session, pass: &Pass) -> Phase<Rc<Group>> {
    let template = match pass {
        Pass::Group(id) => return Ok(s.generation.group(*id)),
        Pass::Evaluated(template) => template,
    };
    let value = s.render(template);
    if let Some(known) = s.generation.group_written(&value) {
        return Ok(known);
    }
    let text = text_of(&value);
    let target = address::parse_upstream(&value)
        .map_err(|phrase| Cause::BadTarget(format!("{phrase} in upstream \"{text}\"")))?;
    // With a port a value may come to the address of another server's literal `proxy_pass`, which clients of this one
    // were not given.
    let judged = s.server().conf.guard.is_some() && target.port.is_some();
    if let Some(known) = s.generation.group_named(&target).filter(|_| !judged) {
        return Ok(known);
    }
    let no_port = || Cause::BadTarget(format!("no port in upstream \"{text}\""));
    match target.host {
        Host::Unix(path) => {
            let addresses = guard::passed(s, &text, vec![Address::Unix(path)])?;
            Ok(Group::of_addresses(&text, addresses))
        }
        Host::Ip(ip) => {
            let port = target.port.ok_or_else(no_port)?;
            let addresses = guard::passed(s, &text, vec![Address::Inet((ip, port).into())])?;
            Ok(Group::of_addresses(&text, addresses))
        }
        Host::Name(name) => {
            let port = target.port.ok_or_else(no_port)?;
            let core = &s.server().conf.core;
            let resolver = core
                .resolver
                .and_then(|id| s.generation.resolver(id))
                .ok_or_else(|| Cause::NoResolver(name.clone()))?;
            *s.rare().upstream_name.borrow_mut() = None;
            let found = resolver.addresses(&name, core.resolver_timeout).await;
            let ips = found.map_err(|error| Cause::NotResolved(asked_name(&name), error.code(), error.text()))?;
            let addresses = ips.into_iter().map(|ip| Address::Inet((ip, port).into())).collect();
            Ok(Group::of_addresses(&name, guard::passed(s, &text, addresses)?))
        }
    }
}

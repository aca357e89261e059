//! Content: `pass`, the accepted connection handed to another listener of this configuration.

use config::family::listen::Protocol;
use config::family::pass::Pass;
use policy::address::{self, Address};

use super::fail::Cause;
use super::{Action, Phase, Session};
use crate::log::text_of;
use crate::relay::End;

/// How often a connection may be passed on.
pub(super) const MOST: u8 = 10;

/// Finds the listener that goes on with this connection; the session starts anew there.
pub(super) fn run(s: &Session, client: &End, to: &Pass) -> Phase {
    s.doing(Action::Passing);
    if s.is_udp() {
        return Err(Cause::PassUdp);
    }
    if matches!(client, End::Tls(_)) && s.preread.borrow().as_ref().is_some_and(|preread| !preread.said.is_empty()) {
        return Err(Cause::PassPreread);
    }
    if s.passes >= MOST {
        return Err(Cause::PassCycle);
    }
    let evaluated;
    let targets = match to {
        Pass::Fixed(targets) => targets,
        Pass::Evaluated(template) => {
            evaluated = evaluate(&s.render(template))?;
            &evaluated
        }
    };
    for target in targets {
        if let Some(at) = listener(s, target) {
            return Err(Cause::Passed(at, target.clone()));
        }
    }
    let text = targets.first().map(ToString::to_string).unwrap_or_default();
    Err(Cause::PassNowhere(text))
}

fn evaluate(value: &[u8]) -> Phase<Vec<Address>> {
    let text = text_of(value);
    let failed = |phrase: &dyn std::fmt::Display| Cause::BadTarget(format!("{phrase} in pass \"{text}\""));
    let target = address::parse_upstream(value).map_err(|phrase| failed(&phrase))?;
    match target.host {
        address::Host::Unix(path) => Ok(vec![Address::Unix(path)]),
        address::Host::Ip(ip) => match target.port {
            Some(port) => Ok(vec![Address::Inet((ip, port).into())]),
            None => Err(failed(&"no port")),
        },
        address::Host::Name(_) => Err(failed(&"no addresses")),
    }
}

/// The TCP listener at `target`, or the wildcard one of its family and port.
fn listener(s: &Session, target: &Address) -> Option<usize> {
    let listeners = &s.generation.plan.listeners;
    let find = |wanted: &dyn Fn(&Address) -> bool| {
        listeners.iter().position(|listener| {
            listener.protocol == Protocol::Tcp
                && (wanted(&listener.address) || listener.addresses.iter().any(|one| wanted(&one.address)))
        })
    };
    find(&|address| address == target).or_else(|| {
        let Address::Inet(target) = target else { return None };
        find(&|address| match address {
            Address::Inet(own) => {
                own.ip().is_unspecified() && own.port() == target.port() && own.is_ipv4() == target.is_ipv4()
            }
            Address::Unix(_) => false,
        })
    })
}

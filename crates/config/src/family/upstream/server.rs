//! `server` in an `upstream { }`.

use policy::address::{self, Address, Host, Target};
use syntax::scalar;

use super::{PeerServer, Resolved};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::did_you_mean;

/// Adds the peers that `line` names to the block being read.
pub(super) fn add(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let takes_backup = loader.stream().upstreams.current()?.takes_backup;
    let mut server = PeerServer {
        text: line.text(0),
        addresses: Vec::new(),
        weight: 1,
        max_conns: 0,
        max_fails: 1,
        fail_timeout: 10,
        backup: false,
        down: false,
        resolve: None,
    };
    let (mut resolve, mut service) = (false, None);
    for (at, word) in line.args().enumerate().skip(1) {
        let read = match split(word) {
            (b"weight", Some(value)) => count(value).filter(|n| *n > 0).map(|n| server.weight = n),
            (b"max_conns", Some(value)) => count(value).map(|n| server.max_conns = n),
            (b"max_fails", Some(value)) => count(value).map(|n| server.max_fails = n),
            (b"fail_timeout", Some(value)) => scalar::sec(value).map(|time| server.fail_timeout = time.as_secs()),
            (b"service", Some(b"")) => return Err(Refusal::Word(at, "service is empty".to_owned(), None)),
            (b"service", Some(value)) => {
                service = Some(text(value));
                Some(())
            }
            (b"backup", None) if !takes_backup => {
                let message = "balancing method does not support parameter \"backup\"".to_owned();
                return Err(Refusal::Word(at, message, None));
            }
            (b"backup", None) => {
                server.backup = true;
                Some(())
            }
            (b"down", None) => {
                server.down = true;
                Some(())
            }
            (b"resolve", None) => {
                resolve = true;
                Some(())
            }
            _ => None,
        };
        read.ok_or_else(|| unknown_parameter(line, at))?;
    }
    locate(loader, line, &mut server, resolve, service)?;
    loader.stream().upstreams.current()?.servers.push(server);
    Ok(())
}

/// `invalid parameter "x"`, with the one that was probably meant where none has that name.
fn unknown_parameter(line: &Line<'_, '_>, at: usize) -> Refusal {
    const PARAMETERS: [&str; 8] =
        ["weight", "max_conns", "max_fails", "fail_timeout", "backup", "down", "resolve", "service"];
    let (name, _) = split(line.arg(at));
    let known = PARAMETERS.iter().any(|one| one.as_bytes() == name);
    let help = if known { None } else { did_you_mean(name, PARAMETERS) };
    Refusal::Word(at, format!("invalid parameter \"{}\"", line.text(at)), help)
}

/// Finds the addresses of `server`, or what to ask for at run time.
fn locate(
    loader: &Loader<'_>,
    line: &Line<'_, '_>,
    server: &mut PeerServer,
    resolve: bool,
    service: Option<String>,
) -> Result<(), Refusal> {
    let refuse = |message: String| Refusal::Word(0, message, None);
    let written = line.text(0);
    if service.is_some() && !resolve {
        return Err(refuse(format!("service upstream \"{written}\" requires \"resolve\" parameter")));
    }
    let target =
        address::parse_upstream(line.arg(0)).map_err(|phrase| refuse(format!("{phrase} in upstream \"{written}\"")))?;
    if service.is_some() {
        if target.port.is_some() || matches!(target.host, Host::Unix(_)) {
            return Err(refuse(format!("service upstream \"{written}\" may not have port")));
        }
        if !matches!(target.host, Host::Name(_)) {
            return Err(refuse(format!("service upstream \"{written}\" requires domain name")));
        }
    }
    let Target { host, port } = target;
    let ips = match host {
        Host::Unix(path) => {
            server.addresses = vec![Address::Unix(path)];
            return Ok(());
        }
        Host::Ip(ip) => vec![ip],
        Host::Name(host) if resolve => {
            if port.is_none() && service.is_none() {
                return Err(refuse(format!("no port in upstream \"{written}\"")));
            }
            server.resolve = Some(Resolved { host, port: port.unwrap_or(0), service });
            return Ok(());
        }
        Host::Name(host) => match loader.world.resolve(&host) {
            Ok(ips) if !ips.is_empty() => ips,
            _ => return Err(refuse(format!("host not found in upstream \"{written}\""))),
        },
    };
    let Some(port) = port else { return Err(refuse(format!("no port in upstream \"{written}\""))) };
    server.addresses = ips.into_iter().map(|ip| Address::Inet((ip, port).into())).collect();
    Ok(())
}

/// `name=value`, or a word alone.
fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(at) = word.iter().position(|byte| *byte == b'=') else { return (word, None) };
    let (name, value) = word.split_at(at);
    (name, value.get(1..))
}

fn count(value: &[u8]) -> Option<u32> {
    scalar::number(value).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

//! One listening socket: made, bound, and told what its parameters say.

use std::io;
use std::os::fd::OwnedFd;

use config::family::listen::{Keepalive, Listener, Protocol};
use policy::address::Address;
use syntax::Level;

use super::Tell;
use crate::log::errno;
use crate::net;

/// The call that failed, with what it was asked for, and its error.
pub(super) struct Bind {
    pub(super) call: String,
    pub(super) error: io::Error,
}

/// Binds a socket for `listener`, with `shared` one of several.
pub(super) fn bind(listener: &Listener, shared: bool, tell: Tell<'_>) -> Result<OwnedFd, Bind> {
    let failed = |call: &str| {
        let call = format!("{call} {}", listener.address);
        move |error| Bind { call, error }
    };
    let to = net::sock_addr(&listener.address);
    let options = &listener.options;
    let socket = match listener.protocol {
        Protocol::Tcp if options.multipath => os::socket::stream_multipath(&to),
        Protocol::Tcp => os::socket::stream(&to),
        Protocol::Udp => os::socket::datagram(&to),
    }
    .map_err(failed("socket()"))?;
    os::options::set_reuseaddr(&socket, true).map_err(failed("setsockopt(SO_REUSEADDR)"))?;
    if shared {
        os::options::set_reuseport(&socket, true).map_err(failed("setsockopt(SO_REUSEPORT)"))?;
    }
    if matches!(&listener.address, Address::Inet(inet) if inet.is_ipv6())
        && let Err(error) = os::options::set_v6only(&socket, options.ipv6only)
    {
        let text = format!("setsockopt(IPV6_V6ONLY) {} failed, ignored{}", listener.address, errno(&error));
        tell(Level::Emerg, &text);
    }
    os::socket::bind(&socket, &to).map_err(failed("bind() to"))?;
    if let Address::Unix(path) = &listener.address {
        use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};
        let path = std::ffi::OsStr::from_bytes(path);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed("chmod()"))?;
    }
    if listener.protocol == Protocol::Tcp {
        let call = format!("listen() to {}, backlog {}", listener.address, options.backlog);
        os::socket::listen(&socket, options.backlog).map_err(|error| Bind { call, error })?;
    }
    Ok(socket)
}

/// Sets what serving needs. Without it the socket serves as well as it can.
pub(super) fn configure(socket: &OwnedFd, listener: &Listener, tell: Tell<'_>) {
    let Listener { address, options, .. } = listener;
    let told = |call: &str, done: io::Result<()>| {
        if let Err(error) = done {
            tell(Level::Alert, &format!("{call} failed, ignored{}", errno(&error)));
        }
    };
    let note = |what: &str, done| told(&format!("setsockopt({what}) {address}"), done);
    let note_for = |what: &str, done| told(&format!("setsockopt({what}) for {address}"), done);
    if let Some(bytes) = options.rcvbuf {
        note(&format!("SO_RCVBUF, {bytes}"), os::options::set_rcvbuf(socket, bytes));
    }
    if let Some(bytes) = options.sndbuf {
        note(&format!("SO_SNDBUF, {bytes}"), os::options::set_sndbuf(socket, bytes));
    }
    match options.keepalive {
        None => {}
        Some(Keepalive::Off) => note("SO_KEEPALIVE, 0", os::options::set_keepalive(socket, false)),
        Some(Keepalive::On { idle, interval, count }) => {
            note("SO_KEEPALIVE, 1", os::options::set_keepalive(socket, true));
            if let Some(time) = idle {
                note(&format!("TCP_KEEPIDLE, {time}"), os::options::set_keepalive_idle(socket, time));
            }
            if let Some(time) = interval {
                note(&format!("TCP_KEEPINTVL, {time}"), os::options::set_keepalive_interval(socket, time));
            }
            if let Some(probes) = count {
                note(&format!("TCP_KEEPCNT, {probes}"), os::options::set_keepalive_count(socket, probes));
            }
        }
    }
    if let Some(queue) = options.fastopen {
        note(&format!("TCP_FASTOPEN, {queue}"), os::options::set_fastopen(socket, queue));
    }
    if listener.protocol == Protocol::Tcp {
        // One that was bound before may have had another queue.
        let backlog = options.backlog;
        told(&format!("listen() to {address}, backlog {backlog}"), os::socket::listen(socket, backlog));
        if options.deferred {
            note_for("TCP_DEFER_ACCEPT, 1", os::options::set_defer_accept(socket, 1));
        }
    }
    if let (Protocol::Udp, Address::Inet(inet)) = (listener.protocol, address)
        && inet.ip().is_unspecified()
    {
        note_for(
            if inet.is_ipv6() { "IPV6_RECVPKTINFO" } else { "IP_PKTINFO" },
            os::options::set_pktinfo(socket, inet.is_ipv6()),
        );
    }
}

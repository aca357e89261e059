//! Why a session ended before its time: one table from cause to status, log level and text.

use std::fmt;
use std::io;

use policy::address::Address;
use syntax::Level;

use crate::log::errno;

/// What ended a session.
#[derive(Debug)]
pub enum Cause {
    /// The end is told already, or there is nothing to tell; only the status counts.
    Told(u16),
    /// No end: the connection goes on at this listener, as if this address had been asked for.
    Passed(usize, Address),
    /// `deny`.
    Forbidden,
    /// `limit_conn`: the zone, and the level that `limit_conn_log_level` asks for.
    Limited(String, Level),
    /// A `limit_conn` zone has no memory left.
    LimitFull,
    /// `client_connections`: the client has so many sessions, told at this level.
    ManySessions(u32, Level),
    /// `ssl_handshakes_limit`; the worker tells of it.
    ManyHandshakes,
    /// `prelude_timeout` ran out: waiting for the client, or (true) for the upstream.
    PreludeTimeout(bool),
    /// `proxy_protocol_from` does not name the client.
    HeaderSender,
    /// No PROXY header came in time.
    HeaderTimeout,
    /// Reading the PROXY header failed.
    HeaderRead(io::Error),
    /// What came is no PROXY header.
    BrokenHeader(String),
    /// The binary PROXY header is longer than what came at once.
    HeaderTooLarge,
    /// A PROXY header of a version that nobody knows.
    HeaderVersion(u8),
    /// `ssl_hello_limit`: so many bytes were not the whole hello.
    HelloTooLarge(usize),
    /// `preread_buffer_size` bytes were not enough to tell.
    PrereadFull,
    /// Reading from the client failed.
    ClientRead(io::Error),
    /// The client went away during the handshake.
    ClosedInHandshake,
    /// The handshake failed: the library's words, and whether the peer is to blame.
    Handshake(String, bool),
    /// `ssl_reject_handshake`.
    HandshakeRejected,
    /// The client's certificate is not to be trusted: code and reason.
    ClientCertificate(i64, String),
    /// `ssl_ocsp`: the client's certificate was revoked, or nobody would say.
    CertificateStatus(&'static str),
    /// `ssl_verify_client on`, and there was no certificate.
    NoClientCertificate,
    /// No peer of the group may be used.
    NoLiveUpstreams,
    /// The name of a `proxy_pass` with variables, and no `resolver`.
    NoResolver(String),
    /// The resolver's answer: name, code and its meaning.
    NotResolved(String, u16, &'static str),
    /// A `proxy_pass` or `pass` value that is no address: the whole message.
    BadTarget(String),
    /// `proxy_guard`: the value, and what kept it from being used.
    Guarded(String, String),
    /// A socket could not be made or prepared; the call and its error.
    Socket(String, io::Error),
    /// `pass` in a circle.
    PassCycle,
    /// `pass` of a datagram.
    PassUdp,
    /// `pass` of a connection from which bytes were consumed.
    PassPreread,
    /// `pass` to an address that nobody listens on.
    PassNowhere(String),
    /// Nothing came or went for `proxy_timeout`.
    RelayTimeout,
    /// The text of `return` could not be sent: the call and its error.
    ReturnFailed(&'static str, io::Error),
    /// An upstream did not answer in time (UDP).
    UpstreamTimeout,
    /// `worker_shutdown_timeout` ran out.
    ShutdownTimeout,
    /// The text of `return` could not be sent in time.
    ReturnTimeout,
    /// A failed connection already had data in it.
    BufferedOnNext,
    /// A PROXY header could not be sent in one piece.
    HeaderNotSent,
}

impl Cause {
    /// `$status`.
    pub fn status(&self) -> u16 {
        match self {
            Self::Told(status) => *status,
            Self::HeaderTimeout
            | Self::HeaderRead(_)
            | Self::ClientRead(_)
            | Self::RelayTimeout
            | Self::ShutdownTimeout
            | Self::ReturnTimeout
            | Self::PassNowhere(_) => 200,
            Self::BrokenHeader(_)
            | Self::HeaderTooLarge
            | Self::HeaderVersion(_)
            | Self::PrereadFull
            | Self::HelloTooLarge(_)
            | Self::PreludeTimeout(false) => 400,
            Self::Forbidden | Self::Guarded(..) | Self::HeaderSender => 403,
            Self::Limited(..) | Self::LimitFull | Self::ManySessions(..) | Self::ManyHandshakes => 503,
            Self::NoLiveUpstreams | Self::UpstreamTimeout | Self::PreludeTimeout(true) => 502,
            _ => 500,
        }
    }

    /// The level of its line; `None` where nothing is said.
    pub fn level(&self) -> Option<Level> {
        match self {
            Self::Told(_) | Self::Passed(..) | Self::ManyHandshakes | Self::LimitFull => None,
            Self::Limited(_, level) | Self::ManySessions(_, level) => Some(*level),
            Self::HeaderTimeout
            | Self::HeaderRead(_)
            | Self::ClientRead(_)
            | Self::ClosedInHandshake
            | Self::Handshake(_, true)
            | Self::HandshakeRejected
            | Self::ClientCertificate(..)
            | Self::CertificateStatus(_)
            | Self::NoClientCertificate
            | Self::PreludeTimeout(_)
            | Self::RelayTimeout
            | Self::ShutdownTimeout
            | Self::ReturnFailed(..)
            | Self::ReturnTimeout => Some(Level::Info),
            // That the machine has no socket to give, or one that cannot be prepared, is worse than a peer's address.
            Self::Socket(call, _) if call.starts_with("socket(") || call.starts_with("setsockopt(") => {
                Some(Level::Alert)
            }
            Self::Handshake(_, false) | Self::Socket(..) => Some(Level::Crit),
            _ => Some(Level::Error),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(_) | Self::Passed(..) | Self::ManyHandshakes | Self::LimitFull => Ok(()),
            Self::Forbidden => f.write_str("access forbidden by rule"),
            Self::Limited(zone, _) => write!(f, "limiting connections by zone \"{zone}\""),
            Self::ManySessions(most, _) => write!(f, "limiting connections of a client to {most}"),
            Self::PreludeTimeout(_) => f.write_str("prelude timed out (110: Connection timed out)"),
            Self::HeaderSender => f.write_str("PROXY protocol forbidden by \"proxy_protocol_from\""),
            Self::HeaderTimeout => f.write_str("client timed out (110: Connection timed out)"),
            Self::HeaderRead(error) | Self::ClientRead(error) => write!(f, "recv() failed{}", errno(error)),
            Self::BrokenHeader(text) => write!(f, "broken header: \"{text}\""),
            Self::HeaderTooLarge => f.write_str("header is too large"),
            Self::HeaderVersion(version) => write!(f, "unknown PROXY protocol version: {version}"),
            Self::PrereadFull => f.write_str("preread buffer full"),
            Self::HelloTooLarge(most) => write!(f, "ClientHello of more than {most} bytes, see \"ssl_hello_limit\""),
            Self::ClosedInHandshake => f.write_str("peer closed connection in SSL handshake"),
            Self::Handshake(text, _) | Self::BadTarget(text) => f.write_str(text),
            Self::HandshakeRejected => f.write_str("handshake rejected"),
            Self::ClientCertificate(code, reason) => {
                write!(f, "client SSL certificate verify error: ({code}:{reason})")
            }
            Self::CertificateStatus(reason) => write!(f, "client SSL certificate verify error: {reason}"),
            Self::NoClientCertificate => f.write_str("client sent no required SSL certificate"),
            Self::Guarded(value, why) => write!(f, "\"{value}\" is refused by proxy_guard: {why}"),
            Self::NoLiveUpstreams => f.write_str("no live upstreams"),
            Self::NoResolver(name) => write!(f, "no resolver defined to resolve {name}"),
            Self::NotResolved(name, code, reason) => write!(f, "{name} could not be resolved ({code}: {reason})"),
            Self::Socket(call, error) => write!(f, "{call} failed{}", errno(error)),
            Self::PassCycle => f.write_str("stream pass cycle"),
            Self::PassUdp => f.write_str("cannot pass udp connection"),
            Self::PassPreread => f.write_str("cannot pass connection with preread data"),
            Self::PassNowhere(address) => write!(f, "port not found for \"{address}\""),
            Self::RelayTimeout | Self::ReturnTimeout => f.write_str("connection timed out (110: Connection timed out)"),
            Self::ReturnFailed(call, error) => write!(f, "{call} failed{}", errno(error)),
            Self::UpstreamTimeout => f.write_str("upstream timed out (110: Connection timed out)"),
            Self::ShutdownTimeout => f.write_str("shutdown timeout"),
            Self::BufferedOnNext => f.write_str("buffered data on next upstream"),
            Self::HeaderNotSent => f.write_str("could not send PROXY protocol header at once"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: cause, status, level, text.
    #[test]
    fn the_table() {
        let refused = || io::Error::from_raw_os_error(111);
        let rows: Vec<(Cause, u16, Option<Level>, &str)> = vec![
            (Cause::Told(200), 200, None, ""),
            (Cause::Forbidden, 403, Some(Level::Error), "access forbidden by rule"),
            (Cause::Limited("z".into(), Level::Notice), 503, Some(Level::Notice), "limiting connections by zone \"z\""),
            (Cause::ManySessions(5, Level::Error), 503, Some(Level::Error), "limiting connections of a client to 5"),
            (Cause::LimitFull, 503, None, ""),
            (Cause::ManyHandshakes, 503, None, ""),
            (
                Cause::HelloTooLarge(4096),
                400,
                Some(Level::Error),
                "ClientHello of more than 4096 bytes, see \"ssl_hello_limit\"",
            ),
            (Cause::PreludeTimeout(false), 400, Some(Level::Info), "prelude timed out (110: Connection timed out)"),
            (Cause::PreludeTimeout(true), 502, Some(Level::Info), "prelude timed out (110: Connection timed out)"),
            (Cause::HeaderSender, 403, Some(Level::Error), "PROXY protocol forbidden by \"proxy_protocol_from\""),
            (Cause::HeaderTimeout, 200, Some(Level::Info), "client timed out (110: Connection timed out)"),
            (Cause::BrokenHeader("x".into()), 400, Some(Level::Error), "broken header: \"x\""),
            (Cause::PrereadFull, 400, Some(Level::Error), "preread buffer full"),
            (Cause::Handshake("h".into(), true), 500, Some(Level::Info), "h"),
            (Cause::Handshake("h".into(), false), 500, Some(Level::Crit), "h"),
            (Cause::NoClientCertificate, 500, Some(Level::Info), "client sent no required SSL certificate"),
            (
                Cause::ClientCertificate(18, "self-signed certificate".into()),
                500,
                Some(Level::Info),
                "client SSL certificate verify error: (18:self-signed certificate)",
            ),
            (
                Cause::Guarded("a:1".into(), "127.0.0.1 is loopback".into()),
                403,
                Some(Level::Error),
                "\"a:1\" is refused by proxy_guard: 127.0.0.1 is loopback",
            ),
            (Cause::NoLiveUpstreams, 502, Some(Level::Error), "no live upstreams"),
            (
                Cause::NotResolved("a.test".into(), 3, "Host not found"),
                500,
                Some(Level::Error),
                "a.test could not be resolved (3: Host not found)",
            ),
            (
                Cause::Socket("bind(1.2.3.4)".into(), refused()),
                500,
                Some(Level::Crit),
                "bind(1.2.3.4) failed (111: Connection refused)",
            ),
            (
                Cause::Socket("socket()".into(), io::Error::from_raw_os_error(24)),
                500,
                Some(Level::Alert),
                "socket() failed (24: Too many open files)",
            ),
            (
                Cause::ReturnFailed("writev()", refused()),
                500,
                Some(Level::Info),
                "writev() failed (111: Connection refused)",
            ),
            (Cause::PassNowhere("1.2.3.4:5".into()), 200, Some(Level::Error), "port not found for \"1.2.3.4:5\""),
            (Cause::UpstreamTimeout, 502, Some(Level::Error), "upstream timed out (110: Connection timed out)"),
        ];
        for (cause, status, level, text) in rows {
            assert_eq!((cause.status(), cause.level(), cause.to_string().as_str()), (status, level, text));
        }
    }
}

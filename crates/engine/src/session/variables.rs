//! What variables say of a session.

use std::io::Write;
use std::net::IpAddr;

use policy::address::Address;
use policy::builtin::Builtin;
use policy::variables::Values;
use syntax::Level;

use super::Session;
use crate::log::clock::{self, Form};
use crate::upstream::Attempt;

impl Values for Session {
    fn builtin(&self, which: Builtin, suffix: &str, out: &mut Vec<u8>) -> bool {
        use Builtin as B;
        match which {
            B::BinaryRemoteAddr => binary(&self.client.borrow(), out),
            B::RemoteAddr => put(out, self.client.borrow().ip_text()),
            B::RemotePort => port(&self.client.borrow(), out),
            B::RealipRemoteAddr => put(out, self.peer().ip_text()),
            B::RealipRemotePort => port(&self.peer(), out),
            B::ServerAddr => put(out, self.local().ip_text()),
            B::ServerPort => port(self.local(), out),
            B::ServerName => bytes(out, &self.server().conf.name),
            B::BytesReceived => number(out, self.received.get()),
            B::BytesSent => number(out, self.sent.get()),
            B::Connection => number(out, self.number),
            B::SessionTime => seconds(out, reactor::now().saturating_sub(self.started)),
            B::Status => put(out, format_args!("{:03}", self.status.get())),
            B::Protocol => bytes(out, if self.is_udp() { b"UDP" } else { b"TCP" }),
            B::Hostname => bytes(out, self.generation.plan.hostname.as_bytes()),
            B::NginxVersion => bytes(out, crate::NGINX_VERSION.as_bytes()),
            B::LockgateCounters => bytes(out, crate::counters::text().as_bytes()),
            B::Pid => number(out, std::process::id().into()),
            B::Msec => {
                let (second, milli) = clock::unix();
                put(out, format_args!("{second}.{milli:03}"))
            }
            B::TimeIso8601 => time(out, Form::Iso8601),
            B::TimeLocal => time(out, Form::Local),
            B::LimitConnStatus => {
                let status = self.rare_if_any().and_then(|rare| rare.limit_status.get());
                status.is_some_and(|status| bytes(out, status.text().as_bytes()))
            }
            B::ProxyProtocolAddr
            | B::ProxyProtocolPort
            | B::ProxyProtocolServerAddr
            | B::ProxyProtocolServerPort
            | B::ProxyProtocolTlv => self.proxy_protocol(which, suffix, out),
            B::UpstreamAddr
            | B::UpstreamBytesSent
            | B::UpstreamBytesReceived
            | B::UpstreamConnectTime
            | B::UpstreamFirstByteTime
            | B::UpstreamSessionTime => self.upstream(which, out),
            B::SslPrereadProtocol | B::SslPrereadServerName | B::SslPrereadAlpnProtocols => self.preread(which, out),
            _ => super::ssl_variables::value(self, which, out),
        }
    }

    fn client_ip(&self) -> Option<IpAddr> {
        match &*self.client.borrow() {
            Address::Inet(address) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }

    fn complain(&self, text: &str) {
        self.log(Level::Error, format_args!("{text}"));
    }
}

impl Session {
    /// The address that the connection came from, whatever realip made of it.
    fn peer(&self) -> Address {
        let original = self.rare_if_any().and_then(|rare| rare.original.get());
        original.cloned().unwrap_or_else(|| self.client.borrow().clone())
    }

    fn proxy_protocol(&self, which: Builtin, suffix: &str, out: &mut Vec<u8>) -> bool {
        let Some(header) = self.rare_if_any().and_then(|rare| rare.header.get()) else { return false };
        if which == Builtin::ProxyProtocolTlv {
            return match header.tlv(suffix) {
                Ok(value) => value.is_some_and(|value| bytes(out, &value)),
                Err(error) => {
                    self.log(Level::Error, format_args!("{error}"));
                    false
                }
            };
        }
        let Some(addresses) = header.addresses() else { return false };
        match which {
            Builtin::ProxyProtocolAddr => bytes(out, addresses.source.as_bytes()),
            Builtin::ProxyProtocolServerAddr => bytes(out, addresses.destination.as_bytes()),
            Builtin::ProxyProtocolPort => nonzero(out, addresses.source_port),
            _ => nonzero(out, addresses.destination_port),
        }
    }

    fn preread(&self, which: Builtin, out: &mut Vec<u8>) -> bool {
        let preread = self.preread.borrow();
        let Some(hello) = preread.as_ref().and_then(|preread| preread.hello.as_ref()) else { return false };
        match which {
            Builtin::SslPrereadProtocol => bytes(out, hello.protocol().unwrap_or_default().as_bytes()),
            Builtin::SslPrereadServerName => bytes(out, hello.server_name().unwrap_or_default()),
            _ => bytes(out, hello.alpn().unwrap_or_default()),
        }
    }

    fn upstream(&self, which: Builtin, out: &mut Vec<u8>) -> bool {
        let attempts = self.attempts.borrow();
        for (at, attempt) in attempts.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(b", ");
            }
            element(which, attempt, out);
        }
        !attempts.is_empty()
    }
}

/// What one attempt adds to a list.
fn element(which: Builtin, attempt: &Attempt, out: &mut Vec<u8>) {
    let time = match which {
        Builtin::UpstreamAddr => {
            out.extend_from_slice(attempt.name.as_bytes());
            return;
        }
        Builtin::UpstreamBytesSent => {
            number(out, attempt.sent);
            return;
        }
        Builtin::UpstreamBytesReceived => {
            number(out, attempt.received);
            return;
        }
        Builtin::UpstreamConnectTime => attempt.connect_time,
        Builtin::UpstreamFirstByteTime => attempt.first_byte_time,
        _ => attempt.session_time,
    };
    match time {
        Some(millis) => {
            seconds(out, millis.into());
        }
        None => out.push(b'-'),
    }
}

fn binary(address: &Address, out: &mut Vec<u8>) -> bool {
    match address {
        Address::Inet(inet) => match inet.ip() {
            IpAddr::V4(ip) => bytes(out, &ip.octets()),
            IpAddr::V6(ip) => bytes(out, &ip.octets()),
        },
        Address::Unix(_) => bytes(out, b"unix:"),
    }
}

fn port(address: &Address, out: &mut Vec<u8>) -> bool {
    match address {
        Address::Inet(inet) => nonzero(out, inet.port()),
        Address::Unix(_) => true,
    }
}

/// A number whose 0 is written as nothing.
fn nonzero(out: &mut Vec<u8>, value: u16) -> bool {
    if value == 0 { true } else { number(out, value.into()) }
}

fn number(out: &mut Vec<u8>, value: u64) -> bool {
    put(out, value)
}

/// Milliseconds as seconds with three digits.
fn seconds(out: &mut Vec<u8>, millis: u64) -> bool {
    put(out, format_args!("{}.{:03}", millis / 1000, millis % 1000))
}

fn time(out: &mut Vec<u8>, form: Form) -> bool {
    clock::write(form, out);
    true
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) -> bool {
    out.extend_from_slice(value);
    true
}

/// Writing into a Vec does not fail.
fn put(out: &mut Vec<u8>, value: impl std::fmt::Display) -> bool {
    write!(out, "{value}").is_ok()
}

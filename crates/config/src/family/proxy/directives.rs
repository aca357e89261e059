//! The table of `proxy_pass` and the `proxy_*` settings of the relay.

use policy::address;
use syntax::scalar;

use super::words::{has_variables, invalid_parameter};
use super::{Bind, BindWords, HeaderVersion, Pass, Rate};
use crate::directive::{Args, Contexts, Directive};
use crate::family::guard;
use crate::load::{Line, Loader, Refusal};
use crate::value::{self, duplicate, flag, msec, number, once, one_of, size};

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "proxy_pass",
        contexts: Contexts::SERVER,
        args: Args::ONE,
        syntax: "address",
        default: None,
        doc: "Relays sessions to an address, a host (all of its addresses, asked for once at load) or an upstream \
              group. With variables the address is made anew for each session: it may be the name of a group, and a host \
              that is none takes a `resolver`.",
        apply: |loader, line, _| pass(loader, line),
    },
    Directive {
        name: "proxy_bind",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(1, 2),
        syntax: "address [transparent] | off",
        default: None,
        doc: "Local address of connections to the upstream. With `transparent` it need not be local: with \
              `$remote_addr` the upstream sees the client's own address.",
        apply: |loader, line, _| bind(loader, line),
    },
    Directive::setting(
        "proxy_socket_keepalive",
        "on | off",
        Some("off"),
        "SO_KEEPALIVE on connections to the upstream.",
        |loader, line, _| once(&mut loader.here().proxy.socket_keepalive, line, flag),
    ),
    Directive::setting(
        "proxy_socket_rcvbuf",
        "size",
        Some("0"),
        "Receive buffer of the sockets towards the upstream; 0 leaves the system's.",
        |loader, line, _| once(&mut loader.here().proxy.socket_rcvbuf, line, size),
    ),
    Directive::setting(
        "proxy_socket_sndbuf",
        "size",
        Some("0"),
        "Send buffer of the sockets towards the upstream; 0 leaves the system's.",
        |loader, line, _| once(&mut loader.here().proxy.socket_sndbuf, line, size),
    ),
    Directive::setting(
        "proxy_connect_timeout",
        "time",
        Some("60s"),
        "How long connecting to an upstream may take, and then again its TLS handshake.",
        |loader, line, _| once(&mut loader.here().proxy.connect_timeout, line, msec),
    ),
    Directive::setting(
        "proxy_timeout",
        "time",
        Some("10m"),
        "Ends a session in which neither side was read from or written to for so long.",
        |loader, line, _| once(&mut loader.here().proxy.timeout, line, msec),
    ),
    Directive::setting(
        "proxy_buffer_size",
        "size",
        Some("16k"),
        "Most bytes that the relay holds in each direction. Where it is not given streams in bulk are relayed by up to 256k at \
         a time.",
        |loader, line, _| once(&mut loader.here().proxy.buffer_size, line, size),
    ),
    Directive::setting(
        "proxy_downstream_buffer",
        "size",
        None,
        "Old name of `proxy_buffer_size`.",
        |loader, line, _| old_buffer_size(loader, line),
    ),
    Directive::setting("proxy_upstream_buffer", "size", None, "Old name of `proxy_buffer_size`.", |loader, line, _| {
        old_buffer_size(loader, line)
    }),
    Directive::setting(
        "proxy_upload_rate",
        "rate",
        Some("0"),
        "Most bytes a second read from the client; 0 is no limit. May hold variables.",
        |loader, line, _| {
            let filled = loader.here().proxy.upload_rate.is_some();
            let read = rate(loader, line, filled)?;
            loader.here().proxy.upload_rate = Some(read);
            Ok(())
        },
    ),
    Directive::setting(
        "proxy_download_rate",
        "rate",
        Some("0"),
        "Most bytes a second read from the upstream; 0 is no limit. May hold variables.",
        |loader, line, _| {
            let filled = loader.here().proxy.download_rate.is_some();
            let read = rate(loader, line, filled)?;
            loader.here().proxy.download_rate = Some(read);
            Ok(())
        },
    ),
    Directive::setting(
        "proxy_requests",
        "number",
        Some("0"),
        "UDP: datagrams from a client after which its next one opens a new session; 0 is no limit.",
        |loader, line, _| once(&mut loader.here().proxy.requests, line, number),
    ),
    Directive::setting(
        "proxy_responses",
        "number",
        None,
        "UDP: datagrams expected in answer to each one of the client, after which the session ends. Where not \
         given, `proxy_timeout` ends it.",
        |loader, line, _| once(&mut loader.here().proxy.responses, line, number),
    ),
    Directive::setting(
        "proxy_next_upstream",
        "on | off",
        Some("on"),
        "Whether the next peer is tried when connecting to one failed.",
        |loader, line, _| once(&mut loader.here().proxy.next_upstream, line, flag),
    ),
    Directive::setting(
        "proxy_next_upstream_tries",
        "number",
        Some("0"),
        "Most peers tried for a session, the first among them; 0 is no limit.",
        |loader, line, _| once(&mut loader.here().proxy.next_upstream_tries, line, number),
    ),
    Directive::setting(
        "proxy_next_upstream_timeout",
        "time",
        Some("0"),
        "Time after which no further peer is tried; 0 is no limit.",
        |loader, line, _| once(&mut loader.here().proxy.next_upstream_timeout, line, msec),
    ),
    Directive::setting(
        "proxy_protocol",
        "on | v2 | off",
        Some("off"),
        "Sends a PROXY protocol header to the upstream: `on` the text form, `v2` the binary one.",
        |loader, line, _| once(&mut loader.here().proxy.protocol, line, header_version),
    ),
    Directive::setting(
        "proxy_half_close",
        "on | off",
        Some("off"),
        "Closes each direction on its own: after one side has ended, data still flows from the other.",
        |loader, line, _| once(&mut loader.here().proxy.half_close, line, flag),
    ),
];

fn pass(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.server().content.proxy.is_some() {
        return Err(duplicate());
    }
    let client_chosen = guard::is_client_chosen(line.arg(0)).then(|| line.place.clone());
    let pass = if has_variables(line.arg(0)) {
        Pass::Evaluated(value::template(loader, line.arg(0))?)
    } else {
        let written = line.text(0);
        let scheme =
            || written.contains("://").then(|| "write host and port alone; \"proxy_ssl on;\" is for TLS".to_owned());
        let target = address::parse_upstream(line.arg(0))
            .map_err(|phrase| Refusal::Word(0, format!("{phrase} in upstream \"{written}\""), scheme()))?;
        Pass::Group(loader.stream().upstreams.mention(&target, line)?)
    };
    loader.server().content.set_proxy(pass, client_chosen);
    Ok(())
}

fn bind(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.here().proxy.bind.is_some() {
        return Err(duplicate());
    }
    if line.args().len() == 1 && line.arg(0) == b"off" {
        loader.here().proxy.bind = Some(BindWords::Off);
        return Ok(());
    }
    let address = value::template(loader, line.arg(0))?;
    if !has_variables(line.arg(0)) && address::parse_ip_port(line.arg(0)).is_none() {
        return Err(Refusal::Word(0, format!("invalid address \"{}\"", line.text(0)), None));
    }
    let transparent = match line.arg(1) {
        b"transparent" => true,
        _ if line.args().len() == 1 => false,
        _ => return Err(invalid_parameter(line, 1)),
    };
    loader.here().proxy.bind = Some(BindWords::To(Bind { address, transparent }));
    Ok(())
}

fn old_buffer_size(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    once(&mut loader.here().proxy.buffer_size, line, size)?;
    loader.warn(
        line,
        format!("the \"{}\" directive is deprecated, use the \"proxy_buffer_size\" directive instead", line.name()),
    );
    Ok(())
}

/// The limit that `line` sets.
fn rate(loader: &mut Loader<'_>, line: &Line<'_, '_>, filled: bool) -> Result<Rate, Refusal> {
    if filled {
        return Err(duplicate());
    }
    if has_variables(line.arg(0)) {
        return Ok(Rate::Evaluated(value::template(loader, line.arg(0))?));
    }
    scalar::size(line.arg(0)).map(Rate::Fixed).ok_or_else(|| Refusal::Phrase("invalid value".to_owned()))
}

fn header_version(line: &Line<'_, '_>) -> Result<HeaderVersion, Refusal> {
    one_of(line, &[("off", HeaderVersion::Off), ("on", HeaderVersion::V1), ("v2", HeaderVersion::V2)])
}

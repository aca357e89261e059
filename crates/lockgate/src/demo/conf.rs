//! The configurations that the demo shows and runs.

use std::fmt::{self, Write as _};

use super::pki::Pki;

/// Ports of everything in the demo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// A's one port that B may reach.
    pub(crate) a: u16,
    /// A's inner TLS servers in the first plan.
    pub(crate) inner: [u16; 3],
    /// What only A reaches: two machines and a web server.
    pub(crate) hidden: [u16; 3],
    /// B's local ports, in the same order.
    pub(crate) b: [u16; 3],
}

/// Names by which B asks for what A hides.
pub(crate) const NAMES: [&str; 3] = ["ssh1.example.com", "ssh2.example.com", "web.example.com"];

fn map(variable: &str, targets: impl IntoIterator<Item = u16>) -> String {
    let mut text = format!("    map {variable} $target {{\n");
    for (name, port) in NAMES.iter().zip(targets) {
        push(&mut text, format_args!("        {name:<17} 127.0.0.1:{port};\n"));
    }
    text + "        default           127.0.0.1:1;   # nothing listens there: an unknown name is refused\n    }\n"
}

fn certificate(pki: &Pki) -> String {
    format!(
        "        ssl_certificate     {};\n        ssl_certificate_key {};\n",
        pki.certificate().display(),
        pki.key().display()
    )
}

/// Host A, first plan: the name is read without decrypting, and TLS ends at an inner server.
pub(crate) fn a_two_layers(ports: &Ports, a: &Pki, verify: &str) -> String {
    let mut text = map("$ssl_preread_server_name", ports.inner);
    push(
        &mut text,
        format_args!(
            "    server {{\n        listen 127.0.0.1:{};\n        ssl_preread on;\n        proxy_pass $target;\n    }}\n",
            ports.a
        ),
    );
    for (inner, hidden) in ports.inner.iter().zip(ports.hidden) {
        push(&mut text, format_args!("    server {{\n        listen 127.0.0.1:{inner} ssl;\n{}", certificate(a)));
        push(&mut text, format_args!("{verify}        proxy_pass 127.0.0.1:{hidden};\n    }}\n"));
    }
    text
}

/// Host A in one layer: TLS ends at the port itself, and the name leads to the target.
pub(crate) fn a_one_layer(ports: &Ports, a: &Pki, verify: &str) -> String {
    let mut text = map("$ssl_server_name", ports.hidden);
    push(&mut text, format_args!("    server {{\n        listen 127.0.0.1:{} ssl;\n{}", ports.a, certificate(a)));
    text + &format!("{verify}        proxy_pass $target;\n    }}\n")
}

/// What makes A demand a certificate of B's CA.
pub(crate) fn demand(b: &Pki) -> String {
    format!(
        "        ssl_verify_client on;\n        ssl_verify_depth 6;\n        ssl_client_certificate {};\n",
        b.ca().display()
    )
}

/// Host B: each name of A as a local port, plain.
pub(crate) fn b(ports: &Ports, extra: &str) -> String {
    let mut text = String::new();
    for (name, port) in NAMES.iter().zip(ports.b) {
        push(
            &mut text,
            format_args!("    server {{\n        listen 127.0.0.1:{port};\n        proxy_ssl on;\n{extra}"),
        );
        push(&mut text, format_args!("        proxy_ssl_server_name on;\n        proxy_ssl_name {name};\n"));
        push(&mut text, format_args!("        proxy_pass 127.0.0.1:{};\n    }}\n", ports.a));
    }
    text
}

/// What makes B verify A by the CA of `ca`.
pub(crate) fn verify(ca: &Pki) -> String {
    format!(
        "        proxy_ssl_verify on;\n        proxy_ssl_verify_depth 6;\n        proxy_ssl_trusted_certificate {};\n",
        ca.ca().display()
    )
}

/// What makes B show its own certificate.
pub(crate) fn show(b: &Pki) -> String {
    format!(
        "        proxy_ssl_certificate     {};\n        proxy_ssl_certificate_key {};\n",
        b.certificate().display(),
        b.key().display()
    )
}

/// The DMZ host: routes by name to public names, without any key.
pub(crate) fn dmz(port: u16, resolver: u16, name: &str, target: u16) -> String {
    format!(
        "    resolver 127.0.0.1:{resolver} valid=300s;\n    resolver_timeout 10s;\n\
         \x20   map $ssl_preread_server_name $target {{\n        {name} {name}:{target};\n        default 127.0.0.1:1;\n    }}\n\
         \x20   server {{\n        listen 127.0.0.1:{port};\n        ssl_preread on;\n        proxy_pass $target;\n    }}\n"
    )
}

/// Writing into a String does not fail.
fn push(text: &mut String, more: fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}

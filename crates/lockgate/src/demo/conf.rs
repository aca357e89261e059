//! The configurations that the demo shows and runs.

use super::pki::Pki;

/// Ports of everything in the demo.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// A's one port that B may reach.
    pub a: u16,
    /// A's inner TLS servers in the first plan.
    pub inner: [u16; 3],
    /// What only A reaches: two machines and a web server.
    pub hidden: [u16; 3],
    /// B's local ports, in the same order.
    pub b: [u16; 3],
}

/// Names by which B asks for what A hides.
pub const NAMES: [&str; 3] = ["ssh1.example.com", "ssh2.example.com", "web.example.com"];

fn map(variable: &str, targets: impl IntoIterator<Item = u16>) -> String {
    let mut text = format!("    map {variable} $target {{\n");
    for (name, port) in NAMES.iter().zip(targets) {
        text += &format!("        {name:<17} 127.0.0.1:{port};\n");
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
pub fn a_two_layers(ports: &Ports, a: &Pki, verify: &str) -> String {
    let mut text = map("$ssl_preread_server_name", ports.inner);
    text += &format!(
        "    server {{\n        listen 127.0.0.1:{};\n        ssl_preread on;\n        proxy_pass $target;\n    }}\n",
        ports.a
    );
    for (inner, hidden) in ports.inner.iter().zip(ports.hidden) {
        text += &format!("    server {{\n        listen 127.0.0.1:{inner} ssl;\n{}", certificate(a));
        text += &format!("{verify}        proxy_pass 127.0.0.1:{hidden};\n    }}\n");
    }
    text
}

/// Host A in one layer: TLS ends at the port itself, and the name leads to the target.
pub fn a_one_layer(ports: &Ports, a: &Pki, verify: &str) -> String {
    let mut text = map("$ssl_server_name", ports.hidden);
    text += &format!("    server {{\n        listen 127.0.0.1:{} ssl;\n{}", ports.a, certificate(a));
    text + &format!("{verify}        proxy_pass $target;\n    }}\n")
}

/// What makes A demand a certificate of B's CA.
pub fn demand(b: &Pki) -> String {
    format!(
        "        ssl_verify_client on;\n        ssl_verify_depth 6;\n        ssl_client_certificate {};\n",
        b.ca().display()
    )
}

/// Host B: each name of A as a local port, plain.
pub fn b(ports: &Ports, extra: &str) -> String {
    let mut text = String::new();
    for (name, port) in NAMES.iter().zip(ports.b) {
        text += &format!("    server {{\n        listen 127.0.0.1:{port};\n        proxy_ssl on;\n{extra}");
        text += &format!("        proxy_ssl_server_name on;\n        proxy_ssl_name {name};\n");
        text += &format!("        proxy_pass 127.0.0.1:{};\n    }}\n", ports.a);
    }
    text
}

/// What makes B verify A by the CA of `ca`.
pub fn verify(ca: &Pki) -> String {
    format!(
        "        proxy_ssl_verify on;\n        proxy_ssl_verify_depth 6;\n        proxy_ssl_trusted_certificate {};\n",
        ca.ca().display()
    )
}

/// What makes B show its own certificate.
pub fn show(b: &Pki) -> String {
    format!(
        "        proxy_ssl_certificate     {};\n        proxy_ssl_certificate_key {};\n",
        b.certificate().display(),
        b.key().display()
    )
}

/// The DMZ host: routes by name to public names, without any key.
pub fn dmz(port: u16, resolver: u16, name: &str, target: u16) -> String {
    format!(
        "    resolver 127.0.0.1:{resolver} valid=300s;\n    resolver_timeout 10s;\n\
         \x20   map $ssl_preread_server_name $target {{\n        {name} {name}:{target};\n        default 127.0.0.1:1;\n    }}\n\
         \x20   server {{\n        listen 127.0.0.1:{port};\n        ssl_preread on;\n        proxy_pass $target;\n    }}\n"
    )
}

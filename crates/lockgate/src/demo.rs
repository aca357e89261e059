//! `lockgate demo`: two hosts on loopback, one port between them, both ends proven. It makes its
//! own certificates and services, goes through the story step by step, and leaves nothing behind.

mod conf;
mod gateway;
mod pki;
mod services;

use std::fmt;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openssl::ssl::{SslConnector, SslFiletype, SslMethod};

use conf::Ports;
use gateway::Gateway;
use os::signals::{Signal, Signals};
use pki::Pki;

/// A name for the DMZ part; no real one, so that nothing leaves the machine.
const API: &str = "api.public.test";

/// Why the demo cannot go on.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Plays the demo; with `once` it ends after the last step, else when it is interrupted.
pub(crate) fn run(once: bool) -> ExitCode {
    // Interrupts are waited for at the end, so that cleaning up is not skipped.
    let signals = (!once).then(Signals::take).transpose().map_err(Failed::from);
    match signals.and_then(|signals| play(&Folder::new()?, signals)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("lockgate demo: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failed> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("lockgate-demo-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Tells the story and counts its steps.
struct Story {
    step: u32,
}

impl Story {
    fn chapter(title: &str) {
        println!("\n== {title}");
    }

    /// States what was proven, or fails with what was seen instead.
    fn proven(&mut self, what: &str, holds: bool, seen: &str) -> Result<(), Failed> {
        self.step += 1;
        if holds {
            println!("  {:>2}. {what}", self.step);
            Ok(())
        } else {
            Err(Failed(format!("step {}: not so: {what}; seen: {}", self.step, seen.trim())))
        }
    }
}

fn play(folder: &Folder, signals: Option<Signals>) -> Result<(), Failed> {
    let folder = &folder.0;
    println!(
        "Lockgate demo: host A hides two machines and a web server; host B reaches all three through one port of A."
    );
    let a = Pki::make(folder.join("a"), "CA of host A", "*.example.com")?;
    let b = Pki::make(folder.join("b"), "CA of host B", "client.example.com")?;
    let impostor = Pki::make(folder.join("x"), "CA of an impostor", "*.example.com")?;
    println!("Made two CAs and their certificates in {} (and those of an impostor).", folder.display());
    let hidden = [services::shell("one")?, services::shell("two")?, services::web()?];
    let free = free_ports::<8>()?;
    let [port, i1, i2, i3, b1, b2, b3, dmz] = free;
    let ports = Ports { a: port, inner: [i1, i2, i3], hidden, b: [b1, b2, b3] };
    let mut story = Story { step: 0 };

    first_plan(&mut story, folder, &ports, &a)?;
    one_way(&mut story, folder, &ports, (&a, &impostor))?;
    let (gate_a, gate_b) = mutual(&mut story, folder, &ports, (&a, &b, &impostor))?;
    drop(gate_a);
    let gate_a = one_layer(&mut story, folder, &ports, (&a, &b))?;
    let gate_d = through_the_dmz(&mut story, folder, &ports, dmz, (&a, &b))?;

    println!("\nProven: {} statements, every one by real bytes through real sockets.", story.step);
    show(folder)?;
    let Some(signals) = signals else { return Ok(()) };
    invite(&ports, dmz, &a, &b);
    println!("\nThe gateways keep running. Interrupt (Ctrl-C) ends them and removes everything.");
    while !matches!(signals.next(), Some((Signal::Int | Signal::Term | Signal::Quit, _))) {
        os::poll::wait(&[signals.as_fd()], None)?;
    }
    drop((gate_a, gate_b, gate_d));
    Ok(())
}

fn first_plan(story: &mut Story, folder: &Path, ports: &Ports, a: &Pki) -> Result<(), Failed> {
    Story::chapter("The first plan: A reads the name, passes the bytes on, and ends TLS at an inner server");
    let _a = Gateway::start(folder, "host-a", &conf::a_two_layers(ports, a, ""), ports.a)?;
    let _b = Gateway::start(folder, "host-b", &conf::b(ports, ""), ports.b[0])?;
    all_three(story, ports)?;
    let unknown = tls(ports.a, "unknown.example.com", a, None);
    story.proven("a name that A does not know is refused", unknown.is_err(), &text(&unknown))
}

/// Each local port of B leads to the right one of the three.
fn all_three(story: &mut Story, ports: &Ports) -> Result<(), Failed> {
    for (port, name) in ports.b.iter().zip(["one", "two"]) {
        let banner = format!("SSH-2.0-demo host {name}\r\n");
        let echo = format!("{name}: hello\n");
        let heard = services::talk(*port, "hello\n", banner.len() + echo.len());
        let holds = heard.as_ref().is_ok_and(|heard| *heard == format!("{banner}{echo}"));
        story.proven(&format!("B's port {port} is machine {name} behind A, both ways"), holds, &text(&heard))?;
    }
    let [_, _, web] = ports.b;
    let page = services::talk(web, "GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n", usize::MAX);
    let holds = page.as_ref().is_ok_and(|page| page.ends_with("the page behind host A\n"));
    story.proven(&format!("B's port {web} turns https of A back into http"), holds, &text(&page))
}

fn one_way(story: &mut Story, folder: &Path, ports: &Ports, (a, x): (&Pki, &Pki)) -> Result<(), Failed> {
    Story::chapter("B verifies A");
    let b = Gateway::start(folder, "host-b", &conf::b(ports, &conf::verify(a)), ports.b[0])?;
    {
        let _a = Gateway::start(folder, "host-a", &conf::a_two_layers(ports, a, ""), ports.a)?;
        all_three(story, ports)?;
    }
    let _impostor = Gateway::start(folder, "impostor", &conf::a_two_layers(ports, x, ""), ports.a)?;
    let heard = services::talk(ports.b[0], "hello\n", 1);
    let refused = heard.as_ref().map_or(true, String::is_empty);
    story.proven("an impostor with a certificate of another CA gets nothing", refused, &text(&heard))?;
    logged(story, &b, "upstream SSL certificate verify error", "B's log says why")
}

fn mutual(
    story: &mut Story,
    folder: &Path,
    ports: &Ports,
    (a, b, x): (&Pki, &Pki, &Pki),
) -> Result<(Gateway, Gateway), Failed> {
    Story::chapter("Both verify: A demands a certificate of B's CA");
    let gate_a = Gateway::start(folder, "host-a", &conf::a_two_layers(ports, a, &conf::demand(b)), ports.a)?;
    let both = conf::verify(a) + &conf::show(b);
    let gate_b = Gateway::start(folder, "host-b", &conf::b(ports, &both), ports.b[0])?;
    all_three(story, ports)?;
    let name = "ssh1.example.com";
    let good = tls(ports.a, name, a, Some(b));
    story.proven("a client with B's certificate is let in", good.is_ok(), &text(&good))?;
    let none = tls(ports.a, name, a, None);
    story.proven("a client without a certificate is refused", none.is_err(), &text(&none))?;
    logged(story, &gate_a, "client sent no required SSL certificate", "A's log says so")?;
    let other = tls(ports.a, name, a, Some(x));
    story.proven("a client with another CA's certificate is refused", other.is_err(), &text(&other))?;
    logged(story, &gate_a, "client SSL certificate verify error", "A's log says so")?;
    Ok((gate_a, gate_b))
}

fn one_layer(story: &mut Story, folder: &Path, ports: &Ports, (a, b): (&Pki, &Pki)) -> Result<Gateway, Failed> {
    Story::chapter("One layer: TLS ends at A's port itself, the same behaviour");
    let gate_a = Gateway::start(folder, "host-a", &conf::a_one_layer(ports, a, &conf::demand(b)), ports.a)?;
    all_three(story, ports)?;
    let none = tls(ports.a, "ssh1.example.com", a, None);
    story.proven("a client without a certificate is still refused", none.is_err(), &text(&none))?;
    Ok(gate_a)
}

fn through_the_dmz(
    story: &mut Story,
    folder: &Path,
    ports: &Ports,
    dmz: u16,
    (a, b): (&Pki, &Pki),
) -> Result<Gateway, Failed> {
    Story::chapter("The DMZ: a host without any key routes by name, asking a resolver");
    let resolver = services::dns(API)?;
    let gate = Gateway::start(folder, "dmz", &conf::dmz(dmz, resolver, API, ports.a), dmz)?;
    let through = handshake(dmz, API, a, Some(b), false);
    story.proven(&format!("{API} is resolved and reached, its bytes untouched"), through.is_ok(), &text(&through))?;
    let unknown = handshake(dmz, "elsewhere.test", a, Some(b), false);
    story.proven("a name that is not on the list goes nowhere", unknown.is_err(), &text(&unknown))?;
    Ok(gate)
}

fn logged(story: &mut Story, gateway: &Gateway, what: &str, claim: &str) -> Result<(), Failed> {
    let line = gateway.logged(what);
    story.proven(claim, line.is_some(), "no such line")?;
    println!("      {}", line.unwrap_or_default());
    Ok(())
}

/// The first bytes that a TLS client of `name` gets through `port`.
fn tls(port: u16, name: &str, trusted: &Pki, own: Option<&Pki>) -> Result<String, Failed> {
    handshake(port, name, trusted, own, true)
}

fn handshake(port: u16, name: &str, trusted: &Pki, own: Option<&Pki>, check_name: bool) -> Result<String, Failed> {
    let mut connector = SslConnector::builder(SslMethod::tls())?;
    connector.set_ca_file(trusted.ca())?;
    if let Some(own) = own {
        connector.set_certificate_file(own.certificate(), SslFiletype::PEM)?;
        connector.set_private_key_file(own.key(), SslFiletype::PEM)?;
    }
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let mut stream = connector
        .build()
        .configure()?
        .verify_hostname(check_name)
        .connect(name, socket)
        .map_err(|error| Failed(error.to_string()))?;
    if !check_name {
        return Ok("handshake done".to_owned());
    }
    // Under TLS 1.3 a server's refusal of the certificate comes after the handshake.
    let mut first = [0; 64];
    let length = std::io::Read::read(&mut stream, &mut first)?;
    if length == 0 {
        return Err(Failed("the connection was closed".to_owned()));
    }
    Ok(String::from_utf8_lossy(first.get(..length).unwrap_or_default()).into_owned())
}

fn text<E: fmt::Display>(result: &Result<String, E>) -> String {
    match result {
        Ok(heard) => format!("heard {heard:?}"),
        Err(error) => error.to_string(),
    }
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> Result<[u16; N], Failed> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Prints the configurations that run.
fn show(folder: &Path) -> Result<(), Failed> {
    for name in ["host-a", "host-b", "dmz"] {
        let path = folder.join(format!("{name}.conf"));
        println!("\n# {}\n{}", path.display(), std::fs::read_to_string(&path)?.trim_end());
    }
    Ok(())
}

/// Prints lines to try oneself, while the gateways run.
fn invite(ports: &Ports, dmz: u16, a: &Pki, b: &Pki) {
    let (ca, folder) = (a.ca(), b.folder());
    let [b1, _, b3] = ports.b;
    println!("\nTry it yourself:");
    println!("  curl http://127.0.0.1:{b3}/");
    println!("  nc 127.0.0.1 {b1}");
    println!(
        "  curl --resolve web.example.com:{port}:127.0.0.1 --cacert {ca} --cert {own}/server.crt --key {own}/server.key https://web.example.com:{port}/",
        port = ports.a,
        ca = ca.display(),
        own = folder.display()
    );
    println!(
        "  openssl s_client -connect 127.0.0.1:{dmz} -servername {API} -CAfile {ca} -cert {own}/server.crt -key {own}/server.key",
        ca = ca.display(),
        own = folder.display()
    );
}

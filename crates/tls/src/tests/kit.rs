//! Certificates made on the spot, pipes in memory, and handshakes over them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use crate::{
    Capture, Choice, ClientContext, ClientSettings, ConnectOptions, HandshakeError, KeyPair, Pem, ServerContext,
    ServerSettings, Status, Stream,
};

/// A certificate with its key.
pub(super) struct Made {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

pub(super) fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(super) fn rsa_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

pub(super) fn name(parts: &[(&str, &str)]) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    for (kind, text) in parts {
        name.append_entry_by_text(kind, text).unwrap();
    }
    name.build()
}

/// A certificate for `subject`, signed by `issuer` or itself; `is_ca` with the marks of a CA.
pub(super) fn make(subject: &X509Name, key: PKey<Private>, issuer: Option<&Made>, is_ca: bool, dns: &[&str]) -> Made {
    make_with(subject, key, issuer, |builder| {
        if is_ca {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        }
        if !dns.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for name in dns {
                names.dns(name);
            }
            let extension = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(extension).unwrap();
        }
    })
}

/// A certificate with what `extend` adds.
pub(super) fn make_with(
    subject: &X509Name,
    key: PKey<Private>,
    issuer: Option<&Made>,
    extend: impl FnOnce(&mut X509Builder),
) -> Made {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(0x0a1b).unwrap();
    builder.set_serial_number(&Asn1Integer::from_bn(&serial).unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer.map_or(subject, |made| made.certificate.subject_name())).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(3).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    extend(&mut builder);
    builder.sign(issuer.map_or(&key, |made| &made.key), MessageDigest::sha256()).unwrap();
    Made { certificate: builder.build(), key }
}

pub(super) fn self_signed(common_name: &str) -> Made {
    make(&name(&[("CN", common_name)]), ec_key(), None, false, &[])
}

pub(super) fn authority(common_name: &str) -> Made {
    make(&name(&[("CN", common_name)]), ec_key(), None, true, &[])
}

pub(super) fn signed(common_name: &str, issuer: &Made) -> Made {
    make(&name(&[("CN", common_name)]), ec_key(), Some(issuer), false, &[])
}

pub(super) fn pem(name: &str, bytes: Vec<u8>) -> Pem {
    Pem { name: name.to_owned(), bytes }
}

impl Made {
    pub(super) fn pem(&self) -> Pem {
        pem("cert.pem", self.certificate.to_pem().unwrap())
    }

    pub(super) fn pair(&self) -> KeyPair {
        KeyPair { certificate: self.pem(), key: pem("key.pem", self.key.private_key_to_pem_pkcs8().unwrap()) }
    }
}

/// Settings with this one certificate.
pub(super) fn settings(made: &Made) -> ServerSettings {
    ServerSettings { certificates: vec![made.pair()], ..ServerSettings::default() }
}

pub(super) fn server(settings: &ServerSettings) -> Arc<ServerContext> {
    ServerContext::build(settings).unwrap().0
}

pub(super) fn client(settings: &ClientSettings) -> Arc<ClientContext> {
    ClientContext::build(settings).unwrap().0
}

#[derive(Default)]
struct Channel {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

/// One end of a pipe in memory that never blocks and moves at most `limit` bytes at a time.
pub(super) struct End {
    incoming: Rc<RefCell<Channel>>,
    outgoing: Rc<RefCell<Channel>>,
    pub(super) limit: usize,
}

pub(super) fn pipe(limit: usize) -> (End, End) {
    let (a, b) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    let left = End { incoming: Rc::clone(&a), outgoing: Rc::clone(&b), limit };
    (left, End { incoming: b, outgoing: a, limit })
}

impl End {
    /// Closes the direction away from here.
    pub(super) fn close(&self) {
        self.outgoing.borrow_mut().is_closed = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.incoming.borrow().bytes.is_empty()
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut channel = self.incoming.borrow_mut();
        if channel.bytes.is_empty() {
            return if channel.is_closed { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let count = buffer.len().min(self.limit);
        channel.bytes.read(&mut buffer[..count])
    }
}

impl Write for End {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = data.len().min(self.limit);
        self.outgoing.borrow_mut().bytes.extend(&data[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) type Outcome = Result<(), HandshakeError>;

/// Both ends of a connection after their handshakes.
pub(super) struct Pair {
    pub(super) server: Stream<End>,
    pub(super) client: Stream<End>,
    pub(super) server_outcome: Outcome,
    pub(super) client_outcome: Outcome,
}

/// Handshakes until both sides are done, or stuck.
pub(super) fn run(mut server: Stream<End>, mut client: Stream<End>) -> Pair {
    let (mut server_outcome, mut client_outcome) = (None, None);
    for _ in 0..100_000 {
        step(&mut client, &mut client_outcome);
        step(&mut server, &mut server_outcome);
        if server_outcome.is_some() && client_outcome.is_some() {
            break;
        }
    }
    Pair { server, client, server_outcome: server_outcome.unwrap(), client_outcome: client_outcome.unwrap() }
}

fn step(stream: &mut Stream<End>, outcome: &mut Option<Outcome>) {
    if outcome.is_none() {
        match stream.handshake() {
            Ok(Status::Done) => *outcome = Some(Ok(())),
            Ok(Status::WantRead | Status::WantWrite) => {}
            Err(error) => {
                stream.socket().close();
                *outcome = Some(Err(error));
            }
        }
    }
}

/// A connection to `context`, whose chooser answers with `choose`.
pub(super) fn connect_choosing(
    context: &Arc<ServerContext>,
    choose: impl FnMut(Option<&[u8]>) -> Choice + 'static,
    client: &ClientContext,
    options: &ConnectOptions<'_>,
) -> Pair {
    let (near, far) = pipe(usize::MAX);
    let server =
        Stream::accept(near, Arc::clone(context), Some(Box::new(choose)), Capture { lists: true, messages: true })
            .unwrap();
    run(server, Stream::connect(far, client, options).unwrap())
}

/// A connection without choice of a server.
pub(super) fn connect(context: &Arc<ServerContext>, client: &ClientContext, options: &ConnectOptions<'_>) -> Pair {
    connect_choosing(context, |_| Choice::Keep, client, options)
}

/// A connection between settings, with the client's defaults.
pub(super) fn connect_settings(server_settings: &ServerSettings, client_settings: &ClientSettings) -> Pair {
    connect(&server(server_settings), &client(client_settings), &ConnectOptions::default())
}

impl Pair {
    /// Both handshakes succeeded; the client has read all tickets, which AWS-LC sends with the first data.
    pub(super) fn established(mut self) -> Self {
        assert!(self.server_outcome.is_ok(), "{:?}", self.server_outcome);
        assert!(self.client_outcome.is_ok(), "{:?}", self.client_outcome);
        assert_eq!(self.server.write(b"x").unwrap(), crate::Transfer::Bytes(1));
        assert_eq!(self.client.read(&mut [0; 64]).unwrap(), crate::Transfer::Bytes(1));
        assert_eq!(self.client.read(&mut [0; 64]).unwrap(), crate::Transfer::WantRead);
        self
    }

    pub(super) fn server_error(&self) -> String {
        self.server_outcome.as_ref().unwrap_err().to_string()
    }

    pub(super) fn client_error(&self) -> String {
        self.client_outcome.as_ref().unwrap_err().to_string()
    }
}

//! A name server that answers as it is told, over UDP and TCP on one port, and keeps the questions.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::LIMIT;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name in lower case, dots between labels.
    pub name: String,
    /// The same as it was on the wire.
    pub written: String,
    /// `A`, `AAAA`, `SRV` or the type's number.
    pub kind: String,
    /// Whether it came over TCP.
    pub tcp: bool,
    /// The id of the query.
    pub id: u16,
    /// The port that it came from.
    pub port: u16,
}

/// One record's data.
#[derive(Clone, Debug)]
pub enum Data {
    /// An A or AAAA record.
    Addr(IpAddr),
    /// A CNAME record.
    Cname(String),
    /// An SRV record: priority, weight, port, target.
    Srv(u16, u16, u16, String),
    /// A TXT record.
    Text(String),
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These records, each with its owner name and TTL in seconds.
    Records(Vec<(String, u32, Data)>),
    /// An error code and no record.
    Code(u8),
    /// An empty answer with the truncation bit.
    Truncated,
    /// No answer at all.
    Nothing,
    /// This, with a question in lower case, as some servers answer.
    Lowered(Box<Reply>),
    /// Answers that somebody forges, with this address, and then the true one. Over UDP only.
    Forged(IpAddr, Box<Reply>),
}

impl Reply {
    /// Addresses of the name that was asked, of the family that was asked, with one TTL.
    pub fn addrs(question: &Question, ttl: u32, addrs: &[&str]) -> Self {
        let wanted = addrs
            .iter()
            .map(|addr| addr.parse::<IpAddr>().expect("an address"))
            .filter(|addr| question.kind == if addr.is_ipv4() { "A" } else { "AAAA" })
            .map(|addr| (question.name.clone(), ttl, Data::Addr(addr)))
            .collect();
        Self::Records(wanted)
    }
}

/// A running name server; it ends on drop.
#[derive(Debug)]
pub struct Dns {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Question>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Dns {
    /// Answers by `answer`.
    pub fn start(answer: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Self {
        let (udp, tcp) = bind_both();
        let addr = udp.local_addr().expect("a local address");
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let reply = {
            let asked = Arc::clone(&asked);
            Arc::new(move |packet: &[u8], from: SocketAddr, over_tcp: bool| {
                let question = parse(packet, from, over_tcp)?;
                asked.lock().unwrap().push(question.clone());
                Some((answer(&question), question))
            })
        };
        let over_udp = std::thread::spawn({
            let (stop, reply) = (Arc::clone(&stop), Arc::clone(&reply));
            move || {
                let mut buffer = [0; 4096];
                while let Ok((count, from)) = udp.recv_from(&mut buffer) {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let query = &buffer[..count];
                    let Some((mut answer, question)) = reply(query, from, false) else { continue };
                    if let Reply::Forged(forged, truth) = answer {
                        forge(&udp, from, query, &question, forged);
                        answer = *truth;
                    }
                    if let Some(packet) = encode(query, &answer) {
                        let _ = udp.send_to(&packet, from);
                    }
                }
            }
        });
        let over_tcp = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                while let Ok((mut stream, _)) = tcp.accept() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let _ = serve_tcp(&mut stream, |packet, from| encode(packet, &reply(packet, from, true)?.0));
                }
            }
        });
        Self { addr, stop, asked, threads: vec![over_udp, over_tcp] }
    }

    /// Gives these addresses, with a TTL of a minute, for one name; for all others there is none.
    pub fn host(name: &str, addrs: &[&str]) -> Self {
        let name = name.to_owned();
        let addrs: Vec<String> = addrs.iter().map(|addr| (*addr).to_owned()).collect();
        Self::start(move |question| {
            if question.name == name {
                let addrs: Vec<&str> = addrs.iter().map(String::as_str).collect();
                Reply::addrs(question, 60, &addrs)
            } else {
                Reply::Code(3)
            }
        })
    }

    /// Where it listens, for the `resolver` directive.
    pub fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// All questions so far.
    pub fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }

    /// How many questions of this type came for this name.
    pub fn count(&self, name: &str, kind: &str) -> usize {
        self.asked().iter().filter(|question| question.name == name && question.kind == kind).count()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let poked = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"", self.addr)).is_ok();
        if poked && TcpStream::connect(self.addr).is_ok() {
            for thread in self.threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}

fn bind_both() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a TCP socket");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("a local address")) {
            return (udp, tcp);
        }
    }
    panic!("no port free for both UDP and TCP");
}

fn serve_tcp(stream: &mut TcpStream, reply: impl Fn(&[u8], SocketAddr) -> Option<Vec<u8>>) -> std::io::Result<()> {
    let from = stream.peer_addr()?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet)?;
    if let Some(answer) = reply(&packet, from) {
        stream.write_all(&(answer.len() as u16).to_be_bytes())?;
        stream.write_all(&answer)?;
    }
    Ok(())
}

/// Answers with `forged` that are each wrong in one thing: the id, the name, the case of letters, the port.
fn forge(udp: &UdpSocket, to: SocketAddr, query: &[u8], question: &Question, forged: IpAddr) {
    let lie = Reply::Records(vec![(question.name.clone(), 3600, Data::Addr(forged))]);
    let Some(right) = encode(query, &lie) else { return };
    let mut wrong_id = right.clone();
    wrong_id[1] ^= 1;
    let mut wrong_name = right.clone();
    wrong_name[13] = if wrong_name[13] == b'x' { b'y' } else { b'x' };
    let garbage = b"not a message at all".to_vec();
    for packet in [wrong_id, wrong_name, garbage, vec![0; 3]] {
        let _ = udp.send_to(&packet, to);
    }
    let other_port = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    let _ = other_port.send_to(&right, to);
}

fn parse(packet: &[u8], from: SocketAddr, tcp: bool) -> Option<Question> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).into_owned());
        at += length;
    }
    let kind = match u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]) {
        1 => "A".to_owned(),
        28 => "AAAA".to_owned(),
        33 => "SRV".to_owned(),
        other => other.to_string(),
    };
    let written = labels.join(".");
    let id = u16::from_be_bytes([packet[0], packet[1]]);
    Some(Question { name: written.to_lowercase(), written, kind, tcp, id, port: from.port() })
}

fn encode(query: &[u8], reply: &Reply) -> Option<Vec<u8>> {
    let (flags, code, records): (u8, u8, &[_]) = match reply {
        Reply::Nothing => return None,
        Reply::Lowered(reply) => return encode(&[&query[..12], &query[12..].to_ascii_lowercase()].concat(), reply),
        Reply::Forged(_, truth) => return encode(query, truth),
        Reply::Code(code) => (0x81, *code, &[]),
        Reply::Truncated => (0x83, 0, &[]),
        Reply::Records(records) => (0x81, 0, records),
    };
    let question_end = query[12..].iter().position(|byte| *byte == 0)? + 12 + 5;
    let mut out = query[..2].to_vec();
    out.extend([flags, 0x80 | code, 0, 1]);
    out.extend((records.len() as u16).to_be_bytes());
    out.extend([0; 4]);
    out.extend(&query[12..question_end]);
    for (name, ttl, data) in records {
        let (kind, rdata) = match data {
            Data::Addr(IpAddr::V4(addr)) => (1_u16, addr.octets().to_vec()),
            Data::Addr(IpAddr::V6(addr)) => (28, addr.octets().to_vec()),
            Data::Cname(target) => (5, wire_name(target)),
            Data::Text(text) => (16, [&[text.len() as u8], text.as_bytes()].concat()),
            Data::Srv(priority, weight, port, target) => {
                let numbers = [*priority, *weight, *port];
                let mut rdata: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
                rdata.extend(wire_name(target));
                (33, rdata)
            }
        };
        out.extend(wire_name(name));
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend((rdata.len() as u16).to_be_bytes());
        out.extend(rdata);
    }
    Some(out)
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

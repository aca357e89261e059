//! Connections: the TLS library on a socket of this thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use reactor::Socket;

/// A TLS connection on a socket, shared by the session that relays it and the variables that tell
/// of it.
pub type Connection = Rc<RefCell<tls::Stream<Transport>>>;

/// Under what a TLS session is kept: the context whose rules the peer was verified by, the peer, and the name
/// it was asked for and verified by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// [`tls::ClientContext::digest`]
    pub context: [u8; 32],
    /// The peer's name.
    pub peer: Arc<str>,
    /// `proxy_ssl_name`, or what stands for it.
    pub name: Box<str>,
}

/// The most data that one TLS record carries (RFC 8446 section 5.1), bytes.
pub const RECORD: usize = 16 * 1024;

/// The largest that a record may be, bytes (RFC 8446 section 5.2; RFC 5246 section 6.2.3 has the larger one, with its header).
const LARGEST_RECORD: usize = 5 + RECORD + 2048;

thread_local! {
    /// Records on their way into one call.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket as the TLS library reads and writes it.
#[derive(Debug)]
pub struct Transport {
    socket: Rc<Socket>,
    /// Whether what the library writes waits for [`Self::send_gathered`].
    gathers: bool,
    /// Whether bytes have come or gone since [`Self::has_moved`] was last asked.
    moved: bool,
    /// Whether what the library writes waits for what follows, to share a packet.
    expects_more: bool,
    /// Bytes that have come or gone since there was data in them.
    idle: usize,
    owed: Option<Box<Owed>>,
    allowance: usize,
}

/// What was gathered and did not fit into the socket: it goes before anything else.
#[derive(Debug)]
struct Owed {
    bytes: Vec<u8>,
    sent: usize,
    /// How many bytes of data the records that were gathered carry, all but the last of them full, and how long they are.
    data: usize,
    gathered: usize,
}

impl Owed {
    /// How many bytes of data are in records that are not sent, or not all of them.
    fn data(&self) -> usize {
        let records = self.data.div_ceil(RECORD).max(1);
        let full = RECORD + self.gathered.saturating_sub(self.data) / records;
        let sent = (self.gathered + self.sent).saturating_sub(self.bytes.len()) / full;
        self.data.saturating_sub(sent * RECORD)
    }
}

impl Transport {
    /// The library writes to and reads from `socket` itself.
    pub fn new(socket: Rc<Socket>) -> Self {
        Self { socket, gathers: false, moved: false, expects_more: false, idle: 0, owed: None, allowance: usize::MAX }
    }

    /// Has what the library writes wait for [`Self::send_gathered`], before which no other connection of the thread may
    /// gather. One call in place of several saves the system more than it costs to bring records together.
    pub fn gather(&mut self) {
        self.gathers = true;
    }

    /// Sends what was gathered, records with so many bytes of `data`. What does not fit is owed.
    pub fn send_gathered(&mut self, data: usize) -> io::Result<()> {
        self.gathers = false;
        GATHERED.with_borrow_mut(|gathered| {
            let sent = match self.send(gathered) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                sent => sent,
            };
            let rest = sent.as_ref().map_or(&[][..], |sent| gathered.get(*sent..).unwrap_or_default());
            self.owed = (!rest.is_empty())
                .then(|| Box::new(Owed { bytes: rest.to_vec(), sent: 0, data, gathered: gathered.len() }));
            gathered.clear();
            sent.map(drop)
        })
    }

    /// How much memory is taken by what is owed, bytes.
    pub fn owes(&self) -> usize {
        self.owed.as_ref().map_or(0, |owed| owed.bytes.len())
    }

    /// How many bytes of data the library was given that are owed.
    pub fn owed_data(&self) -> usize {
        self.owed.as_ref().map_or(0, |owed| owed.data())
    }

    /// Sends of what is owed what there is room for; 0 when nothing is.
    pub fn pay(&mut self) -> io::Result<usize> {
        let Some(owed) = &mut self.owed else { return Ok(0) };
        let sent = self.socket.try_write(owed.bytes.get(owed.sent..).unwrap_or_default())?;
        self.moved |= sent > 0;
        owed.sent += sent;
        if owed.sent >= owed.bytes.len() {
            self.owed = None;
        }
        Ok(sent)
    }

    /// What the library writes from now on waits for what follows, be it the end of the stream; but no longer than until the
    /// peer's next packet, or the time after which the system would send a lost one again: a fifth of a second, or three
    /// round trips.
    pub fn expect_more(&mut self, more: bool) {
        self.expects_more = more;
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = if self.expects_more { self.socket.try_write_more(bytes) } else { self.socket.try_write(bytes) }?;
        self.count(sent);
        Ok(sent)
    }

    /// Bytes in which there may be data: more than two records without any are other messages.
    fn count(&mut self, bytes: usize) {
        self.idle = self.idle.saturating_add(bytes);
        // One may be under way in each direction.
        self.moved |= bytes > 0 && self.idle <= 2 * LARGEST_RECORD;
    }

    /// The library has had data, or been given some.
    pub fn had_data(&mut self) {
        self.idle = 0;
    }

    /// Whether bytes have come or gone since this was last asked that may be part of a record of data: of such parts the
    /// library says nothing.
    pub fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// The library gets so many bytes until it is told otherwise, and then an error.
    pub fn allow_reading(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Whether the library has read all that it was allowed to.
    pub fn is_exhausted(&self) -> bool {
        self.allowance == 0
    }

    /// Until it is told again, the library gets no more than about 64 KiB, and then an error. Messages that bring no
    /// data (`KeyUpdate` may follow `KeyUpdate` without end) it would else read for as long as they come, and nobody
    /// else of this thread would have a turn.
    pub fn limit_reading(&mut self) {
        self.allowance = 64 * 1024;
    }
}

impl io::Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            return Err(io::Error::other("too many TLS messages without data"));
        }
        let room = buffer.len().min(self.allowance);
        let count = self.socket.try_read(buffer.get_mut(..room).unwrap_or_default())?;
        self.count(count);
        self.allowance = self.allowance.saturating_sub(count);
        Ok(count)
    }
}

impl io::Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathers {
            GATHERED.with_borrow_mut(|gathered| gathered.extend_from_slice(bytes));
            return Ok(bytes.len());
        }
        while self.pay()? > 0 {}
        self.send(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// What has come.
    fn heard(peer: &mut UnixStream) -> Vec<u8> {
        let mut all = Vec::new();
        let end = peer.read_to_end(&mut all).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::WouldBlock);
        all
    }

    #[test]
    fn what_is_gathered_goes_at_once_and_what_is_owed_before_anything_else() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        for end in [&ours, &peer] {
            end.set_nonblocking(true).unwrap();
        }
        let records: Vec<Vec<u8>> = (0..60).map(|n| vec![n; 16_000]).collect();
        let runtime = reactor::Runtime::new().unwrap();
        runtime.run(async move {
            let socket = Rc::new(Socket::stream(ours.into()));
            let mut transport = Transport::new(Rc::clone(&socket));
            transport.gather();
            for record in &records {
                assert_eq!(transport.write(record).unwrap(), record.len());
            }
            assert_eq!(heard(&mut peer), b"", "nothing goes before the call");
            transport.send_gathered(records.len() * 16_000).unwrap();
            assert!(transport.owes() > 0, "there is not so much room");
            assert_eq!(transport.write(b"next").unwrap_err().kind(), ErrorKind::WouldBlock);
            let mut got = Vec::new();
            while transport.owes() > 0 {
                got.append(&mut heard(&mut peer));
                socket.writable().await.unwrap();
                transport.pay().unwrap();
            }
            assert_eq!(transport.pay().unwrap(), 0);
            assert_eq!(transport.write(b"next").unwrap(), 4);
            got.append(&mut heard(&mut peer));
            assert!(got == [records.concat(), b"next".to_vec()].concat(), "in order and whole");
        });
    }

    #[test]
    fn what_expects_more_shares_its_packet_and_waits_for_no_long_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        reactor::Runtime::new().unwrap().run(async move {
            let at = os::socket::local_addr(&peer).unwrap();
            let mut transport = Transport::new(Rc::new(Socket::connected(ours.into(), &at)));
            // As a handshake does.
            transport.socket.set_nodelay();
            transport.write_all(&[b'h'; 1000]).unwrap();
            peer.read_exact(&mut [0; 1000]).unwrap();
            let before = os::options::packets_received(&peer).unwrap();
            transport.expect_more(true);
            transport.write_all(&[b'f'; 600]).unwrap();
            transport.socket.set_nodelay();
            transport.expect_more(false);
            transport.write_all(b"second").unwrap();
            let mut heard = [0; 606];
            peer.read_exact(&mut heard).unwrap();
            assert_eq!(&heard[600..], b"second");
            assert_eq!(os::options::packets_received(&peer).unwrap() - before, 1);
            transport.expect_more(true);
            transport.write_all(b"last").unwrap();
            peer.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
            assert_eq!(peer.read(&mut heard).unwrap(), 4, "without anything more");
        });
    }

    #[test]
    fn messages_without_data_move_nothing_for_long() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        reactor::Runtime::new().unwrap().run(async move {
            let mut transport = Transport::new(Rc::new(Socket::stream(ours.into())));
            let mut come = |transport: &mut Transport| {
                peer.write_all(&[0; 1000]).unwrap();
                assert_eq!(transport.read(&mut [0; 1000]).unwrap(), 1000);
                transport.has_moved()
            };
            assert!((0..2 * LARGEST_RECORD / 1000).all(|_| come(&mut transport)), "they may be records");
            assert!(!come(&mut transport), "they are none");
            transport.had_data();
            assert!(come(&mut transport) && !transport.has_moved());
        });
    }

    #[test]
    fn data_is_owed_by_whole_records() {
        // Two full records and one of a thousand bytes, each 22 bytes longer.
        let (full, data) = (RECORD + 22, 2 * RECORD + 1000);
        let gathered = data + 66;
        let owed = |sent: usize| {
            let rest = Owed { bytes: vec![0; gathered - 5], sent: sent - 5, data, gathered };
            rest.data()
        };
        assert_eq!([5, full - 1].map(owed), [data; 2]);
        assert_eq!([full, 2 * full - 1].map(owed), [RECORD + 1000; 2]);
        assert_eq!([2 * full, gathered - 1].map(owed), [1000; 2]);
    }

    #[test]
    fn nothing_stays_gathered_after_an_error() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let (gone, other) = UnixStream::pair().unwrap();
        drop(other);
        for end in [&ours, &gone, &peer] {
            end.set_nonblocking(true).unwrap();
        }
        reactor::Runtime::new().unwrap().run(async move {
            let mut broken = Transport::new(Rc::new(Socket::stream(gone.into())));
            broken.gather();
            broken.write_all(b"lost").unwrap();
            assert_eq!(broken.send_gathered(4).unwrap_err().kind(), ErrorKind::BrokenPipe);
            let mut whole = Transport::new(Rc::new(Socket::stream(ours.into())));
            whole.gather();
            whole.write_all(b"said").unwrap();
            whole.send_gathered(4).unwrap();
            assert_eq!(heard(&mut peer), b"said");
        });
    }
}

//! What the process that reads the configuration asks of the one that serves, and its answers.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use engine::log::Files;
use os::channel::Channel;

use crate::codec::{Reader, Writer};
use crate::transcript::Transcript;

/// One request, as it arrives.
#[derive(Debug)]
pub(super) enum Order {
    /// Take the configuration that the transcript loads, with these logs and the sockets of its listeners.
    Reload { transcript: Transcript, logs: Logs, sockets: Vec<Vec<OwnedFd>> },
    /// Write to these files from now on.
    Reopen { logs: Logs },
    /// Take the certificates of the transcript where they have changed.
    Rotate { changed: BTreeSet<PathBuf>, transcript: Transcript },
    /// Tell whether every thread gets round to its work.
    Beat,
}

/// Log files by their paths.
pub(super) type Logs = Vec<(PathBuf, OwnedFd)>;

/// Why an order was not carried out.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The other process is gone, or does not answer.
    Lost(io::Error),
    /// Its own words.
    Told(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(error) => write!(f, "the worker process does not answer: {error}"),
            Self::Told(text) => f.write_str(text),
        }
    }
}

const RELOAD: u64 = 0;
const REOPEN: u64 = 1;
const ROTATE: u64 = 2;
const BEAT: u64 = 3;

/// The longest answer that is taken, bytes: who serves is not trusted with the memory of who keeps root's rights.
pub(super) const ANSWER: u64 = 1 << 16;

/// Sends a new configuration; `sockets` are those of each of its listeners.
pub(super) fn reload(
    channel: &Channel,
    transcript: &Transcript,
    files: &Files,
    sockets: &[&[OwnedFd]],
) -> Result<(), Refusal> {
    let (mut writer, mut fds) = begin(RELOAD);
    transcript.write(&mut writer);
    write_logs(&mut writer, &mut fds, files);
    writer.list(sockets, |writer, sockets| writer.number(sockets.len() as u64));
    fds.extend(sockets.iter().flat_map(|sockets| sockets.iter().map(AsFd::as_fd)));
    ask(channel, writer, &fds)
}

/// Has the log files written to that are open now.
pub(super) fn reopen(channel: &Channel, files: &Files) -> Result<(), Refusal> {
    let (mut writer, mut fds) = begin(REOPEN);
    write_logs(&mut writer, &mut fds, files);
    ask(channel, writer, &fds)
}

/// Sends certificates that have changed.
pub(super) fn rotate(channel: &Channel, changed: &BTreeSet<PathBuf>, transcript: &Transcript) -> Result<(), Refusal> {
    let (mut writer, fds) = begin(ROTATE);
    let changed: Vec<&PathBuf> = changed.iter().collect();
    writer.list(&changed, |writer, path| writer.path(path));
    transcript.write(&mut writer);
    ask(channel, writer, &fds)
}

/// Asks for a sign of life.
pub(super) fn beat(channel: &Channel) -> Result<(), Refusal> {
    let (writer, fds) = begin(BEAT);
    ask(channel, writer, &fds)
}

fn begin<'a>(kind: u64) -> (Writer, Vec<BorrowedFd<'a>>) {
    let mut writer = Writer::default();
    writer.number(kind);
    (writer, Vec::new())
}

/// Paths into the message, descriptors beside it.
fn write_logs<'a>(writer: &mut Writer, fds: &mut Vec<BorrowedFd<'a>>, files: &'a Files) {
    let (paths, logs): (Vec<_>, Vec<_>) = files.all().unzip();
    writer.list(&paths, |writer, path| writer.path(path));
    fds.extend(logs);
}

fn ask(channel: &Channel, writer: Writer, fds: &[BorrowedFd<'_>]) -> Result<(), Refusal> {
    let answer = channel.send(&writer.finish(), fds).and_then(|()| channel.receive_answer(ANSWER));
    match answer {
        Err(error) => Err(Refusal::Lost(error)),
        Ok(text) if text.is_empty() => Ok(()),
        Ok(text) => Err(Refusal::Told(String::from_utf8_lossy(&text).into_owned())),
    }
}

/// The next order; `None` when nobody is left to give one.
pub(super) fn receive(channel: &Channel) -> Option<Order> {
    let (bytes, fds) = channel.receive().ok()?;
    let mut reader = Reader::new(&bytes);
    let mut fds = fds.into_iter();
    let read_logs = |reader: &mut Reader<'_>, fds: &mut std::vec::IntoIter<OwnedFd>| {
        let paths = reader.list(Reader::path)?;
        Some(paths.into_iter().zip(fds).collect())
    };
    Some(match reader.number()? {
        RELOAD => {
            let transcript = Transcript::read(&mut reader)?;
            let logs = read_logs(&mut reader, &mut fds)?;
            let counts = reader.list(Reader::number)?;
            let sockets = counts.into_iter().map(|count| fds.by_ref().take(count as usize).collect()).collect();
            Order::Reload { transcript, logs, sockets }
        }
        REOPEN => Order::Reopen { logs: read_logs(&mut reader, &mut fds)? },
        ROTATE => {
            let changed = reader.list(Reader::path)?.into_iter().collect();
            Order::Rotate { changed, transcript: Transcript::read(&mut reader)? }
        }
        BEAT => Order::Beat,
        _ => return None,
    })
}

/// Tells that an order was carried out, or why not.
pub(super) fn answer(channel: &Channel, done: Result<(), String>) -> io::Result<()> {
    channel.send(done.err().unwrap_or_default().as_bytes(), &[])
}

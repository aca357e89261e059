//! Peers by a hash of a key: in proportion to their weights as `Cache::Memcached` does it, or on
//! a ring as `Cache::Memcached::Fast` (Ketama) does.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crc::{CRC_32_ISO_HDLC, Crc};

use super::{Peer, Selection, at_weight, round_robin, total_weight};

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Points on the ring for each unit of weight.
const POINTS: u32 = 160;

/// Chooses by the hash of `key`, hashed again after each miss; `None` after too many.
pub(super) fn choose(peers: &[Peer], selection: &mut Selection, now: u64, key: &[u8]) -> Option<usize> {
    if key.is_empty() {
        return None;
    }
    loop {
        let mut digest = CRC.digest();
        if selection.rounds > 0 {
            digest.update(selection.rounds.to_string().as_bytes());
        }
        digest.update(key);
        let hash = selection.hash.unwrap_or(0).wrapping_add((digest.finalize() >> 16) & 0x7fff);
        selection.hash = Some(hash);
        selection.rounds += 1;
        let index = at_weight(peers, u64::from(hash).checked_rem(total_weight(peers))?)?;
        if selection.eligible(index, peers.get(index)?, now) {
            return Some(index);
        }
        if selection.miss() {
            return None;
        }
    }
}

/// The points of all servers, in order of their hashes.
#[derive(Debug, Default)]
pub(super) struct Ring {
    points: Vec<Point>,
    /// For each peer the first one of the same server; the backups follow the others.
    servers: Vec<u32>,
    /// Where the backups begin.
    backups: usize,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    hash: u32,
    /// The first peer of the server.
    server: u32,
}

impl Ring {
    /// The ring of `peers`. Backups have no points on it; one of the same server is found all the same.
    pub(super) fn new(peers: &[Peer], backups: &[Peer]) -> Self {
        let mut points = Vec::new();
        let mut servers = Vec::new();
        let mut known = HashMap::new();
        for (peer, index) in peers.iter().chain(backups).zip(0..) {
            let server = *known.entry(peer.conf.text.as_str()).or_insert(index);
            servers.push(server);
            if peer.conf.backup {
                continue;
            }
            let (host, port) = host_port(&peer.conf.text);
            let mut base = CRC.digest();
            base.update(host.as_bytes());
            base.update(b"\0");
            base.update(port.as_bytes());
            let mut hash = 0_u32;
            for _ in 0..u64::from(peer.conf.weight) * u64::from(POINTS) {
                let mut digest = base.clone();
                digest.update(&hash.to_le_bytes());
                hash = digest.finalize();
                points.push(Point { hash, server });
            }
        }
        points.sort_by_key(|point| point.hash);
        points.dedup_by_key(|point| point.hash);
        points.shrink_to_fit();
        Self { points, servers, backups: peers.len() }
    }

    /// Chooses the server at the hash of `key` or one of the next on the ring; its addresses take
    /// turns. `None` after too many misses.
    pub(super) fn choose(&self, peers: &mut [Peer], selection: &mut Selection, now: u64, key: &[u8]) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        let mut at = selection.hash.unwrap_or_else(|| {
            let hash = CRC.checksum(key);
            self.points.partition_point(|point| point.hash < hash) as u32
        });
        let first = if selection.backup { self.backups } else { 0 };
        loop {
            let point = self.points.get((at as usize).checked_rem(self.points.len())?)?;
            let chosen = round_robin::choose(peers, selection, now, |index, _| {
                self.servers.get(first + index).is_some_and(|server| *server == point.server)
            });
            selection.hash = Some(at);
            if chosen.is_some() {
                return chosen;
            }
            at = at.wrapping_add(1);
            if selection.miss() {
                return None;
            }
        }
    }
}

/// A server's text as the ring takes it apart.
fn host_port(text: &str) -> (&str, &str) {
    if let Some((prefix, path)) = text.split_at_checked(5)
        && prefix.eq_ignore_ascii_case("unix:")
    {
        return (path, "");
    }
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (text, ""),
    }
}

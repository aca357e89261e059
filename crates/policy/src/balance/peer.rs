//! A peer of a group: what is configured and what is remembered. It does not choose.

use std::sync::Arc;

use crate::address::Address;

/// One address of a `server` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConf {
    /// The address as the configuration writes it; consistent hashing goes by it.
    pub text: String,
    /// Where it is.
    pub address: Address,
    /// `weight`.
    pub weight: u32,
    /// `max_conns`; 0 for no limit.
    pub max_conns: u32,
    /// `max_fails`; 0 for never out of use.
    pub max_fails: u32,
    /// `fail_timeout` in seconds.
    pub fail_timeout: u64,
    /// `backup`.
    pub backup: bool,
    /// `down`.
    pub down: bool,
}

impl PeerConf {
    /// A peer with the defaults of the `server` directive.
    pub fn new(text: String, address: Address) -> Self {
        Self { text, address, weight: 1, max_conns: 0, max_fails: 1, fail_timeout: 10, backup: false, down: false }
    }

    /// The address in text: the path of a unix socket as it is written, whatever the case of its `unix:`.
    fn name(&self) -> Arc<str> {
        match &self.address {
            Address::Unix(_) => self.text.as_str().into(),
            Address::Inet(_) => self.address.to_string().into(),
        }
    }
}

/// A peer and what is remembered of it. Times are seconds unless they say otherwise.
#[derive(Debug)]
pub struct Peer {
    pub(super) conf: PeerConf,
    /// Its number, which no other peer of the group ever has.
    pub(super) id: u32,
    name: Arc<str>,
    pub(super) current_weight: i64,
    pub(super) effective_weight: u32,
    pub(super) conns: u32,
    fails: u32,
    accessed: u64,
    pub(super) checked: u64,
    /// Moving average of finished sessions, milliseconds.
    pub(super) average: u32,
    /// Moving average that does not wait for the end of sessions, milliseconds.
    pub(super) inflight: u32,
}

impl Peer {
    /// A peer that was not used yet.
    pub(super) fn new(conf: PeerConf, id: u32) -> Self {
        Self {
            id,
            name: conf.name(),
            current_weight: 0,
            effective_weight: conf.weight,
            conns: 0,
            fails: 0,
            accessed: 0,
            checked: 0,
            average: 0,
            inflight: 0,
            conf,
        }
    }

    /// Remembers what `old`, which was the same peer under another configuration, knew of failures and times. Sessions
    /// of `old` are not counted here, since their end will not be.
    pub(super) fn inherit(&mut self, old: &Self) {
        self.effective_weight = old.effective_weight.min(self.conf.weight);
        (self.fails, self.accessed, self.checked) = (old.fails, old.accessed, old.checked);
        (self.average, self.inflight) = (old.average, old.inflight);
    }

    /// Its address in text.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.conf.address
    }

    /// Seconds since it was last picked as a probe or failed.
    pub(super) fn since_checked(&self, now: u64) -> u64 {
        now.saturating_sub(self.checked)
    }

    /// Whether it is neither down, nor out of use after failures, nor full.
    pub(super) fn usable(&self, now: u64) -> bool {
        let conf = &self.conf;
        let failed = conf.max_fails > 0 && self.fails >= conf.max_fails && self.since_checked(now) <= conf.fail_timeout;
        let full = conf.max_conns > 0 && self.conns >= conf.max_conns;
        !conf.down && !failed && !full
    }

    /// Counts a failure; true when there are enough to take the peer out of use.
    pub(super) fn blame(&mut self, now: u64) -> bool {
        self.fails = self.fails.saturating_add(1);
        self.accessed = now;
        self.checked = now;
        let most = self.conf.max_fails;
        if let Some(share) = self.conf.weight.checked_div(most) {
            self.effective_weight = self.effective_weight.saturating_sub(share);
        }
        most > 0 && self.fails >= most
    }

    /// Forgets failures once a probe after them went well.
    pub(super) fn recover(&mut self) {
        if self.accessed < self.checked {
            self.fails = 0;
        }
    }
}

//! The attempts of a session to reach a peer, as variables tell of them.

use super::Session;
use crate::upstream::Attempt;

impl Session {
    /// Begins an attempt to reach a peer.
    pub(super) fn start_attempt(&self, attempt: Attempt) {
        self.from_upstream.set(0);
        self.to_upstream.set(0);
        let mut attempts = self.attempts.borrow_mut();
        // Most sessions make one attempt only.
        attempts.reserve_exact(1);
        attempts.push(attempt);
    }

    /// The attempt's connection is there.
    pub(super) fn connected(&self) {
        if let Some(attempt) = self.attempts.borrow_mut().last_mut() {
            attempt.connect_time = Some(attempt.age());
        }
    }

    /// The upstream said something, or ended; only the first time counts.
    pub(super) fn first_byte(&self) {
        if let Some(attempt) = self.attempts.borrow_mut().last_mut()
            && attempt.first_byte_time.is_none()
        {
            attempt.first_byte_time = Some(attempt.age());
        }
    }

    /// The attempt did not even come to have an address.
    pub(super) fn unname_attempt(&self) {
        if let Some(attempt) = self.attempts.borrow_mut().last_mut() {
            attempt.name = "".into();
        }
    }

    /// The attempt is over, if it was not before: its counts and times become what variables say.
    pub(super) fn finish_attempt(&self) {
        if let Some(attempt) = self.attempts.borrow_mut().last_mut().filter(|attempt| attempt.session_time.is_none()) {
            attempt.session_time = Some(attempt.age());
            attempt.received = self.from_upstream.get();
            attempt.sent = self.to_upstream.get();
        }
    }

    /// Milliseconds until the first byte of the last attempt, if it came.
    pub(super) fn attempt_first_byte(&self) -> Option<u64> {
        self.attempts.borrow().last().and_then(|attempt| attempt.first_byte_time.map(u64::from))
    }

    /// Milliseconds that the last attempt has taken.
    pub(super) fn attempt_time(&self) -> u64 {
        self.attempts.borrow().last().map_or(0, |attempt| attempt.age().into())
    }
}

//! Keys that encrypt session tickets (RFC 5077 §4): from files, or random ones that change by themselves.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;

/// One key set: AES-CBC with HMAC-SHA256, named by 16 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    pub(crate) name: [u8; 16],
    /// 16 or 32 bytes.
    pub(crate) aes: Vec<u8>,
    pub(crate) hmac: Vec<u8>,
}

impl TicketKey {
    /// Reads an `ssl_session_ticket_key` file of 48 bytes (name, AES-128 key, HMAC key of 16 bytes each) or
    /// 80 bytes (name of 16, then HMAC and AES-256 key of 32). `None` for any other length.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&name, keys) = bytes.split_first_chunk::<16>()?;
        match keys.len() {
            32 => {
                let (aes, hmac) = keys.split_at_checked(16)?;
                Some(Self { name, aes: aes.to_vec(), hmac: hmac.to_vec() })
            }
            64 => {
                let (hmac, aes) = keys.split_at_checked(32)?;
                Some(Self { name, aes: aes.to_vec(), hmac: hmac.to_vec() })
            }
            _ => None,
        }
    }

    fn random() -> Result<Self, ErrorStack> {
        let mut bytes = [0; 80];
        openssl::rand::rand_bytes(&mut bytes)?;
        Ok(Self { name: first16(&bytes), hmac: bytes[16..48].to_vec(), aes: bytes[48..].to_vec() })
    }
}

fn first16(bytes: &[u8; 80]) -> [u8; 16] {
    let mut name = [0; 16];
    name.copy_from_slice(&bytes[..16]);
    name
}

impl std::fmt::Debug for TicketKey {
    /// Secrets stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// The keys of a context.
#[derive(Debug)]
pub(crate) enum TicketKeys {
    /// From files; the first encrypts.
    Given(Vec<TicketKey>),
    /// Random, changed every so often.
    Rotating(Mutex<Rotation>),
}

/// The key in use, and the one before it, which still decrypts.
#[derive(Debug)]
pub(crate) struct Rotation {
    current: Option<(TicketKey, Instant)>,
    previous: Option<(TicketKey, Instant)>,
    period: Duration,
}

impl Rotation {
    fn turn(&mut self, now: Instant) -> Result<(), ErrorStack> {
        let age = self.current.as_ref().map(|(_, born)| now.saturating_duration_since(*born));
        if age.is_none_or(|age| age >= self.period) {
            let fresh = TicketKey::random()?;
            self.previous = self.current.replace((fresh, now));
        }
        // tickets live no longer than a period after their key was last used to encrypt
        let period = self.period;
        self.previous.take_if(|(_, born)| now.saturating_duration_since(*born) >= period * 2);
        Ok(())
    }
}

impl TicketKeys {
    /// Random keys that change every `period`.
    pub(crate) fn rotating(period: Duration) -> Self {
        Self::Rotating(Mutex::new(Rotation { current: None, previous: None, period }))
    }

    /// The key for a new ticket.
    pub(crate) fn encrypting(&self, now: Instant) -> Option<TicketKey> {
        match self {
            Self::Given(keys) => keys.first().cloned(),
            Self::Rotating(rotation) => {
                let mut rotation = rotation.lock().unwrap_or_else(PoisonError::into_inner);
                rotation.turn(now).ok()?;
                rotation.current.as_ref().map(|(key, _)| key.clone())
            }
        }
    }

    /// The key with this name, and whether it is the one that encrypts now.
    pub(crate) fn find(&self, name: &[u8], now: Instant) -> Option<(TicketKey, bool)> {
        match self {
            Self::Given(keys) => {
                let index = keys.iter().position(|key| key.name == name)?;
                Some((keys.get(index)?.clone(), index == 0))
            }
            Self::Rotating(rotation) => {
                let mut rotation = rotation.lock().unwrap_or_else(PoisonError::into_inner);
                rotation.turn(now).ok()?;
                let matching = |slot: &Option<(TicketKey, Instant)>| {
                    slot.as_ref().filter(|(key, _)| key.name == name).map(|(key, _)| key.clone())
                };
                matching(&rotation.current)
                    .map(|key| (key, true))
                    .or_else(|| matching(&rotation.previous).map(|key| (key, false)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_48_or_80_bytes() {
        let bytes: Vec<u8> = (0..80).collect();
        let short = TicketKey::parse(&bytes[..48]).unwrap();
        assert_eq!((short.name[15], short.aes[0], short.hmac[0]), (15, 16, 32));
        let long = TicketKey::parse(&bytes).unwrap();
        assert_eq!((long.hmac.len(), long.hmac[0], long.aes[0]), (32, 16, 48));
        for length in (0..80).filter(|length| *length != 48) {
            assert!(TicketKey::parse(&bytes[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn only_the_first_given_key_encrypts() {
        let keys = [[1_u8; 48], [2; 48]].map(|bytes| TicketKey::parse(&bytes).unwrap());
        let keys = TicketKeys::Given(keys.to_vec());
        let now = Instant::now();
        assert_eq!(keys.encrypting(now).unwrap().name, [1; 16]);
        assert!(keys.find(&[1; 16], now).unwrap().1);
        assert!(!keys.find(&[2; 16], now).unwrap().1);
        assert!(keys.find(&[3; 16], now).is_none());
    }

    #[test]
    fn random_keys_turn_and_the_last_one_still_decrypts() {
        let period = Duration::from_secs(10);
        let keys = TicketKeys::rotating(period);
        let start = Instant::now();
        let first = keys.encrypting(start).unwrap();
        assert_eq!(keys.encrypting(start + period / 2).unwrap(), first);
        let second = keys.encrypting(start + period).unwrap();
        assert_ne!(second, first);
        assert!(!keys.find(&first.name, start + period).unwrap().1);
        assert!(keys.find(&first.name, start + period * 2).is_none());
    }
}

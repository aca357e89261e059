//! What a log remembers of a disk that does not take its lines: full, it is left alone for the rest of the second, and
//! what failed is told once a minute.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use super::errno;

/// Seconds between two lines about the same log.
const PAUSE: i64 = 60;
const NEVER: i64 = i64::MIN;

/// Why a line, or the rest of it, is lost.
#[derive(Debug)]
pub enum Lost {
    /// Writing failed.
    Failed(io::Error),
    /// So many bytes were written, of so many.
    Partly(usize, usize),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed{}", errno(error)),
            Self::Partly(written, all) => write!(f, "was incomplete: {written} of {all}"),
        }
    }
}

/// The state of a log's disk, as far as it is known. Times are Unix seconds.
#[derive(Debug)]
pub struct Disk {
    full: AtomicI64,
    told: AtomicI64,
}

impl Default for Disk {
    fn default() -> Self {
        Self { full: AtomicI64::new(NEVER), told: AtomicI64::new(NEVER) }
    }
}

impl Disk {
    /// Has `bytes` written by one `write`, unless the disk was full a moment ago: they are lost then, which has been told.
    pub fn write(&self, bytes: &[u8], write: impl FnOnce(&[u8]) -> io::Result<usize>) -> Result<(), Lost> {
        let full = self.full.load(Ordering::Relaxed);
        if full != NEVER && full == now() {
            return Ok(());
        }
        match write(bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => Err(Lost::Partly(written, bytes.len())),
            Err(error) => {
                if error.kind() == io::ErrorKind::StorageFull {
                    self.full.store(now(), Ordering::Relaxed);
                }
                Err(Lost::Failed(error))
            }
        }
    }

    /// Whether a failure is to be told: once a minute.
    pub fn is_to_be_told(&self) -> bool {
        self.is_due(now())
    }

    fn is_due(&self, now: i64) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        let due = told == NEVER || now - told >= PAUSE;
        // Of threads that fail at the same time one tells.
        due && self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn now() -> i64 {
    os::time::realtime().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_a_minute() {
        let disk = Disk::default();
        assert_eq!([5, 6, 64, 65, 66].map(|second| disk.is_due(second)), [true, false, false, true, false]);
    }

    #[test]
    fn a_full_disk_is_left_alone_for_the_rest_of_the_second() {
        let disk = Disk::default();
        let mut tried = 0;
        let mut write = |end: io::Result<usize>| {
            disk.write(b"line", |_| {
                tried += 1;
                end
            })
        };
        assert!(matches!(write(Ok(3)), Err(Lost::Partly(3, 4))) && write(Ok(4)).is_ok());
        assert!(write(Err(io::ErrorKind::PermissionDenied.into())).is_err());
        let begin = now();
        assert!(write(Err(io::ErrorKind::StorageFull.into())).is_err());
        let left_alone = write(Err(io::ErrorKind::StorageFull.into())).is_ok();
        // The clock may have gone on to the next second in between.
        assert!(left_alone || now() != begin);
        assert_eq!(tried, if left_alone { 4 } else { 5 });
    }
}

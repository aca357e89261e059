//! How other threads reach a reactor: closures that run on its thread.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    jobs: Mutex<Vec<Job>>,
    bell: OwnedFd,
}

/// A handle to a reactor on another thread.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

impl Remote {
    /// Runs `job` on the reactor's thread, soon. When that has ended, it is dropped in silence. A
    /// job is no task: it may spawn and wake some, but not wait. Its panic ends the job alone.
    pub fn post(&self, job: Job) {
        let mut jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.push(job);
        if jobs.len() == 1 {
            // The counter cannot overflow: it is reset whenever the jobs are taken.
            let _ = os::io::eventfd_add(&self.0.bell);
        }
    }
}

/// The reactor's end.
pub(crate) struct Mailbox(Arc<Shared>);

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Shared { jobs: Mutex::default(), bell: os::io::eventfd()? })))
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote(Arc::clone(&self.0))
    }

    pub(crate) fn bell(&self) -> impl AsFd + '_ {
        self.0.bell.as_fd()
    }

    /// Runs what was posted.
    pub(crate) fn open(&self) {
        let _ = os::io::eventfd_clear(&self.0.bell);
        let jobs = std::mem::take(&mut *self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner));
        for job in jobs {
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

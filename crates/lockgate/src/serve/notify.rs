//! Telling the service manager how things are (`sd_notify`(3)), and that they go on (`WATCHDOG_USEC`).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How long it is waited for a service manager that does not read. Longer would be to hang with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub(super) fn from_environment() -> Self {
        let to = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let address = match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                path => SocketAddr::from_pathname(OsStr::from_bytes(path)),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_write_timeout(Some(PATIENCE)).ok()?;
            Some((socket, address.ok()?))
        });
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().into());
        let watchdog = number("WATCHDOG_USEC").filter(|_| for_us && to.is_some()).map(Duration::from_micros);
        Self { to, watchdog }
    }

    /// How often a sign of life is due: twice in the time after which the service manager gives up.
    pub(super) fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|most| most / 2)
    }

    /// Serving, as this process: a new binary is another one than the service manager started.
    pub(super) fn ready(&self) {
        self.tell(&format!("READY=1\nMAINPID={}\nSTATUS=serving", std::process::id()));
    }

    /// Reading a new configuration; [`Notify::ready`] ends that. The service manager passes over a time before the one at
    /// which it asked, which is microseconds ago.
    pub(super) fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", os::time::monotonic_micros()));
    }

    /// Ending when the sessions have.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=waiting for sessions to end");
    }

    /// A sign of life.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// A service manager that does not listen loses the news.
    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.to {
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

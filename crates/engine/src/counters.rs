//! Counters of what the process has done, for those who watch it (`$lockgate_counters`). Each thread counts for itself,
//! without locks; they are summed when they are read.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

macro_rules! counters {
    ($($name:ident $sample:literal;)*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Counter { $($name,)* }

        impl Counter {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in Prometheus' text format, with its labels.
            const fn sample(self) -> &'static str {
                match self { $(Self::$name => $sample,)* }
            }
        }
    };
}

counters! {
    Tcp "lockgate_sessions_total{protocol=\"tcp\"}";
    Udp "lockgate_sessions_total{protocol=\"udp\"}";
    Ok "lockgate_sessions_ended_total{status=\"200\"}";
    BadRequest "lockgate_sessions_ended_total{status=\"400\"}";
    Forbidden "lockgate_sessions_ended_total{status=\"403\"}";
    InternalError "lockgate_sessions_ended_total{status=\"500\"}";
    BadGateway "lockgate_sessions_ended_total{status=\"502\"}";
    Unavailable "lockgate_sessions_ended_total{status=\"503\"}";
    FromClients "lockgate_bytes_total{from=\"client\"}";
    FromUpstreams "lockgate_bytes_total{from=\"upstream\"}";
    Handshakes "lockgate_handshakes_total{with=\"client\"}";
    UpstreamHandshakes "lockgate_handshakes_total{with=\"upstream\"}";
    HandshakesFailed "lockgate_handshakes_failed_total{with=\"client\"}";
    UpstreamHandshakesFailed "lockgate_handshakes_failed_total{with=\"upstream\"}";
    CertificatesRefused "lockgate_client_certificates_refused_total";
    HellosTooLarge "lockgate_hellos_too_large_total";
    UpstreamsFailed "lockgate_upstream_attempts_failed_total";
    Questions "lockgate_resolver_questions_total";
    NotResolved "lockgate_resolver_failures_total";
    Access "lockgate_refused_total{by=\"access\"}";
    LimitConn "lockgate_refused_total{by=\"limit_conn\"}";
    ClientConnections "lockgate_refused_total{by=\"client_connections\"}";
    HandshakesLimit "lockgate_refused_total{by=\"ssl_handshakes_limit\"}";
    MemoryLimit "lockgate_refused_total{by=\"memory_limit\"}";
    WorkerConnections "lockgate_refused_total{by=\"worker_connections\"}";
    PreludeTimeout "lockgate_refused_total{by=\"prelude_timeout\"}";
    ProxyGuard "lockgate_refused_total{by=\"proxy_guard\"}";
    ProxyProtocolFrom "lockgate_refused_total{by=\"proxy_protocol_from\"}";
    AcceptsFailed "lockgate_accepts_failed_total";
}

const COUNT: usize = Counter::ALL.len();

/// The counts of one thread, which nobody else adds to.
#[derive(Debug)]
struct Counts([AtomicU64; COUNT]);

/// All threads that live, and what those have counted that do not any more.
struct All {
    living: Vec<Arc<Counts>>,
    past: [u64; COUNT],
}

static ALL: Mutex<All> = Mutex::new(All { living: Vec::new(), past: [0; COUNT] });

/// A thread's part, for as long as it lives.
struct Part(Arc<Counts>);

thread_local! {
    static PART: Part = Part::begin();
}

fn all() -> MutexGuard<'static, All> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Part {
    fn begin() -> Self {
        let counts = Arc::new(Counts([const { AtomicU64::new(0) }; COUNT]));
        all().living.push(Arc::clone(&counts));
        Self(counts)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut all = all();
        all.living.retain(|counts| !Arc::ptr_eq(counts, &self.0));
        for (past, counter) in all.past.iter_mut().zip(&self.0.0) {
            *past += counter.load(Ordering::Relaxed);
        }
    }
}

/// Counts one more.
pub(crate) fn count(what: Counter) {
    add(what, 1);
}

/// Counts so many more.
pub(crate) fn add(what: Counter, more: u64) {
    // A thread that ends counts no more.
    let _ = PART.try_with(|part| {
        if let Some(counter) = part.0.0.get(what as usize) {
            // Nobody else writes, so that nothing comes in between.
            counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        }
    });
}

fn sums() -> [u64; COUNT] {
    let all = all();
    let mut sums = all.past;
    for counts in &all.living {
        for (sum, counter) in sums.iter_mut().zip(&counts.0) {
            *sum += counter.load(Ordering::Relaxed);
        }
    }
    sums
}

/// All counters in Prometheus' text format, a line each.
pub(crate) fn text() -> String {
    let sums = sums();
    let of = |what: Counter| sums.get(what as usize).copied().unwrap_or_default();
    let mut text = String::new();
    let mut family = "";
    for (counter, sum) in Counter::ALL.iter().zip(&sums) {
        let sample = counter.sample();
        let name = sample.split('{').next().unwrap_or(sample);
        if name != family {
            // Writing into a String does not fail.
            let _ = writeln!(text, "# TYPE {name} counter");
            family = name;
        }
        let _ = writeln!(text, "{sample} {sum}");
    }
    let begun = of(Counter::Tcp) + of(Counter::Udp);
    let ended: u64 = [
        Counter::Ok,
        Counter::BadRequest,
        Counter::Forbidden,
        Counter::InternalError,
        Counter::BadGateway,
        Counter::Unavailable,
    ]
    .map(of)
    .iter()
    .sum();
    let active = begun.saturating_sub(ended);
    let _ = writeln!(text, "# TYPE lockgate_sessions_active gauge\nlockgate_sessions_active {active}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed_also_those_that_have_ended() {
        let of = |what: Counter| sums()[what as usize];
        let before = of(Counter::Udp);
        add(Counter::Udp, 5);
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            count(Counter::Udp);
            tell.send(()).unwrap();
            let _ = wait.recv();
        });
        told.recv().unwrap();
        assert_eq!(of(Counter::Udp), before + 6);
        drop(go_on);
        other.join().unwrap();
        assert_eq!(of(Counter::Udp), before + 6);
        let text = text();
        let line = format!("lockgate_sessions_total{{protocol=\"udp\"}} {}\n", before + 6);
        assert!(text.contains(&line) && text.contains("\nlockgate_sessions_active "), "{text}");
        assert_eq!(text.matches("# TYPE lockgate_refused_total counter\n").count(), 1);
    }
}

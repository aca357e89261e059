//! What a process takes of the machine.

use std::path::PathBuf;
use std::time::Duration;

fn read(pid: u32, name: &str) -> String {
    std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/{name}"))).expect("the process is there")
}

/// Tells how much processor time a process uses from some moment on.
#[derive(Debug)]
pub struct ProcessorTime {
    pid: u32,
    before: Duration,
}

impl ProcessorTime {
    /// From now on.
    pub fn of(pid: u32) -> Self {
        Self { pid, before: processor_time(pid) }
    }

    /// What it has used so far, in steps of about 10 ms.
    pub fn used(&self) -> Duration {
        processor_time(self.pid).saturating_sub(self.before)
    }
}

fn processor_time(pid: u32) -> Duration {
    let stat = read(pid, "stat");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).expect("a number of ticks");
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / per_second)
}

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

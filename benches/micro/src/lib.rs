//! What the micro benches measure with: messages as they come from the wire, names, a session, configurations.

pub mod conf;
pub mod message;
pub mod session;

/// Name number `number` of a large map or of many servers.
pub fn name(number: usize) -> String {
    format!("h{number:07}.bench.example")
}

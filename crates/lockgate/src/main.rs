//! The binary: flags, subcommands, process model, signals, exit codes.
fn main() {}

//! Black-box tests on the real binary, one module per directive family.
//!
//! The binary is the one that cargo built, or the one that the environment variable `LOCKGATE_BIN` names: nginx
//! itself passes too, wherever it has the behaviour.
#![expect(clippy::unwrap_used, reason = "a step of a test that fails has to stop the test, there and then")]

mod blackbox {
    mod access;
    mod command_line;
    mod content;
    mod counters;
    mod disk;
    mod geo;
    mod guard;
    mod keeper;
    mod limit_conn;
    mod listen;
    mod load;
    mod log;
    mod map;
    mod misbehaving;
    mod ocsp;
    mod overload;
    mod process;
    mod proxy;
    mod proxy_protocol;
    mod proxy_ssl;
    mod reload;
    mod reload_refused;
    mod resolver;
    mod rotation;
    mod server_name;
    mod service_manager;
    mod signals;
    mod slow_peers;
    mod ssl;
    mod ssl_end;
    mod ssl_preread;
    mod ssl_session;
    mod ssl_verify;
    mod traps;
    mod udp;
    mod upgrade;
    mod upstream;
    mod upstream_sockets;
}

/// The program under test.
fn binary() -> testkit::Binary {
    testkit::Binary::new(option_env!("CARGO_BIN_EXE_lockgate"))
}

/// A gateway whose `stream {}` block has this inside; see [`testkit::Builder`] for `%name`.
fn gateway(stream: &str) -> testkit::Builder {
    testkit::Builder::new(binary(), stream)
}

/// Whether the tests have root's rights.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|itself| std::os::unix::fs::MetadataExt::uid(&itself) == 0)
}

/// Whether the program under test is nginx.
fn is_nginx() -> bool {
    binary().is_nginx()
}

//! Differential tests: the same configuration and the same clients under a real nginx and under Lockgate, side by side.
//! What they show has to be equal, but for the differences that are listed with their reason.
#![expect(clippy::unwrap_used, reason = "a step of a test that fails has to stop the test, there and then")]

mod differential {
    mod load;
    mod parsers;
    mod resolver;
    mod sessions;
    mod side_by_side;
    mod streams;
    mod tls;
    mod tls_files;
    mod udp;
    mod upstreams;
}

/// The real nginx.
fn nginx() -> testkit::Binary {
    testkit::Binary::oracle()
}

/// The program under test.
fn lockgate() -> testkit::Binary {
    testkit::Binary::new(option_env!("CARGO_BIN_EXE_lockgate"))
}

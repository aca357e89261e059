//! Any bytes as a response of a name server: it answers a query only with its id and its question, and what it says lies in the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dns::{Asked, Kind, Response};

fuzz_target!(|data: &[u8]| {
    let Ok(response) = Response::read(data) else {
        return;
    };
    assert!(data.len() >= 12 && data.starts_with(&response.id().to_be_bytes()));
    let _ = (response.is_truncated(), response.code());
    // Asked for what it says was asked, it may be the answer; with another id it never is.
    let question = response.question();
    for kind in [Kind::A, Kind::Aaaa, Kind::Srv] {
        let Some(asked) = Asked::new(&question, kind, response.id(), u64::MAX) else {
            continue;
        };
        let Some(other) = Asked::new(&question, kind, !response.id(), 0) else {
            continue;
        };
        assert!(!other.is_answered_by(&response), "a wrong id");
        if asked.is_answered_by(&response) {
            let answer = asked.answer(&response);
            let records = answer.addresses.len() + answer.services.len();
            assert!(records * 11 <= data.len(), "more records than bytes");
            assert!(answer.alias.is_none() || records == 0, "an alias beside what was asked for");
            assert!(kind == Kind::Srv || answer.services.is_empty());
        }
    }
});

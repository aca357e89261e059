//! No text, however cut off, makes the loader panic, and only whole ones are taken.

use syntax::Memory;

use crate::machine::load;

const WHOLE: &str = include_str!("../golden/whole.conf");

#[test]
fn every_prefix_of_a_file_is_taken_or_refused_in_that_file() {
    for end in 0..WHOLE.len() {
        let Some(prefix) = WHOLE.get(..end) else { continue };
        let loaded = load("cut.conf", Memory::from([("/conf/cut.conf", prefix)]));
        let blocks = prefix.matches("{\n").count();
        let closed = prefix.matches("}\n").count() + usize::from(prefix.ends_with('}'));
        match loaded.config {
            Ok(_) => assert_eq!(blocks, closed, "a block is open after {end} bytes"),
            Err(error) => assert!(error.to_string().contains("/conf/cut.conf:") || error.place.is_none(), "{error}"),
        }
    }
}

#[test]
fn every_byte_may_be_wrong() {
    for (at, bad) in (0..WHOLE.len()).zip([0_u8, b'$', b'{', b'"', 0xff, b';', b'\\'].into_iter().cycle()) {
        let mut text = WHOLE.as_bytes().to_vec();
        text[at] = bad;
        let loaded = load("odd.conf", Memory::from([("/conf/odd.conf", text)]));
        if let Err(error) = loaded.config {
            assert!(!error.message.is_empty());
            let snippet = error.render_snippet(&loaded.sources, false);
            assert!(!snippet.contains(['\0', '\u{1b}']), "{snippet:?}");
        }
    }
}

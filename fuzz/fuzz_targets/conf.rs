//! Any bytes as a configuration: the parser neither panics nor hangs, its spans lie in the text, and every error can be shown.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use syntax::{Directive, End, Item, Memory, Parser, Source, Sources, scalar};

fuzz_target!(|data: &[u8]| {
    let files = Memory::from([("fuzz.conf", data)]);
    let mut sources = Sources::new();
    let Ok(file) = sources.open(Path::new("fuzz.conf"), &files, None) else {
        return;
    };
    let parameter = sources.command_line(data);
    for source in [file, parameter] {
        walk(&source, &sources);
    }
});

fn walk(source: &Source, sources: &Sources) {
    let mut parser = Parser::new(source);
    let mut directive = Directive::default();
    let mut depth = 0_usize;
    loop {
        match parser.next(&mut directive) {
            Ok(Item::Directive) => {
                check(&directive, source);
                depth += usize::from(directive.end == End::Open);
            }
            Ok(Item::Close) => depth = depth.checked_sub(1).expect("a `}` without its `{`"),
            Ok(Item::End) => {
                assert_eq!(depth, 0, "an open block at the end");
                return;
            }
            Err(error) => {
                let shown = error.render_snippet(sources, false);
                let raw = shown.chars().any(|c| c.is_control() && c != '\n');
                assert!(!raw, "a control character on the terminal");
                return;
            }
        }
    }
}

fn check(directive: &Directive<'_>, source: &Source) {
    assert!(!directive.words.is_empty(), "a directive without a name");
    let mut last = 0;
    for word in &directive.words {
        let (start, end) = (word.span.start as usize, word.span.end as usize);
        assert!(last <= start && start < end && end <= source.text().len());
        assert!(word.text.len() <= end - start, "a word longer than it is written");
        last = end;
        // They must only not panic: the values are tested beside them.
        let _ = (scalar::offset(&word.text), scalar::msec(&word.text), scalar::sec(&word.text));
    }
}

//! The table of directives is complete: whoever adds an entry adds what belongs to it.

use std::collections::HashSet;

use config::{Args, Contexts, FAMILIES, directives};

const BLOCKS: [Contexts; 5] =
    [Contexts::MAIN, Contexts::EVENTS, Contexts::STREAM, Contexts::SERVER, Contexts::UPSTREAM];

#[test]
fn every_directive_says_where_it_stands_what_it_takes_and_what_it_means() {
    for directive in directives() {
        let name = directive.name;
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(directive.contexts.names().next().is_some(), "{name} stands nowhere");
        let (least, most) = match directive.args {
            Args::Simple(least, most) => (least, most),
            Args::Block(least, most) => {
                assert!(directive.syntax.ends_with("{ … }"), "{name} does not show its block");
                (least, most)
            }
        };
        assert!(least <= most, "{name} takes no number of words");
        assert!(most == usize::MAX || most <= 7, "{name} takes more words than the reference ever does");
        assert_eq!(least == 0 && most == 0, matches!(directive.syntax, "" | "{ … }"), "{name} hides its words");
        assert!(directive.doc.ends_with('.') && directive.doc.len() > 10, "{name} is not explained");
        assert!(!directive.doc.contains("  "), "{name}: a line break went wrong");
    }
}

#[test]
fn a_name_means_one_thing_in_a_block() {
    let mut seen = HashSet::new();
    for directive in directives() {
        for block in BLOCKS.into_iter().filter(|block| directive.contexts.has(*block)) {
            let place: Vec<_> = block.names().collect();
            assert!(seen.insert((directive.name, place.clone())), "{} twice in {place:?}", directive.name);
        }
    }
}

#[test]
fn a_default_could_be_written() {
    for directive in directives() {
        let Some(default) = directive.default else { continue };
        let words = default.split(' ').count();
        let (Args::Simple(least, most) | Args::Block(least, most)) = directive.args;
        assert!((least..=most).contains(&words), "{} {default}", directive.name);
    }
}

#[test]
fn families_have_names_of_their_own_and_something_in_them() {
    let names: HashSet<_> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), FAMILIES.len());
    for family in FAMILIES {
        assert!(!family.directives.is_empty() && !family.title.is_empty(), "{}", family.name);
    }
}

//! Names that belong to other subsystems of nginx: known words in the wrong place rather than
//! unknown ones.

mod names;

use std::collections::HashSet;
use std::sync::LazyLock;

use names::NAMES;

/// Whether some subsystem that is not here knows `name`.
pub(crate) fn knows(name: &str) -> bool {
    static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| NAMES.split(' ').collect());
    KNOWN.contains(name)
}

/// What to do about it.
pub(crate) fn help(name: &str) -> String {
    match name {
        "http" | "mail" => {
            format!(
                "Lockgate serves stream {{}} only: keep nginx for {name} {{}}, and move stream {{}} to a file of its own"
            )
        }
        _ => "it is of http {} or mail {}; Lockgate serves stream {} only".to_owned(),
    }
}

/// What to say in place of a directive that nginx once had.
pub(crate) fn successor(name: &str) -> Option<&'static str> {
    (name == "ssl").then_some("say it in listen, as in \"listen 443 ssl;\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_none_is_ours() {
        assert!(NAMES.split(' ').is_sorted_by(|a, b| a < b));
        assert!(knows("location") && knows("ssl_early_data") && !knows("proxy_pas"));
        for own in crate::directives() {
            assert!(!knows(own.name), "{} is ours", own.name);
        }
    }

    #[test]
    fn whole_subsystems_are_refused_with_advice() {
        assert!(help("http").contains("keep nginx for http {}"));
        assert!(help("location").contains("stream {} only"));
    }
}

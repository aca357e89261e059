//! Matching a host name against a name in a certificate (RFC 6125 §6.4, the way OpenSSL does it by default).

/// Whether `name` is what `pattern` stands for, letters of either case alike. A `*` may stand for (part of) the left
/// label, if at least two more labels follow; it never covers a dot.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if pattern.is_empty() || name.is_empty() {
        return false;
    }
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let (Some((label, parent)), Some((left, rest))) = (pattern.split_once('.'), name.split_once('.')) else {
        return false;
    };
    let Some((before, after)) = label.split_once('*') else { return false };
    let is_sound = !after.contains('*') && !parent.contains('*') && parent.contains('.') && !is_idna(label);
    // a star within a label must not cut up an encoded one
    let is_partial = label.len() > 1;
    is_sound
        && parent.eq_ignore_ascii_case(rest)
        && !left.is_empty()
        && !(is_partial && is_idna(left))
        && left.len() >= before.len() + after.len()
        && left.get(..before.len()).is_some_and(|part| part.eq_ignore_ascii_case(before))
        && left.get(left.len() - after.len()..).is_some_and(|part| part.eq_ignore_ascii_case(after))
}

fn is_idna(label: &str) -> bool {
    label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_in_any_case() {
        assert!(matches("Example.COM", "example.com"));
        assert!(!matches("example.com", "www.example.com"));
        assert!(!matches("", ""));
    }

    #[test]
    fn a_star_covers_the_left_label_only() {
        assert!(matches("*.example.com", "a.example.com"));
        assert!(matches("w*w.example.com", "www.example.com"));
        for name in ["example.com", "a.b.example.com", ".example.com"] {
            assert!(!matches("*.example.com", name), "{name}");
        }
    }

    #[test]
    fn too_broad_or_odd_patterns_match_nothing() {
        for (pattern, name) in [
            ("*.com", "a.com"),
            ("*", "com"),
            ("a.*.com", "a.b.com"),
            ("**.example.com", "a.example.com"),
            ("x*.example.com", "xn--a.example.com"),
            ("xn--*.example.com", "xn--a.example.com"),
        ] {
            assert!(!matches(pattern, name), "{pattern}");
        }
    }
}

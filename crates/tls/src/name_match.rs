//! Matching a host name against a name in a certificate (RFC 6125 §6.4, the way OpenSSL does it by default).

/// Whether `name` is what `pattern` stands for, letters of either case alike. A `*` may stand for the left label or for
/// its beginning or end, if at least two more labels follow; it never covers a dot. A name that begins with a dot stands
/// for all below it.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if pattern.is_empty() || name.is_empty() {
        return false;
    }
    if name.len() > 1 && name.starts_with('.') {
        return pattern.len() >= name.len() && ends_with(pattern, name);
    }
    pattern.eq_ignore_ascii_case(name) || star_of(pattern).is_some_and(|(before, after)| covers(before, after, name))
}

/// What stands before and after the star of a sound pattern.
fn star_of(pattern: &str) -> Option<(&str, &str)> {
    let (label, parent) = pattern.split_once('.')?;
    let (before, after) = label.split_once('*')?;
    let is_sound = |label: &str| {
        let is_told = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_told) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_edge = before.is_empty() != after.is_empty() || label == "*";
    let is_label = label == "*" || is_sound(&label.replace('*', "x"));
    let is_sound = is_edge && is_label && !is_idna(label) && parent.contains('.') && parent.split('.').all(is_sound);
    is_sound.then(|| (before, pattern.get(before.len() + 1..).unwrap_or_default()))
}

/// Whether a name is these two with something between that a star may stand for.
fn covers(before: &str, after: &str, name: &str) -> bool {
    let is_whole = before.is_empty() && after.starts_with('.');
    let Some(end) = name.len().checked_sub(after.len()).filter(|end| *end >= before.len()) else { return false };
    let (Some(start), Some(middle)) = (name.get(..before.len()), name.get(before.len()..end)) else { return false };
    start.eq_ignore_ascii_case(before)
        && ends_with(name, after)
        && !(is_whole && middle.is_empty())
        && (is_whole || !is_idna(name))
        && (middle == "*" || middle.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn ends_with(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start.and_then(|start| text.get(start..)).is_some_and(|part| part.eq_ignore_ascii_case(end))
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
        assert!(matches("w*.example.com", "www.example.com"));
        assert!(matches("*w.example.com", "w.example.com"));
        for name in ["example.com", "a.b.example.com", "..example.com"] {
            assert!(!matches("*.example.com", name), "{name}");
        }
    }

    #[test]
    fn a_leading_dot_stands_for_all_below() {
        for pattern in ["*.example.com", "a.example.com", "a.b.EXAMPLE.com", ".example.com"] {
            assert!(matches(pattern, ".example.com"), "{pattern}");
        }
        for pattern in ["example.com", "xexample.com", "*.com"] {
            assert!(!matches(pattern, ".example.com"), "{pattern}");
        }
        assert!(!matches("a.", ".") && !matches("*.example.com", "..example.com"));
    }

    #[test]
    fn too_broad_or_odd_patterns_match_nothing() {
        for (pattern, name) in [
            ("*.com", "a.com"),
            ("*", "com"),
            ("a.*.com", "a.b.com"),
            ("**.example.com", "a.example.com"),
            ("w*w.example.com", "www.example.com"),
            ("*.exa_mple.com", "a.exa_mple.com"),
            ("*.-example.com", "a.-example.com"),
            ("*.example.com", "a_b.example.com"),
            ("x*.example.com", "xn--a.example.com"),
            ("xn--*.example.com", "xn--a.example.com"),
        ] {
            assert!(!matches(pattern, name), "{pattern}");
        }
    }
}

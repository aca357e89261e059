//! IPv6 addresses as nginx reads them, which is a little more and a little less than RFC 4291 has.

use std::net::Ipv6Addr;

/// Groups of an address.
const GROUPS: usize = 8;

/// Reads an address. A colon before the first group counts for nothing, the last group after a `::` may be left out,
/// and a `::` stands for one group at least, or two at the end.
pub(super) fn parse(text: &str) -> Option<Ipv6Addr> {
    let text = text.strip_prefix(':').unwrap_or(text);
    let mut groups: Vec<u16> = Vec::with_capacity(GROUPS);
    let mut gap = None;
    let mut rest = text.split(':').peekable();
    while let Some(word) = rest.next() {
        let is_last = rest.peek().is_none();
        match word {
            "" if is_last => gap.map(|_| groups.push(0))?,
            "" if gap.is_none() => gap = Some(groups.len()),
            "" => return None,
            _ if is_last && word.contains('.') => {
                let [a, b, c, d] = super::v4(word)?.octets();
                groups.extend([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            }
            _ => groups.push(group(word)?),
        }
    }
    match gap {
        None => {}
        Some(at) if groups.len() < GROUPS => drop(groups.splice(at..at, vec![0; GROUPS - groups.len()])),
        Some(_) => return None,
    }
    <[u16; GROUPS]>::try_from(groups).ok().map(Ipv6Addr::from)
}

fn group(word: &str) -> Option<u16> {
    let digits = word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u16::from_str_radix(word, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        parse(text).map(|ip| ip.to_string())
    }

    #[test]
    fn as_everybody_reads_them() {
        for text in ["::", "::1", "1::", "2001:db8::1:0:0:1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "::2:3:4:5:6:7:8"] {
            assert_eq!(parse(text), text.parse().ok(), "{text}");
        }
        for text in
            ["", ":", "1", "1:2", "1::2::3", ":::1", "1:2:3:4:5:6:7:8:9", "g::", "00001::", "1:2:3:4:5:6:7:1.2.3.4"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn as_nginx_reads_them() {
        assert_eq!(read(":1:2:3:4:5:6:7:8").as_deref(), Some("1:2:3:4:5:6:7:8"));
        assert_eq!(read("1::2:").as_deref(), Some("1::2:0"));
        assert_eq!(read("::1:").as_deref(), Some("::1:0"));
        assert_eq!(read("::ffff:1..3.04").as_deref(), Some("::ffff:1.0.3.4"));
        assert_eq!(read("1:2:3:4:5:6:7::"), None);
        assert_eq!(read("1:2:3:4:5:6::").as_deref(), Some("1:2:3:4:5:6::"));
    }
}

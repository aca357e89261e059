//! The order in which OpenSSL puts the ciphers of a list, where AWS-LC has one of its own: it decides under
//! `ssl_prefer_server_ciphers`, and is what upstreams see.

use crate::backend;

/// The ciphers that AWS-LC has, with the bits of their keys, in the order that OpenSSL begins with.
const ALL: &[(&str, u16)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", 256),
    ("ECDHE-RSA-AES256-GCM-SHA384", 256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", 256),
    ("ECDHE-RSA-CHACHA20-POLY1305", 256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", 128),
    ("ECDHE-RSA-AES128-GCM-SHA256", 128),
    ("ECDHE-ECDSA-AES256-SHA384", 256),
    ("ECDHE-RSA-AES256-SHA384", 256),
    ("ECDHE-ECDSA-AES128-SHA256", 128),
    ("ECDHE-RSA-AES128-SHA256", 128),
    ("ECDHE-ECDSA-AES256-SHA", 256),
    ("ECDHE-RSA-AES256-SHA", 256),
    ("ECDHE-ECDSA-AES128-SHA", 128),
    ("ECDHE-RSA-AES128-SHA", 128),
    ("ECDHE-PSK-CHACHA20-POLY1305", 256),
    ("AES256-GCM-SHA384", 256),
    ("AES128-GCM-SHA256", 128),
    ("AES256-SHA256", 256),
    ("AES128-SHA256", 128),
    ("ECDHE-PSK-AES256-CBC-SHA", 256),
    ("AES256-SHA", 256),
    ("PSK-AES256-CBC-SHA", 256),
    ("ECDHE-PSK-AES128-CBC-SHA", 128),
    ("AES128-SHA", 128),
    ("PSK-AES128-CBC-SHA", 128),
    ("DES-CBC3-SHA", 112),
    ("NULL-SHA", 0),
];

/// The ciphers of a list of words, by name.
pub(crate) fn ordered<'a>(words: impl Iterator<Item = &'a str>) -> String {
    resolve(words, backend::ciphers_of)
}

/// Goes through the words as OpenSSL does, and gives up on a command that is none; `matching` are the ciphers that one stands for.
fn resolve<'a>(words: impl Iterator<Item = &'a str>, matching: impl Fn(&str) -> Vec<String>) -> String {
    let mut waiting = ALL.to_vec();
    let mut chosen: Vec<(&str, u16)> = Vec::new();
    for word in words {
        match word {
            "@STRENGTH" => {
                chosen.sort_by_key(|cipher| std::cmp::Reverse(cipher.1));
                continue;
            }
            word if word.starts_with('@') => return String::new(),
            _ => {}
        }
        let plain = word.trim_start_matches(['!', '-', '+']);
        let meant = matching(plain);
        let is_meant = |cipher: &(&str, u16)| meant.iter().any(|name| name == cipher.0);
        match word.as_bytes().first() {
            Some(b'!') => {
                waiting.retain(|cipher| !is_meant(cipher));
                chosen.retain(|cipher| !is_meant(cipher));
            }
            Some(b'-') => {
                let (mut out, rest): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_meant);
                chosen = rest;
                out.append(&mut waiting);
                waiting = out;
            }
            Some(b'+') => {
                let (mut last, mut rest): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_meant);
                rest.append(&mut last);
                chosen = rest;
            }
            _ => {
                let (mut new, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_meant);
                chosen.append(&mut new);
                waiting = rest;
            }
        }
    }
    chosen.iter().map(|cipher| cipher.0).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &str) -> String {
        ordered(list.split(':'))
    }

    #[test]
    fn strong_ciphers_come_first_and_named_ones_as_written() {
        let high = of("HIGH:!aNULL:!MD5");
        assert!(high.starts_with("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20"));
        assert_eq!(of("AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-SHA"), "AES128-SHA:ECDHE-RSA-AES128-SHA");
        assert_eq!(of("AES128-SHA:AES256-SHA:@STRENGTH"), "AES256-SHA:AES128-SHA");
    }

    #[test]
    fn words_take_out_and_put_back() {
        assert_eq!(of("AES256-SHA:AES128-SHA:+AES256-SHA"), "AES128-SHA:AES256-SHA");
        assert_eq!(of("AES256-SHA:AES128-SHA:-AES256-SHA"), "AES128-SHA");
        assert_eq!(of("AES256-SHA:AES128-SHA:-AES256-SHA:AES256-SHA"), "AES128-SHA:AES256-SHA");
        assert_eq!(of("!AES256-SHA:AES256-SHA:AES128-SHA:!foo"), "AES128-SHA");
        assert_eq!((of("foo").as_str(), of("HIGH:@FOO").as_str()), ("", ""));
    }

    #[test]
    fn every_cipher_of_the_library_has_its_place() {
        for name in backend::ciphers_of("ALL").iter().filter(|name| !name.starts_with("TLS_")) {
            assert!(ALL.iter().any(|cipher| cipher.0 == name), "{name}");
        }
    }
}

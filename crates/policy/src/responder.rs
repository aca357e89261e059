//! The URL of an OCSP responder: taken apart here, looked up and asked elsewhere. Only plain HTTP is known, since
//! responses are signed.

use crate::address::{self, Host, Target};

/// Where a responder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responder {
    /// The host.
    pub host: Host,
    /// The host as written, for `Host` headers and messages; brackets included.
    pub name: String,
    /// The port, by default 80.
    pub port: u16,
    /// What is asked for, at least `/`; the request is appended to it.
    pub path: String,
}

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The phrase before `in OCSP responder "…"`.
    pub phrase: &'static str,
    /// The part of the URL that messages show.
    pub shown: String,
}

const PREFIX: &str = "http://";
const PORT: u16 = 80;

impl Responder {
    /// Takes `http://HOST[:PORT][/PATH]` apart.
    pub fn parse(url: &str) -> Result<Self, Refused> {
        let refuse = |phrase, shown: &str| Refused { phrase, shown: shown.to_owned() };
        let rest = match url.split_at_checked(PREFIX.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(PREFIX) && !rest.is_empty() => rest,
            _ => return Err(refuse("invalid URL prefix", url)),
        };
        // A certificate's URL must not write lines of its own into the request.
        if rest.bytes().any(|byte| byte == b' ' || byte.is_ascii_control()) {
            return Err(refuse("invalid character", rest));
        }
        let (authority, path) = split(rest);
        let Target { host, port } = address::parse_upstream(authority.as_bytes()).map_err(|it| refuse(it, rest))?;
        let name = match &host {
            Host::Unix(path) => String::from_utf8_lossy(path).into_owned(),
            Host::Name(name) => name.clone(),
            Host::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
            Host::Ip(ip) => ip.to_string(),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host, name, port: port.unwrap_or(PORT), path: path.to_owned() })
    }

    /// What messages show of a URL whose host is not found.
    pub fn shown(url: &str) -> &str {
        url.get(PREFIX.len()..).unwrap_or(url)
    }
}

/// The authority, and what follows it. The path of a unix socket ends at a colon.
fn split(rest: &str) -> (&str, &str) {
    let is_unix = rest.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("unix:"));
    if is_unix {
        let end = rest.get(5..).and_then(|path| path.find(':'));
        return match end {
            Some(end) => rest.split_at_checked(5 + end).map_or((rest, ""), |(socket, path)| (socket, &path[1..])),
            None => (rest, ""),
        };
    }
    rest.find(['/', '?']).and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (String, u16, String) {
        let Responder { name, port, path, .. } = Responder::parse(url).unwrap();
        (name, port, path)
    }

    #[test]
    fn parts_of_a_url() {
        let parts = |name: &str, port, path: &str| (name.to_owned(), port, path.to_owned());
        assert_eq!(parsed("http://a.test"), parts("a.test", 80, "/"));
        assert_eq!(parsed("HTTP://a.test:8080/ocsp/x?y"), parts("a.test", 8080, "/ocsp/x?y"));
        assert_eq!(parsed("http://1.2.3.4?q"), parts("1.2.3.4", 80, "?q"));
        assert_eq!(parsed("http://[::1]:81/"), parts("[::1]", 81, "/"));
        assert_eq!(parsed("http://unix:/run/ocsp:/x"), parts("/run/ocsp", 80, "/x"));
        assert_eq!(parsed("http://unix:/run/ocsp"), parts("/run/ocsp", 80, "/"));
    }

    #[test]
    fn what_is_refused() {
        fn refused(url: &str) -> (&'static str, String) {
            let Refused { phrase, shown } = Responder::parse(url).unwrap_err();
            (phrase, shown)
        }
        for url in ["", "http://", "https://a.test", "a.test", "http:/a"] {
            assert_eq!(refused(url), ("invalid URL prefix", url.to_owned()));
        }
        for rest in ["a.test/x y", "a.test/\r\nHost: b", "a\nb", "unix:/a b:/"] {
            assert_eq!(refused(&format!("http://{rest}")), ("invalid character", rest.to_owned()));
        }
        assert_eq!(refused("http://:80/"), ("no host", ":80/".to_owned()));
        assert_eq!(refused("http://a.test:x/"), ("invalid port", "a.test:x/".to_owned()));
        assert_eq!(refused("http://a.test:99999/"), ("invalid port", "a.test:99999/".to_owned()));
    }

    #[test]
    fn every_prefix_is_taken_or_refused() {
        for url in ["http://unix:/run/ocsp:/x", "http://[::1]:81/x?y", "http://a\u{e9}.test:80/\u{e9}"] {
            for end in (0..url.len()).filter(|end| url.is_char_boundary(*end)) {
                let _ = Responder::parse(&url[..end]);
            }
        }
    }
}

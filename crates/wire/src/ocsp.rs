//! OCSP over HTTP (RFC 6960, appendix A): a request as bytes, and the head of the answer. Of HTTP it knows what
//! responders need: no chunks, no redirects. What the body says is not read here.

mod head;

pub use head::{Head, Refused};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A GET of the request `der` below `path` of `host`.
pub fn request(host: &str, path: &str, der: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + host.len() + der.len() * 4 / 3 + 64);
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    if !path.ends_with('/') {
        out.push(b'/');
    }
    for group in der.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            match BASE64.get(digit as usize) {
                Some(_) if place > group.len() => out.extend_from_slice(b"%3D"),
                Some(b'+') => out.extend_from_slice(b"%2B"),
                Some(b'/') => out.extend_from_slice(b"%2F"),
                Some(digit) => out.push(*digit),
                None => {}
            }
        }
    }
    out.extend_from_slice(b" HTTP/1.0\r\nHost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(path: &str, der: &[u8]) -> String {
        let text = String::from_utf8(request("a.test", path, der)).unwrap();
        let text = text.strip_prefix("GET ").unwrap().strip_suffix(" HTTP/1.0\r\nHost: a.test\r\n\r\n").unwrap();
        text.to_owned()
    }

    #[test]
    fn the_request_is_part_of_the_path() {
        assert_eq!(path_of("/", b""), "/");
        assert_eq!(path_of("/ocsp", b"M"), "/ocsp/TQ%3D%3D");
        assert_eq!(path_of("/ocsp/", b"Ma"), "/ocsp/TWE%3D");
        assert_eq!(path_of("/", b"Man"), "/TWFu");
        assert_eq!(path_of("/", &[0xfb, 0xef, 0xbf, 0x3f]), "/%2B%2B%2B%2FPw%3D%3D");
    }
}

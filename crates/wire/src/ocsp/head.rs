//! The head of a responder's answer: status line and header fields up to the empty line.

/// A complete head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub code: u16,
    /// Where the body begins.
    pub body: usize,
    /// `Content-Length`, if it is given.
    pub length: Option<usize>,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is no HTTP.
    Invalid,
    /// Its content type is another one.
    ContentType(Vec<u8>),
}

/// The content type of responses (RFC 6960, appendix A.2).
const CONTENT_TYPE: &[u8] = b"application/ocsp-response";

impl Head {
    /// Reads what has come so far; `None` while that is not the whole head.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Refused> {
        let Some((line, mut at)) = line(bytes, 0) else {
            return if begins_well(bytes) { Ok(None) } else { Err(Refused::Invalid) };
        };
        let code = status(line).ok_or(Refused::Invalid)?;
        let mut length = None;
        while let Some((line, next)) = self::line(bytes, at) {
            at = next;
            if line.is_empty() {
                return Ok(Some(Self { code, body: at, length }));
            }
            let (name, value) = field(line).ok_or(Refused::Invalid)?;
            if name.eq_ignore_ascii_case(b"Content-Type") && !value.eq_ignore_ascii_case(CONTENT_TYPE) {
                return Err(Refused::ContentType(value.to_vec()));
            }
            if name.eq_ignore_ascii_case(b"Content-Length") {
                length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            }
        }
        Ok(None)
    }
}

/// The line that begins at `from`, without its end, and where the next one begins.
fn line(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(from..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = rest.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), from + end + 1))
}

/// Whether an unfinished status line may still become one.
fn begins_well(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/";
    let shared = bytes.len().min(START.len());
    bytes.get(..shared) == START.get(..shared)
}

/// The code of `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let (version, rest) = rest.split_at_checked(space)?;
    let dot = version.iter().position(|byte| *byte == b'.')?;
    let (major, minor) = version.split_at_checked(dot)?;
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !digits(major) || !digits(minor.get(1..)?) {
        return None;
    }
    let (code, reason) = rest.trim_ascii_start().split_at_checked(3)?;
    if !digits(code) || !matches!(reason.first(), None | Some(b' ' | b'.')) {
        return None;
    }
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// Name and value of a header field; a name alone has no value.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let (name, value) = line.split_at_checked(end)?;
    let is_name =
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_name.then(|| (name, value.get(1..).unwrap_or_default().trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nDate: today\r\ncontent-type:  application/OCSP-response \r\nContent-Length: 3\r\n\r\nabc";

    #[test]
    fn a_whole_head() {
        let head = Head::read(ANSWER).unwrap().unwrap();
        assert_eq!(head, Head { code: 200, body: ANSWER.len() - 3, length: Some(3) });
        let bare = Head::read(b"HTTP/1.0 404\n\n").unwrap().unwrap();
        assert_eq!(bare, Head { code: 404, body: 14, length: None });
    }

    #[test]
    fn every_prefix_is_incomplete() {
        for end in 0..ANSWER.len() - 3 {
            assert_eq!(Head::read(&ANSWER[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in
            ["foo", "HTTP 200 OK\n", "HTTP/1 200 OK\n", "HTTP/1.1 20 OK\n", "HTTP/1.1 2000\n", "HTTP/1.1 200OK\n"]
        {
            assert_eq!(Head::read(text.as_bytes()), Err(Refused::Invalid), "{text}");
        }
        assert_eq!(Head::read(b"HTTP/1.1 200 OK\na b: c\n"), Err(Refused::Invalid));
        assert_eq!(Head::read(b"HTTP/1.1 200 OK\n: c\n"), Err(Refused::Invalid));
        let other = Head::read(b"HTTP/1.1 200 OK\nContent-Type: text/html\n");
        assert_eq!(other, Err(Refused::ContentType(b"text/html".to_vec())));
    }
}

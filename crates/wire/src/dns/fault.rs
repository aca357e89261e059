//! What makes a datagram no response that can be read, in the words of the log.

use super::HEADER;

const SHORT: &str = "short DNS response";
/// Bytes of a question after its name: type and class.
const QUESTION: usize = 4;
/// Bytes of a record after its name, before its data: type, class, time to live and length.
const RECORD: usize = 10;
/// The bits of a label's length that make it a pointer to a name elsewhere (section 4.1.4).
const POINTER: u8 = 0xc0;
const INTERNET: u16 = 1;

/// Looks through a response up to the end of its answers.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let (id, flags) = (word(bytes, 0)?, word(bytes, 2)?);
    let (questions, answers) = (word(bytes, 4)?, word(bytes, 6)?);
    if bytes.len() < HEADER {
        return Err(SHORT.to_owned());
    }
    // A response to a standard query.
    if flags & 0xf800 != 0x8000 {
        return Err(format!("invalid UDP DNS response {id} fl:{flags:04X}"));
    }
    if questions != 1 {
        return Err("invalid number of questions in DNS response".to_owned());
    }
    let mut at = question(bytes)?;
    for _ in 0..answers {
        at = record(bytes, at)?;
    }
    Ok(())
}

/// Where the question ends.
fn question(bytes: &[u8]) -> Result<usize, String> {
    let at = after_name(bytes, HEADER)?;
    if at == HEADER + 1 {
        return Err("zero-length domain name in DNS response".to_owned());
    }
    let (kind, class) = (word(bytes, at)?, word(bytes, at + 2)?);
    if class != INTERNET {
        return Err(format!("unknown query class {class} in DNS response"));
    }
    // A, PTR, AAAA and SRV.
    if !matches!(kind, 1 | 12 | 28 | 33) {
        return Err(format!("unknown query type {kind} in DNS response"));
    }
    Ok(at + QUESTION)
}

/// Where the record that begins at `at` ends.
fn record(bytes: &[u8], at: usize) -> Result<usize, String> {
    let at = after_name(bytes, at)?;
    let (kind, class, length) = (word(bytes, at)?, word(bytes, at + 2)?, word(bytes, at + 8)?);
    if class != INTERNET {
        return Err(format!("unexpected RR class {class} in DNS response"));
    }
    match (kind, length) {
        (1, length) if length != 4 => return Err("invalid A record in DNS response".to_owned()),
        (28, length) if length != 16 => return Err("invalid AAAA record in DNS response".to_owned()),
        _ => {}
    }
    let end = at + RECORD + usize::from(length);
    if end > bytes.len() { Err(SHORT.to_owned()) } else { Ok(end) }
}

/// Where the name that begins at `at` ends.
fn after_name(bytes: &[u8], mut at: usize) -> Result<usize, String> {
    loop {
        match *bytes.get(at).ok_or(SHORT)? {
            0 => return Ok(at + 1),
            length if length & POINTER != 0 => return Ok(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// The two bytes at `at` as a number.
fn word(bytes: &[u8], at: usize) -> Result<u16, String> {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.map(u16::from_be_bytes).ok_or_else(|| SHORT.to_owned())
}

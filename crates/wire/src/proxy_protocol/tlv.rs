//! Finds values by name in the list that follows the addresses of a version 2 header.

pub(super) const ALPN: u8 = 0x01;
pub(super) const AUTHORITY: u8 = 0x02;
pub(super) const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
pub(super) const SSL: u8 = 0x20;
pub(super) const SSL_VERSION: u8 = 0x21;
pub(super) const SSL_CN: u8 = 0x22;
pub(super) const SSL_CIPHER: u8 = 0x23;
pub(super) const SSL_SIG_ALG: u8 = 0x24;
pub(super) const SSL_KEY_ALG: u8 = 0x25;
const NETNS: u8 = 0x30;

/// Why a value cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// No type has this name.
    #[error("unknown PROXY protocol TLV \"{0}\"")]
    Unknown(String),
    /// The list ends in the middle of an element.
    #[error("broken PROXY protocol TLV")]
    Broken,
    /// `0x` is not followed by a hexadecimal number.
    #[error("invalid PROXY protocol TLV \"{0}\"")]
    Invalid(String),
}

/// The value called `name`, or none if the list lacks it.
pub(super) fn named(tlvs: &[u8], name: &str) -> Result<Option<Vec<u8>>, TlvError> {
    let Some(inner) = name.strip_prefix("ssl_") else {
        let kind = match name {
            "alpn" => Some(ALPN),
            "authority" => Some(AUTHORITY),
            "unique_id" => Some(UNIQUE_ID),
            "ssl" => Some(SSL),
            "netns" => Some(NETNS),
            _ => numbered(name, name)?,
        };
        return lookup(tlvs, kind).map(|found| found.map(<[u8]>::to_vec));
    };
    // One byte of flags, then four of the result of the verification, then the inner list.
    let Some(([_, verify @ ..], list)) = lookup(tlvs, Some(SSL))?.and_then(<[u8]>::split_first_chunk::<5>) else {
        return Ok(None);
    };
    let kind = match inner {
        "verify" => return Ok(Some(u32::from_be_bytes(*verify).to_string().into_bytes())),
        "version" => Some(SSL_VERSION),
        "cn" => Some(SSL_CN),
        "cipher" => Some(SSL_CIPHER),
        "sig_alg" => Some(SSL_SIG_ALG),
        "key_alg" => Some(SSL_KEY_ALG),
        _ => numbered(inner, name)?,
    };
    lookup(list, kind).map(|found| found.map(<[u8]>::to_vec))
}

/// The type written as `0xHH`; none if it is a number that no type can have.
fn numbered(written: &str, name: &str) -> Result<Option<u8>, TlvError> {
    let Some(digits) = written.strip_prefix("0x") else { return Err(TlvError::Unknown(name.to_owned())) };
    let number = i64::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = number.ok_or_else(|| TlvError::Invalid(name.to_owned()))?;
    Ok(u8::try_from(number).ok())
}

/// The first element of this type. What comes after it is not looked at.
fn lookup(mut list: &[u8], wanted: Option<u8>) -> Result<Option<&[u8]>, TlvError> {
    while !list.is_empty() {
        let (&[kind, high, low], rest) = list.split_first_chunk::<3>().ok_or(TlvError::Broken)?;
        let length = u16::from_be_bytes([high, low]) as usize;
        let (value, rest) = rest.split_at_checked(length).ok_or(TlvError::Broken)?;
        if wanted == Some(kind) {
            return Ok(Some(value));
        }
        list = rest;
    }
    Ok(None)
}

//! What is remembered of a `ClientHello`: the server name always, the lists for variables only when asked for.
//! The library has already checked the message's outer form; nothing here can fail.

use std::fmt::Write;

use crate::names;

#[cfg(test)]
mod tests;

/// The parts of a `ClientHello` the callbacks hand over; extensions without their header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientHello<'a> {
    pub(crate) legacy_version: u16,
    pub(crate) ciphers: &'a [u8],
    pub(crate) server_name: Option<&'a [u8]>,
    pub(crate) supported_versions: Option<&'a [u8]>,
    pub(crate) groups: Option<&'a [u8]>,
    pub(crate) sigalgs: Option<&'a [u8]>,
    pub(crate) alpn: Option<&'a [u8]>,
    #[cfg(feature = "aws-lc")]
    pub(crate) key_shares: Option<&'a [u8]>,
    pub(crate) encrypted_hello: Option<&'a [u8]>,
}

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Hello {
    pub(crate) server_name: Option<Box<[u8]>>,
    #[cfg(feature = "aws-lc")]
    pub(crate) legacy_version: u16,
    /// The client speaks nothing newer than TLS 1.1.
    pub(crate) is_legacy: bool,
    /// The client speaks TLS 1.3.
    pub(crate) offers_tls13: bool,
    /// There was, or seemed to be, an encrypted one in it.
    pub(crate) offers_ech: bool,
    pub(crate) lists: Option<Box<Lists>>,
}

/// The client's offers, as 16-bit numbers in network order.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    ciphers: Vec<u8>,
    groups: Option<Vec<u8>>,
    sigalgs: Option<Vec<u8>>,
    alpn: Option<Vec<u8>>,
}

impl Hello {
    pub(crate) fn of(hello: &ClientHello<'_>, capture: bool) -> Self {
        Self {
            server_name: hello.server_name.and_then(host_name).map(Box::from),
            #[cfg(feature = "aws-lc")]
            legacy_version: hello.legacy_version,
            is_legacy: hello.supported_versions.is_none() && hello.legacy_version < 0x0303,
            offers_tls13: hello
                .supported_versions
                .is_some_and(|list| list.get(1..).unwrap_or_default().chunks(2).any(|version| version == [3, 4])),
            offers_ech: hello.encrypted_hello.is_some(),
            lists: capture.then(|| {
                Box::new(Lists {
                    ciphers: hello.ciphers.to_vec(),
                    groups: hello.groups.and_then(vector).map(<[u8]>::to_vec),
                    sigalgs: hello.sigalgs.and_then(vector).map(<[u8]>::to_vec),
                    alpn: hello.alpn.and_then(vector).map(<[u8]>::to_vec),
                })
            }),
        }
    }

    /// OpenSSL has read nothing of a hello that it refuses at once, and variables tell nothing.
    pub(crate) fn forget(&mut self) {
        self.server_name = None;
        self.lists = None;
    }
}

impl Lists {
    /// `$ssl_ciphers`
    pub(crate) fn ciphers(&self) -> String {
        join(&self.ciphers, names::cipher)
    }

    /// `$ssl_curves`
    pub(crate) fn groups(&self) -> Option<String> {
        Some(join(self.groups.as_ref()?, names::group))
    }

    /// `$ssl_sigalgs`; numbers, as with OpenSSL before 4.0.
    pub(crate) fn sigalgs(&self) -> Option<String> {
        Some(join(self.sigalgs.as_ref()?, |_| None))
    }

    /// The protocol names offered, in the client's order.
    pub(crate) fn alpn(&self) -> Option<Vec<&[u8]>> {
        let mut rest = self.alpn.as_deref()?;
        let mut names = Vec::new();
        while let Some((&length, tail)) = rest.split_first() {
            let (name, tail) = tail.split_at_checked(length as usize)?;
            names.push(name);
            rest = tail;
        }
        Some(names)
    }
}

fn join(numbers: &[u8], name: impl Fn(u16) -> Option<&'static str>) -> String {
    let mut text = String::new();
    for pair in numbers.chunks_exact(2) {
        let &[high, low] = pair else { continue };
        let number = u16::from_be_bytes([high, low]);
        if !text.is_empty() {
            text.push(':');
        }
        match name(number) {
            Some(name) => text.push_str(name),
            None => drop(write!(text, "0x{number:04x}")),
        }
    }
    text
}

/// The content of a vector with a 16-bit length that fills the whole extension.
pub(crate) fn vector(extension: &[u8]) -> Option<&[u8]> {
    let (length, rest) = extension.split_first_chunk::<2>()?;
    (u16::from_be_bytes(*length) as usize == rest.len()).then_some(rest)
}

/// The host name of a `server_name` extension (RFC 6066 §3).
pub(crate) fn host_name(extension: &[u8]) -> Option<&[u8]> {
    let (&kind, entry) = vector(extension)?.split_first()?;
    let (length, rest) = entry.split_first_chunk::<2>()?;
    let name = rest.get(..u16::from_be_bytes(*length) as usize)?;
    (kind == 0 && !name.is_empty()).then_some(name)
}

//! How values are escaped in log lines.

/// How values are escaped in log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `\xHH` for quotes, backslashes and what is not printable; a dash for no value.
    Default,
    /// For JSON strings.
    Json,
    /// As it is.
    None,
}

impl Escape {
    /// Escapes what `out` holds from `start` on.
    pub(super) fn apply(self, out: &mut Vec<u8>, start: usize) {
        let value = out.get(start..).unwrap_or_default();
        let Some(first) = value.iter().position(|byte| self.changes(*byte)) else { return };
        let rest = out.split_off(start + first);
        for byte in rest {
            self.write(byte, out);
        }
    }

    fn changes(self, byte: u8) -> bool {
        match self {
            Self::Default => matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f..),
            Self::Json => matches!(byte, b'"' | b'\\' | 0..=0x1f),
            Self::None => false,
        }
    }

    fn write(self, byte: u8, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let hex = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            12 => b'f',
            _ => 0,
        };
        match self {
            _ if !self.changes(byte) => out.push(byte),
            Self::Json if short != 0 => out.extend_from_slice(&[b'\\', short]),
            Self::Json => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex);
            }
            Self::Default | Self::None => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&hex);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(escape: Escape, value: &[u8]) -> Vec<u8> {
        let mut out = b"\"\n".to_vec();
        out.extend_from_slice(value);
        escape.apply(&mut out, 2);
        assert_eq!(&out[..2], b"\"\n", "what stood there is left alone");
        out.split_off(2)
    }

    #[test]
    fn every_byte() {
        for byte in 0..=255_u8 {
            let plain = vec![b'a', byte, b'z'];
            assert_eq!(escaped(Escape::None, &plain), plain);
            let default = match byte {
                b'"' | b'\\' | 0..=0x1f | 0x7f.. => format!("a\\x{byte:02X}z").into_bytes(),
                _ => plain.clone(),
            };
            assert_eq!(escaped(Escape::Default, &plain), default);
            let json = match byte {
                b'"' => b"a\\\"z".to_vec(),
                b'\\' => b"a\\\\z".to_vec(),
                b'\n' => b"a\\nz".to_vec(),
                b'\r' => b"a\\rz".to_vec(),
                b'\t' => b"a\\tz".to_vec(),
                8 => b"a\\bz".to_vec(),
                12 => b"a\\fz".to_vec(),
                0..=0x1f => format!("a\\u{byte:04X}z").into_bytes(),
                _ => plain.clone(),
            };
            assert_eq!(escaped(Escape::Json, &plain), json);
        }
    }
}

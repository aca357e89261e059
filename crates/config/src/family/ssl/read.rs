//! Words that the client side and the upstream side of TLS read alike.

use std::io;
use std::path::PathBuf;

use syntax::scalar;

use super::{ObjectCache, Pem, Protocols};
use crate::family::proxy::words::{has_variables, invalid_parameter};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{duplicate, template};

/// The longest line of a password file, bytes.
const LONGEST_PASSWORD: usize = 4095;

/// A file beside the configuration; the empty path where the word is empty, which stands for none.
pub(crate) fn file(loader: &Loader<'_>, line: &Line<'_, '_>) -> PathBuf {
    match line.arg(0) {
        [] => PathBuf::new(),
        name => loader.conf_path(name),
    }
}

/// Where a certificate or key comes from.
pub(crate) fn pem(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<Pem, Refusal> {
    let word = line.arg(0);
    if has_variables(word) {
        return Ok(Pem::Evaluated(template(loader, word)?));
    }
    if let Some(data) = word.strip_prefix(b"data:") {
        return Ok(Pem::Data(data.into()));
    }
    if word.starts_with(b"engine:") || word.starts_with(b"store:") {
        return Ok(Pem::Provider(text(word)));
    }
    Ok(Pem::File(loader.conf_path(word)))
}

/// Adds protocol versions to those said before in the block.
pub(crate) fn protocols(
    loader: &mut Loader<'_>,
    line: &Line<'_, '_>,
    before: Option<Protocols>,
) -> Result<Protocols, Refusal> {
    let mut all = before.unwrap_or(Protocols(0));
    for (at, word) in line.args().enumerate() {
        let version = match word.to_ascii_lowercase().as_slice() {
            b"sslv2" => Protocols::SSL2,
            b"sslv3" => Protocols::SSL3,
            b"tlsv1" => Protocols::TLS1,
            b"tlsv1.1" => Protocols::TLS1_1,
            b"tlsv1.2" => Protocols::TLS1_2,
            b"tlsv1.3" => Protocols::TLS1_3,
            _ => return Err(Refusal::Word(at, format!("invalid value \"{}\"", text(word)), None)),
        };
        if all.has(version) {
            loader.warn(line, format!("duplicate value \"{}\"", text(word)));
        }
        all = Protocols(all.0 | version.0);
    }
    Ok(all)
}

/// `off`, which is one of no entries, or `max=N [inactive=T] [valid=T]`.
pub(crate) fn object_cache(slot: &mut Option<ObjectCache>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if slot.is_some() {
        return Err(duplicate());
    }
    let mut cache = ObjectCache { max: 0, inactive: 10, valid: 60 };
    let mut off = false;
    for (at, word) in line.args().enumerate() {
        let seconds = |text: &[u8]| scalar::sec(text).map(|time| time.as_secs());
        let read = if let Some(max) = word.strip_prefix(b"max=") {
            scalar::number(max).filter(|max| *max > 0).map(|max| cache.max = max as usize)
        } else if let Some(time) = word.strip_prefix(b"inactive=") {
            seconds(time).map(|time| cache.inactive = time)
        } else if let Some(time) = word.strip_prefix(b"valid=") {
            seconds(time).map(|time| cache.valid = time)
        } else {
            (word == b"off").then(|| off = true)
        };
        read.ok_or_else(|| invalid_parameter(line, at))?;
    }
    if off {
        cache.max = 0;
    } else if cache.max == 0 {
        return Err(Refusal::Text(format!("\"{}\" must have the \"max\" parameter", line.name())));
    }
    *slot = Some(cache);
    Ok(())
}

/// A file with a password on each line, read once to see that it can be.
pub(crate) fn password_file(loader: &Loader<'_>, line: &Line<'_, '_>) -> Result<PathBuf, Refusal> {
    let path = loader.conf_path(line.arg(0));
    let passwords = loader.world.read(&path).map_err(|error| {
        let call = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
        Refusal::Word(0, format!("{call}() \"{}\" failed ({})", path.display(), reason(&error)), None)
    })?;
    if passwords.split(|byte| *byte == b'\n').any(|password| password.len() > LONGEST_PASSWORD) {
        return Err(Refusal::Word(0, format!("too long line in \"{}\"", path.display()), None));
    }
    Ok(path)
}

/// `2: No such file or directory`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => format!("{code}: {}", text.trim_end_matches(&format!(" (os error {code})"))),
        None => text,
    }
}

/// Refuses protocol names that do not fit the length byte of ALPN.
pub(crate) fn check_protocol_name(word: &[u8]) -> Result<(), Refusal> {
    if word.len() > usize::from(u8::MAX) {
        return Err(Refusal::Phrase("protocol too long".to_owned()));
    }
    Ok(())
}

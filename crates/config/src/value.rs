//! Slots: the usual directive sets one value, once. The helpers here read a word by its type,
//! refuse the second time, and say why in the reference's words.

mod mentions;

use policy::template::{Captures, Template};
use syntax::scalar;

use crate::load::{Line, Loader, Refusal, text};

pub(crate) use mentions::Mentions;

/// Fills `slot` with the value of the directive's one word, unless it is filled already.
pub(crate) fn once<T>(
    slot: &mut Option<T>,
    line: &Line<'_, '_>,
    read: impl FnOnce(&Line<'_, '_>) -> Result<T, Refusal>,
) -> Result<(), Refusal> {
    if slot.is_some() {
        return Err(duplicate());
    }
    *slot = Some(read(line)?);
    Ok(())
}

/// `"x" directive is duplicate`.
pub(crate) fn duplicate() -> Refusal {
    Refusal::Phrase("is duplicate".to_owned())
}

fn invalid(phrase: &str) -> Refusal {
    Refusal::Phrase(phrase.to_owned())
}

/// `on` or `off`, in any case.
pub(crate) fn flag(line: &Line<'_, '_>) -> Result<bool, Refusal> {
    let word = line.arg(0);
    if word.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(Refusal::Word(
            0,
            format!("invalid value \"{}\" in \"{}\" directive, it must be \"on\" or \"off\"", text(word), line.name()),
            None,
        ))
    }
}

/// A decimal number.
pub(crate) fn number(line: &Line<'_, '_>) -> Result<usize, Refusal> {
    scalar::number(line.arg(0)).map(|number| number as usize).ok_or_else(|| invalid("invalid number"))
}

/// A size in bytes; `k` and `m` are known.
pub(crate) fn size(line: &Line<'_, '_>) -> Result<usize, Refusal> {
    scalar::size(line.arg(0)).map(|size| size as usize).ok_or_else(|| invalid("invalid value"))
}

/// A size in bytes; `k`, `m` and `g` are known.
pub(crate) fn offset(line: &Line<'_, '_>) -> Result<u64, Refusal> {
    scalar::offset(line.arg(0)).ok_or_else(|| invalid("invalid value"))
}

/// A time in milliseconds.
pub(crate) fn msec(line: &Line<'_, '_>) -> Result<u64, Refusal> {
    scalar::msec(line.arg(0)).map(|time| time.as_millis() as u64).ok_or_else(|| invalid("invalid value"))
}

/// A time in seconds.
pub(crate) fn sec(line: &Line<'_, '_>) -> Result<u64, Refusal> {
    scalar::sec(line.arg(0)).map(|time| time.as_secs()).ok_or_else(|| invalid("invalid value"))
}

/// One of `names`, in any case.
pub(crate) fn one_of<T: Copy>(line: &Line<'_, '_>, names: &[(&str, T)]) -> Result<T, Refusal> {
    let word = line.arg(0);
    let found = names.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let help = did_you_mean(word, names.iter().map(|(name, _)| *name));
        Refusal::Word(0, format!("invalid value \"{}\"", text(word)), help)
    })
}

/// Help for a word that is none of `names`: the one that was probably meant.
pub(crate) fn did_you_mean<'a>(word: &[u8], names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let close = syntax::closest(&text(word), names)?;
    Some(format!("did you mean \"{close}\"?"))
}

/// Text with variables in it, from any word of a directive.
pub(crate) fn template(loader: &mut Loader<'_>, source: &[u8]) -> Result<Template, Refusal> {
    let current = loader.current;
    let stream = loader.stream();
    stream.mentions.note(source, current);
    Template::parse(source, &mut stream.variables, Captures::Allowed).map_err(|error| Refusal::Text(error.to_string()))
}

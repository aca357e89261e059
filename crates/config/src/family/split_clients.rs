//! `split_clients STRING $variable { … }`.

#[cfg(test)]
mod tests;

use policy::split_clients::{Part, SplitClients};
use policy::variables::Definition;
use syntax::Parser;

use super::set::{define, variable_name};
use crate::directive::{Args, Contexts, Directive};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::template;

/// 100 % in the unit of [`percent`].
const WHOLE: u32 = 10_000;

pub(crate) const DIRECTIVES: &[Directive] = &[Directive {
    name: "split_clients",
    contexts: Contexts::STREAM,
    args: Args::Block(2, 2),
    syntax: "string $variable { … }",
    default: None,
    doc: "A variable with one of several values, by the hash of a string. Each line is `percent% value`, the last \
          one perhaps `* value` for the rest.",
    apply: |loader, line, parser| split(loader, line, parser),
}];

fn split(loader: &mut Loader<'_>, line: &Line<'_, '_>, parser: &mut Parser<'_>) -> Result<(), Refusal> {
    let source = template(loader, line.arg(0))?;
    let name = variable_name(line, 1)?;
    let mut parts = Vec::new();
    loader.entries(parser, &mut |_, entry| {
        parts.push(part(entry)?);
        Ok(())
    })?;
    let mut sum = 0_u32;
    for part in &parts {
        sum = match part {
            Part::Hundredths(share, _) => sum.saturating_add(*share),
            Part::Rest(_) => WHOLE,
        };
        if sum > WHOLE {
            let message = "percent total is greater than 100%".to_owned();
            return Err(syntax::Diagnostic::emerg(message).at(parser.place()).into());
        }
    }
    define(loader, name, Definition::SplitClients(SplitClients::new(source, parts)))?;
    Ok(())
}

fn part(entry: &Line<'_, '_>) -> Result<Part, Refusal> {
    let word = entry.word(0);
    let value = entry.arg(0).into();
    let part = if word == b"*" {
        Part::Rest(value)
    } else {
        let share = percent(word).filter(|share| *share > 0);
        let share = share.ok_or_else(|| Refusal::Text(format!("invalid percent value \"{}\"", text(word))))?;
        Part::Hundredths(share, value)
    };
    if entry.args().len() == 0 {
        return Err(Refusal::Word(0, format!("no value for \"{}\"", text(word)), None));
    }
    Ok(part)
}

/// Hundredths of a percent: digits with at most two after a point, then `%`.
fn percent(word: &[u8]) -> Option<u32> {
    let digits = word.strip_suffix(b"%")?;
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(at) => (digits.get(..at)?, digits.get(at + 1..)?),
        None => (digits, &[][..]),
    };
    if digits.is_empty() || fraction.len() > 2 {
        return None;
    }
    let padding = b"00".get(fraction.len()..)?;
    whole.iter().chain(fraction).chain(padding).try_fold(0_u32, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

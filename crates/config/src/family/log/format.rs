//! `log_format`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use policy::template::{Captures, Escape, Template};

use super::{Buffer, Format};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::did_you_mean;

/// Formats by name, and the buffers of files, while they are read.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    pub(super) list: Vec<Arc<Format>>,
    /// All `access_log`s that buffer a file share its buffer.
    pub(super) buffers: HashMap<PathBuf, Buffer>,
}

pub(super) fn log_format(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = line.text(0);
    if loader.stream().formats.list.iter().any(|format| format.name == name) {
        return Err(Refusal::Word(0, format!("duplicate \"log_format\" name \"{name}\""), None));
    }
    let (escape, first) = match line.arg(1).strip_prefix(b"escape=") {
        None => (Escape::Default, 1),
        Some(b"default") => (Escape::Default, 2),
        Some(b"json") => (Escape::Json, 2),
        Some(b"none") => (Escape::None, 2),
        Some(word) => {
            let help = did_you_mean(word, ["default", "json", "none"]);
            return Err(Refusal::Word(1, format!("unknown log format escaping \"{}\"", text(word)), help));
        }
    };
    let mut source = Vec::new();
    for (at, word) in line.args().enumerate().skip(first) {
        append(word, &mut source).map_err(|message| Refusal::Word(at, message, None))?;
    }
    let current = loader.current;
    let stream = loader.stream();
    stream.mentions.note(&source, current);
    let template = Template::parse(&source, &mut stream.variables, Captures::Plain);
    let template = template.map_err(|error| Refusal::Text(error.to_string()))?;
    stream.formats.list.push(Arc::new(Format { name, escape, template }));
    Ok(())
}

/// Adds one word of the format. Each ends by itself: a variable at its end has its name put in
/// braces, lest the next word go on with it.
fn append(word: &[u8], source: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = word;
    while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
        let (literal, variable) = rest.split_at(dollar);
        let after = variable.get(1..).unwrap_or_default();
        let (braced, named) = match after.strip_prefix(b"{") {
            Some(named) => (true, named),
            None => (false, after),
        };
        let end = named.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        let (name, tail) = named.split_at(end.unwrap_or(named.len()));
        let tail = match tail.strip_prefix(b"}") {
            Some(tail) if braced => tail,
            _ if braced && !named.is_empty() => {
                return Err(format!("the closing bracket in \"{}\" variable is missing", text(name)));
            }
            _ => tail,
        };
        if name.is_empty() {
            return Err(format!("invalid parameter \"{}\"", text(variable)));
        }
        source.extend_from_slice(literal);
        source.extend_from_slice(b"${");
        source.extend_from_slice(name);
        source.push(b'}');
        rest = tail;
    }
    source.extend_from_slice(rest);
    Ok(())
}

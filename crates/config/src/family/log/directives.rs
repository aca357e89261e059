//! The directives of access logs.

use std::sync::Arc;

use policy::template::{Captures, Escape, Template};
use syntax::scalar;

use super::{AccessLog, AccessTarget, Buffer, FileCache, Format};
use crate::directive::{Args, Contexts, Directive};
use crate::family::main_context::{LogTarget, syslog};
use crate::family::proxy::words::{has_variables, invalid_parameter};
use crate::load::{Line, Loader, Refusal, text};
use crate::value::{duplicate, template};

/// What `gzip` buffers where no size is given.
const GZIP_BUFFER: usize = 64 * 1024;

pub(crate) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "log_format",
        contexts: Contexts::STREAM,
        args: Args::Simple(2, usize::MAX),
        syntax: "name [escape=default|json|none] string ...",
        default: None,
        doc: "What a line of an access log says. It must come before the logs that name it.",
        apply: |loader, line, _| log_format(loader, line),
    },
    Directive {
        name: "access_log",
        contexts: Contexts::STREAM_SERVER,
        args: Args::SOME,
        syntax: "path format [buffer=size] [gzip[=level]] [flush=time] [if=condition] | off",
        default: Some("off"),
        doc: "Where a line is written at the end of each session. Those of a server replace those of the stream.",
        apply: |loader, line, _| access_log(loader, line),
    },
    Directive {
        name: "open_log_file_cache",
        contexts: Contexts::STREAM_SERVER,
        args: Args::Simple(1, 4),
        syntax: "max=N [inactive=time] [min_uses=N] [valid=time] | off",
        default: Some("off"),
        doc: "Keeps log files open whose path has variables.",
        apply: |loader, line, _| file_cache(loader, line),
    },
];

fn log_format(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let name = line.text(0);
    let known = &loader.stream().formats.formats;
    if known.iter().any(|format| format.name.eq_ignore_ascii_case(&name)) {
        return Err(Refusal::Text(format!("duplicate \"log_format\" name \"{name}\"")));
    }
    let (escape, skip) = match line.arg(1).strip_prefix(b"escape=") {
        None => (Escape::Default, 1),
        Some(b"default") => (Escape::Default, 2),
        Some(b"json") => (Escape::Json, 2),
        Some(b"none") => (Escape::None, 2),
        Some(other) => {
            return Err(Refusal::Word(1, format!("unknown log format escaping \"{}\"", text(other)), None));
        }
    };
    let whole: Vec<u8> = line.args().skip(skip).flatten().copied().collect();
    let parsed = Template::parse(&whole, &mut loader.stream().variables, Captures::Plain);
    let template = parsed.map_err(|error| match error {
        policy::template::TemplateError::NoName => {
            let rest = whole.iter().position(|byte| *byte == b'$').and_then(|_| lone_dollar(&whole));
            Refusal::Text(format!("invalid parameter \"{}\"", text(rest.unwrap_or(b"$"))))
        }
        error => Refusal::Text(error.to_string()),
    })?;
    loader.stream().formats.formats.push(Arc::new(Format { name, escape, template }));
    Ok(())
}

/// The text from the dollar sign on that names nothing.
fn lone_dollar(whole: &[u8]) -> Option<&[u8]> {
    let at = whole.iter().enumerate().find(|(at, byte)| {
        **byte == b'$'
            && !whole.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || matches!(next, b'_' | b'{'))
    });
    at.and_then(|(at, _)| whole.get(at..))
}

fn access_log(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    let path = line.arg(0);
    if path == b"off" {
        if line.args().len() > 1 {
            return Err(invalid_parameter(line, 1));
        }
        loader.here().log.off = true;
        return Ok(());
    }
    let target = if has_variables(path) {
        AccessTarget::Evaluated(template(loader, path)?)
    } else if let Some(parameters) = path.strip_prefix(b"syslog:") {
        AccessTarget::Fixed(LogTarget::Syslog(syslog(loader, parameters)?))
    } else {
        AccessTarget::Fixed(LogTarget::File(loader.prefix_path(path)))
    };
    if line.args().len() < 2 {
        return Err(Refusal::Text("log format is not specified".to_owned()));
    }
    let name = line.text(1);
    let formats = &loader.stream().formats.formats;
    let format = formats.iter().find(|format| format.name.eq_ignore_ascii_case(&name)).cloned();
    let format = format.ok_or_else(|| Refusal::Word(1, format!("unknown log format \"{name}\""), None))?;
    let (buffer, condition) = parameters(loader, line)?;
    if buffer.is_some() {
        let refused = match &target {
            AccessTarget::Evaluated(_) => Some("buffered logs cannot have variables in name"),
            AccessTarget::Fixed(LogTarget::Syslog(_)) => Some("logs to syslog cannot be buffered"),
            AccessTarget::Fixed(_) => None,
        };
        if let Some(refused) = refused {
            return Err(Refusal::Text(refused.to_owned()));
        }
    }
    if let AccessTarget::Fixed(file @ LogTarget::File(_)) = &target {
        let buffered = &mut loader.stream().formats.buffered;
        match buffered.iter().find(|(known, _)| known == file) {
            Some((_, before)) if (before.is_some() || buffer.is_some()) && *before != buffer => {
                let path = text(path);
                return Err(Refusal::Text(format!(
                    "access_log \"{path}\" already defined with conflicting parameters"
                )));
            }
            Some(_) => {}
            None => buffered.push((file.clone(), buffer)),
        }
    }
    loader.here().log.access_log.push(Arc::new(AccessLog { target, format, buffer, condition }));
    Ok(())
}

fn parameters(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(Option<Buffer>, Option<Template>), Refusal> {
    let (mut size, mut gzip, mut flush, mut condition) = (None, None, None, None);
    for (index, word) in line.args().enumerate().skip(2) {
        let invalid = |what: &str, value: &[u8]| Refusal::Word(index, format!("invalid {what} \"{}\"", text(value)), None);
        if let Some(value) = word.strip_prefix(b"buffer=") {
            let bytes = scalar::size(value).filter(|bytes| *bytes > 0).ok_or_else(|| invalid("buffer size", value))?;
            size = Some(bytes as usize);
        } else if let Some(value) = word.strip_prefix(b"flush=") {
            let time = scalar::msec(value).filter(|time| !time.is_zero()).ok_or_else(|| invalid("flush time", value))?;
            flush = Some(time.as_millis() as u64);
        } else if word == b"gzip" {
            gzip = Some(1);
        } else if let Some(value) = word.strip_prefix(b"gzip=") {
            let level = scalar::number(value).filter(|level| (1..=9).contains(level));
            gzip = Some(level.ok_or_else(|| invalid("compression level", value))? as u8);
        } else if let Some(value) = word.strip_prefix(b"if=") {
            condition = Some(template(loader, value)?);
        } else {
            return Err(invalid_parameter(line, index));
        }
    }
    if size.is_none() && gzip.is_some() {
        size = Some(GZIP_BUFFER);
    }
    if flush.is_some() && size.is_none() {
        let path = line.text(0);
        return Err(Refusal::Text(format!("no buffer is defined for access_log \"{path}\"")));
    }
    Ok((size.map(|size| Buffer { size, gzip, flush }), condition))
}

fn file_cache(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.here().log.file_cache.is_some() {
        return Err(duplicate());
    }
    if line.args().len() == 1 && line.arg(0) == b"off" {
        loader.here().log.file_cache = Some(None);
        return Ok(());
    }
    let mut cache = FileCache { max: 0, inactive: 10, min_uses: 1, valid: 60 };
    for (index, word) in line.args().enumerate() {
        let invalid = || {
            Refusal::Word(index, format!("invalid \"open_log_file_cache\" parameter \"{}\"", text(word)), None)
        };
        if let Some(value) = word.strip_prefix(b"max=") {
            cache.max = scalar::number(value).filter(|max| *max > 0).ok_or_else(invalid)? as usize;
        } else if let Some(value) = word.strip_prefix(b"inactive=") {
            cache.inactive = scalar::sec(value).ok_or_else(invalid)?.as_secs();
        } else if let Some(value) = word.strip_prefix(b"min_uses=") {
            cache.min_uses = scalar::number(value).filter(|uses| *uses > 0).ok_or_else(invalid)? as usize;
        } else if let Some(value) = word.strip_prefix(b"valid=") {
            cache.valid = scalar::sec(value).ok_or_else(invalid)?.as_secs();
        } else {
            return Err(invalid());
        }
    }
    if cache.max == 0 {
        return Err(Refusal::Text("\"open_log_file_cache\" must have \"max\" parameter".to_owned()));
    }
    loader.here().log.file_cache = Some(Some(cache));
    Ok(())
}

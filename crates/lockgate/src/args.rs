//! The command line, as nginx reads it: letters may be grouped, and a value may be attached to
//! its letter or be the next word. Subcommands of our own come first, before any letter.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    /// `-v`.
    pub(crate) version: bool,
    /// `-V`.
    pub(crate) configure: bool,
    /// `-?` or `-h`.
    pub(crate) help: bool,
    /// `-t` or `-T`.
    pub(crate) test: bool,
    /// `-T`.
    pub(crate) dump: bool,
    /// `-q`.
    pub(crate) quiet: bool,
    /// `-p`.
    pub(crate) prefix: Option<OsString>,
    /// `-c`.
    pub(crate) conf: Option<OsString>,
    /// `-e`.
    pub(crate) error_log: Option<OsString>,
    /// `-g`.
    pub(crate) globals: Option<OsString>,
    /// `-s`.
    pub(crate) signal: Option<Signal>,
}

/// `-s`: what to tell the running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End at once (TERM).
    Stop,
    /// End when the sessions have ended (QUIT).
    Quit,
    /// Reopen log files (USR1).
    Reopen,
    /// Take a new configuration (HUP).
    Reload,
}

impl Args {
    /// Reads the words after the program's name; an error is the message without its prefix.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.as_bytes().strip_prefix(b"-") else {
                return Err(format!("invalid option: \"{}\"", word.to_string_lossy()));
            };
            args.letters(letters, &mut words)?;
        }
        Ok(args)
    }

    fn letters(&mut self, letters: &[u8], words: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        for (at, &letter) in letters.iter().enumerate() {
            match letter {
                b'?' | b'h' => (self.version, self.help) = (true, true),
                b'v' => self.version = true,
                b'V' => (self.version, self.configure) = (true, true),
                b't' => self.test = true,
                b'T' => (self.test, self.dump) = (true, true),
                b'q' => self.quiet = true,
                b'p' | b'c' | b'e' | b'g' | b's' => {
                    let attached = letters.get(at + 1..).unwrap_or_default();
                    let value =
                        if attached.is_empty() { words.next() } else { Some(OsString::from_vec(attached.to_vec())) };
                    return self.value(letter, value);
                }
                _ => return Err(format!("invalid option: \"{}\"", char::from(letter))),
            }
        }
        Ok(())
    }

    fn value(&mut self, letter: u8, value: Option<OsString>) -> Result<(), String> {
        let (slot, needs) = match letter {
            b'p' => (&mut self.prefix, "directory name"),
            b'c' => (&mut self.conf, "file name"),
            b'e' => (&mut self.error_log, "file name"),
            b'g' => (&mut self.globals, "parameter"),
            _ => {
                self.signal = Some(signal(value)?);
                return Ok(());
            }
        };
        *slot = Some(value.ok_or_else(|| format!("option \"-{}\" requires {needs}", char::from(letter)))?);
        Ok(())
    }
}

fn signal(value: Option<OsString>) -> Result<Signal, String> {
    let value = value.ok_or("option \"-s\" requires parameter")?;
    match value.as_bytes() {
        b"stop" => Ok(Signal::Stop),
        b"quit" => Ok(Signal::Quit),
        b"reopen" => Ok(Signal::Reopen),
        b"reload" => Ok(Signal::Reload),
        _ => Err(format!("invalid option: \"-s {}\"", value.to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn letters_group_and_values_attach() {
        let apart = parse("-t -q -c x.conf -p /tmp -g a;").unwrap();
        assert_eq!(apart, parse("-tqcx.conf -p/tmp -ga;").unwrap());
        assert!(apart.test && apart.quiet && !apart.dump);
        assert_eq!(apart.conf.unwrap(), "x.conf");
        assert_eq!(parse("-s reload").unwrap().signal, Some(Signal::Reload));
        assert!(parse("-T").unwrap().test);
    }

    #[test]
    fn refusals() {
        for (line, told) in [
            ("-x", "invalid option: \"x\""),
            ("stop", "invalid option: \"stop\""),
            ("-s foo", "invalid option: \"-s foo\""),
            ("-s", "option \"-s\" requires parameter"),
            ("-c", "option \"-c\" requires file name"),
            ("-p", "option \"-p\" requires directory name"),
            ("-g", "option \"-g\" requires parameter"),
            ("-te", "option \"-e\" requires file name"),
        ] {
            assert_eq!(parse(line).unwrap_err(), told, "{line}");
        }
    }
}

//! Command-line options of the form `--name value` or `--name`.
use std::collections::HashMap;
use std::error::Error;

/// What stands behind the command's name.
pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads all words. A word that begins with `--` is never a value.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
        let mut found = HashMap::new();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("not an option: {word}"))?.to_owned();
            let value = words.next_if(|next| !next.starts_with("--")).unwrap_or_default();
            found.insert(name, value);
        }
        Ok(Options(found))
    }

    /// The option's value, if it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The option as a number, or `default`.
    pub fn number(&self, name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
        match self.0.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| format!("--{name}: not a number: {value}").into()),
        }
    }

    /// The option as a port; 0 if it was not given.
    pub fn port(&self, name: &str) -> Result<u16, Box<dyn Error>> {
        Ok(u16::try_from(self.number(name, 0)?)?)
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

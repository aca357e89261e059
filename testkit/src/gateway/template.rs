//! `%name` in a config's text: known values, and leased ports for the rest.

use std::collections::BTreeMap;

use super::Names;
use crate::{Port, Scratch, pki};

/// The values of one run.
#[derive(Debug)]
pub(super) struct Template {
    dir: Scratch,
    names: Names,
    ports: BTreeMap<String, Port>,
}

impl Template {
    pub(super) fn new(dir: Scratch) -> Self {
        let names = Names::from([("dir".to_owned(), dir.path().display().to_string())]);
        Self { dir, names, ports: BTreeMap::new() }
    }

    pub(super) fn dir(&self) -> &Scratch {
        &self.dir
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.names.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn port(&self, name: &str) -> u16 {
        self.ports.get(name).unwrap_or_else(|| panic!("the config has no port %{name}")).number()
    }

    pub(super) fn render(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            out.push_str(before);
            let length = after
                .bytes()
                .position(|byte| !(byte.is_ascii_lowercase() || byte.is_ascii_digit()))
                .unwrap_or(after.len());
            let name = &after[..length];
            if name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                out.push_str(&self.value(name));
            } else {
                out.push('%');
                out.push_str(name);
            }
            rest = &after[length..];
        }
        out + rest
    }

    fn value(&mut self, name: &str) -> String {
        if let Some(value) = self.names.get(name) {
            return value.clone();
        }
        if name == "pki" {
            return pki().dir().display().to_string();
        }
        self.ports.entry(name.to_owned()).or_insert_with(Port::lease).number().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::Scratch;

    #[test]
    fn names_ports_and_lone_percent_signs() {
        let mut template = Template::new(Scratch::new());
        template.set("up", "1.2.3.4:5");
        let text = template.render("a %up; b 10% c; %in; %in");
        let port = template.port("in");
        assert_eq!(text, format!("a 1.2.3.4:5; b 10% c; {port}; {port}"));
    }
}

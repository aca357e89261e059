//! The lines of a `geo` block: networks, or ranges of IPv4 addresses.

use std::net::Ipv4Addr;

use policy::geo::{Geo, GeoBuilder, RangeError};
use policy::template::Template;

use crate::family::access;
use crate::load::{Line, Loader, Refusal, text};

/// A block while it is read.
#[derive(Debug, Default)]
pub(super) struct Block {
    builder: GeoBuilder,
    /// Whether `ranges` was said.
    ranges: bool,
    /// Whether anything came before that must not come before `ranges`.
    begun: bool,
}

impl Block {
    /// One that looks up the address in `source`, not the client's.
    pub(super) fn of(source: Template) -> Self {
        Self { builder: GeoBuilder::of(source), ..Self::default() }
    }

    pub(super) fn finish(self) -> Geo {
        self.builder.build()
    }

    pub(super) fn add(&mut self, loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
        match (line.name(), line.args().len()) {
            ("ranges", 0) if self.begun => Err(Refusal::Text(
                "the \"ranges\" directive must be the first directive inside \"geo\" block".to_owned(),
            )),
            ("ranges", 0) => {
                self.ranges = true;
                Ok(())
            }
            ("volatile", 0) => {
                self.builder.volatile();
                Ok(())
            }
            ("include", 1) => loader.include_entries(line, &mut |loader, line| self.add(loader, line)),
            (_, 1) if self.ranges => self.range(loader, line),
            (_, 1) => {
                self.begun = true;
                self.network(loader, line)
            }
            _ => Err(Refusal::Text("invalid number of the geo parameters".to_owned())),
        }
    }

    fn network(&mut self, loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
        let deletes = line.name() == "delete";
        let name = if deletes { line.arg(0) } else { line.word(0) };
        if !deletes && name == b"default" {
            // One for each family of addresses.
            for old in self.builder.default_networks(line.arg(0)).into_iter().flatten() {
                redefined(loader, line, name, &old);
            }
            return Ok(());
        }
        let invalid = || Refusal::Text(format!("invalid network \"{}\"", text(name)));
        let network = access::network(loader, line, name).ok_or_else(invalid)?;
        if deletes {
            if !self.builder.remove(network) {
                loader.warn(line, format!("no network \"{}\" to delete", text(name)));
            }
        } else if let Some(old) = self.builder.insert(network, line.arg(0)) {
            redefined(loader, line, name, &old);
        }
        Ok(())
    }

    fn range(&mut self, loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
        let deletes = line.name() == "delete";
        let name = if deletes { line.arg(0) } else { line.word(0) };
        if !deletes && name == b"default" {
            if let Some(old) = self.builder.default_range(line.arg(0)) {
                let (new, old) = (line.text(0), text(&old));
                loader.warn(line, format!("duplicate default geo range value: \"{new}\", old value: \"{old}\""));
            }
            return Ok(());
        }
        let invalid = || Refusal::Text(format!("invalid range \"{}\"", text(name)));
        let (first, last) = ends(name).ok_or_else(invalid)?;
        if deletes {
            if !self.builder.remove_range(first, last) {
                loader.warn(line, format!("no address range \"{}\" to delete", text(name)));
            }
            return Ok(());
        }
        let mut replaced = Vec::new();
        let done = self.builder.insert_range((first, last), line.arg(0), &mut replaced);
        for old in replaced {
            let (name, new, old) = (text(name), line.text(0), text(&old));
            loader.warn(line, format!("duplicate range \"{name}\", value: \"{new}\", old value: \"{old}\""));
        }
        done.map_err(|RangeError { first, last }| {
            Refusal::Text(format!("range \"{}\" overlaps \"{first}-{last}\"", text(name)))
        })
    }
}

fn redefined(loader: &mut Loader<'_>, line: &Line<'_, '_>, name: &[u8], old: &[u8]) {
    let (name, new, old) = (text(name), line.text(0), text(old));
    loader.warn(line, format!("duplicate network \"{name}\", value: \"{new}\", old value: \"{old}\""));
}

/// `FIRST-LAST`, in this order.
fn ends(range: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (first, last) = std::str::from_utf8(range).ok()?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

//! Named memory: one name space for whatever workers share, sized by whoever says a size.

use syntax::Diagnostic;

use super::{Zone, ZoneId};
use crate::load::Refusal;

/// The least size of a zone, bytes: eight pages.
pub(crate) const SMALLEST: u64 = 8 * 4096;

/// What a zone is for; one name has one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `limit_conn_zone`.
    LimitConn,
    /// `zone` of an upstream.
    Upstream,
    /// `ssl_session_cache`.
    Sessions,
    /// `ssl_ocsp_cache`.
    Ocsp,
}

#[derive(Debug)]
struct Named {
    name: String,
    /// 0 until it is said.
    size: usize,
    purpose: Use,
}

/// Zones while they are read: named by a `limit_conn` perhaps before they are defined.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    named: Vec<Named>,
    /// Those of `limit_conn`, by [`ZoneId`]; without a zone until it is defined.
    limits: Vec<(String, Option<Zone>)>,
}

impl Zones {
    /// Names a zone; `size` is 0 where none is said.
    pub(crate) fn share(&mut self, name: &str, size: usize, purpose: Use) -> Result<(), Refusal> {
        let Some(known) = self.named.iter_mut().find(|known| known.name == name) else {
            self.named.push(Named { name: name.to_owned(), size, purpose });
            return Ok(());
        };
        if known.purpose != purpose {
            let text = format!("the shared memory zone \"{name}\" is already declared for a different use");
            return Err(Refusal::Text(text));
        }
        if known.size == 0 {
            known.size = size;
        }
        if size != 0 && size != known.size {
            return Err(Refusal::Text(format!(
                "the size {size} of shared memory zone \"{name}\" conflicts with already declared size {}",
                known.size
            )));
        }
        Ok(())
    }

    /// Bytes of the zone with this name.
    pub(crate) fn size(&self, name: &str) -> usize {
        self.named.iter().find(|known| known.name == name).map_or(0, |known| known.size)
    }

    /// The zone that a `limit_conn` means.
    pub(super) fn mention(&mut self, name: &str) -> Result<ZoneId, Refusal> {
        self.share(name, 0, Use::LimitConn)?;
        let at = self.limits.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.limits.push((name.to_owned(), None));
            self.limits.len() - 1
        });
        Ok(ZoneId(at as u32))
    }

    /// `limit_conn_zone`.
    pub(super) fn define(&mut self, zone: Zone) -> Result<(), Refusal> {
        self.share(&zone.name, zone.size, Use::LimitConn)?;
        let id = self.mention(&zone.name)?;
        let Some((name, slot)) = self.limits.get_mut(id.0 as usize) else { return Ok(()) };
        if let Some(bound) = slot {
            let key = &bound.key_text;
            return Err(Refusal::Text(format!("limit_conn_zone \"{name}\" is already bound to key \"{key}\"")));
        }
        *slot = Some(zone);
        Ok(())
    }

    /// The zones of `limit_conn`, by [`ZoneId`], after the check that all zones have a size. It comes
    /// last of all that is checked.
    pub(crate) fn finish(self) -> Result<Vec<Zone>, Diagnostic> {
        if let Some(none) = self.named.iter().find(|known| known.size == 0) {
            return Err(Diagnostic::emerg(format!("zero size shared memory zone \"{}\"", none.name)));
        }
        Ok(self.limits.into_iter().filter_map(|(_, zone)| zone).collect())
    }
}

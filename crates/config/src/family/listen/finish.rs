//! From addresses to sockets: which are bound, and who serves what on them.

use policy::server_name::{NameError, ServerNames};
use syntax::Diagnostic;

use super::names::{Draft, shown};
use super::ports::{Port, Ports, Shared};
use super::{Listener, VirtualAddress};
use crate::family::core::hashes;
use crate::load::Loader;
use crate::{Content, Server, ServerId};

impl Ports {
    /// Refuses addresses with `ssl` whose servers have no certificate to show.
    pub(crate) fn check_certificates(&self, drafts: &[Draft], servers: &[Server]) -> Result<(), Diagnostic> {
        let tls = |id: ServerId| servers.get(id.0 as usize).and_then(|server| server.ssl.as_ref());
        let secured = self.list.iter().flat_map(|port| &port.addresses).filter(|shared| shared.asked.ssl);
        for shared in secured {
            let bare = match tls(shared.default) {
                Some(tls) if !tls.certificates.is_empty() => None,
                // The default server only rejects: the others are there for those who know a name.
                Some(_) => shared.servers.iter().copied().find(|id| tls(*id).is_none()),
                None => Some(shared.default),
            };
            if let Some(draft) = bare.and_then(|id| drafts.get(id.0 as usize)) {
                let text = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive";
                return Err(Diagnostic::emerg(text).at(draft.place.clone()));
            }
        }
        Ok(())
    }

    /// The sockets to bind. `drafts` are those of the servers.
    pub(crate) fn finish(
        self,
        drafts: &[Draft],
        servers: &[Server],
        loader: &mut Loader<'_>,
    ) -> Result<Vec<Listener>, Diagnostic> {
        let mut listeners = Vec::new();
        for port in self.list {
            port.finish(drafts, loader, &mut listeners)?;
        }
        let passes =
            |id: &ServerId| servers.get(id.0 as usize).is_some_and(|server| matches!(server.content, Content::Pass(_)));
        for address in listeners.iter_mut().flat_map(|listener| &mut listener.addresses) {
            address.passes = address.servers.iter().any(passes);
        }
        Ok(listeners)
    }
}

impl Port {
    /// Explicitly bound addresses first; then, where there is a wildcard, that one socket for all
    /// others, else one for each.
    fn finish(
        mut self,
        drafts: &[Draft],
        loader: &mut Loader<'_>,
        listeners: &mut Vec<Listener>,
    ) -> Result<(), Diagnostic> {
        self.addresses.sort_by_key(|shared| (shared.address.is_wildcard(), !shared.asked.set));
        let protocol = self.protocol();
        let covered = self.addresses.last().is_some_and(|last| last.address.is_wildcard());
        let mut behind = Vec::new();
        let last = self.addresses.len().saturating_sub(1);
        for (at, shared) in self.addresses.into_iter().enumerate() {
            let (address, options) = (shared.address.clone(), shared.asked.options.clone());
            let bound = shared.asked.set || !covered || at == last;
            behind.push(shared.finish(drafts, loader)?);
            if bound {
                let addresses = std::mem::take(&mut behind);
                let fallback = addresses.len() - 1;
                listeners.push(Listener { address, protocol, options, addresses, fallback });
            }
        }
        Ok(())
    }
}

impl Shared {
    fn finish(self, drafts: &[Draft], loader: &mut Loader<'_>) -> Result<VirtualAddress, Diagnostic> {
        let captures = drafts.get(self.default.0 as usize).is_some_and(|draft| draft.captures);
        let table = if self.servers.len() > 1 || captures { Some(self.table(drafts, loader)?) } else { None };
        Ok(VirtualAddress {
            address: self.address,
            ssl: self.asked.ssl,
            proxy_protocol: self.asked.proxy_protocol,
            default: self.default,
            names: table,
            servers: self.servers,
            passes: false,
        })
    }

    fn table(&self, drafts: &[Draft], loader: &mut Loader<'_>) -> Result<ServerNames<ServerId>, Diagnostic> {
        let mut table = ServerNames::default();
        for id in &self.servers {
            let Some(draft) = drafts.get(id.0 as usize) else { continue };
            for name in draft.names() {
                let added = table.add(name, *id, &mut loader.stream().variables);
                let fresh = added.map_err(|error| {
                    Diagnostic::emerg(match error {
                        NameError::Wildcard(_) => format!("{error} on {}", self.address),
                        _ => error.to_string(),
                    })
                })?;
                if !fresh {
                    let (name, address) = (shown(name), &self.address);
                    loader.warn_bare(format!("conflicting server name \"{name}\" on {address}, ignored"));
                }
            }
        }
        let sizes = loader.stream().hashes.of_names();
        hashes::tell(loader, "server_names_hash", sizes, table.misfits(sizes))?;
        Ok(table)
    }
}

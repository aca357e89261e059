//! What `ssl_ocsp*` and `ssl_stapling*` need in one server: responders with their addresses, the cache, the
//! responses to be fetched.

use std::sync::Arc;

use config::World;
use config::family::ssl::{self, Ssl};
use tls::{ServerContext, Staple};

use crate::error::BuildError;
use crate::ocsp::{Caches, Place, Statuses, Unplaced};

/// The status of clients' certificates and of the own ones.
#[derive(Debug, Default)]
pub struct Ocsp {
    /// `ssl_ocsp_responder`; without it certificates name theirs.
    pub responder: Option<Place>,
    /// `ssl_ocsp_cache`.
    pub cache: Option<Arc<Statuses>>,
    /// Responses to fetch for the own certificates, with whom to ask.
    pub staples: Vec<(Arc<Staple>, Place)>,
}

impl Ocsp {
    /// What `ssl` asks for. What is met only in part is told through `warnings`.
    pub(super) fn build(
        ssl: &Ssl,
        context: &ServerContext,
        world: &dyn World,
        caches: &mut Caches,
        warnings: &mut Vec<String>,
    ) -> Result<Self, BuildError> {
        let responder = match &ssl.ocsp_responder {
            Some(url) if ssl.ocsp != ssl::Ocsp::Off => {
                Some(place(url, world).map_err(|Unplaced { phrase, shown }| {
                    BuildError::Text(format!("{phrase} in OCSP responder \"{shown}\" in \"ssl_ocsp_responder\""))
                })?)
            }
            _ => None,
        };
        let cache = ssl.ocsp_cache.as_ref().map(|(name, size)| caches.of(name, *size));
        let mut staples = Vec::new();
        for staple in context.staples() {
            let Some(inquiry) = staple.inquiry() else { continue };
            let name = staple.name();
            let url = ssl.stapling_responder.clone().or_else(|| inquiry.responder());
            let Some(url) = url else {
                warnings.push(format!("\"ssl_stapling\" ignored, no OCSP responder URL in the certificate \"{name}\""));
                continue;
            };
            match place(&url, world) {
                Ok(place) => staples.push((Arc::clone(staple), place)),
                Err(Unplaced { phrase, shown }) => warnings.push(format!(
                    "\"ssl_stapling\" ignored, {phrase} in OCSP responder \"{shown}\" in the certificate \"{name}\""
                )),
            }
        }
        Ok(Self { responder, cache, staples })
    }
}

fn place(url: &str, world: &dyn World) -> Result<Place, Unplaced> {
    Place::looked_up(url, |name| world.resolve(name))
}

//! Certificates whose names are evaluated for each session: where they are, reading them, and keeping them for a
//! while (`ssl_certificate_cache`, `proxy_ssl_certificate_cache`).

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use config::family::ssl::{Certificate, ObjectCache, Pem};
use policy::kept::Rules;
use tls::{Identity, KeyPair};

use super::Session;
use crate::generation::Stamp;
use crate::tls::provider;

/// Where PEM text is.
enum Place {
    File(PathBuf),
    /// `engine:` or `store:`, whole.
    Provider(String),
    Text(tls::Pem),
}

/// The identity that `certificate` names for this session; an error is the line to log.
pub(super) fn load(
    s: &Session,
    certificate: &Certificate,
    passphrases: &[Vec<u8>],
    cache: Option<ObjectCache>,
) -> Result<Arc<Identity>, String> {
    let chain = place(s, &certificate.chain, "certificate")?;
    let key = place(s, &certificate.key, "certificate key")?;
    let paths = match (&chain, &key) {
        (Place::File(chain), Place::File(key)) => Some((chain.clone(), key.clone())),
        _ => None,
    };
    let make = || {
        let pair = KeyPair { certificate: read(chain, "certificate")?, key: read(key, "certificate key")? };
        Identity::load(&pair, passphrases).map(Arc::new).map_err(|error| error.to_string())
    };
    // A certificate and its key are two of the things that `max` counts.
    let (Some(cache), Some(paths)) = (cache.filter(|cache| cache.max >= 2), paths) else { return make() };
    let rules = Rules { most: cache.max / 2, inactive: cache.inactive, valid: cache.valid, uses: 1 };
    let now = reactor::now() / 1000;
    let stamps = || [stamp(&paths.0), stamp(&paths.1)];
    s.generation.with_identities(rules, |kept| {
        if let Some((known, _)) = kept.get(&paths, now, |(_, then)| *then == stamps()) {
            return Ok(Arc::clone(known));
        }
        let stamps = stamps();
        let made = make()?;
        kept.put(paths.clone(), (Arc::clone(&made), stamps), now);
        Ok(made)
    })
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

fn place(s: &Session, source: &Pem, what: &str) -> Result<Place, String> {
    let value = match source {
        Pem::File(path) => return Ok(Place::File(path.clone())),
        Pem::Data(text) => return Ok(Place::Text(data(text))),
        Pem::Provider(uri) => return Ok(Place::Provider(uri.clone())),
        Pem::Evaluated(template) => s.render(template),
    };
    let name = String::from_utf8_lossy(&value);
    let unsafe_path = || Err(format!("cannot load {what} \"{}\": unsafe path", name.escape_default()));
    // A name that a client chose must not lead anywhere else.
    if is_path_in_disguise(s) {
        return unsafe_path();
    }
    if let Some(text) = value.strip_prefix(b"data:") {
        return Ok(Place::Text(data(text)));
    }
    if value.contains(&0) || Path::new(&*name).components().any(|part| part == Component::ParentDir) {
        return unsafe_path();
    }
    if name.starts_with("engine:") || name.starts_with("store:") {
        return Ok(Place::Provider(name.into_owned()));
    }
    Ok(Place::File(s.generation.plan.conf_dir.join(&*name)))
}

/// Whether the client asks for a name that means something to the file system, or to the library's store.
fn is_path_in_disguise(s: &Session) -> bool {
    let odd = |name: &[u8]| {
        name.iter().any(|byte| matches!(byte, b'/' | b':' | 0)) || name.windows(2).any(|pair| pair == b"..")
    };
    let asked = s.rare_if_any().and_then(|rare| rare.server_name.borrow().as_deref().map(odd));
    let preread = s.preread.borrow().as_ref().and_then(|preread| preread.server_name().map(odd));
    asked == Some(true) || preread == Some(true)
}

fn data(text: &[u8]) -> tls::Pem {
    tls::Pem { name: format!("data:{}", String::from_utf8_lossy(text)), bytes: text.to_vec() }
}

fn read(place: Place, what: &str) -> Result<tls::Pem, String> {
    let path = match place {
        Place::Text(pem) => return Ok(pem),
        Place::Provider(uri) => {
            return match provider::provided(|path| std::fs::read(path), &uri) {
                Ok(bytes) => Ok(tls::Pem { name: uri, bytes }),
                Err(reason) => Err(format!("cannot load {what} \"{uri}\": {reason}")),
            };
        }
        Place::File(path) => path,
    };
    let name = path.display().to_string();
    match provider::text(|path| std::fs::read(path), &path) {
        Ok(bytes) => Ok(tls::Pem { name, bytes }),
        Err(error) => Err(format!("cannot load {what} \"{name}\": {}", tls::open_failure(&name, &error))),
    }
}

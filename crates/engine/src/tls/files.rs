//! The files that `ssl_*` and `proxy_ssl*` name, read once, with the words for those that cannot be.

use std::io;
use std::path::{Path, PathBuf};

use config::World;
use config::family::ssl::{Certificate, Pem, Ssl};
use tls::{KeyPair, Stapling};

use super::provider::{provided, text};
use crate::error::BuildError;

/// The certificates that are known at load.
pub(super) fn pairs(certificates: &[Certificate], world: &dyn World) -> Result<Vec<KeyPair>, BuildError> {
    let mut pairs = Vec::with_capacity(certificates.len());
    // Where one is evaluated for each handshake, all are read then.
    if certificates.iter().any(Certificate::is_evaluated) {
        return Ok(pairs);
    }
    for Certificate { chain, key } in certificates {
        if let (Some(certificate), Some(key)) =
            (material(world, chain, "certificate")?, material(world, key, "certificate key")?)
        {
            pairs.push(KeyPair { certificate, key });
        }
    }
    Ok(pairs)
}

/// PEM text with its name; `None` where it is evaluated for each handshake.
fn material(world: &dyn World, pem: &Pem, what: &str) -> Result<Option<tls::Pem>, BuildError> {
    match pem {
        Pem::Evaluated(_) => Ok(None),
        Pem::Data(text) => {
            let name = format!("data:{}", String::from_utf8_lossy(text));
            Ok(Some(tls::Pem { name, bytes: text.to_vec() }))
        }
        Pem::File(path) => {
            let name = path.display().to_string();
            match text(|path| world.read(path), path) {
                Ok(bytes) => Ok(Some(tls::Pem { name, bytes })),
                Err(error) => Err(cannot_load(what, &name, &error)),
            }
        }
        Pem::Provider(uri) => match provided(|path| world.read(path), uri) {
            Ok(bytes) => Ok(Some(tls::Pem { name: uri.clone(), bytes })),
            Err(reason) => Err(BuildError::Text(format!("cannot load {what} \"{uri}\": {reason}"))),
        },
    }
}

fn cannot_load(what: &str, name: &str, error: &io::Error) -> BuildError {
    BuildError::Text(format!("cannot load {what} \"{name}\": {}", tls::open_failure(name, error)))
}

/// PEM text of a file that is `what`: `certificate` or `CRL`.
pub(super) fn pem_if_any(world: &dyn World, path: Option<&Path>, what: &str) -> Result<Option<tls::Pem>, BuildError> {
    let Some(path) = path else { return Ok(None) };
    let name = path.display().to_string();
    match text(|path| world.read(path), path) {
        Ok(bytes) => Ok(Some(tls::Pem { name, bytes })),
        Err(error) => Err(cannot_load(what, &name, &error)),
    }
}

pub(super) fn dhparam(world: &dyn World, path: Option<&Path>) -> Result<Option<tls::Pem>, BuildError> {
    let Some(path) = path else { return Ok(None) };
    let name = path.display().to_string();
    match world.read(path) {
        Ok(bytes) => Ok(Some(tls::Pem { name, bytes })),
        Err(error) => Err(bio_failure(&name, &error, "r")),
    }
}

/// A file that could not be opened in the way that `mode` names, where the call is told with it.
fn bio_failure(name: &str, error: &io::Error, mode: &str) -> BuildError {
    let reason = tls::open_failure(name, error).replace(", r)", &format!(", {mode})"));
    let reason = reason.strip_prefix("BIO_new_file()").unwrap_or(&reason);
    BuildError::Text(format!("BIO_new_file(\"{name}\"){reason}"))
}

pub(super) fn read(world: &dyn World, path: &Path) -> Result<Vec<u8>, BuildError> {
    world.read(path).map_err(|error| BuildError::Open(path.to_owned(), error))
}

/// `ssl_password_file`: a passphrase on each line.
pub(super) fn passphrases(world: &dyn World, path: Option<&Path>) -> Result<Vec<Vec<u8>>, BuildError> {
    /// The longest line.
    const LONGEST: usize = 4095;
    let Some(path) = path else { return Ok(Vec::new()) };
    let mut phrases = Vec::new();
    for line in read(world, path)?.split(|byte| *byte == b'\n') {
        if line.len() > LONGEST {
            return Err(BuildError::Text(format!("too long line in \"{}\"", path.display())));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            phrases.push(line.to_vec());
        }
    }
    // A file without any stands for one that opens nothing.
    if phrases.is_empty() {
        phrases.push(Vec::new());
    }
    Ok(phrases)
}

/// `ssl_ech_file`.
pub(super) fn ech(paths: &[PathBuf], world: &dyn World) -> Result<Vec<tls::Pem>, BuildError> {
    let load = |path: &PathBuf| {
        let name = path.display().to_string();
        match world.read(path) {
            Ok(bytes) => Ok(tls::Pem { name, bytes }),
            Err(error) => Err(bio_failure(&name, &error, "r")),
        }
    };
    paths.iter().map(load).collect()
}

/// `ssl_stapling` with `ssl_stapling_file`.
pub(super) fn stapling(ssl: &Ssl, world: &dyn World) -> Result<Stapling, BuildError> {
    // What is evaluated for each handshake has no response, and its file is not read.
    if !ssl.stapling || ssl.certificates.is_empty() || ssl.certificates.iter().any(Certificate::is_evaluated) {
        return Ok(Stapling::Off);
    }
    let Some(path) = &ssl.stapling_file else { return Ok(Stapling::Fetched { verify: ssl.stapling_verify }) };
    let name = path.display().to_string();
    match world.read(path) {
        Ok(bytes) => Ok(Stapling::Given(name, bytes)),
        Err(error) => Err(bio_failure(&name, &error, "rb")),
    }
}

//! Keys that are asked for by `engine:` and `store:` rather than by the name of a file.

use std::io;
use std::path::Path;

/// What `engine:NAME:ID` or `store:URI` stand for. There are no engines, and of stores there is the one of files.
pub(crate) fn provided(read: impl Fn(&Path) -> io::Result<Vec<u8>>, uri: &str) -> Result<Vec<u8>, String> {
    if let Some(engine) = uri.strip_prefix("engine:") {
        return Err(match engine.split_once(':') {
            Some((name, _)) => {
                format!("ENGINE_by_id() failed (SSL: error:13000074:engine routines::no such engine:id={name})")
            }
            None => "invalid syntax".to_owned(),
        });
    }
    let uri = uri.strip_prefix("store:").unwrap_or(uri);
    let path = match uri.split_once(':') {
        Some(("file", path)) => path.strip_prefix("//localhost").or(path.strip_prefix("//")).unwrap_or(path),
        _ => uri,
    };
    text(read, Path::new(path)).map_err(|error| {
        let stat = |path: &str| format!("{}:calling stat({path})", tls::system_error(&error));
        let mut tried = stat(uri);
        match uri.split_once(':') {
            Some(("file", _)) => tried = format!("{tried} {}", stat(path)),
            Some((scheme, _)) => {
                tried = format!(
                    "{tried} error:1608010C:STORE routines::unsupported:No store loader found. For standard store \
                     loaders you need at least one of the default or base providers available. Did you forget to load \
                     them? Info: Global default library context, Scheme ({scheme} : 0), Properties (<null>)"
                );
            }
            None => {}
        }
        format!("OSSL_STORE_open() failed (SSL: {tried})")
    })
}

/// Reads a file; a directory is one without text, as for the C library.
pub(crate) fn text(read: impl Fn(&Path) -> io::Result<Vec<u8>>, path: &Path) -> io::Result<Vec<u8>> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Vec::new()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Result<String, String> {
        let read = |path: &Path| match path.to_str() {
            Some("/k") => Ok(b"key".to_vec()),
            Some("/d") => Err(io::Error::from_raw_os_error(21)),
            _ => Err(io::Error::from_raw_os_error(2)),
        };
        provided(read, uri).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_store_of_files_is_there() {
        for uri in ["store:/k", "store:file:/k", "store:file:///k", "store:file://localhost/k"] {
            assert_eq!(of(uri).as_deref(), Ok("key"), "{uri}");
        }
        assert_eq!(of("store:/d").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_not_there_is_told_in_the_words_of_openssl() {
        assert_eq!(of("engine:x"), Err("invalid syntax".to_owned()));
        assert!(of("engine:x:y").unwrap_err().ends_with("engine routines::no such engine:id=x)"));
        assert_eq!(
            of("store:file:/no").unwrap_err(),
            "OSSL_STORE_open() failed (SSL: error:80000002:system library::No such file or directory:calling \
             stat(file:/no) error:80000002:system library::No such file or directory:calling stat(/no))"
        );
        assert!(of("store:pkcs11:x").unwrap_err().contains("Scheme (pkcs11 : 0)"));
    }
}

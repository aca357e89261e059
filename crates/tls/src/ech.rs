//! Keys of encrypted `ClientHello`s (`ssl_ech_file`): a private key and the configurations that clients know it by, in
//! PEM (RFC 9934). What the configurations say is the library's business.

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::SslContextBuilder;

use crate::backend;
use crate::error::TlsError;
use crate::error_text::LibraryErrors;
use crate::pem;
use crate::settings::Pem;

/// A configuration (`ECHConfig`, RFC 9849 §4) with its private key.
pub(crate) struct EchKey {
    pub(crate) private: Vec<u8>,
    pub(crate) config: Vec<u8>,
}

/// Takes up the keys of all files.
pub(crate) fn install(builder: &mut SslContextBuilder, files: &[Pem]) -> Result<(), TlsError> {
    let mut keys = Vec::new();
    for file in files {
        keys.extend(read(file)?);
    }
    let names = || files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join("\", \"");
    if keys.is_empty() {
        return Ok(());
    }
    backend::set_ech_keys(builder, &keys).map_err(|stack| {
        TlsError::failed(&format!("SSL_CTX_set1_ech_keys(\"{}\")", names()), &LibraryErrors::from(&stack))
    })
}

/// The keys of a file, at least one.
fn read(file: &Pem) -> Result<Vec<EchKey>, TlsError> {
    let what = format!("cannot load ECH keys \"{}\":", file.name);
    let Some(block) = pem::blocks(&file.bytes, &["PRIVATE KEY"]).next() else {
        return Err(TlsError(format!("{what} no private key")));
    };
    let failed = |stack: ErrorStack| {
        TlsError::failed(&format!("{what} PEM_read_bio_PrivateKey()"), &LibraryErrors::from(&stack))
    };
    let private = PKey::private_key_from_pem(block).and_then(|key| key.raw_private_key()).map_err(failed)?;
    let list = pem::blocks(&file.bytes, &["ECHCONFIG"]).next().and_then(pem::content);
    let configs = list.as_deref().and_then(configs).filter(|configs| !configs.is_empty());
    let Some(configs) = configs else {
        return Err(TlsError(format!("{what} no list of configurations")));
    };
    Ok(configs.into_iter().map(|config| EchKey { private: private.clone(), config: config.to_vec() }).collect())
}

/// The parts of an `ECHConfigList`.
fn configs(list: &[u8]) -> Option<Vec<&[u8]>> {
    const HEAD: usize = 4;
    let (length, mut rest) = list.split_first_chunk::<2>()?;
    if u16::from_be_bytes(*length) as usize != rest.len() {
        return None;
    }
    let mut configs = Vec::new();
    while !rest.is_empty() {
        let &[_, _, high, low] = rest.first_chunk::<HEAD>()?;
        let (config, more) = rest.split_at_checked(HEAD + u16::from_be_bytes([high, low]) as usize)?;
        configs.push(config);
        rest = more;
    }
    Some(configs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = &[0, 11, 0xfe, 0x0d, 0, 2, 7, 8, 0xfe, 0x0d, 0, 1, 9];

    #[test]
    fn parts_of_a_list() {
        let parts: &[&[u8]] = &[&[0xfe, 0x0d, 0, 2, 7, 8], &[0xfe, 0x0d, 0, 1, 9]];
        assert_eq!(configs(LIST).as_deref(), Some(parts));
        for end in 0..LIST.len() {
            assert_eq!(configs(&LIST[..end]), None, "{end}");
        }
        assert_eq!(configs(&[0, 3, 0xfe, 0x0d, 0]), None);
    }

    #[test]
    fn files_without_what_is_needed() {
        let key = PKey::generate_x25519().unwrap().private_key_to_pem_pkcs8().unwrap();
        let with = |more: &str| [&key[..], more.as_bytes()].concat();
        for (bytes, reason) in [
            (b"junk".to_vec(), "no private key"),
            (with(""), "no list of configurations"),
            (with("-----BEGIN ECHCONFIG-----\nAAA!\n-----END ECHCONFIG-----\n"), "no list of configurations"),
            (with("-----BEGIN ECHCONFIG-----\nAAA=\n-----END ECHCONFIG-----\n"), "no list of configurations"),
        ] {
            let error = read(&Pem { name: "f".to_owned(), bytes }).err().unwrap().to_string();
            assert_eq!(error, format!("cannot load ECH keys \"f\": {reason}"));
        }
    }
}

//! Chains of certificates that were found good. One that is shown again need not be verified again while all of its
//! certificates hold: the trusted certificates of a context never change, and a chain is the same only if every byte
//! is. What was found bad is not kept, and contexts with revocation lists, which run out, keep nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::sha::Sha256;
use openssl::ssl::{SslContext, SslContextBuilder};
use openssl::x509::{X509StoreContext, X509StoreContextRef, X509VerifyResult};

use crate::{backend, identity};

/// Chains kept by a context; when there are more, all are forgotten. A client adds one by showing a good certificate
/// only.
const MOST: usize = 4096;

/// Digest of a chain as it is shown.
type Chain = [u8; 32];

/// The good chains of a context, with the Unix time up to which they hold.
#[derive(Debug, Default)]
struct Verified(Mutex<HashMap<Chain, i64>>);

static INDEX: OnceLock<Index<SslContext, Arc<Verified>>> = OnceLock::new();

fn index() -> Result<Index<SslContext, Arc<Verified>>, ErrorStack> {
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let new = SslContext::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| new))
}

/// Has a context keep the chains that it finds good.
pub(crate) fn keep(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    builder.set_ex_data(index()?, Arc::default());
    backend::set_verifier(builder);
    Ok(())
}

/// Verifies the chain that a peer has shown, by what is known or by the library; false when that failed.
pub(crate) fn verify(store: &mut X509StoreContextRef) -> bool {
    let (Some(verified), Some(chain), Some(now)) = (verified(store), shown(store), now()) else {
        return store.verify_cert().unwrap_or(false);
    };
    if verified.holds(&chain, now) {
        store.set_error(X509VerifyResult::OK);
        return true;
    }
    let is_good = store.verify_cert().unwrap_or(false);
    if is_good
        && store.error() == X509VerifyResult::OK
        && let Some(until) = until(store)
    {
        verified.note(chain, until);
    }
    is_good
}

/// What the context of the connection keeps.
fn verified(store: &X509StoreContextRef) -> Option<Arc<Verified>> {
    let ssl = store.ex_data(X509StoreContext::ssl_idx().ok()?)?;
    ssl.ssl_context().ex_data(*INDEX.get()?).map(Arc::clone)
}

/// The digest of what was shown.
fn shown(store: &X509StoreContextRef) -> Option<Chain> {
    let mut digest = Sha256::new();
    for certificate in backend::shown_chain(store)? {
        let der = certificate.to_der().ok()?;
        // Lengths keep the certificates apart.
        digest.update(&(der.len() as u64).to_be_bytes());
        digest.update(&der);
    }
    Some(digest.finish())
}

/// Up to when the chain that was built holds: the first of its certificates to expire ends it.
fn until(store: &X509StoreContextRef) -> Option<i64> {
    store.chain()?.iter().map(identity::expiry).min()
}

fn now() -> Option<i64> {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

impl Verified {
    fn holds(&self, chain: &Chain, now: i64) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(chain).is_some_and(|until| now < *until)
    }

    fn note(&self, chain: Chain, until: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(chain, until);
    }
}

/// How many chains a context knows to be good.
#[cfg(test)]
pub(crate) fn known(context: &openssl::ssl::SslContextRef) -> Option<usize> {
    context.ex_data(*INDEX.get()?).map(|verified: &Arc<Verified>| verified.0.lock().unwrap().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_holds_up_to_its_end_and_no_other_does() {
        let verified = Verified::default();
        verified.note([1; 32], 100);
        assert!(verified.holds(&[1; 32], 99));
        assert!(!verified.holds(&[1; 32], 100));
        assert!(!verified.holds(&[2; 32], 99));
    }

    #[test]
    fn there_are_never_too_many() {
        let verified = Verified::default();
        for number in 0..=MOST as u64 {
            let mut chain = [0; 32];
            chain[..8].copy_from_slice(&number.to_be_bytes());
            verified.note(chain, 100);
        }
        assert!(verified.0.lock().unwrap().len() <= MOST);
    }
}

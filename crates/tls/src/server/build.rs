//! From settings to a server context, in nginx's order, so that of several mistakes the same one is reported.

use std::ffi::c_int;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::dh::Dh;
use openssl::ssl::{
    AlpnError, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::X509Name;
use openssl::x509::store::X509StoreBuilderRef;
use openssl::x509::verify::X509VerifyFlags;

use super::{PerConnection, ServerContext, session_id_context};
#[cfg(feature = "aws-lc")]
use crate::agreement::Terms;
use crate::backend;
use crate::cache::SharedSessionCache;
use crate::ciphers;
use crate::conf_command::{self, Lists};
#[cfg(feature = "aws-lc")]
use crate::ech;
use crate::error::{TlsError, Warning};
use crate::error_text::LibraryErrors;
use crate::groups;
use crate::identity::{self, Identity};
use crate::pem;
use crate::security_level;
use crate::settings::{Pem, Protocols, ServerSettings, SessionCache, Stapling};
use crate::staple::{self, Staple};
use crate::tickets::TicketKeys;
use crate::verified;

pub(super) fn server(settings: &ServerSettings, warnings: &mut Vec<Warning>) -> Result<ServerContext, TlsError> {
    let mut builder = new_builder(settings.protocols, warnings)?;
    let asked_level = ciphers::security_level(&settings.ciphers);
    let level = asked_level.unwrap_or(security_level::USUAL);
    let mut identities = Vec::new();
    for pair in &settings.certificates {
        let identity = Identity::load_for(pair, &settings.passphrases, level)?;
        identity.use_in_context(&mut builder)?;
        identities.push(identity);
    }
    let mut lists = Lists::default();
    ciphers::set(&mut builder, &mut lists, &settings.ciphers, warnings)?;
    if settings.prefer_server_ciphers {
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
    }
    if settings.certificate_compression && !backend::compress_certificates(&mut builder)? {
        warnings.push(Warning("\"ssl_certificate_compression\" is not supported on this platform, ignored".to_owned()));
    }
    trust(&mut builder, settings)?;
    if settings.crl.is_none() {
        verified::keep(&mut builder)?;
    }
    diffie_hellman(&mut builder, settings.dhparam.as_ref(), level, warnings)?;
    lists.groups = curves(&settings.ecdh_curve, warnings)?;
    builder.set_session_id_context(&session_id_context::digest(settings, &identities))?;
    let ticket_keys = sessions(&mut builder, settings);
    alpn(&mut builder, &settings.alpn);
    builder.set_status_callback(|ssl| Ok(staple::on_request(ssl)))?;
    for (name, value) in &settings.conf_commands {
        conf_command::run(&mut builder, &mut lists, true, (name, value), warnings)?;
    }
    #[cfg(feature = "aws-lc")]
    ech::install(&mut builder, &settings.ech)?;
    backend::install_hello_callback(&mut builder);
    let per_connection = PerConnection {
        #[cfg(feature = "aws-lc")]
        terms: terms(&mut builder, &lists),
        options: builder.options(),
        versions: backend::version_range(&mut builder),
        verify: settings.verify,
        verify_depth: c_int::try_from(settings.verify_depth).unwrap_or(c_int::MAX),
        lists,
        security_level: level,
        allows_legacy: settings.protocols.has_legacy() && asked_level.is_none(),
    };
    let context = builder.build();
    Ok(ServerContext {
        staples: staples(&context, &identities, settings, warnings)?,
        context,
        per_connection,
        ticket_keys,
        shared_cache: match &settings.session_cache {
            SessionCache::Stored { shared, .. } => shared.clone(),
            SessionCache::Off | SessionCache::None => None,
        },
        rejects: settings.reject_handshake,
        takes_ech: !settings.ech.is_empty(),
        expiries: identities.iter().map(Identity::expiry).collect(),
    })
}

/// What the server agrees to.
#[cfg(feature = "aws-lc")]
fn terms(builder: &mut SslContextBuilder, lists: &Lists) -> Terms {
    const VERSIONS: [(u16, SslOptions); 4] = [
        (0x0304, SslOptions::NO_TLSV1_3),
        (0x0303, SslOptions::NO_TLSV1_2),
        (0x0302, SslOptions::NO_TLSV1_1),
        (0x0301, SslOptions::NO_TLSV1),
    ];
    let options = builder.options();
    let (lowest, highest) = backend::version_range(builder);
    let takes = |row: &&(u16, SslOptions)| (lowest..=highest).contains(&row.0) && !options.contains(row.1);
    Terms {
        versions: VERSIONS.iter().filter(takes).map(|row| row.0).collect(),
        groups: lists.groups.as_deref().map(groups::numbers).unwrap_or_default(),
        suites: suites(lists),
        sigalgs: lists.sigalgs.as_deref().map_or_else(|| SIGNATURES.to_vec(), conf_command::signature_numbers),
        prefers_own: options.contains(SslOptions::CIPHER_SERVER_PREFERENCE),
    }
}

/// The signatures that OpenSSL makes, in its order, as far as the library can.
#[cfg(feature = "aws-lc")]
const SIGNATURES: [u16; 10] = [0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];

/// The suites of TLS 1.3 in the order that OpenSSL has them.
#[cfg(feature = "aws-lc")]
fn suites(lists: &Lists) -> Vec<u16> {
    let list = lists.ciphersuites.as_deref().unwrap_or(conf_command::SUITES).to_string_lossy();
    list.split(':').filter_map(backend::suite_number).collect()
}

/// A context with what servers and clients have in common.
pub(crate) fn new_builder(protocols: Protocols, warnings: &mut Vec<Warning>) -> Result<SslContextBuilder, TlsError> {
    let mut builder = SslContext::builder(SslMethod::tls())?;
    backend::set_defaults(&mut builder)?;
    for (version, option) in [
        (Protocols::SSL_V2, SslOptions::NO_SSLV2),
        (Protocols::SSL_V3, SslOptions::NO_SSLV3),
        (Protocols::TLS_V1, SslOptions::NO_TLSV1),
        (Protocols::TLS_V1_1, SslOptions::NO_TLSV1_1),
        (Protocols::TLS_V1_2, SslOptions::NO_TLSV1_2),
        (Protocols::TLS_V1_3, SslOptions::NO_TLSV1_3),
    ] {
        if !protocols.contains(version) {
            builder.set_options(option);
        } else if cfg!(feature = "aws-lc") && (version == Protocols::SSL_V2 || version == Protocols::SSL_V3) {
            let name = if version == Protocols::SSL_V2 { "SSLv2" } else { "SSLv3" };
            warnings.push(Warning(format!("{name} is not supported by AWS-LC, ignored")));
        }
    }
    // the listed versions alone decide, not a default of the library or the system
    let lowest = if protocols.contains(Protocols::SSL_V3) && cfg!(not(feature = "aws-lc")) {
        None
    } else {
        Some(SslVersion::TLS1)
    };
    builder.set_min_proto_version(lowest)?;
    builder.set_max_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_mode(SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
    backend::set_read_ahead(&mut builder);
    Ok(builder)
}

fn trust(builder: &mut SslContextBuilder, settings: &ServerSettings) -> Result<(), TlsError> {
    if let Some(source) = &settings.client_ca {
        let mut names: Vec<X509Name> = Vec::new();
        for certificate in identity::certificates(source, false)? {
            let name = certificate.subject_name().to_owned()?;
            let der = name.to_der()?;
            if !names.iter().any(|known| known.to_der().is_ok_and(|known| known == der)) {
                names.push(name);
            }
            builder.cert_store_mut().add_cert(certificate)?;
        }
        let mut list = Stack::new()?;
        for name in names {
            list.push(name)?;
        }
        builder.set_client_ca_list(list);
    }
    trust_more(builder.cert_store_mut(), settings.trusted_ca.as_ref(), settings.crl.as_ref())
}

/// Adds trusted certificates and CRLs to a store; with a CRL every certificate of a chain must have one.
pub(crate) fn trust_more(
    store: &mut X509StoreBuilderRef,
    trusted: Option<&Pem>,
    crl: Option<&Pem>,
) -> Result<(), TlsError> {
    if let Some(source) = trusted {
        for certificate in identity::certificates(source, false)? {
            store.add_cert(certificate)?;
        }
    }
    if let Some(source) = crl {
        for crl in identity::crls(source)? {
            backend::add_crl(store, &crl)?;
        }
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
    }
    Ok(())
}

fn staples(
    context: &SslContext,
    identities: &[Identity],
    settings: &ServerSettings,
    warnings: &mut Vec<Warning>,
) -> Result<Arc<[Arc<Staple>]>, TlsError> {
    let verify = match &settings.stapling {
        Stapling::Off => return Ok(Arc::default()),
        Stapling::Given(name, response) => {
            staple::check(name, response)?;
            return Ok(identities.iter().map(|identity| Arc::new(Staple::given(identity, response))).collect());
        }
        Stapling::Fetched { verify } => *verify,
    };
    let mut trusted = Vec::new();
    for source in settings.client_ca.iter().chain(&settings.trusted_ca) {
        trusted.extend(identity::certificates(source, false)?);
    }
    let fetched = |identity| Staple::fetched(identity, &trusted, context.clone(), verify, warnings).map(Arc::new);
    Ok(identities.iter().filter_map(fetched).collect())
}

const DHPARAM_IGNORED: &str = "\"ssl_dhparam\" ignored, AWS-LC has no DHE ciphers";

fn diffie_hellman(
    builder: &mut SslContextBuilder,
    source: Option<&Pem>,
    level: u32,
    warnings: &mut Vec<Warning>,
) -> Result<(), TlsError> {
    let Some(source) = source else { return Ok(()) };
    let what = format!("PEM_read_bio_DHparams(\"{}\")", source.name);
    let Some(block) = pem::blocks(&source.bytes, &["DH PARAMETERS", "X9.42 DH PARAMETERS"]).next() else {
        return Err(identity::no_block(&what, "DH PARAMETERS"));
    };
    // AWS-LC does not know the form with a subgroup, and has no use for it.
    if cfg!(feature = "aws-lc") && pem::is_labelled(block, "X9.42 DH PARAMETERS") {
        warnings.push(Warning(DHPARAM_IGNORED.to_owned()));
        return Ok(());
    }
    let parameters =
        Dh::params_from_pem(block).map_err(|stack| TlsError::failed(&what, &LibraryErrors::from(&stack)))?;
    let what = format!("SSL_CTX_set_tmp_dh(\"{}\")", source.name);
    if cfg!(feature = "aws-lc") {
        security_level::check_group(&parameters, level, &what)?;
        warnings.push(Warning(DHPARAM_IGNORED.to_owned()));
        return Ok(());
    }
    builder.set_tmp_dh(&parameters).map_err(|stack| TlsError::failed(&what, &LibraryErrors::from(&stack)))
}

fn curves(list: &str, warnings: &mut Vec<Warning>) -> Result<Option<std::ffi::CString>, TlsError> {
    if list == "auto" {
        #[cfg(feature = "aws-lc")]
        return Ok(Some(groups::AUTO.to_owned()));
        #[cfg(not(feature = "aws-lc"))]
        return Ok(None);
    }
    match groups::parse(list, warnings) {
        Some(list) => Ok(Some(list)),
        None => Err(TlsError(format!("SSL_CTX_set1_curves_list(\"{list}\") failed"))),
    }
}

fn sessions(builder: &mut SslContextBuilder, settings: &ServerSettings) -> Option<Arc<TicketKeys>> {
    backend::set_session_timeout(builder, settings.session_timeout);
    let server = SslSessionCacheMode::SERVER;
    let mut shared = None;
    let mode = match &settings.session_cache {
        SessionCache::Off => SslSessionCacheMode::OFF,
        SessionCache::None => server | SslSessionCacheMode::NO_AUTO_CLEAR | SslSessionCacheMode::NO_INTERNAL_STORE,
        SessionCache::Stored { builtin, shared: cache } => {
            shared.clone_from(cache);
            match builtin {
                Some(sessions) => {
                    builder.set_session_cache_size(i32::try_from(*sessions).unwrap_or(i32::MAX));
                    server
                }
                None => server | SslSessionCacheMode::NO_INTERNAL,
            }
        }
    };
    builder.set_session_cache_mode(mode);
    if let Some(cache) = &shared {
        share_sessions(builder, cache, settings);
    }
    if !settings.tickets {
        builder.set_options(SslOptions::NO_TICKET);
        return None;
    }
    let keys = if settings.ticket_keys.is_empty() {
        shared?.ticket_keys()
    } else {
        Arc::new(TicketKeys::Given(settings.ticket_keys.clone()))
    };
    backend::install_ticket_callback(builder);
    Some(keys)
}

fn share_sessions(builder: &mut SslContextBuilder, cache: &Arc<SharedSessionCache>, settings: &ServerSettings) {
    let lifetime = Duration::from_secs(settings.session_timeout);
    let tickets = settings.tickets;
    let store = Arc::clone(cache);
    builder.set_new_session_callback(move |ssl, session| {
        // TLS 1.3 resumes by ticket wherever there are tickets
        if tickets && ssl.version2() == Some(SslVersion::TLS1_3) {
            return;
        }
        if let Ok(bytes) = session.to_der() {
            store.insert(session.id(), bytes, lifetime, Instant::now());
        }
    });
    let store = Arc::clone(cache);
    builder.set_remove_session_callback(move |_, session| store.remove(session.id()));
    backend::set_session_lookup(builder, Arc::clone(cache));
}

fn alpn(builder: &mut SslContextBuilder, protocols: &[Vec<u8>]) {
    if protocols.is_empty() {
        return;
    }
    let ours = protocols.to_vec();
    builder.set_alpn_select_callback(move |_, offered| {
        ours.iter().find_map(|name| find_protocol(offered, name)).ok_or(AlpnError::ALERT_FATAL)
    });
}

/// `name` within a client's offer (names with a length byte before each).
fn find_protocol<'a>(offered: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = offered;
    while let Some((&length, tail)) = rest.split_first() {
        let (candidate, tail) = tail.split_at_checked(length as usize)?;
        if candidate == name {
            return Some(candidate);
        }
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_an_offer_is_searched_without_panic() {
        let offer = b"\x02h2\x08http/1.1";
        assert_eq!(find_protocol(offer, b"http/1.1"), Some(&b"http/1.1"[..]));
        assert_eq!(find_protocol(offer, b"h3"), None);
        for end in 0..offer.len() {
            assert_eq!(find_protocol(&offer[..end], b"http/1.1"), None);
        }
    }
}

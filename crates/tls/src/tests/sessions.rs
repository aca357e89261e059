use std::sync::Arc;
use std::time::Duration;

use crate::tests::kit::*;
use crate::{
    Choice, ClientContext, ClientSettings, ClientVerify, ConnectOptions, Protocols, ServerContext, ServerSettings,
    Session, SessionCache, SharedSessionCache, TicketKey,
};

fn resuming(session: &Session) -> ConnectOptions<'_> {
    ConnectOptions { server_name: Some("b.example"), session: Some(session), ..ConnectOptions::default() }
}

fn client_of(protocols: Protocols) -> Arc<ClientContext> {
    client(&ClientSettings { protocols, ..ClientSettings::default() })
}

/// A session from a full handshake.
fn first(context: &Arc<ServerContext>, client: &ClientContext) -> Session {
    let mut pair = connect(context, client, &ConnectOptions::default()).established();
    assert!(!pair.server.session_reused());
    pair.client.take_session().unwrap()
}

/// Whether a second connection with the first one's session resumes it.
fn resumes(context: &Arc<ServerContext>, client: &ClientContext, session: &Session) -> bool {
    let pair = connect(context, client, &resuming(session)).established();
    assert_eq!(pair.server.session_reused(), pair.client.session_reused());
    pair.server.session_reused()
}

fn shared() -> Arc<SharedSessionCache> {
    Arc::new(SharedSessionCache::new(1 << 20, Duration::from_secs(300)))
}

fn stored(builtin: Option<usize>, shared: Option<&Arc<SharedSessionCache>>) -> SessionCache {
    SessionCache::Stored { builtin, shared: shared.cloned() }
}

#[test]
fn tickets_resume_and_sessions_can_be_used_again() {
    for protocols in [Protocols::TLS_V1_2, Protocols::TLS_V1_3] {
        let context = server(&settings(&self_signed("localhost")));
        let client = client_of(protocols);
        let session = first(&context, &client);
        assert!(resumes(&context, &client, &session));
        assert!(resumes(&context, &client, &session), "a second time");
    }
}

#[test]
fn without_tickets_only_a_cache_resumes() {
    let made = self_signed("localhost");
    let client = client_of(Protocols::TLS_V1_2);
    for (session_cache, expected) in [
        (SessionCache::Off, false),
        (SessionCache::None, false),
        (stored(Some(100), None), true),
        (stored(None, Some(&shared())), true),
    ] {
        let settings = ServerSettings { tickets: false, session_cache: session_cache.clone(), ..settings(&made) };
        let context = server(&settings);
        let mut pair = connect(&context, &client, &ConnectOptions::default()).established();
        let resumed = pair.client.take_session().is_some_and(|session| resumes(&context, &client, &session));
        assert_eq!(resumed, expected, "{session_cache:?}");
    }
}

#[test]
fn a_shared_cache_and_its_ticket_keys_outlive_a_context() {
    let made = self_signed("localhost");
    let cache = shared();
    for (protocols, tickets) in [(Protocols::TLS_V1_2, false), (Protocols::TLS_V1_2, true), (Protocols::TLS_V1_3, true)]
    {
        let settings = ServerSettings { tickets, session_cache: stored(None, Some(&cache)), ..settings(&made) };
        let client = client_of(protocols);
        let session = first(&server(&settings), &client);
        assert!(resumes(&server(&settings), &client, &session));
    }
}

#[test]
fn a_removed_session_is_not_resumed() {
    let cache = shared();
    let settings = ServerSettings {
        tickets: false,
        session_cache: stored(None, Some(&cache)),
        ..settings(&self_signed("localhost"))
    };
    let context = server(&settings);
    let client = client_of(Protocols::TLS_V1_2);
    let mut pair = connect(&context, &client, &ConnectOptions::default()).established();
    pair.server.remove_session();
    let session = pair.client.take_session().unwrap();
    assert!(!resumes(&context, &client, &session));
}

#[test]
fn ticket_keys_of_files_decrypt_whoever_encrypted() {
    let made = self_signed("localhost");
    let key = |byte: u8, length: usize| TicketKey::parse(&vec![byte; length]).unwrap();
    let with = |ticket_keys: Vec<TicketKey>| server(&ServerSettings { ticket_keys, ..settings(&made) });
    for length in [48, 80] {
        for protocols in [Protocols::TLS_V1_2, Protocols::TLS_V1_3] {
            let client = client_of(protocols);
            let session = first(&with(vec![key(1, length)]), &client);
            let turned = with(vec![key(2, length), key(1, length)]);
            let mut pair = connect(&turned, &client, &resuming(&session)).established();
            assert!(pair.server.session_reused());
            // the ticket was under an old key: a new one came (OpenSSL keeps it to itself in TLS 1.2)
            match pair.client.take_session() {
                Some(renewed) => assert!(resumes(&with(vec![key(2, length)]), &client, &renewed)),
                None => assert_eq!((protocols, cfg!(feature = "aws-lc")), (Protocols::TLS_V1_2, false)),
            }
            assert!(!resumes(&with(vec![key(3, length)]), &client, &session));
        }
    }
}

#[test]
fn a_ticket_under_the_current_key_is_renewed_in_tls_1_3_only() {
    let keys = vec![TicketKey::parse(&[7; 48]).unwrap()];
    let context = server(&ServerSettings { ticket_keys: keys, ..settings(&self_signed("localhost")) });
    for (protocols, renewed) in [(Protocols::TLS_V1_2, false), (Protocols::TLS_V1_3, true)] {
        let client = client_of(protocols);
        let session = first(&context, &client);
        let mut pair = connect(&context, &client, &resuming(&session)).established();
        assert!(pair.server.session_reused());
        assert_eq!(pair.client.take_session().is_some(), renewed);
    }
}

#[test]
fn sessions_do_not_cross_rules_for_client_certificates() {
    let made = self_signed("localhost");
    let root = authority("root");
    let open = settings(&made);
    let guarded = ServerSettings { verify: ClientVerify::On, client_ca: Some(root.pem()), ..settings(&made) };
    for protocols in [Protocols::TLS_V1_2, Protocols::TLS_V1_3] {
        let client = client_of(protocols);
        let default = server(&open);
        let session = first(&default, &client);
        let other = server(&guarded);
        let pair =
            connect_choosing(&default, move |_| Choice::Switch(Arc::clone(&other)), &client, &resuming(&session))
                .established();
        assert!(!pair.server.session_reused(), "a full handshake instead");
        let same = server(&open);
        let pair = connect_choosing(&default, move |_| Choice::Switch(Arc::clone(&same)), &client, &resuming(&session))
            .established();
        assert!(pair.server.session_reused());
    }
}

#[test]
fn the_verdict_on_a_client_survives_resumption() {
    let root = authority("root");
    let guarded = ServerSettings {
        verify: ClientVerify::OptionalNoCa,
        client_ca: Some(root.pem()),
        ..settings(&self_signed("localhost"))
    };
    let context = server(&guarded);
    for protocols in [Protocols::TLS_V1_2, Protocols::TLS_V1_3] {
        let certificate = Some(self_signed("me").pair());
        let client = client(&ClientSettings { protocols, certificate, ..ClientSettings::default() });
        let session = first(&context, &client);
        let pair = connect(&context, &client, &resuming(&session)).established();
        assert!(pair.server.session_reused());
        assert_eq!(pair.server.verify_result().code(), 18);
        assert_eq!(pair.server.peer_certificate().unwrap().common_name().unwrap(), "me");
    }
}

#[test]
fn a_client_told_not_to_keeps_no_session() {
    let context = server(&settings(&self_signed("localhost")));
    let client = client(&ClientSettings { session_reuse: false, ..ClientSettings::default() });
    let mut pair = connect(&context, &client, &ConnectOptions::default()).established();
    assert!(pair.client.take_session().is_none());
}

//! `limit_conn`: how many sessions may share a key.

use std::sync::Arc;

use policy::template::Template;

use crate::directive::Directive;

/// Which zone of [`crate::Stream::limit_zones`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneId(pub u32);

/// `limit_conn_zone`.
#[derive(Debug)]
pub struct Zone {
    /// Its name: counts survive a reload under it.
    pub name: String,
    /// Memory for keys, bytes.
    pub size: usize,
    /// The key as written, to compare over a reload.
    pub key_text: String,
    /// The key.
    pub key: Template,
}

/// `limit_conn*` of a server.
#[derive(Debug, Clone)]
pub struct LimitConn {
    /// `limit_conn ZONE N`, in written order.
    pub rules: Arc<[Rule]>,
    /// `limit_conn_log_level`.
    pub log_level: syntax::Level,
    /// `limit_conn_dry_run`.
    pub dry_run: bool,
}

/// One `limit_conn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The zone.
    pub zone: ZoneId,
    /// Most sessions with one key, 1 to 65535.
    pub limit: u32,
}

/// What one block says.
#[derive(Debug, Default)]
pub(crate) struct Settings {}

/// Zones while they are read: named by a `limit_conn` perhaps before they are defined.
#[derive(Debug, Default)]
pub(crate) struct Zones {}

pub(crate) const DIRECTIVES: &[Directive] = &[];

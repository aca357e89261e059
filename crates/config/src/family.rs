//! The directive families, one file each: their directives, what is written before
//! inheritance (`Settings`) and what holds after it.

pub mod access;
pub mod core;
pub mod events;
pub mod geo;
pub mod guard;
pub mod limit_conn;
pub mod listen;
pub mod log;
pub mod main_context;
pub mod map;
pub mod overload;
pub mod pass;
pub mod proxy;
pub mod proxy_ssl;
pub mod realip;
pub mod return_text;
pub mod set;
pub mod split_clients;
pub mod ssl;
pub mod ssl_preread;
pub mod upstream;

/// What one `stream { }` or `server { }` block says itself, before inheritance.
#[derive(Debug, Default)]
pub struct Settings {
    pub(crate) core: core::Settings,
    pub(crate) log: log::Settings,
    pub(crate) proxy: proxy::Settings,
    pub(crate) proxy_ssl: proxy_ssl::Settings,
    pub(crate) ssl: ssl::Settings,
    pub(crate) realip: realip::Settings,
    pub(crate) limit_conn: limit_conn::Settings,
    pub(crate) access: access::Settings,
    pub(crate) overload: overload::Settings,
    pub(crate) guard: guard::Settings,
    pub(crate) ssl_preread: ssl_preread::Settings,
}

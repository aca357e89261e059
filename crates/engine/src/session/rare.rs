//! Facts of a session that most have none of: together in one box, so that an idle session stays small.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use policy::address::Address;
use policy::limit_conn::Slot;

use super::{limit_conn, udp};

/// What most sessions have none of.
#[derive(Default)]
pub struct Rare {
    /// The PROXY header that came.
    pub header: OnceCell<Box<wire::proxy_protocol::Header>>,
    /// The peer's own address where realip replaced it.
    pub original: OnceCell<Address>,
    /// What variables may ask of the client's TLS connection.
    pub tls: OnceCell<crate::tls::Connection>,
    /// The name that the `ClientHello` asked for, known while the handshake is under way.
    pub server_name: RefCell<Option<Box<[u8]>>>,
    /// Why `ssl_ocsp` refuses the client.
    pub ocsp_refusal: Cell<Option<&'static str>>,
    /// Slots held in `limit_conn` zones until the session ends.
    pub slots: RefCell<Vec<Slot>>,
    /// `$limit_conn_status`.
    pub limit_status: Cell<Option<limit_conn::Status>>,
    /// The group or value whose name lines about the upstream bear before a peer is chosen.
    pub upstream_name: RefCell<Option<Box<str>>>,
    /// The datagrams of the session, for UDP.
    pub udp: OnceCell<Rc<udp::Flow>>,
}

impl fmt::Debug for Rare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rare").finish_non_exhaustive()
    }
}

impl Rare {
    /// What belongs to the connection and not to the session alone.
    pub(super) fn of_connection(&self) -> Self {
        Self {
            header: self.header.clone(),
            tls: self.tls.clone(),
            server_name: self.server_name.clone(),
            ocsp_refusal: self.ocsp_refusal.clone(),
            slots: RefCell::new(self.slots.take()),
            ..Self::default()
        }
    }
}

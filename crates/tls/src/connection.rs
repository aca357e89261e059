//! What a connection's callbacks need, kept in the library's slot for user data on each connection.

use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef, SslSession};

#[cfg(feature = "aws-lc")]
use crate::agreement::Offer;
use crate::hello::{ClientHello, Hello};
use crate::messages::Messages;
use crate::staple::Staple;
use crate::tickets::TicketKeys;

/// How far the early choice of the server has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No `ClientHello` yet: stop when it comes.
    #[default]
    Waiting,
    /// The `ClientHello` is here; the stream has to choose.
    Choosing,
    /// Chosen: go on.
    Chosen,
    /// End the handshake with this alert; AWS-LC can do so without the callback.
    #[cfg(not(feature = "aws-lc"))]
    Abort(u8),
}

/// What becomes of a request for another hello (RFC 8446 §4.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SecondHello {
    /// There was none, so far.
    #[default]
    NotAsked,
    /// It is out.
    Awaited,
    /// It was answered.
    Come,
}

/// A connection's user data.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    pub(crate) hello: Hello,
    pub(crate) second_hello: SecondHello,
    /// What the client offers, until the server is chosen.
    #[cfg(feature = "aws-lc")]
    pub(crate) offer: Option<Box<Offer>>,
    /// The protocol that was about to be spoken when the handshake failed, where the library knows none yet.
    pub(crate) intended: Option<&'static str>,
    /// The handshake failed before a cipher was chosen, for all that the library says.
    pub(crate) has_no_cipher: bool,
    /// Whether the `ClientHello`'s lists are kept for variables.
    pub(crate) capture_hello: bool,
    /// What messages told, where variables ask for it.
    pub(crate) messages: Option<Box<Messages>>,
    pub(crate) ticket_keys: Option<Arc<TicketKeys>>,
    pub(crate) staples: Arc<[Arc<Staple>]>,
    /// The one that the client asked for.
    pub(crate) staple: Option<Arc<Staple>>,
    /// The newest session a server gave us.
    pub(crate) session: Option<SslSession>,
}

static INDEX: OnceLock<Index<Ssl, Connection>> = OnceLock::new();

fn index() -> Result<Index<Ssl, Connection>, ErrorStack> {
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let new = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| new))
}

impl Connection {
    pub(crate) fn attach(self, ssl: &mut SslRef) -> Result<(), ErrorStack> {
        ssl.set_ex_data(index()?, self);
        Ok(())
    }

    pub(crate) fn of(ssl: &SslRef) -> Option<&Self> {
        ssl.ex_data(*INDEX.get()?)
    }

    pub(crate) fn of_mut(ssl: &mut SslRef) -> Option<&mut Self> {
        ssl.ex_data_mut(*INDEX.get()?)
    }

    /// There is no version in common: OpenSSL goes by the old field then, and has read nothing else.
    #[cfg(feature = "aws-lc")]
    pub(crate) fn forget_offer(&mut self) {
        self.intended = Some(match self.hello.legacy_version {
            0x0301 => "TLSv1",
            0x0302 => "TLSv1.1",
            _ => "TLSv1.2",
        });
        self.hello.forget();
    }

    /// Called with each `ClientHello`: what the handshake is to do now.
    pub(crate) fn on_hello(&mut self, hello: &ClientHello<'_>) -> Phase {
        if self.phase == Phase::Waiting {
            self.hello = Hello::of(hello, self.capture_hello);
            #[cfg(feature = "aws-lc")]
            {
                self.offer = Some(Box::new(Offer::of(hello)));
            }
            self.phase = Phase::Choosing;
        }
        self.phase
    }
}

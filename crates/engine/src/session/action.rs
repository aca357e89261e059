//! What a session is doing, for its log lines.

/// What a session is doing, as error-log lines put it (`while …`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing that has a name.
    None,
    /// The phases before TLS.
    Initializing,
    /// Reading the PROXY header.
    ReadingHeader,
    /// The client's handshake.
    Handshaking,
    /// Waiting for a `ClientHello` to look into.
    Prereading,
    /// `return`.
    Returning,
    /// `pass`.
    Passing,
    /// Connecting to a peer.
    Connecting,
    /// The upstream's handshake.
    HandshakingUpstream,
    /// Relaying.
    Proxying,
    /// Relaying, at a read from the client.
    ReadingClient,
    /// Relaying, at a write to the client.
    SendingClient,
    /// Relaying, at a read from the upstream.
    ReadingUpstream,
    /// Relaying, at a write to the upstream.
    SendingUpstream,
}

impl Action {
    /// The words after `while`; none where there is nothing to say.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Initializing => "initializing session",
            Self::ReadingHeader => "reading PROXY protocol",
            Self::Handshaking => "SSL handshaking",
            Self::Prereading => "prereading client data",
            Self::Returning => "returning text",
            Self::Passing => "passing connection to port",
            Self::Connecting => "connecting to upstream",
            Self::HandshakingUpstream => "SSL handshaking to upstream",
            Self::Proxying => "proxying connection",
            Self::ReadingClient => "proxying and reading from client",
            Self::SendingClient => "proxying and sending to client",
            Self::ReadingUpstream => "proxying and reading from upstream",
            Self::SendingUpstream => "proxying and sending to upstream",
        }
    }
}

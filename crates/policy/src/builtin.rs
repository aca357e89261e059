//! The table of built-in variables: one row each, and nothing else knows their names.

macro_rules! builtins {
    ($($variant:ident $name:literal $flags:ident $doc:literal;)*) => {
        /// A built-in variable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Builtin { $(#[doc = $doc] $variant,)* }

        impl Builtin {
            /// Every one, in the order of the manual.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name without the dollar sign; for a prefix variable, the prefix.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            const fn flags(self) -> Flags {
                match self { $(Self::$variant => Flags::$flags,)* }
            }
        }
    };
}

/// How a built-in behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flags {
    /// The same throughout a session, so that nothing is gained by remembering it.
    Constant,
    /// Evaluated once per session.
    Cached,
    /// Evaluated anew for each text.
    Fresh,
    /// Evaluated once; a configuration may define its own by that name.
    Redefinable,
    /// A prefix of names, evaluated once each.
    Prefix,
}

builtins! {
    BinaryRemoteAddr "binary_remote_addr" Constant "Client address, 4 or 16 raw bytes.";
    RemoteAddr "remote_addr" Constant "Client address, after realip.";
    RemotePort "remote_port" Constant "Client port.";
    ServerAddr "server_addr" Constant "Local address of the connection.";
    ServerPort "server_port" Constant "Local port of the connection.";
    ServerName "server_name" Cached "First name of the server.";
    BytesReceived "bytes_received" Cached "Bytes from the client.";
    BytesSent "bytes_sent" Cached "Bytes to the client.";
    Connection "connection" Constant "Serial number of the connection.";
    SessionTime "session_time" Fresh "Length of the session so far, seconds with milliseconds.";
    Status "status" Fresh "Status of the session: 200, 400, 403, 500, 502 or 503.";
    Protocol "protocol" Constant "TCP or UDP.";
    Hostname "hostname" Constant "Name of this machine.";
    NginxVersion "nginx_version" Constant "Release of nginx whose behaviour this is.";
    LockgateCounters "lockgate_counters" Fresh "What the process that serves has counted so far, in Prometheus' text format. Lockgate's own.";
    Pid "pid" Constant "Process number.";
    Msec "msec" Fresh "Unix time, seconds with milliseconds.";
    TimeIso8601 "time_iso8601" Fresh "Local time in ISO 8601.";
    TimeLocal "time_local" Fresh "Local time in the common log format.";
    RealipRemoteAddr "realip_remote_addr" Constant "Peer address, whatever realip replaced it by.";
    RealipRemotePort "realip_remote_port" Constant "Peer port, whatever realip replaced it by.";
    ProxyProtocolAddr "proxy_protocol_addr" Constant "Source address of the PROXY header.";
    ProxyProtocolPort "proxy_protocol_port" Constant "Source port of the PROXY header.";
    ProxyProtocolServerAddr "proxy_protocol_server_addr" Constant "Destination address of the PROXY header.";
    ProxyProtocolServerPort "proxy_protocol_server_port" Constant "Destination port of the PROXY header.";
    ProxyProtocolTlv "proxy_protocol_tlv_" Prefix "A TLV of the PROXY header, by name or 0xHH.";
    LimitConnStatus "limit_conn_status" Fresh "Outcome of the limits: passed, rejected, or rejected in a dry run.";
    UpstreamAddr "upstream_addr" Fresh "Addresses of the peers tried.";
    UpstreamBytesSent "upstream_bytes_sent" Fresh "Bytes to each peer.";
    UpstreamBytesReceived "upstream_bytes_received" Fresh "Bytes from each peer.";
    UpstreamConnectTime "upstream_connect_time" Fresh "Time to connect to each peer.";
    UpstreamFirstByteTime "upstream_first_byte_time" Fresh "Time to the first byte of each peer.";
    UpstreamSessionTime "upstream_session_time" Fresh "Time with each peer.";
    SslPrereadProtocol "ssl_preread_protocol" Cached "Highest TLS version of the client's first message.";
    SslPrereadServerName "ssl_preread_server_name" Cached "Server name of the client's first message.";
    SslPrereadAlpnProtocols "ssl_preread_alpn_protocols" Cached "ALPN protocols of the client's first message.";
    SslProtocol "ssl_protocol" Redefinable "TLS version of the client's connection.";
    SslCipher "ssl_cipher" Redefinable "Cipher of the client's connection.";
    SslCiphers "ssl_ciphers" Redefinable "Ciphers that the client offered.";
    SslCurve "ssl_curve" Redefinable "Group of the key exchange.";
    SslCurves "ssl_curves" Redefinable "Groups that the client offered.";
    SslSigalg "ssl_sigalg" Redefinable "Signature algorithm of the server.";
    SslClientSigalg "ssl_client_sigalg" Redefinable "Signature algorithm of the client.";
    SslSigalgs "ssl_sigalgs" Redefinable "Signature algorithms that the client offered.";
    SslSessionId "ssl_session_id" Redefinable "Session id of the client's connection.";
    SslSessionReused "ssl_session_reused" Redefinable "r for a resumed session, else a dot.";
    SslServerName "ssl_server_name" Redefinable "Server name that the client asked for.";
    SslAlpnProtocol "ssl_alpn_protocol" Redefinable "ALPN protocol selected.";
    SslEchStatus "ssl_ech_status" Redefinable "What became of an encrypted hello: `SUCCESS`, `GREASE` (it could not be read) or `NOT_TRIED`.";
    SslEchOuterServerName "ssl_ech_outer_server_name" Redefinable "Open server name beside an encrypted hello that could be read.";
    SslClientCert "ssl_client_cert" Redefinable "Client certificate in PEM, lines but the first indented.";
    SslClientRawCert "ssl_client_raw_cert" Redefinable "Client certificate in PEM.";
    SslClientEscapedCert "ssl_client_escaped_cert" Redefinable "Client certificate in PEM, URI-escaped.";
    SslClientSDn "ssl_client_s_dn" Redefinable "Subject of the client certificate (RFC 2253).";
    SslClientIDn "ssl_client_i_dn" Redefinable "Issuer of the client certificate (RFC 2253).";
    SslClientSerial "ssl_client_serial" Redefinable "Serial number of the client certificate.";
    SslClientFingerprint "ssl_client_fingerprint" Redefinable "SHA-1 of the client certificate.";
    SslClientVerify "ssl_client_verify" Redefinable "SUCCESS, FAILED:reason or NONE.";
    SslClientVStart "ssl_client_v_start" Redefinable "Start of the client certificate's validity.";
    SslClientVEnd "ssl_client_v_end" Redefinable "End of the client certificate's validity.";
    SslClientVRemain "ssl_client_v_remain" Redefinable "Whole days until the client certificate expires.";
}

impl Builtin {
    /// The built-in of this (lower-case) name, with what follows a prefix. The longest prefix wins.
    pub fn find(name: &str) -> Option<(Self, &str)> {
        let exact = Self::ALL.iter().find(|one| one.flags() != Flags::Prefix && one.name() == name);
        let prefixed = || {
            Self::ALL
                .iter()
                .filter(|one| one.flags() == Flags::Prefix)
                .filter_map(|one| name.strip_prefix(one.name()).map(|rest| (*one, rest)))
                .max_by_key(|(one, _)| one.name().len())
        };
        exact.map(|one| (*one, "")).or_else(prefixed)
    }

    /// Whether it is evaluated anew for each text.
    pub fn is_fresh(self) -> bool {
        self.flags() == Flags::Fresh
    }

    /// Whether it is the same throughout a session.
    pub(crate) fn is_constant(self) -> bool {
        self.flags() == Flags::Constant
    }

    /// Whether it is a prefix of names, each of which may also be defined by a configuration.
    pub fn is_prefix(self) -> bool {
        self.flags() == Flags::Prefix
    }

    /// Whether a configuration may define its own variable of this name.
    pub fn is_redefinable(self) -> bool {
        self.flags() == Flags::Redefinable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert_eq!(Builtin::find("remote_addr"), Some((Builtin::RemoteAddr, "")));
        assert_eq!(Builtin::find("proxy_protocol_tlv_alpn"), Some((Builtin::ProxyProtocolTlv, "alpn")));
        assert_eq!(Builtin::find("proxy_protocol_tl"), None);
        assert!(Builtin::Status.is_fresh() && !Builtin::BytesSent.is_fresh());
        assert!(Builtin::SslProtocol.is_redefinable() && !Builtin::SslPrereadProtocol.is_redefinable());
        for (at, one) in Builtin::ALL.iter().enumerate() {
            assert!(!Builtin::ALL[..at].iter().any(|other| other.name() == one.name()), "{}", one.name());
        }
    }
}

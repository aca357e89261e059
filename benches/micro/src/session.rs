//! A session that knows a few of its variables.

use std::net::{IpAddr, Ipv4Addr};

use policy::builtin::Builtin;
use policy::cache::Cache;
use policy::template::{Captures, Template};
use policy::variables::{Scope, Values, Variables};

/// A session of a client that asked for a name.
pub struct Session {
    pub name: String,
}

impl Values for Session {
    fn builtin(&self, which: Builtin, _: &str, out: &mut Vec<u8>) -> bool {
        let value = match which {
            Builtin::RemoteAddr => "203.0.113.7",
            Builtin::TimeIso8601 => "2026-01-01T00:00:00+00:00",
            Builtin::Protocol => "TCP",
            Builtin::Status => "200",
            Builtin::BytesSent | Builtin::BytesReceived => "123456",
            Builtin::SessionTime => "1.234",
            Builtin::SslPrereadServerName => &self.name,
            _ => return false,
        };
        out.extend_from_slice(value.as_bytes());
        true
    }

    fn client_ip(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::new(203, 0, 113, 7).into())
    }

    fn complain(&self, _: &str) {}
}

/// A text to be rendered for a session again and again.
pub struct Text {
    pub variables: Variables,
    pub template: Template,
    pub session: Session,
}

impl Text {
    /// Reads `text` among `variables`.
    pub fn new(text: &str, mut variables: Variables, name: String) -> Self {
        let template = Template::parse(text.as_bytes(), &mut variables, Captures::Plain).expect("a template");
        Self { variables, template, session: Session { name } }
    }

    /// Appends it as it is for a session that remembers nothing yet.
    pub fn render(&self, out: &mut Vec<u8>) {
        let cache = Cache::default();
        self.template.render(&Scope { variables: &self.variables, values: &self.session, cache: &cache }, out);
    }
}

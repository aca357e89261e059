//! One configuration and one client under both programs; what is to be seen of each run, made comparable.

use testkit::{Binary, Builder, Gateway};

/// What one run shows.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// What the client made of it.
    client: String,
    access: Vec<String>,
    /// The lines of the log named by [`Comparison::also`].
    also: Vec<String>,
    errors: Vec<String>,
}

/// The access log of every case.
const LOG: &str = "log_format compared '$protocol $status $bytes_received $bytes_sent $remote_addr $server_addr:$server_port \
                   $server_name [$upstream_addr] [$upstream_bytes_sent] [$upstream_bytes_received] $connection';\n\
                   access_log %dir/access.log compared;\n";

/// A comparison: `stream` under both programs, with `client` doing the same to each. `client` names the sessions that
/// it began by the number of access log lines to wait for.
pub(crate) struct Comparison<'a> {
    stream: String,
    main: &'a str,
    level: &'static str,
    with: Vec<(&'a str, String)>,
    also: Option<&'a str>,
    unordered: bool,
    runs: usize,
    connections: Option<usize>,
}

/// Compares `stream`, the inside of `stream {}`.
pub(crate) fn compare<'a>(stream: &str) -> Comparison<'a> {
    let stream = format!("{LOG}{stream}");
    let (with, also, connections) = (Vec::new(), None, None);
    Comparison { stream, main: "", level: "info", with, also, unordered: false, runs: 1, connections }
}

impl<'a> Comparison<'a> {
    /// Sets what `%name` stands for.
    pub(crate) fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.with.push((name, value.into()));
        self
    }

    /// Sets the level of the error log, else `info`.
    pub(crate) fn level(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    /// Sets directives of the main context.
    pub(crate) fn main(mut self, main: &'a str) -> Self {
        self.main = main;
        self
    }

    /// Compares the log file of this name, too.
    pub(crate) fn also(mut self, log: &'a str) -> Self {
        self.also = Some(log);
        self
    }

    /// Sets `worker_connections`.
    pub(crate) fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Sessions end at the same time, so that their lines in logs may come in any order.
    pub(crate) fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    /// What is seen depends on who is faster, or on how busy the machine is: it has to be the same in one of several runs.
    pub(crate) fn racing(mut self) -> Self {
        self.runs = 5;
        self
    }

    /// Runs both; `lines` is how many sessions the client begins.
    pub(crate) fn run(self, lines: usize, client: impl Fn(&mut Gateway) -> String) {
        let seen = || [crate::nginx(), crate::lockgate()].map(|binary| self.seen(binary, lines, &client));
        let [mut theirs, mut ours] = seen();
        for _ in 1..self.runs {
            if theirs != ours {
                [theirs, ours] = seen();
            }
        }
        assert!(theirs == ours, "\n{}\nnginx {theirs:#?}\nLockgate {ours:#?}", self.stream);
    }

    fn seen(&self, binary: Binary, lines: usize, client: &impl Fn(&mut Gateway) -> String) -> Seen {
        let mut builder = Builder::new(binary, &self.stream).main(self.main).level(self.level);
        if let Some(connections) = self.connections {
            builder = builder.connections(connections);
        }
        for (name, value) in &self.with {
            builder = builder.with(name, value.clone());
        }
        let mut gateway = builder.start();
        let said = client(&mut gateway);
        gateway.access(lines);
        gateway.signal(testkit::Signal::QUIT);
        gateway.wait();
        let ports = ports(&self.stream).into_iter().filter(|name| self.with.iter().all(|(known, _)| known != name));
        let ports: Vec<(String, String)> = ports.map(|name| (gateway.port(&name).to_string(), name)).collect();
        let dir = gateway.path("").display().to_string();
        // Services are the same for both programs, so that it shows which of them was chosen.
        let services = self.with.iter().filter(|(_, value)| value.parse::<std::net::SocketAddr>().is_ok());
        let services: Vec<_> = services.collect();
        let plain = |text: String| {
            let text = text.replace(dir.trim_end_matches('/'), "%dir");
            let text = services.iter().fold(text, |text, (name, value)| text.replace(value, &format!("%{name}")));
            anonymous(&ports.iter().fold(text, |text, (port, name)| replace_number(&text, port, name)))
        };
        let errors = gateway.errors().into_iter().filter(|line| line.level != "notice").map(|line| {
            let number = line.connection.map(|number| format!("*{number} ")).unwrap_or_default();
            plain(format!("[{}] {number}{}", line.level, line.text))
        });
        let mut errors: Vec<String> = errors.collect();
        // Sessions that run at the same time may speak in any order, each for itself in its own.
        errors.sort_by_key(|line| line.split('*').nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok()));
        let lines = |name: &str| {
            let mut lines: Vec<String> = gateway.access_in(name, 0).into_iter().map(plain).collect();
            if self.unordered {
                lines.sort();
            }
            lines
        };
        let also = self.also.map(lines).unwrap_or_default();
        Seen { client: plain(said), access: lines("access.log"), also, errors }
    }
}

/// The names of leased ports: `127.0.0.1:%name`, or the same after a wildcard.
fn ports(stream: &str) -> Vec<String> {
    let names = stream.split(":%").skip(1);
    let mut names: Vec<String> =
        names.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect()).collect();
    names.retain(|name| name != "dir" && name != "pki");
    names.sort();
    names.dedup();
    names
}

/// Replaces `number` where it stands for itself.
fn replace_number(text: &str, number: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(number) {
        let is_part = before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if is_part { number } else { name });
        rest = after;
    }
    out + rest
}

/// Replaces the ports that the kernel chose, after any address of this machine.
fn anonymous(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(':') {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let is_port = rest.len() + 3 < part.len() && is_address(&out);
        out.push_str(if is_port { "#" } else { "" });
        out.push_str(if is_port { rest } else { part });
    }
    out
}

/// Whether `text` ends in an address and a colon.
fn is_address(text: &str) -> bool {
    let before = text.strip_suffix(':').unwrap_or_default();
    let word = before.rsplit([' ', '"', '[', '(']).next().unwrap_or_default();
    before.ends_with(']') || word.starts_with("127.")
}

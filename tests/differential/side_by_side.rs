//! One configuration and one client under both programs; what is to be seen of each run, made comparable.

use testkit::{Binary, Builder, Gateway};

/// What one run shows.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// What the client made of it.
    client: String,
    access: Vec<String>,
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
}

/// Compares `stream`, the inside of `stream {}`.
pub(crate) fn compare<'a>(stream: &str) -> Comparison<'a> {
    Comparison { stream: format!("{LOG}{stream}"), main: "", level: "info", with: Vec::new() }
}

impl<'a> Comparison<'a> {
    /// Sets what `%name` stands for.
    pub(crate) fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.with.push((name, value.into()));
        self
    }

    /// Runs both; `lines` is how many sessions the client begins.
    pub(crate) fn run(self, lines: usize, client: impl Fn(&mut Gateway) -> String) {
        let [theirs, ours] = [crate::nginx(), crate::lockgate()].map(|binary| self.seen(binary, lines, &client));
        assert!(theirs == ours, "\n{}\nnginx {theirs:#?}\nLockgate {ours:#?}", self.stream);
    }

    fn seen(&self, binary: Binary, lines: usize, client: &impl Fn(&mut Gateway) -> String) -> Seen {
        let mut builder = Builder::new(binary, &self.stream).main(self.main).level(self.level);
        for (name, value) in &self.with {
            builder = builder.with(name, value.clone());
        }
        let mut gateway = builder.start();
        let said = client(&mut gateway);
        let access = gateway.access(lines);
        gateway.signal(testkit::Signal::QUIT);
        gateway.wait();
        let ports = ports(&self.stream).into_iter().filter(|name| self.with.iter().all(|(known, _)| known != name));
        let ports: Vec<(String, String)> = ports.map(|name| (gateway.port(&name).to_string(), name)).collect();
        let dir = gateway.path("").display().to_string();
        let plain = |text: String| {
            let text = text.replace(dir.trim_end_matches('/'), "%dir");
            anonymous(&ports.iter().fold(text, |text, (port, name)| text.replace(port, name)))
        };
        let errors = gateway.errors().into_iter().filter(|line| line.level != "notice").map(|line| {
            let number = line.connection.map(|number| format!("*{number} ")).unwrap_or_default();
            plain(format!("[{}] {number}{}", line.level, line.text))
        });
        let mut errors: Vec<String> = errors.collect();
        // Sessions that run at the same time may speak in any order, each for itself in its own.
        errors.sort_by_key(|line| line.split('*').nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok()));
        Seen { client: plain(said), access: access.into_iter().map(plain).collect(), errors }
    }
}

/// The names of leased ports: `127.0.0.1:%name`.
fn ports(stream: &str) -> Vec<String> {
    let names = stream.split("127.0.0.1:%").skip(1);
    let mut names: Vec<String> =
        names.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect()).collect();
    names.sort();
    names.dedup();
    names
}

/// Replaces the ports that the kernel chose.
fn anonymous(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        out.push_str("127.0.0.1:");
        out.push_str(if rest.len() < part.len() { "#" } else { "" });
        out.push_str(rest);
    }
    out
}

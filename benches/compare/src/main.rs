//! Load for comparing gateways: clients, their backends, certificates, and a bare relay as the floor. Run by tools/compare.
//!
//! The driver speaks with it by lines: `READY` when the warm-up is over, `GO` to begin, `RESULT` and JSON at the end.
mod backend;
mod certificates;
mod client;
mod connection;
mod echo;
mod load;
mod options;
mod relay;
mod sys;
mod tls;
mod udp;

use connection::{Front, Kind};
use load::{Amount, Load, Names};
use options::Options;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: lockgate-load gen|udp|probe|relay|certificates --option value …";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The next line of standard input; byte by byte, so that later lines stay in the pipe.
fn hear() -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while sys::read_stdin(&mut byte) > 0 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

fn prepare(options: &Options) -> Result<Load> {
    let front = match options.text("front").unwrap_or("plain") {
        "hello" => Front::Hello,
        "tls" => Front::Tls,
        "plain" => Front::Plain,
        other => return Err(format!("--front: {other}").into()),
    };
    let mut load = Load::new(front, options.port("target")?, options.port("backend")?)?;
    load.deadline = Instant::now() + Duration::from_secs(options.number("max-secs", 60)?);
    if let Some(name) = options.text("name") {
        load.name = name.into();
    }
    let count = options.number("names", 0)?;
    if count > 0 {
        load.name = "h0000000.bench.test".into();
    }
    if front == Front::Hello {
        load.hello = tls::client_hello(&load.name)?;
    }
    if count > 0 {
        let name = load.name.as_bytes();
        let at = load.hello.windows(name.len()).position(|window| window == name).map_or(0, |at| at + 1);
        load.names = Some(Names { digits: at..at + 7, count });
    }
    let pair = |certificate, key| options.text(certificate).zip(options.text(key));
    if front == Front::Tls {
        let authority = options.text("ca").ok_or("--ca is missing")?;
        load.client = Some(tls::Client::new(authority, pair("cert", "key"), options.has("resume"))?);
    }
    if let Some((certificate, key)) = pair("backend-cert", "backend-key") {
        load.server = Some(tls::Server::new(certificate, key)?);
    }
    Ok(load)
}

fn generate(options: &Options) -> Result<()> {
    let kind = match options.text("kind").unwrap_or("conns") {
        "conns" | "down" => Kind::Down,
        "up" => Kind::Up,
        "idle" => Kind::Idle,
        "ping" => Kind::Ping,
        "echo" => Kind::Echo,
        other => return Err(format!("--kind: {other}").into()),
    };
    let mut load = prepare(options)?;
    let amount = Amount {
        count: options.number("count", 1)?,
        at_once: options.number("at-once", 1)?,
        bytes: options.number("bytes", 1)?,
        rounds: options.number("rounds", 1)?,
    };
    warm_up(&mut load, kind, amount, options.number("warm", 0)?)?;
    if kind == Kind::Echo {
        load.run(kind, Amount { bytes: 0, rounds: 0, ..amount }, false)?;
    }
    say("READY");
    if hear() != "GO" {
        return Ok(());
    }
    let before = sys::own_cpu();
    let seconds = if kind == Kind::Echo {
        let milliseconds = |name, default| options.number(name, default).map(Duration::from_millis);
        load.echo_until_end(milliseconds("gap-ms", 100)?, milliseconds("probe-ms", 10)?)?
    } else {
        load.run(kind, amount, options.has("endless"))?
    };
    report(&mut load, seconds, sys::own_cpu() - before);
    if kind != Kind::Echo {
        hear();
    }
    Ok(())
}

/// The same kind of connection, a few of them.
fn warm_up(load: &mut Load, kind: Kind, amount: Amount, warm: u64) -> Result<()> {
    if warm == 0 {
        return Ok(());
    }
    let few = Amount { count: warm, ..amount };
    match kind {
        Kind::Down | Kind::Up => load.run(kind, Amount { bytes: amount.bytes.min(8 << 20), ..few }, false)?,
        Kind::Ping => load.run(kind, Amount { count: 1, rounds: warm, ..amount }, false)?,
        Kind::Idle | Kind::Echo => load.run(Kind::Down, Amount { bytes: 1, ..few }, false)?,
    };
    if load.tally.fail > 0 {
        return Err(format!("warm-up: {} failed ({})", load.tally.fail, load.tally.error).into());
    }
    Ok(load.settle(Duration::from_millis(100))?)
}

fn report(load: &mut Load, seconds: f64, cpu: f64) {
    let tally = &mut load.tally;
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| tally.quantile(share));
    say(&format!(
        "RESULT {{\"secs\":{seconds:.6},\"gen_cpu\":{cpu:.6},\"done\":{},\"fail\":{},\"held\":{},\"broken\":{},\
         \"messages\":{},\"probe_ok\":{},\"probe_fail\":{},\"accepted\":{},\"resumed\":{},\"backend_resumed\":{},\
         \"bytes\":{},\"p50_us\":{p50:.2},\"p90_us\":{p90:.2},\"p99_us\":{p99:.2},\"max_us\":{max:.2},\
         \"tls\":\"{}\",\"backend_tls\":\"{}\",\"error\":\"{}\"}}",
        tally.done,
        tally.fail,
        tally.held,
        tally.broken,
        tally.messages,
        tally.probe_ok,
        tally.probe_fail,
        tally.accepted,
        tally.resumed,
        tally.backend_resumed,
        tally.bytes,
        tally.tls,
        tally.backend_tls,
        tally.error,
    ));
}

fn datagrams(options: &Options) -> Result<()> {
    let load = udp::Udp {
        target: options.port("target")?,
        backend: options.port("backend")?,
        sockets: options.number("sockets", 100)?,
        size: options.number("size", 64)?.max(16) as usize,
        most: Duration::from_secs(options.number("max-secs", 60)?),
    };
    let backend = load.bind()?;
    let fresh = options.has("fresh");
    let warm = load.run(backend, options.number("warm", 0)?, fresh)?;
    if warm.wrong + warm.lost > 0 {
        return Err(format!("warm-up: {} wrong, {} lost", warm.wrong, warm.lost).into());
    }
    say("READY");
    if hear() != "GO" {
        return Ok(());
    }
    let before = sys::own_cpu();
    let tally = load.run(backend, options.number("count", 1000)?, fresh)?;
    say(&format!(
        "RESULT {{\"secs\":{:.6},\"gen_cpu\":{:.6},\"done\":{},\"lost\":{},\"fail\":{},\"error\":\"\"}}",
        tally.seconds,
        sys::own_cpu() - before,
        tally.done,
        tally.lost,
        tally.wrong
    ));
    hear();
    Ok(())
}

/// Tries a whole exchange again and again until it succeeds, and says when that was.
fn probe(options: &Options) -> Result<()> {
    let mut load = prepare(options)?;
    let most = Duration::from_secs(options.number("max-secs", 60)?);
    let end = Instant::now() + most;
    say("READY");
    while Instant::now() < end {
        load.deadline = Instant::now() + most;
        let one = Amount { count: 1, at_once: 1, bytes: 100, rounds: 0 };
        if load.run(Kind::Down, one, false).is_ok() && load.tally.fail == 0 {
            say(&format!("UP {}", sys::now_ns()));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(format!("never came up: {}", load.tally.error).into())
}

fn relay(options: &Options) -> Result<()> {
    let relay = relay::Relay {
        listen: options.port("listen")?,
        to: options.port("to")?,
        splice: options.text("mode") == Some("splice"),
        socket_buffer: i32::try_from(options.number("socket-buffer", 0)?)?,
    };
    Ok(relay.run()?)
}

fn make_certificates(options: &Options) -> Result<()> {
    let directory = Path::new(options.text("in").ok_or("--in is missing")?);
    match options.text("many") {
        Some(into) => certificates::many(directory, Path::new(into), options.number("count", 1)?),
        None => certificates::make(directory),
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let result = Options::parse(words).and_then(|options| match command.as_str() {
        "gen" => generate(&options),
        "udp" => datagrams(&options),
        "probe" => probe(&options),
        "relay" => relay(&options),
        "certificates" => make_certificates(&options),
        _ => Err(USAGE.into()),
    });
    if let Err(error) = result {
        say(&format!("ERROR {error}"));
        std::process::exit(1);
    }
}

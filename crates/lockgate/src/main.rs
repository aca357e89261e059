//! The binary: flags, subcommands, process model, signals, exit codes.

mod args;
mod codec;
mod demo;
mod instance;
mod machine;
mod outcome;
mod paths;
mod report;
mod serve;
mod signal;
mod transcript;
mod version;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use args::Args;
use engine::log::error::Target;
use engine::log::{ErrorLogs, LogFile};
use instance::Instance;
use report::{Report, say};
use syntax::Level;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "demo") {
        return demo(std::env::args_os().skip(2));
    }
    let words: Vec<_> = std::env::args_os().collect();
    let args = match Args::parse(words.iter().skip(1).cloned()) {
        Ok(args) => args,
        Err(message) => {
            say(&format!("nginx: {message}\n"));
            return ExitCode::FAILURE;
        }
    };
    if args.version {
        say(&if args.configure { version::configure() } else { version::version() });
        if args.help {
            say(version::USAGE);
        }
        if !args.test {
            return ExitCode::SUCCESS;
        }
    }
    let options = paths::options(&args);
    let report = Report::new(startup_log(&options.error_log));
    if args.test && !args.quiet {
        report.testing(options.conf.display().to_string());
    }
    let mut instance = Instance::default();
    let (checked, sources) = instance.check(&options, &report, &machine::Machine);
    let conf = options.conf.display();
    if let Some(signal) = args.signal.filter(|_| !args.test) {
        return match checked {
            Ok(checked) => signal::send(signal, &checked, &report),
            Err(_) => ExitCode::FAILURE,
        };
    }
    if !args.test {
        return match checked {
            Ok(checked) => serve::run(instance, checked, &options, &report, words),
            Err(_) => ExitCode::FAILURE,
        };
    }
    let tested = checked.and_then(|checked| {
        if args.signal.is_some() {
            // Who signals opens nothing, tests or not.
            return Ok(None);
        }
        touch(&checked.main().pid, &report)?;
        let opened = instance.open(checked, &report, true);
        instance.close(true, None);
        opened.map(Some)
    });
    if tested.is_err() {
        say(&format!("nginx: configuration file {conf} test failed\n"));
        return ExitCode::FAILURE;
    }
    if !args.quiet {
        say(&format!("nginx: configuration file {conf} test is successful\n"));
    }
    if args.dump {
        let mut stdout = std::io::stdout().lock();
        if sources.dump(&mut stdout).and_then(|()| stdout.flush()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// `lockgate demo [--once]`.
fn demo(words: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let words: Vec<_> = words.collect();
    match words.as_slice() {
        [] => demo::run(false),
        [once] if once == "--once" => demo::run(true),
        _ => {
            say("usage: lockgate demo [--once]\n");
            ExitCode::FAILURE
        }
    }
}

/// The error log of the command line, in use until the configuration's own is open.
fn startup_log(path: &[u8]) -> ErrorLogs {
    use std::os::unix::ffi::OsStrExt;
    let stderr = || ErrorLogs::new(vec![(Level::Notice, Target::Stderr)]);
    if path == b"stderr" {
        return stderr();
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    match LogFile::open(path) {
        Ok(file) => ErrorLogs::new(vec![(Level::Notice, Target::File(file.into()))]),
        Err(error) => {
            let reason = engine::log::errno(&error);
            say(&format!(
                "nginx: [alert] could not open error log file: open() \"{}\" failed{reason}\n",
                path.display()
            ));
            stderr()
        }
    }
}

/// Makes sure that the pid file can be written, without touching what is in it.
fn touch(path: &Path, report: &Report) -> Result<(), instance::Refused> {
    std::fs::OpenOptions::new().create(true).append(true).open(path).map(|_| ()).map_err(|error| {
        let reason = engine::log::errno(&error);
        report.line(Level::Emerg, &format!("open() \"{}\" failed{reason}", path.display()));
        instance::Refused
    })
}

//! How this process looks from outside: its title, its environment, where its standard error leads, what it says
//! at its start.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use config::family::main_context::EnvVariable;
use engine::plan::Plan;
use os::title::Title;
use syntax::Level;

use super::crew::Process;

/// Variables of the service manager, which a new binary needs as much as this one.
const OF_THE_MANAGER: [&str; 2] = ["NOTIFY_SOCKET", "WATCHDOG_USEC"];

/// What this process was started with, and its title.
#[derive(Debug)]
pub(super) struct Appearance {
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    title: Option<Title>,
}

impl Appearance {
    /// `words` are those of the command line. To be called while there is one thread only.
    pub(super) fn new(words: Vec<OsString>) -> Self {
        Self { words, environment: std::env::vars_os().collect(), title: Title::take() }
    }

    /// The looks of the process that reads the configuration.
    pub(super) fn of_master(&self, plan: &Plan) {
        if plan.main.master_process {
            let words = self.words.iter().flat_map(|word| [b" ", word.as_bytes()]);
            self.call_it(&[b"nginx: master process".as_slice()].into_iter().chain(words).collect::<Vec<_>>().concat());
        }
        if Process::user_of(plan).is_none() {
            self.cut_environment(plan);
        }
    }

    /// The looks of the worker process. To be called before it has threads.
    pub(super) fn of_worker(&self, plan: &Plan) {
        self.call_it(b"nginx: worker process");
        self.cut_environment(plan);
    }

    /// The looks of a worker process that serves those who are left.
    pub(super) fn of_draining_worker(&self) {
        self.call_it(b"nginx: worker process is shutting down");
    }

    /// The words of the command line for a new binary, the first with its directory, and its environment.
    pub(super) fn for_successor(&self, plan: &Plan) -> (Vec<OsString>, Vec<(OsString, OsString)>) {
        let mut words = self.words.clone();
        if let Some(program) = words.first_mut() {
            *program = self.locate(program);
        }
        let managers = OF_THE_MANAGER.map(|name| (name.into(), None));
        (words, kept(&self.environment, plan.main.env.iter().chain(&managers)))
    }

    fn call_it(&self, title: &[u8]) {
        if let Some(room) = &self.title {
            room.set(title);
        }
    }

    fn cut_environment(&self, plan: &Plan) {
        os::environment::replace(kept(&self.environment, &plan.main.env));
    }

    /// Where a program without a directory was found when this one was started.
    fn locate(&self, program: &OsString) -> OsString {
        let path = self.environment.iter().find(|(name, _)| name == "PATH");
        let (Some((_, path)), false) = (path, program.as_bytes().contains(&b'/')) else { return program.clone() };
        let found = std::env::split_paths(path).map(|directory| directory.join(program)).find(|file| file.is_file());
        found.map_or_else(|| program.clone(), OsString::from)
    }
}

/// The environment that `asked` leaves of `original`: what it names or sets, and the time zone.
fn kept<'a>(
    original: &[(OsString, OsString)],
    asked: impl IntoIterator<Item = &'a EnvVariable>,
) -> Vec<(OsString, OsString)> {
    let found = |name: &OsString| original.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let of = |(name, value): &EnvVariable| Some((name.clone(), value.clone().or_else(|| found(name))?));
    asked.into_iter().filter_map(of).chain(of(&("TZ".into(), None))).collect()
}

/// Has standard error lead to the error log, unless it is one itself.
pub(super) fn redirect_stderr(plan: &Plan) {
    if let (Some(file), false) = (plan.error_log.fullest_file(), plan.main.tells_stderr) {
        // What is written there is in nobody's log then, as before.
        let _ = os::process::redirect_stderr(&**file);
    }
}

/// What a start tells.
pub(super) fn announce(plan: &Plan) {
    let log = |text: String| plan.error_log.write(Level::Notice, None, text.as_bytes());
    log(format!("nginx/{}", crate::version::NGINX));
    log(format!("{} with {}", crate::version::BUILT_BY, engine::library_version()));
    log(format!("OS: Linux {}", os::process::release()));
    if let Some((soft, hard)) = os::process::nofile() {
        log(format!("getrlimit(RLIMIT_NOFILE): {soft}:{hard}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_environment() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let original = [pair("PATH", "/bin"), pair("TZ", "UTC"), pair("A", "1")];
        let env = |name: &str, value: Option<&str>| (OsString::from(name), value.map(OsString::from));
        assert_eq!(kept(&original, &[]), [pair("TZ", "UTC")]);
        let asked = [env("A", None), env("B", Some("2")), env("C", None), env("TZ", Some("UTC-1"))];
        assert_eq!(kept(&original, &asked), [pair("A", "1"), pair("B", "2"), pair("TZ", "UTC-1"), pair("TZ", "UTC")]);
    }

    #[test]
    fn a_program_without_a_directory_is_where_it_was_found() {
        let found = |program: &str| {
            let environment = vec![("PATH".into(), "/nonexistent:/bin".into())];
            Appearance { words: Vec::new(), environment, title: None }.locate(&program.into())
        };
        assert_eq!((found("sh"), found("./sh")), ("/bin/sh".into(), "./sh".into()));
        assert_eq!(found("no-such-program"), "no-such-program");
    }
}

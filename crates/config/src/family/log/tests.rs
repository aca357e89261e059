use policy::address::Address;
use policy::template::Escape;
use syntax::Level;

use super::{AccessTarget, Buffer, FileCache};
use crate::family::main_context::LogTarget;
use crate::family::proxy::sample::{refused, refused_in_server, said, stream};

/// The paths of each server's access logs.
fn logs(text: &str) -> Vec<Vec<String>> {
    let stream = stream(&format!("log_format f $status; {text}"));
    let path = |target: &AccessTarget| match target {
        AccessTarget::Fixed(LogTarget::File(path)) => path.display().to_string(),
        AccessTarget::Fixed(LogTarget::Syslog(syslog)) => syslog.server.to_string(),
        other => format!("{other:?}"),
    };
    let paths = |server: &crate::Server| server.access_log.logs.iter().map(|log| path(&log.target)).collect();
    stream.servers.iter().map(paths).collect()
}

#[test]
fn logs_of_a_server_replace_those_outside_and_off_cancels_all() {
    assert_eq!(
        logs(
            "access_log a f; access_log /b F; access_log syslog:server=192.0.2.1 f;
             server { listen 1; }
             server { listen 2; access_log c f; }
             server { listen 3; access_log d f; access_log off; }
             server { listen 4; access_log off; access_log e f; }"
        ),
        [vec!["/var/gate/a", "/b", "192.0.2.1:514"], vec!["/var/gate/c"], vec![], vec![]]
    );
}

#[test]
fn formats_join_their_words_each_by_itself() {
    let stream = stream(
        "log_format one escape=json a$protocol bytes '${pid}y'; server { listen 1; access_log l one if=$status; }",
    );
    let log = &stream.servers[0].access_log.logs[0];
    assert_eq!((log.format.name.as_str(), log.format.escape), ("one", Escape::Json));
    assert!(log.condition.is_some() && log.buffer.is_none());
    assert!(stream.variables.check().is_ok(), "\"protocolbytes\" is no variable");
}

#[test]
fn buffers() {
    let buffer = |words: &str| {
        let stream = stream(&format!("log_format f $status; server {{ listen 1; access_log l f {words}; }}"));
        stream.servers[0].access_log.logs[0].buffer
    };
    assert_eq!(buffer(""), None);
    assert_eq!(buffer("buffer=4k flush=1m"), Some(Buffer { size: 4096, gzip: None, flush: Some(60_000) }));
    assert_eq!(buffer("gzip"), Some(Buffer { size: 65536, gzip: Some(1), flush: None }));
    assert_eq!(buffer("gzip=9 buffer=1k"), Some(Buffer { size: 1024, gzip: Some(9), flush: None }));
}

#[test]
fn a_file_is_buffered_in_one_way() {
    let said = |words: &str| said(&format!("log_format f $status;\naccess_log l f buffer=1k; access_log {words};"));
    assert!(said("l f buffer=1k").is_empty());
    assert!(said("/var/gate/m f buffer=2k").is_empty());
    assert!(said("l f").is_empty(), "without a buffer there is nothing to agree on");
    for words in ["buffer=2k", "buffer=1k flush=1s", "buffer=1k gzip"] {
        assert_eq!(
            said(&format!("/var/gate/l f {words}")),
            ["emerg: access_log \"/var/gate/l\" already defined with conflicting parameters in FILE:2"],
            "{words}"
        );
    }
}

#[test]
fn paths_with_variables_are_absolute_and_opened_later() {
    let stream = stream(
        "log_format f $status; open_log_file_cache max=7 inactive=1m;
         server { listen 1; access_log logs/$pid f; }
         server { listen 2; open_log_file_cache off; }",
    );
    let log = &stream.servers[0].access_log;
    assert!(matches!(&log.logs[0].target, AccessTarget::Evaluated(path) if path.literal().is_none()));
    assert_eq!(log.file_cache, Some(FileCache { max: 7, inactive: 60, min_uses: 1, valid: 60 }));
    assert_eq!(stream.servers[1].access_log.file_cache, None);
}

#[test]
fn error_logs_replace_those_outside() {
    let stream = stream(
        "error_log a info; error_log stderr;
         server { listen 1; }
         server { listen 2; error_log b debug_core debug_stream; error_log memory:1m alert; }
         server { listen 3; error_log syslog:server=one.test:1,facility=user,severity=debug,tag=t_1,nohostname; }",
    );
    let logs = |server: usize| {
        let logs = stream.servers[server].error_log.iter();
        logs.map(|log| (log.target.clone(), log.level)).collect::<Vec<_>>()
    };
    assert_eq!(logs(0), [(LogTarget::File("/var/gate/a".into()), Level::Info), (LogTarget::Stderr, Level::Error)]);
    assert_eq!(
        logs(1),
        [(LogTarget::File("/var/gate/b".into()), Level::Debug), (LogTarget::Memory(1 << 20), Level::Alert)]
    );
    let [(LogTarget::Syslog(syslog), Level::Error)] = &logs(2)[..] else { panic!("one syslog") };
    assert_eq!(syslog.server, Address::Inet("192.0.2.1:1".parse().unwrap()));
    assert_eq!((syslog.facility, syslog.severity, syslog.tag.as_str(), syslog.nohostname), (1, 7, "t_1", true));
}

#[test]
fn without_an_error_log_the_default_one_holds() {
    let stream = stream("server { listen 1; }");
    let [log] = &stream.servers[0].error_log[..] else { panic!("one log") };
    assert_eq!((&log.target, log.level), (&LogTarget::Stderr, Level::Error));
}

#[test]
fn wrong_error_logs() {
    let cases = [
        ("l bogus", "invalid log level \"bogus\""),
        ("l info warn", "duplicate log level \"warn\""),
        ("l debug_core info", "duplicate log level \"info\""),
        ("l info debug_core", "invalid log level \"debug_core\""),
        ("l Info", "invalid log level \"Info\""),
        ("memory:1k", "invalid buffer size \"1k\""),
        ("memory:", "invalid buffer size \"\""),
        ("syslog:", "unknown syslog parameter \"\""),
        ("syslog:tag=a", "no syslog server specified"),
        ("syslog:server=192.0.2.1,server=x", "duplicate syslog \"server\""),
        ("syslog:server=none.test", "host not found in syslog server \"none.test\""),
        ("syslog:server=", "no host in syslog server \"\""),
        ("syslog:facility=local8", "unknown syslog facility \"local8\""),
        ("syslog:facility=user,facility=user", "duplicate syslog \"facility\""),
        ("syslog:severity=Info", "unknown syslog severity \"Info\""),
        ("syslog:tag=a-b", "syslog \"tag\" only allows alphanumeric characters and underscore"),
        ("syslog:tag=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "syslog tag length exceeds 32"),
        ("syslog:server=192.0.2.1,bogus=1", "unknown syslog parameter \"bogus=1\""),
    ];
    for (words, error) in cases {
        refused(&[(&format!("error_log {words};"), &format!("{error} in FILE:1"))]);
    }
}

#[test]
fn wrong_formats() {
    refused(&[
        ("log_format f a; log_format f b;", "duplicate \"log_format\" name \"f\" in FILE:1"),
        ("log_format f escape=x a;", "unknown log format escaping \"x\" in FILE:1"),
        ("log_format f $;", "invalid parameter \"$\" in FILE:1"),
        ("log_format f 'a$ b';", "invalid parameter \"$ b\" in FILE:1"),
        ("log_format f '${}x';", "invalid parameter \"${}x\" in FILE:1"),
        ("log_format f '${x';", "the closing bracket in \"x\" variable is missing in FILE:1"),
        ("log_format f '${x y}';", "the closing bracket in \"x\" variable is missing in FILE:1"),
        ("log_format f $none;", "unknown \"none\" variable"),
        ("log_format f $1;", "unknown \"1\" variable"),
    ]);
}

#[test]
fn wrong_access_logs() {
    for (words, error) in [
        ("l", "log format is not specified"),
        ("l g", "unknown log format \"g\""),
        ("off x", "invalid parameter \"x\""),
        ("l f bogus", "invalid parameter \"bogus\""),
        ("l f gzipx", "invalid parameter \"gzipx\""),
        ("l f buffer=0", "invalid buffer size \"0\""),
        ("l f buffer=1k flush=0", "invalid flush time \"0\""),
        ("l f flush=1s", "no buffer is defined for access_log \"l\""),
        ("$pid f flush=1s", "no buffer is defined for access_log \"/var/gate/$pid\""),
        ("l f gzip=10", "invalid compression level \"10\""),
        ("l f gzip=0", "invalid compression level \"0\""),
        ("$pid f buffer=1k", "buffered logs cannot have variables in name"),
        ("syslog:server=192.0.2.1 f gzip", "logs to syslog cannot be buffered"),
        ("syslog:bogus f", "unknown syslog parameter \"bogus\""),
    ] {
        refused(&[(&format!("log_format f a; access_log {words};"), &format!("{error} in FILE:1"))]);
    }
    refused_in_server(&[
        ("open_log_file_cache valid=1s;", "\"open_log_file_cache\" must have \"max\" parameter in FILE:1"),
        ("open_log_file_cache max=x;", "invalid \"open_log_file_cache\" parameter \"max=x\" in FILE:1"),
        (
            "open_log_file_cache off; open_log_file_cache off;",
            "\"open_log_file_cache\" directive is duplicate in FILE:1",
        ),
    ]);
}
